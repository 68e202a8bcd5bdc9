"""Promises of pi_rag/embedder/backoff.py."""

from __future__ import annotations

from pi_rag.embedder.backoff import Backoff


def test_waits_double_up_to_the_bound() -> None:
    """A quarter of a second, twice as long each time, never over the bound."""
    backoff = Backoff(wait_s_max=3.0)
    assert [backoff.failed() for _ in range(6)] == [0.25, 0.5, 1.0, 2.0, 3.0, 3.0]


def test_a_success_starts_over() -> None:
    """After something worked the next failure waits as little as the first."""
    backoff = Backoff(wait_s_max=60.0)
    for _ in range(5):
        backoff.failed()
    backoff.worked()
    assert backoff.wait_s == 0.0
    assert backoff.failed() == 0.25


def test_months_of_failures_overflow_nothing() -> None:
    """The wait stays at its bound for ever."""
    backoff = Backoff(wait_s_max=600.0)
    backoff.failures = 10_000_000
    assert backoff.failed() == 600.0
