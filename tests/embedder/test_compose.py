"""Promises of pi_rag/embedder/compose.py."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from pi_rag.embedder.compose import Rules, batch, lane_of_next
from pi_rag.embedder.curve import Curve

RULES = Rules(texts_max=16, bytes_max=1000, ingest_wait_s_max=5.0)
CURVE = Curve(plain=((10, 10.0), (100, 100.0)), flash=((10, 20.0), (100, 90.0)), frame_ms=1.0)
"""One millisecond a token; a batch should take fifty."""


@dataclass(frozen=True)
class Text:
    """What waits."""

    tokens: int
    deadline_s: float = 60.0
    since_s: float = 0.0
    encoded: bytes = b"text"
    alone: bool = False


def composed(waiting: list[Text], *, idle_workers: int = 1) -> list[Text]:
    """The batch itself."""
    return [waiting[index] for index in batch(waiting, CURVE, RULES, idle_workers=idle_workers)]


def test_a_long_text_goes_alone() -> None:
    """Another would make the batch take longer than it is worth."""
    assert composed([Text(200), Text(200)]) == [Text(200)]


def test_short_texts_share_up_to_the_machines_budget() -> None:
    """Ten tokens each and fifty milliseconds: five of them."""
    assert len(composed([Text(10)] * 30)) == 5


def test_a_faster_machine_makes_larger_batches() -> None:
    """The size comes from the curve and not from a constant."""
    fast = Curve(plain=((10, 2.0), (100, 20.0)), flash=((10, 2.0), (100, 20.0)), frame_ms=1.0)
    assert len(batch([Text(10)] * 30, fast, RULES, idle_workers=1)) == RULES.texts_max
    slower_way = Curve(CURVE.plain, CURVE.flash, frame_ms=0.4)
    assert len(batch([Text(10)] * 30, slower_way, RULES, idle_workers=1)) == 2


def test_the_most_urgent_leads_and_its_like_go_with_it() -> None:
    """Nearest in length, longest first."""
    waiting = [Text(90), Text(20, deadline_s=1.0), Text(12), Text(21), Text(60)]
    assert [text.tokens for text in composed(waiting)] == [21, 20]


def test_who_has_waited_long_is_not_passed_over_by_who_is_in_a_hurry() -> None:
    """A passage with ten minutes to go leads after five seconds of texts with one minute."""
    patient = Text(90, deadline_s=600.0, since_s=0.0)
    assert composed([Text(10, deadline_s=60.0, since_s=1.0), patient]) == [patient]


def test_idle_workers_share_what_waits() -> None:
    """Two texts and two free workers are two batches, three are two and one."""
    assert len(composed([Text(10)] * 2, idle_workers=2)) == 1
    assert len(composed([Text(10)] * 3, idle_workers=2)) == 2


def test_a_suspect_goes_alone_and_joins_nobody() -> None:
    """So that what it does to a worker is its own doing."""
    suspect = Text(10, deadline_s=1.0, alone=True)
    assert composed([suspect, Text(10)]) == [suspect]
    assert composed([Text(10), Text(10, alone=True)]) == [Text(10)]


def test_queries_go_first_until_ingest_has_starved() -> None:
    """Then one worker does a batch of it, and not a second one at the same time."""
    old, new, query = [Text(10, since_s=0.0)], [Text(10, since_s=9.0)], [Text(10)]
    assert lane_of_next(query, new, RULES, now_s=10.0, ingest_workers=0) == "query"
    assert lane_of_next(query, old, RULES, now_s=10.0, ingest_workers=0) == "ingest"
    assert lane_of_next(query, old, RULES, now_s=10.0, ingest_workers=1) == "query"
    assert lane_of_next([], new, RULES, now_s=10.0, ingest_workers=3) == "ingest"
    assert lane_of_next(query, [], RULES, now_s=10.0, ingest_workers=0) == "query"
    assert lane_of_next([], [], RULES, now_s=10.0, ingest_workers=0) is None


texts = st.builds(
    Text,
    tokens=st.integers(2, 512),
    deadline_s=st.floats(0, 100),
    encoded=st.binary(max_size=600),
    alone=st.booleans(),
)


@given(st.lists(texts, max_size=60), st.integers(0, 5))
def test_every_batch_is_within_its_bounds(waiting: list[Text], idle_workers: int) -> None:
    """The most urgent is in it, longest first; more than one are never over time, bytes or number."""
    chosen = composed(waiting, idle_workers=idle_workers)
    assert bool(chosen) == bool(waiting)
    if not chosen:
        return
    due_s = [min(text.deadline_s, text.since_s + RULES.ingest_wait_s_max) for text in waiting]
    assert min(due_s) == min(min(text.deadline_s, text.since_s + RULES.ingest_wait_s_max) for text in chosen)
    assert [text.tokens for text in chosen] == sorted((text.tokens for text in chosen), reverse=True)
    if len(chosen) > 1:
        assert len(chosen) <= RULES.texts_max
        assert sum(CURVE.text_ms(text.tokens) for text in chosen) <= CURVE.batch_ms
        assert sum(len(text.encoded) for text in chosen) <= RULES.bytes_max
        assert not any(text.alone for text in chosen)


@given(st.lists(texts, min_size=1, max_size=60), st.integers(1, 5))
def test_taking_batch_after_batch_ends_with_nothing_left(waiting: list[Text], idle_workers: int) -> None:
    """Each text is in exactly one of them."""
    left, taken = list(range(len(waiting))), 0
    while left:
        chosen = batch([waiting[index] for index in left], CURVE, RULES, idle_workers=idle_workers)
        assert len(set(chosen)) == len(chosen) > 0
        taken += len(chosen)
        left = [index for position, index in enumerate(left) if position not in chosen]
    assert taken == len(waiting)
