"""Texts are cut so that nobody is spared work."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from benchmarks.embedding.texts import LIST, QUERIES, chosen, cut
from benchmarks.sets import RetrievalSet

WORDS = st.lists(st.text("ab", min_size=1, max_size=8), min_size=1, max_size=30)


def tokens(text: str) -> int:
    """Two specials, and a token for every two letters of a word."""
    return 2 + sum((len(word) + 1) // 2 for word in text.split())


@given(WORDS, st.integers(2, 40))
def test_a_cut_text_fits_and_could_not_be_longer(words: list[str], room: int) -> None:
    """No engine cuts what was cut here, and no word is left out without need."""
    found = cut(" ".join(words), tokens, room)
    kept = len(found.split())

    assert found.split() == words[:kept]
    assert tokens(found) <= room
    assert kept == len(words) or tokens(" ".join(words[: kept + 1])) > room


def test_every_list_is_full_and_the_same_each_time() -> None:
    """Two runs compare the same work, and a text that is compared is not one that is timed."""
    corpus = {str(number): (f"title {number}", f"{number} word " * 150) for number in range(200)}
    queries = {str(number): f"claim {number}" for number in range(90)}
    data = RetrievalSet(corpus, queries, {})

    texts = chosen(data, tokens, 10)

    assert texts == chosen(data, tokens, 10)
    assert {name: len(each) for name, each in texts.timed().items()} == {
        "abstracts": LIST,
        "full": LIST,
        "queries": QUERIES,
        "mix": LIST,
    }
    assert len(texts.compared) == 10
    assert not set(texts.compared) & set(texts.abstracts)
    assert all(250 < tokens(text) <= 256 for text in texts.full)
