"""What must be there, from what was acknowledged."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pi_rag.stress.ledger import GONE_MAX, Entry, Ledger

entries = st.lists(
    st.tuples(
        st.sampled_from(["added", "unsure", "removed", "dropped"]),
        st.sampled_from("abcd"),
        st.sampled_from("12"),
    ),
    max_size=30,
)


@given(entries)
def test_the_last_word_on_each_source_holds(told: list[Entry]) -> None:
    """Whatever came before: acknowledged it must be there with that text, removed it must not."""
    ledger = Ledger()
    ledger.take(told)
    last = {source: (what, digest) for what, source, digest in told}

    added = {source for source, (what, _) in last.items() if what == "added"}
    assert set(ledger.lost([])) == added
    assert ledger.lost(added) == []
    assert set(ledger.risen("abcd")) == {source for source, (what, _) in last.items() if what == "removed"}
    assert ledger.changed(dict.fromkeys("abcd", "other")) == sorted(added)
    assert ledger.changed({source: last[source][1] for source in added}) == []


def test_what_was_removed_long_ago_is_forgotten() -> None:
    """Hours of adding and removing take no more room than the bound."""
    ledger = Ledger()
    ledger.take(("removed", str(number), "") for number in range(GONE_MAX + 10))

    assert len(ledger.gone) == GONE_MAX
    assert ledger.risen(["3", str(GONE_MAX + 9)]) == [str(GONE_MAX + 9)]
