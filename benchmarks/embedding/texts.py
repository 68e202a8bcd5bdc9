"""The texts that everybody embeds: real ones, in the lengths that a house has.

Each is cut by the model's own tokenizer to what any engine's window holds, so that nobody is spared work by
cutting elsewhere.
"""

from __future__ import annotations

import bisect
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.sets import RetrievalSet

Count = Callable[[str], int]
"""Tokens of a text, [CLS] and [SEP] included."""

ABSTRACT_TOKENS = 250
WINDOW_TOKENS = 256
LIST = 32
"""Texts of one list."""
QUERIES = 64


@dataclass(frozen=True)
class Texts:
    """Four lists to be timed, and texts to be compared one by one."""

    abstracts: Sequence[str]
    """Title and abstract, cut at 250 tokens."""
    full: Sequence[str]
    """Passages that fill the window of 256 tokens as far as whole words can."""
    queries: Sequence[str]
    """Claims, a dozen or two tokens long."""
    mix: Sequence[str]
    """A quarter each of queries, titles, half abstracts and whole ones, shuffled."""
    compared: Sequence[str]
    """Abstracts for the fidelity, none of which is timed."""

    def timed(self) -> dict[str, Sequence[str]]:
        """The lists by the name of their column."""
        return {"abstracts": self.abstracts, "full": self.full, "queries": self.queries, "mix": self.mix}


def chosen(data: RetrievalSet, count: Count, compared: int) -> Texts:
    """The same texts every time, from a fixed shuffle of the corpus."""
    shuffled = [f"{title} {text}" for title, text in data.corpus.values()]
    titles = [title for title, _ in data.corpus.values()]
    random.Random(3).shuffle(shuffled)
    abstracts = [cut(text, count, ABSTRACT_TOKENS) for text in shuffled[: LIST + compared]]
    queries = list(data.queries.values())
    quarter = LIST // 4
    mix = [*queries[-quarter:], *titles[:quarter], *(cut(text, count, 120) for text in shuffled[:quarter])]
    mix += abstracts[quarter : 2 * quarter]
    random.Random(3).shuffle(mix)
    return Texts(
        abstracts=abstracts[:LIST],
        full=[cut(" ".join(shuffled[at : at + 4]), count, WINDOW_TOKENS) for at in range(0, 4 * LIST, 4)],
        queries=queries[:QUERIES],
        mix=mix,
        compared=abstracts[LIST:],
    )


def cut(text: str, count: Count, tokens_max: int) -> str:
    """The longest beginning of whole words that has at most so many tokens."""
    words = text.split(" ", maxsplit=tokens_max)[:tokens_max]
    fitting = bisect.bisect_right(
        range(1, len(words) + 1), tokens_max, key=lambda length: count(" ".join(words[:length]))
    )
    return " ".join(words[:fitting])
