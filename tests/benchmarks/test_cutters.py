"""The words that every cutter counts with, and our own cutter without the service."""

from __future__ import annotations

from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from benchmarks.cutters import TOKENS, Words, ours
from pi_rag.embedder.llama import Model

TEXTS = st.text(alphabet="ab. \n#é", max_size=3000)


class Letters:
    """A model with a token for each two letters."""

    specials = 2

    def tokens(self, text: str) -> list[int]:
        return [0] * (2 + (len(text.strip()) + 1) // 2)


def words() -> Words:
    return Words(cast(Model, cast(Any, Letters())))


@given(TEXTS)
def test_tokens_give_the_text_back(text: str) -> None:
    """Whatever a library puts together from them is a part of the text."""
    each = words()
    assert each.decode(each.encode(text)) == "".join(each.tokenize(text)) == text
    assert len(each.encode(text)) >= each.count_tokens(text)


@given(TEXTS)
def test_ours_covers_a_text_in_passages_that_fit(text: str) -> None:
    """As the service does it."""
    each = words()
    spans = ours(each)(text)
    seen = {at for start, end in spans for at in range(start, end)}
    assert all(at in seen or char.isspace() for at, char in enumerate(text))
    assert all(each.count_tokens(text[start:end]) <= TOKENS for start, end in spans)
