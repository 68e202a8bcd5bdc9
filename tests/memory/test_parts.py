"""The vectors of what is to be kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from pi_rag.memory import parts
from pi_rag.types import Lane, Text

if TYPE_CHECKING:
    from pi_rag.types import Vectors

LONG = "The boiler was looked after by the plumber, who said that it is old. " * 150


class Counting:
    """An embedder whose vector of a text is its length, and who knows how often it was asked."""

    def __init__(self) -> None:
        self.requests: list[Sequence[Text]] = []

    async def embed(self, texts: Sequence[Text], *, lane: Lane, deadline_s: float) -> Vectors:
        """One number a text."""
        assert (lane, deadline_s) == ("query", 3.0)
        self.requests.append(texts)
        return np.array([[len(text)] for text in texts], dtype="<f4")

    async def count_tokens(self, texts: Sequence[Text], *, lane: Lane, deadline_s: float) -> list[int]:
        """Nobody asks."""
        raise AssertionError


def test_a_topic_stands_before_each_part() -> None:
    """It is what the text is about."""
    assert parts.texts("home/wifi", "The password is on the fridge.") == [
        "home/wifi\nThe password is on the fridge."
    ]
    assert all(text.startswith("home\nThe boiler") for text in parts.texts("home", LONG))


async def test_several_texts_are_embedded_together_and_come_apart_again() -> None:
    """A vector for each part of each; nothing for an empty one."""
    embedder = Counting()
    kept = [("a", "One."), (None, ""), (None, LONG)]
    made = await parts.vectors_of(embedder, kept, lane="query", deadline_s=3.0)
    lengths = [[float(len(text)) for text in parts.texts(*each)] for each in kept]
    assert [np.frombuffer(rows, dtype="<f4").tolist() for rows in made] == lengths
    assert len(embedder.requests) == -(-sum(map(len, lengths)) // parts.TEXTS_AT_ONCE)


async def test_nothing_asks_nobody() -> None:
    """No texts, no call."""
    embedder = Counting()
    assert await parts.vectors_of(embedder, [], lane="query", deadline_s=3.0) == []
    assert embedder.requests == []
