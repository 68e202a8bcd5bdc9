"""How much text an answer may have."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from pi_rag.memory.fitting import WORTH_TOKENS, fitted
from pi_rag.memory_types import Recalled
from pi_rag.text.parts import tokens

HIT = Recalled("fact", "", "agent", 1.0, None, None, None, None, None, 0.0, {})


def hits(*texts: str) -> list[Recalled]:
    return [replace(HIT, text=text) for text in texts]


def test_what_fits_is_whole() -> None:
    """And nothing is left out."""
    given = hits("One sentence.", "Another one.")
    assert fitted(given, 100) == (tuple(given), 7, 0)


def test_the_last_one_is_cut_at_a_sentence_and_says_so() -> None:
    """What comes after it is counted."""
    long = "The boiler was seen once more by somebody in the cellar today. " * 10
    found, used, left_out = fitted(hits("First.", long, "Third."), 60)
    assert [hit.cut for hit in found] == [False, True]
    assert found[1].text.endswith("cellar today.")
    assert used == tokens(found[0].text) + tokens(found[1].text) <= 60
    assert left_out == 1


def test_of_the_first_anything_is_told() -> None:
    """As many words as fit where no sentence does; of a later one only what is worth it."""
    long = "word " * 100
    found, _, left_out = fitted(hits(long, "Next."), 5)
    assert [hit.text for hit in found] == ["word word word word word"]
    assert left_out == 1
    assert len(fitted(hits("word " * 20, long), 20 + WORTH_TOKENS - 1)[0]) == 1


@given(st.lists(st.text(max_size=200), max_size=5), st.integers(1, 100))
def test_it_never_exceeds_the_budget_nor_invents_a_word(texts: list[str], budget: int) -> None:
    """Whatever the texts are."""
    found, used, left_out = fitted(hits(*texts), budget)
    assert used == sum(tokens(hit.text) for hit in found) <= budget
    assert len(found) + left_out == len(texts)
    assert all(text.startswith(hit.text) for text, hit in zip(texts, found, strict=False))
    assert not any(hit.cut for hit in found[:-1])
