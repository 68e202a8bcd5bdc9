"""Promises of pi_rag/embedder/tuner.py: whatever the measuring process does, it is an answer or an error."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from pathlib import Path

import pytest

from pi_rag.config import EmbedderSettings
from pi_rag.embedder.tuner import Assignment, measure
from pi_rag.errors import EmbedderUnavailable, ModelCorrupt, ModelMissing
from pi_rag.processes.child import Child
from pi_rag.types import ModelCard

from .waiting import gone, until

ODD = "tests.embedder.odd_tuning"
CARD = ModelCard("m", "/nowhere/m.gguf", "0" * 64, 384, "mean", 512, "", "Q8_0", "here", "MIT")


@pytest.fixture(autouse=True)
def finds_the_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    """The odd one is among the tests, which an installed package would not find."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))


def assignment(what: str, settings: EmbedderSettings | None = None) -> Assignment:
    return Assignment(replace(CARD, name=what), settings or EmbedderSettings())


def test_an_assignment_comes_through_a_command_line() -> None:
    """Unchanged."""
    given = Assignment(CARD, EmbedderSettings(workers=3, tune_s_max=4.0), nice=19)
    assert Assignment.from_argument(given.to_argument()) == given


@pytest.mark.parametrize("what", ["{}", "[]", "no json", '{"measured": {}}', '{"measured": 1}'])
async def test_one_that_makes_no_sense_is_an_error(what: str) -> None:
    """And none of its figures is used."""
    with pytest.raises(EmbedderUnavailable, match=r"made no sense \(code 0\)"):
        await measure(assignment(what), module=ODD)


async def test_one_that_is_killed_is_an_error() -> None:
    """It says by what."""
    with pytest.raises(EmbedderUnavailable, match=r"died .*\(code -9\)"):
        await measure(assignment("die"), module=ODD)


async def test_one_that_hangs_is_killed() -> None:
    """After the longest time that it may take."""
    pids: list[str] = []
    with pytest.raises(EmbedderUnavailable, match=re.escape("within 1.2 s")):
        short = EmbedderSettings(boot_s_max=1.0, tune_s_max=0.2)
        await measure(assignment("hang", short), pids.append, module=ODD)
    assert gone([int(pid) for pid in pids])


async def test_one_that_is_given_up_leaves_nothing_behind() -> None:
    """A service that stops in the middle of it, or a Ctrl-C."""
    pids: list[str] = []
    measuring = asyncio.create_task(measure(assignment("hang"), pids.append, module=ODD))
    await until(lambda: bool(pids))
    measuring.cancel()
    await asyncio.wait({measuring})
    assert measuring.cancelled()
    assert gone([int(pid) for pid in pids])


async def test_its_own_errors_arrive_as_they_are() -> None:
    """By their kind and message."""
    with pytest.raises(ModelCorrupt, match=r"It is no model\."):
        await measure(assignment("fail"), module=ODD)


async def test_a_model_that_is_gone_is_told_by_the_real_one() -> None:
    """Before anything is measured."""
    parts: list[str] = []
    with pytest.raises(ModelMissing):
        await measure(assignment("m"), parts.append)
    assert parts == ["loading the model"]


async def test_a_machine_without_room_for_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """No process left to give is an error with a name."""

    def refuse(*_: object, **__: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(Child, "spawn", refuse)
    with pytest.raises(EmbedderUnavailable, match="temporarily unavailable"):
        await measure(assignment("m"))
