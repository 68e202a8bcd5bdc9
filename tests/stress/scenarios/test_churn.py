"""A watched folder in which much happens, and what the index has of it in the end."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from pi_rag.client import Client
from pi_rag.errors import Busy, PiRagError
from pi_rag.stress.scenarios import churn
from pi_rag.stress.types import Stage
from pi_rag.stress.yard import Yard, word_of
from pi_rag.types import ModelCard

from .staging import Noted, broken, ran


@pytest.mark.model
@pytest.mark.slow
def test_the_index_has_what_is_on_the_disk(tmp_path: Path, minilm: ModelCard, long_form: bool) -> None:
    """And nothing else, each file found by its own word; searches are answered all the while."""
    record = ran(churn.SCENARIO, tmp_path, minilm, long_form=long_form)

    assert [check for check in broken(record) if check.name != "right again soon"] == []
    named = {check.name: check.is_kept for check in record.checks}
    assert named["enough happened to tell"] is named["searches are answered meanwhile"] is True
    assert record.figures["changes"] == (churn.CHANGES if long_form else churn.CHANGES_QUICK)


FOUND, GONE = "files are found by their own word", "what is gone is found no more"


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
