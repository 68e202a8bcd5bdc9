"""Cutters that ours is held against: chonkie's and semchunk's, where they are installed, and ours by itself.

They get as many tokens for a passage as ours, counted by the same model. Their settings are otherwise as they
ship. They are no part of the project: `pip install -r benchmarks/requirements-peers-chunking.txt` puts them
into an environment from which `python -m benchmarks.quality --set chroma_chunking` is run.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from pi_rag.embedder.engine import Engine
from pi_rag.embedder.llama import Model
from pi_rag.text.chunk import atoms, pack, resplit

TOKENS = 200
"""`ingest.chunk_tokens_max` as it ships."""
OVERLAP = 20
WINDOW = 256

Span = tuple[int, int]
Cut = Callable[[str], list[Span]]

_WORD = re.compile(r"\s*(?:\w+|[^\w\s]|\Z)")


class Words:
    """The model's tokens as parts of a text that give it back, which an uncased tokenizer alone does not."""

    def __init__(self, model: Model) -> None:
        self._count = cache(lambda word: len(model.tokens(word)) - model.specials)
        self._ids: dict[str, int] = {}
        self._parts: list[str] = []

    def encode(self, text: str) -> list[int]:
        """A number for each token; the same part of a text has the same."""
        return [self._id(part) for word in _WORD.findall(text) for part in self._split(word)]

    def tokenize(self, text: str) -> list[str]:
        """The parts themselves."""
        return self.decode_batch([[each] for each in self.encode(text)])

    def decode(self, ids: Sequence[int]) -> str:
        """The text again."""
        return "".join(self._parts[each] for each in ids)

    def decode_batch(self, many: Sequence[Sequence[int]]) -> list[str]:
        """Of several at once."""
        return [self.decode(ids) for ids in many]

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """Of several at once."""
        return [self.encode(text) for text in texts]

    def count_tokens(self, text: str) -> int:
        """As the model counts, without what it puts around a text."""
        return sum(self._count(word) for word in _WORD.findall(text))

    def count_tokens_batch(self, texts: Sequence[str]) -> list[int]:
        """Of several at once."""
        return [self.count_tokens(text) for text in texts]

    def _split(self, word: str) -> Iterator[str]:
        parts = max(1, min(self._count(word), len(word)))
        for number in range(parts):
            yield word[number * len(word) // parts : (number + 1) * len(word) // parts]

    def _id(self, part: str) -> int:
        if part not in self._ids:
            self._ids[part] = len(self._parts)
            self._parts.append(part)
        return self._ids[part]


def ours(words: Words) -> Cut:
    """What the service does, without the service: for its time."""

    def cut(text: str) -> list[Span]:
        pieces = atoms(text, "markdown")
        counts = words.count_tokens_batch([text[each.start : each.end] for each in pieces])
        while any(count > TOKENS for count in counts):
            known = resplit(text, pieces, counts, TOKENS)
            pieces = [each for each, _ in known]
            counts = [
                words.count_tokens(text[each.start : each.end]) if count is None else count
                for each, count in known
            ]
        return [(each.start, each.end) for each in pack(text, pieces, counts, TOKENS, OVERLAP)]

    return cut


def peers(words: Words, model: Model) -> Mapping[str, Cut]:
    """Those that are installed, by name."""
    found: dict[str, Cut] = {}
    if find_spec("chonkie"):
        chonkie = import_module("chonkie")
        import_module("chonkie.tokenizer").Tokenizer.register(Words)
        size: dict[str, Any] = {"tokenizer": words, "chunk_size": TOKENS}
        found["chonkie token"] = _chonkie(chonkie.TokenChunker(**size, chunk_overlap=OVERLAP))
        found["chonkie sentence"] = _chonkie(chonkie.SentenceChunker(**size, chunk_overlap=OVERLAP))
        found["chonkie recursive"] = _chonkie(chonkie.RecursiveChunker(**size))
        meaning = _meaning(words, model)
        found["chonkie semantic"] = _chonkie(chonkie.SemanticChunker(meaning, chunk_size=TOKENS))
    if find_spec("semchunk"):
        semchunk = import_module("semchunk")
        chunker = semchunk.chunkerify(words.count_tokens, TOKENS)
        found["semchunk"] = lambda text: chunker(text, offsets=True)[1]
    return found


def _chonkie(chunker: Any) -> Cut:
    return lambda text: [(each.start_index, each.end_index) for each in chunker.chunk(text)]


def _meaning(words: Words, model: Model) -> Any:
    """The same model as chonkie wants to be given one."""
    engine = Engine(model, WINDOW)
    base: Any = import_module("chonkie.embeddings").BaseEmbeddings

    class Meaning(base):  # type: ignore[misc]  # chonkie may not be there when this is checked
        """One text, one vector."""

        def embed(self, text: str) -> Any:
            """A unit vector."""
            return engine.embed([text])[0]

        @property
        def dimension(self) -> int:
            """How many numbers."""
            return model.dimensions

        def get_tokenizer(self) -> Words:
            """What its chunks are counted with."""
            return words

    return Meaning()
