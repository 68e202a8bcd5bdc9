"""Which way a search takes follows from numbers alone."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pi_rag.config import IndexSettings
from pi_rag.store.plan import choose


def test_without_an_index_all_are_compared_and_the_reason_is_kept() -> None:
    """A person who asks why is told."""
    chosen = choose(None, "the index is being made", 1, 10, IndexSettings())
    assert (chosen.way, chosen.why) == ("all", "the index is being made")


def test_few_passages_are_all_compared() -> None:
    """An index would save nothing."""
    settings = IndexSettings(exact_passages_max=100)
    assert choose(100, "", 1, 10, settings).way == "all"
    assert choose(101, "", 1, 10, settings).way == "index"


@given(st.integers(0, 10**7), st.integers(1, 8), st.integers(1, 1000))
def test_there_are_always_enough_proposals(known: int, breadth: int, k: int) -> None:
    """More than are wanted, unless there are no more, and never more than there are."""
    settings = IndexSettings()
    chosen = choose(known, "", breadth, k, settings)
    if chosen.way == "index":
        assert chosen.proposals == known or chosen.proposals >= k + settings.proposals_extra
        assert chosen.proposals <= choose(known, "", breadth + 1, k, settings).proposals <= known


@given(st.integers(0, 10**7), st.integers(1, 8), st.integers(1, 1000), st.integers(1, 1000))
def test_what_need_not_be_sure_takes_no_extra(known: int, breadth: int, k: int, sure: int) -> None:
    """The extra is that of the sure ones, and there are at least as many proposals as are wanted."""
    settings, few = IndexSettings(), min(k, sure)
    chosen = choose(known, "", breadth, k, settings, few)
    if chosen.way == "index":
        assert chosen.proposals == max(min(known, k), choose(known, "", breadth, few, settings).proposals)


def test_of_fifty_the_first_ten_are_sure() -> None:
    """As a search asks that shows ten; with 2 bits they take a hundred more."""
    settings = IndexSettings(proposals_extra=50)
    assert choose(100_000, "", 1, 50, settings, 10).proposals == 60
    assert choose(100_000, "", 2, 50, settings, 10).proposals == 110
    assert choose(100_000, "", 1, 50, settings).proposals == 100
