"""From texts to unit vectors in one process: cut, choose the way of attention, compute, check.

Short texts are computed with plain attention and long ones with flash attention, each alone in its call: so
a text's vector is the same bit by bit, whatever it was sent with (docs/decisions/0006). It does not know
llama.cpp's calls, processes or lanes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from pi_rag.embedder import vectors
from pi_rag.embedder.llama import Context, Model, Tokens
from pi_rag.embedder.packing import packed
from pi_rag.errors import TokensInvalid

if TYPE_CHECKING:
    from pi_rag.types import Text, Vectors

FLASH_TOKENS_MIN = 64
"""From this length on flash attention wins where nobody has measured: llama.cpp's fast way begins there."""


class Engine:
    """One process's means to compute vectors with a model."""

    def __init__(
        self,
        model: Model,
        tokens_max: int,
        texts_max: int = 1,
        *,
        flash_tokens_min: int = FLASH_TOKENS_MIN,
    ) -> None:
        """`texts_max` texts may share a call. A call of `flash_tokens_min` tokens is the first with flash.

        Raises ModelUnsupported.
        """
        self.model = model
        self.tokens_max = min(tokens_max, model.tokens_max)
        self._texts_max = texts_max
        plain_tokens_max = min(self.tokens_max, flash_tokens_min - 1)
        self._plain = self._flash = None
        if plain_tokens_max > model.specials:
            self._plain = Context(model, plain_tokens_max, texts_max, flash=False)
        if plain_tokens_max < self.tokens_max:
            self._flash = Context(model, self.tokens_max, texts_max, flash=True)

    def embed(self, texts: Sequence[Text]) -> Vectors:
        """Shape (len(texts), dimensions), unit rows in the order of `texts`.

        A text longer than the window is cut, its [SEP] kept. An empty text is [CLS][SEP], which has a vector
        like any other: whether an empty text is worth one is not for the engine to say. Raises TokensInvalid,
        VectorInvalid.
        """
        tokens = [self._cut(self._tokens(text, self.tokens_max)) for text in texts]
        raw = np.empty((len(texts), self.model.dimensions), dtype=np.float32)
        for call in packed([len(ids) for ids in tokens], self.tokens_max, self._texts_max):
            raw[call] = self._computed([tokens[index] for index in call])
        unit = vectors.normalised(raw)
        vectors.check(unit, len(texts), self.model.dimensions)
        return unit

    def count_tokens(self, texts: Sequence[Text]) -> list[int]:
        """Tokens of each text without [CLS] and [SEP], uncut. Raises TokensInvalid."""
        return [len(self._tokens(text)) - self.model.specials for text in texts]

    def between_parts(self, call: Callable[[], None] | None) -> None:
        """Have this called between the parts of each computation from now on; None: nothing."""
        for context in self._contexts():
            context.between_parts(call)

    def use_threads(self, threads: int) -> None:
        """Compute on so many threads from now on. A process that will be forked must keep to one."""
        for context in self._contexts():
            context.use_threads(threads)

    def close(self) -> None:
        """Give the buffers back; the model stays."""
        for context in self._contexts():
            context.close()

    def _contexts(self) -> list[Context]:
        return [context for context in (self._plain, self._flash) if context is not None]

    def _tokens(self, text: Text, enough: int | None = None) -> Tokens:
        if isinstance(text, str):
            return self.model.tokens(text, enough)
        first, last = self.model.tokens("")
        for number in text:
            if not 0 <= number < self.model.vocabulary or number in self.model.unusable:
                raise TokensInvalid(f"{number} is no token id that a text of this model can have.")
        return np.array([first, *text, last], dtype=np.int32)

    def _cut(self, ids: Tokens) -> Tokens:
        if len(ids) <= self.tokens_max:
            return ids
        return np.concatenate([ids[: self.tokens_max - 1], ids[-1:]])

    def _computed(self, sequences: Sequence[Tokens]) -> npt.NDArray[np.float32]:
        total = sum(len(ids) for ids in sequences)
        context = self._plain if self._plain and total <= self._plain.tokens_max else self._flash
        assert context is not None, "the two contexts cover every length between them"
        return context.embed(sequences)
