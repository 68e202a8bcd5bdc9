"""The vectors of what is to be kept: one for each part, made alike whoever asks for them.

A text is cut without counting tokens, so that a fact costs one call of the embedder.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise

from pi_rag.text.parts import parts
from pi_rag.types import Embedder, Lane

TEXTS_AT_ONCE = 32
"""Parts of one request: some ten kibibytes, so that a queue of short searches has its turn in between."""


def texts(topic: str | None, text: str) -> list[str]:
    """What is embedded of a memory: each of its parts, with its topic in front."""
    head = f"{topic}\n" if topic else ""
    return [head + text[start:end] for start, end in parts(text)]


async def vectors_of(
    embedder: Embedder, kept: Sequence[tuple[str | None, str]], *, lane: Lane, deadline_s: float
) -> list[bytes]:
    """The vectors of each (topic, text), float32 rows in the order of its parts. Raises as `embed` does."""
    wanted = [texts(topic, text) for topic, text in kept]
    flat = [text for each in wanted for text in each]
    rows: list[bytes] = []
    for at in range(0, len(flat), TEXTS_AT_ONCE):
        made = await embedder.embed(flat[at : at + TEXTS_AT_ONCE], lane=lane, deadline_s=deadline_s)
        rows += [row.tobytes() for row in made]
    ends = pairwise(accumulate((len(each) for each in wanted), initial=0))
    return [b"".join(rows[start:end]) for start, end in ends]
