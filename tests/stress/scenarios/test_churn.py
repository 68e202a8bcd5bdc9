"""A watched folder in which much happens, and what the index has of it in the end."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from pi_rag.client import Client
from pi_rag.errors import Busy, PiRagError
from pi_rag.stress import ending
from pi_rag.stress.scenarios import churn
from pi_rag.stress.scenarios.churn import FOUND, GONE
from pi_rag.stress.types import Stage
from pi_rag.stress.yard import Yard, word_of
from pi_rag.types import ModelCard

from .staging import Noted, Timed, broken, ran


@pytest.mark.model
@pytest.mark.slow
def test_the_index_has_what_is_on_the_disk(tmp_path: Path, minilm: ModelCard, long_form: bool) -> None:
    """And nothing else, each file found by its own word; searches are answered all the while."""
    record = ran(churn.SCENARIO, tmp_path, minilm, long_form=long_form)

    assert [check for check in broken(record) if check.name != "right again soon"] == []
    named = {check.name: check.is_kept for check in record.checks}
    assert named["enough happened to tell"] is named["searches are answered meanwhile"] is True
    assert record.figures["changes"] == (churn.CHANGES if long_form else churn.CHANGES_QUICK)


class Index(Client):
    """Finds what it is told to, or says no; at first it is busy for a moment."""

    def __init__(self, find: Callable[[str], set[str]]) -> None:
        self._find, self._is_busy = find, True

    def search(self, query: str, **_: object) -> dict[str, Any]:
        if self._is_busy:
            self._is_busy = False
            raise Busy("One moment.")
        return {"hits": [{"source": each} for each in self._find(query)]}


def looked(
    find: Callable[[str], set[str]], there: dict[Path, str], gone: list[str]
) -> dict[str, bool | None]:
    """What is said of words of which some are there and some are gone."""
    stage = Noted()
    stage.dice = random.Random(1)  # type: ignore[attr-defined]
    yard = cast("Yard", SimpleNamespace(files=there, gone=gone))
    churn._look_for_words(cast("Stage", stage), Index(find), yard)
    return stage.kept


def failing(_: str) -> set[str]:
    raise PiRagError("It is broken.")


THERE = {Path("one"): "A lamp of zone.", Path("two"): "A lamp of ztwo."}


def right(word: str) -> set[str]:
    """The file with this word, as a sound index has it."""
    return {str(path) for path, text in THERE.items() if word_of(text) == word}


def test_files_are_found_and_what_is_gone_is_not() -> None:
    """That a search was refused once is neither a file that is lost nor one that is gone."""
    assert looked(right, THERE, ["zgone"]) == {FOUND: True, GONE: True}
    assert looked(lambda _: set(), THERE, ["zgone"]) == {FOUND: False, GONE: True}
    assert looked(lambda _: {"one", "two"}, THERE, ["zgone"]) == {FOUND: True, GONE: False}


def test_a_search_that_fails_shows_nothing() -> None:
    """Nor does one that was never made."""
    assert looked(failing, THERE, ["zgone"]) == {FOUND: None, GONE: None}
    assert looked(right, {}, []) == {FOUND: None, GONE: None}


class Late(Client):
    """An index that follows the disk when it has been looked at so often."""

    def __init__(self, files: dict[Path, str], looks: int) -> None:
        self._files, self._looks = files, looks
        self.done: list[str] = []

    def export(self, *, vectors: bool = False, **_: object) -> Iterator[bytes]:
        self._looks -= 1
        found = self._files if self._looks < 0 else {}
        yield b'{"format": "an export"}'
        for path, text in found.items():
            yield json.dumps({"source": str(path), "text": text}).encode()

    def unwatch(self, watch_id: int) -> dict[str, Any]:
        self.done.append(f"unwatch {watch_id}")
        return {}

    def jobs(self, **_: object) -> dict[str, Any]:
        return {"jobs": [{"id": 3, "state": "queued"}]}

    def steer_jobs(self, what: str, job_id: int | None = None) -> dict[str, Any]:
        self.done.append(f"{what} {job_id}")
        return {}


FOLLOWS, SOON = "the index has what is on the disk, and nothing else", "right again soon"


@pytest.mark.parametrize(
    ("seconds", "looks", "follows", "soon"),
    [
        (400.0, 3, True, True),
        (20.0, 9999, None, None),
        (100.0, 9999, None, False),
        (400.0, 9999, False, False),
    ],
)
def test_an_index_is_waited_for_as_long_as_the_run_lasts(
    seconds: float, looks: int, follows: bool | None, soon: bool | None
) -> None:
    """What it had no time for is not seen; what it has not done in all the time it may take is broken."""
    stage = Timed(seconds)
    yard = cast("Yard", SimpleNamespace(files=THERE))
    right = churn._right_again(cast("Stage", stage), Late(THERE, looks), yard, 0.0)

    assert right is follows
    assert stage.kept == {FOLLOWS: follows, SOON: soon}
    assert (ending.OVER in stage.seen[FOLLOWS]) is (follows is None)


def test_what_there_was_no_time_for_is_given_up() -> None:
    """Afterwards nothing of it waits, and no word of it is looked for."""
    stage, index = Timed(0.0), Late(THERE, 999)
    churn._leave_out(cast("Stage", stage), index, 5)

    assert index.done == ["unwatch 5", "cancel 3"]
    assert stage.kept == {FOUND: None, GONE: None}


class Still(Yard):
    """One in which nothing really happens."""

    def __init__(self) -> None:
        self.count = 0

    def change(self) -> None:
        self.count += 1


def test_changes_end_while_there_is_time_to_see_what_came_of_them() -> None:
    """In a run that is too short for all of them; without time nothing happens at all."""
    stage, yard = Timed(10.0), Still()
    count = churn._churn(cast("Stage", stage), yard, 100_000)

    assert 0 < count == yard.count < 100_000
    assert 0 < stage.left_s() <= ending.last_s(cast("Stage", stage), churn.HOPELESS_S_MAX)
    assert churn._churn(cast("Stage", Timed(0.0)), yard, 10) == 0
