"""What a run has to show to be called well."""

from __future__ import annotations

from pi_rag.stress.types import LOST, Check, Ending, Record


def canary(*broken: str) -> Record:
    made = Record("canary", 1, 1.0, ending="whole", must_fail=True)
    made.checks = [Check(name, "that", "this", name not in broken) for name in (LOST, "another")]
    return made


def test_the_canary_is_well_by_the_loss_alone() -> None:
    """What it breaks besides was not meant, and what it breaks instead shows nothing."""
    assert canary(LOST).is_well
    assert not canary(LOST, "another").is_well
    assert not canary("another").is_well
    assert not canary().is_well


def record(ending: Ending, *kept: bool | None) -> Record:
    checks = [Check(f"promise {number}", "that", "this", each) for number, each in enumerate(kept)]
    return Record("load", 1, 2.0, ending=ending, checks=checks)


def test_a_run_is_well_when_every_promise_was_kept() -> None:
    """One that could not be looked at does not make it bad; one that was broken does."""
    assert record("whole", True, None, True).is_kept
    assert not record("whole", True, False).is_kept


def test_a_run_without_an_end_or_without_a_promise_shows_nothing() -> None:
    """What was interrupted, what failed and what looked at nothing is never called well."""
    assert not record("interrupted", True).is_kept
    assert not record("failed", True).is_kept
    assert not record("whole").is_kept
    assert not record("whole", None, None).is_kept
