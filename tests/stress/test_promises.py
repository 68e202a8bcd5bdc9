"""What must be there, may be there, and must not, after requests of which some had no answer."""

from __future__ import annotations

import pytest

from pi_rag.stress.promises import GONE, Promises

OLD, NEW = ("note", 1), ("note", 2)


@pytest.fixture
def promises() -> Promises:
    """A note of which the first version is there for sure."""
    found = Promises()
    found.done("a", OLD)
    return found


def test_what_was_acknowledged_must_be_there_in_the_end(promises: Promises) -> None:
    """Until then, the version before may be there; afterwards it is a loss, and so is nothing at all."""
    promises.asked({"a": NEW})
    promises.acknowledged({"a": NEW}, job=7)

    assert promises.jobs == {7: 1}
    assert promises.strange({"a": OLD}) == promises.strange({"a": NEW}) == []
    assert promises.settled({"a": NEW}) == []
    assert len(promises.strange({"a": OLD})) == 1


@pytest.mark.parametrize("left", [{"a": OLD}, {}])
def test_an_acknowledged_version_that_is_not_there_is_a_loss(
    promises: Promises, left: dict[str, tuple[str, int]]
) -> None:
    """It is told which source, what is there and what should be."""
    promises.asked({"a": NEW})
    promises.acknowledged({"a": NEW}, job=7)
    [wrong] = promises.settled(left)

    assert wrong.startswith("a ends as")
    assert str(NEW) in wrong


def test_of_what_had_no_answer_either_end_is_right(promises: Promises) -> None:
    """But no third one, and after all was quiet it may not change any more."""
    promises.asked({"a": NEW})
    promises.unanswered({"a": NEW})

    assert promises.strange({"a": ("note", 3)}) != []
    assert promises.settled({"a": NEW}) == []
    assert promises.strange({"a": OLD}) != []


def test_what_was_removed_may_not_come_back(promises: Promises) -> None:
    """A removal holds at once."""
    promises.asked({"a": GONE})
    assert promises.strange({"a": OLD}) == promises.strange({}) == []
    promises.done("a", GONE)

    assert promises.strange({}) == []
    assert promises.strange({"a": OLD}) != []
    assert promises.settled({"a": OLD}) != []


def test_what_nobody_asked_for_is_strange(promises: Promises) -> None:
    """A source that was never named may not be there."""
    assert promises.strange({"a": OLD, "b": OLD}) == [f"b is {OLD}, and not one of {[GONE]}"]


def test_what_nobody_asked_for_is_told_when_all_is_quiet(promises: Promises) -> None:
    """Once: afterwards it is known. What was asked for and had no answer may be there."""
    promises.asked({"c": NEW})
    promises.unanswered({"c": NEW})
    found = {"a": OLD, "b": OLD, "c": NEW}

    assert promises.settled(found) == [f"b ends as {OLD}, and not as one of {[GONE]}"]
    assert promises.settled(found) == promises.strange(found) == []
