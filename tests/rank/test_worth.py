"""What a memory's own signals leave of its score."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pi_rag.memory_types import TRUSTS, Memory
from pi_rag.rank import worth
from pi_rag.rank.recency import DAY_S
from tests.store.memory.keeping import fact

NOW = 1000.0 + 365 * DAY_S


def of(**more: Any) -> Memory:
    return replace(fact("It is so."), **more)


def factor(name: str, memory: Memory, half_life_days: float = 30.0, link: float = 1.0) -> float:
    return worth.signals(memory, NOW, half_life_days, link)[name]


def test_nothing_is_taken_from_a_fresh_pinned_trusted_fact_that_is_used() -> None:
    """All its factors are 1."""
    best = of(pinned=True, importance=1.0, uses=10_000)
    assert worth.product(worth.signals(best, NOW, 30.0, 1.0)) == 1.0


def test_each_signal_takes_its_part() -> None:
    """Less important, doubted, never recalled, unlinked, less trusted: each is below its counterpart."""
    assert factor("importance", of(importance=0.1)) < factor("importance", of(importance=0.9))
    assert factor("confidence", of(confidence=0.1)) < factor("confidence", of(confidence=0.9))
    assert factor("uses", of(uses=0)) < factor("uses", of(uses=4)) < factor("uses", of(uses=9)) < 1
    assert factor("links", of(), link=0.0) < factor("links", of(), link=1.0)
    trusted = [factor("trust", of(trust=trust)) for trust in TRUSTS]
    assert trusted == sorted(trusted)
    assert len(set(trusted)) == len(trusted)


def test_a_state_fades_and_an_event_hardly() -> None:
    """After many half-lives what its kind allows is gone; what is pinned or has no half-life stays."""
    assert factor("recency", of(kind="state")) == pytest.approx(0.5, abs=0.01)
    assert factor("recency", of(type="event", kind="state")) == pytest.approx(0.95, abs=0.01)
    assert factor("recency", of(pinned=True)) == factor("recency", of(), half_life_days=0.0) == 1.0


def test_what_was_said_again_is_as_new() -> None:
    """A fact, that is; an event happened when it happened."""
    assert factor("recency", of(last_said_at=NOW)) == 1.0
    assert factor("recency", of(type="event", last_said_at=NOW)) < 1.0


def test_facts_on_one_topic_stand_by_trust() -> None:
    """In the places that they have among the others; a pinned one before its equals."""
    order = [
        of(id=1, topic="a", trust="web"),
        None,
        of(id=2, topic="a", trust="person"),
        of(id=3, topic="b", trust="web"),
        of(id=4, topic="a", trust="person", pinned=True),
        of(id=5, topic="a", trust="person", scope="project:x"),
        of(id=6, topic=None, trust="person"),
    ]
    assert worth.by_trust(order) == [4, 1, 2, 3, 0, 5, 6]


@given(st.lists(st.tuples(st.sampled_from(TRUSTS), st.sampled_from(["a", "b", None]))))
def test_nobody_is_lost_by_that(rows: list[tuple[Any, str | None]]) -> None:
    """And on each topic trust only falls."""
    order = [of(id=number, trust=trust, topic=topic) for number, (trust, topic) in enumerate(rows)]
    places = worth.by_trust(order)
    assert sorted(places) == list(range(len(order)))
    for topic in ("a", "b"):
        ranks = [TRUSTS.index(order[place].trust) for place in places if order[place].topic == topic]
        assert ranks == sorted(ranks, reverse=True)
