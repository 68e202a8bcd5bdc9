"""A strict stand-in for the pool: same promises, no process, no model.

A text's vector is made of its hashed words, so texts that share words have similar vectors. It passes
`tests/embedder/contract.py`, as the pool does.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from pi_rag.embedder.curve import GUESS
from pi_rag.embedder.vectors import normalised
from pi_rag.errors import DeadlineExceeded, EmbedderUnavailable, PiRagError, Stopping, TokensInvalid

if TYPE_CHECKING:
    from pi_rag.types import Lane, Text, Vectors


VOCABULARY = 30_522


class FakeEmbedder:
    """Implements types.Embedder. `broken` makes every call fail; `calls` lists what was asked."""

    def __init__(self, dimensions: int = 384, tokens_max: int = 254) -> None:
        self.dimensions = dimensions
        self.tokens_max = tokens_max
        self.broken: PiRagError | None = None
        self.curve = GUESS
        self.words = 0
        self.calls: list[tuple[str, Lane, int]] = []
        """(task, lane, number of texts) of every call that was let in."""
        self._running = False

    def begin(self) -> None:
        """As Pool.begin: there is no process."""

    async def start(self) -> None:
        """As Pool.start."""
        self._running = True
        if self.broken is not None:
            raise self.broken

    async def stop(self) -> None:
        """As Pool.stop."""
        self._running = False

    async def recycle(self, pid: int) -> None:
        """As Pool.recycle: there is no process."""

    def hold_to(self, workers: int) -> None:
        """As Pool.hold_to."""

    def rest(self, *, rest: bool) -> None:
        """As Pool.rest."""
        self.broken = EmbedderUnavailable("It rests.") if rest else None

    async def embed(self, texts: Sequence[Text], *, lane: Lane, deadline_s: float) -> Vectors:
        """As Pool.embed."""
        self._let_in("embed", texts, lane, deadline_s)
        rows = [self._row(text) for text in texts]
        return normalised(np.array(rows, dtype=np.float32).reshape(len(texts), self.dimensions))

    async def count_tokens(self, texts: Sequence[Text], *, lane: Lane, deadline_s: float) -> list[int]:
        """As Pool.count_tokens: here, a token is a word."""
        self._let_in("count", texts, lane, deadline_s)
        return [len(_words(text)) for text in texts]

    def status(self) -> dict[str, object]:
        """As Pool.status, with one worker that is this process."""
        state = "unavailable" if self.broken else "ready" if self._running else "starting"
        return {
            "state": state,
            "reason": self.broken.message if self.broken else None,
            "workers": [],
            "nursery_pid": None,
            "restarts": 0,
            "queued": {"query": 0, "ingest": 0},
        }

    def _let_in(self, task: str, texts: Sequence[Text], lane: Lane, deadline_s: float) -> None:
        """Refuse what the pool refuses, and what it could not be asked."""
        if isinstance(texts, str) or not all(isinstance(text, (str, tuple)) for text in texts):
            raise TypeError("texts is a sequence of str, or of tuples of token ids.")
        if lane not in ("query", "ingest"):
            raise ValueError(f"There is no lane {lane!r}.")
        if not self._running:
            raise Stopping("The embedder is stopping.")
        if deadline_s <= 0:
            raise DeadlineExceeded("There is no time left for a vector.")
        if self.broken is not None:
            raise EmbedderUnavailable(f"The embedder is not running: {self.broken.message}")
        self.calls.append((task, lane, len(texts)))

    def _row(self, text: Text) -> npt.NDArray[np.float32]:
        """The sum of a fixed part, which an empty text has too, and one direction for each word."""
        parts = ["", *_words(text)[: self.tokens_max]]
        total: npt.NDArray[np.float32] = np.sum([self._direction(part) for part in parts], axis=0)
        return total

    def _direction(self, word: str) -> npt.NDArray[np.float32]:
        seed = hashlib.sha256(word.encode("utf-8", "replace")).digest()
        random = np.random.default_rng(list(seed))
        return random.standard_normal(self.dimensions, dtype=np.float32)


def _words(text: Text) -> list[str]:
    """A token id is a word too, of itself. There are as many as BERT has."""
    if isinstance(text, str):
        return text.casefold().split()
    if not all(0 <= number < VOCABULARY for number in text):
        raise TokensInvalid(f"A token id is not from 0 to {VOCABULARY - 1}.")
    return [str(number) for number in text]
