"""How much of a query a passage covers."""

from __future__ import annotations

import pytest

from pi_rag.store import Connection, by_words, citing, coverage
from pi_rag.types import Scope
from tests.store.making import put


def covered(db: Connection, query: str) -> dict[str, float]:
    found = by_words.worded(db, query, 10, Scope(), 1.5, 1.2)
    passages = citing.passages(db, list(found.covered))
    return {passage.source: found.covered[passage.chunk_id] for passage in passages}


@pytest.fixture(autouse=True)
def _others(db: Connection) -> None:
    """Passages that make words rare."""
    for number in range(30):
        put(db, f"other {number}", [f"nothing of note {number}" + (" boiler" if number % 5 == 0 else "")])


def test_a_passage_with_all_words_covers_all(db: Connection) -> None:
    """And one that has the rarer of two covers more than one that has the other."""
    put(db, "both", ["the boiler shows a fault"])
    put(db, "rare", ["there is a fault"])
    found = covered(db, "boiler fault")
    assert found["both"] == pytest.approx(1.0)
    assert found["other 0"] < 0.5 < found["rare"] < 1.0


def test_a_word_that_nobody_has_cannot_be_covered(db: Connection) -> None:
    """Half of the question is unknown here, and the number says so."""
    put(db, "known", ["there is a fault"])
    assert covered(db, "zeppelin fault")["known"] < 0.6


def test_a_required_phrase_is_the_whole_question(db: Connection) -> None:
    """What is asked for exactly is covered by whatever is found."""
    put(db, "known", ["there is a fault in it"])
    found = by_words.worded(db, "a fault in", 10, Scope(), 1, 1, match="phrase")
    assert list(found.covered.values()) == [1.0]


def test_a_word_that_stands_twice_in_an_expression_counts_once(db: Connection) -> None:
    """Narrowed questions repeat words; shares are of the question."""
    shares = coverage.shares(db, '("a" OR "b") AND ("a" OR "c" *)', [('"a"', 1), ('"b"', 1), ('"c" *', 1)])
    assert shares == dict.fromkeys(['"a"', '"b"', '"c" *'], pytest.approx(1 / 3))


def test_what_an_expression_leaves_out_is_no_part_of_the_question(db: Connection) -> None:
    """A passage that holds all that was looked for covers the whole; what nobody has is missing still."""
    counts = [('"a"', 1), ('"common"', 9), ('"nobody"', 0)]
    assert coverage.shares(db, '"a"', counts[:2]) == {'"a"': 1.0}
    assert coverage.shares(db, '"a"', counts) == coverage.shares(db, '"a"', counts[::2]) != {'"a"': 1.0}
