"""From a text to passages with vectors: token counts and vectors come from the pool, the cutting is pure.

A passage whose very text has a vector already is not embedded again; who knows such vectors is asked, and is
somebody else. What is under way in the ingest lane is bounded by a room for all documents, in which who came
first goes first: a book cannot fill the lane that a short note also stands in.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from pi_rag.config import Settings
from pi_rag.ingest.aside import aside
from pi_rag.ingest.pace import Bounds, Room
from pi_rag.text.chunk import Atom, atoms, pack, resplit
from pi_rag.types import Chunk, Embedder, Reading

COUNT_TEXTS = 256
"""Pieces whose tokens are counted in one request. Counting is a thousandth of embedding, so many fit, and no
room for a passage is spent on them."""

SPECIAL_TOKENS = 2
"""[CLS] and [SEP], which every text gets around it."""

T = TypeVar("T")

Moves = Callable[[], None]
"""Called whenever an answer has come, so that who waits sees that it goes on. It may raise."""

Known = Callable[[Sequence[bytes]], Awaitable[Mapping[bytes, bytes]]]
"""From hashes of texts to the vectors of those that were embedded before, with this model."""


@dataclass(frozen=True, slots=True)
class Embedded:
    """The passages of a document in order: their vectors (float32 rows), and what each was made of."""

    vectors: bytes
    text_hashes: Sequence[bytes]


def nobody() -> None:
    """Where nobody wants to know whether it moves."""


async def nothing_known(_: Sequence[bytes]) -> Mapping[bytes, bytes]:
    """Where no vectors are kept, every passage is embedded."""
    return {}


class Cutter:
    """Cuts and embeds for all documents in hand, within one bound on requests under way."""

    def __init__(
        self,
        embedder: Embedder,
        settings: Settings,
        tokens_max: int,
        known: Known = nothing_known,
        room: Room | None = None,
    ) -> None:
        """`room` is for the passages under way, of all that cut; without one there is as much as can be."""
        self.passages = {"embedded": 0, "reused": 0}
        """How many passages got their vector from the model, and how many had it already."""
        self._known = known
        self._embedder = embedder
        self._settings = settings.ingest
        self._deadline_s = settings.embedder.ingest_s_max
        self._window = min(settings.embedder.tokens_max, tokens_max)
        self._passage_tokens_max = passage_tokens_max(settings, tokens_max)
        self._room = room or Room(Bounds.of(settings).passages_max)
        self._breadth = settings.embedder.requests_at_once
        self._counting = Room(self._breadth)

    async def cut(self, reading: Reading, moves: Moves = nobody) -> list[Chunk]:
        """Passages that fit the model with their headings. Raises TryLater kinds."""
        limit = self._passage_tokens_max
        pieces = await aside(len(reading.text), atoms, reading.text, reading.kind)
        counts = await self._count([reading.text[piece.start : piece.end] for piece in pieces], moves)
        while any(count > limit for count in counts):
            pieces, counts = await self._recount(reading.text, pieces, counts, moves)
        return await aside(
            len(reading.text),
            pack,
            reading.text,
            pieces,
            counts,
            limit,
            min(self._settings.chunk_overlap_tokens, limit // 2),
            reading.pages,
        )

    async def embed(
        self, title: str, chunks: Sequence[Chunk], progress: Callable[[int], None] = lambda _: None
    ) -> Embedded:
        """One vector a passage. `progress` gets how many more are done.

        Raises TryLater kinds, StoreError kinds, VectorInvalid, TextNotEmbedded.
        """
        return await self.embed_texts(await self.texts(title, chunks, partial(progress, 0)), progress)

    async def texts(self, title: str, chunks: Sequence[Chunk], moves: Moves = nobody) -> list[str]:
        """What the vector of each passage is made of: title, headings and text. Raises TryLater kinds."""
        heads = await self._heads(title, chunks, moves)
        return [
            f"{head}\n{chunk.text}" if head else chunk.text for head, chunk in zip(heads, chunks, strict=True)
        ]

    async def fitting(self, texts: Sequence[str]) -> list[bool]:
        """For each text whether the model sees it to its end. Raises TryLater kinds."""
        return [count + SPECIAL_TOKENS <= self._window for count in await self._count(texts)]

    async def embed_texts(
        self, texts: Sequence[str], progress: Callable[[int], None] = lambda _: None
    ) -> Embedded:
        """As `embed`, of texts that are made already."""
        hashes = [text_hash(text) for text in texts]
        vectors = dict(await self._known(list(dict.fromkeys(hashes))))
        fresh = {key: text for key, text in zip(hashes, texts, strict=True) if key not in vectors}
        self.note_reused(len(hashes) - len(fresh), progress)
        made = await self._embed(list(fresh.values()), progress)
        vectors.update(zip(fresh, made, strict=True))
        return Embedded(b"".join(vectors[key] for key in hashes), hashes)

    def note_reused(self, count: int, progress: Callable[[int], None]) -> None:
        """Count passages whose vectors came along with their document."""
        self._note("reused", count, progress)

    async def _embed(self, texts: Sequence[str], progress: Callable[[int], None]) -> list[bytes]:
        """The vector of each text, made by the model."""

        async def vectors(part: Sequence[str]) -> list[bytes]:
            found = await self._vectors(part)
            self._note("embedded", len(part), progress)
            return found

        return await self._spread(vectors, texts, self._texts_at_once)

    def _texts_at_once(self) -> int:
        """Passages of the next request."""
        return min(self._settings.embed_texts, self._room.size)

    def _note(self, how: str, count: int, progress: Callable[[int], None]) -> None:
        self.passages[how] += count
        progress(count)

    async def _recount(
        self, text: str, pieces: Sequence[Atom], counts: Sequence[int], moves: Moves
    ) -> tuple[list[Atom], list[int]]:
        """Cut what is too long into smaller pieces and count only those again."""
        split = resplit(text, pieces, counts, self._passage_tokens_max)
        fresh = [piece for piece, count in split if count is None]
        counted = iter(await self._count([text[piece.start : piece.end] for piece in fresh], moves))
        return [piece for piece, _ in split], [
            next(counted) if count is None else count for _, count in split
        ]

    async def _heads(self, title: str, chunks: Sequence[Chunk], moves: Moves) -> list[str]:
        """Title and headings of each passage, cut to `ingest.heading_tokens_max`."""
        wanted = {chunk.heading: _head(title, chunk.heading) for chunk in chunks}
        words = {head: head.split() for head in wanted.values()}
        flat = [word for each in words.values() for word in each]
        counts = iter(await self._count(flat, moves))
        fitted = {
            head: _fitted(each, [next(counts) for _ in each], self._settings.heading_tokens_max)
            for head, each in words.items()
        }
        return [fitted[wanted[chunk.heading]] for chunk in chunks]

    async def _count(self, texts: Sequence[str], moves: Moves = nobody) -> list[int]:
        """The tokens of each text."""

        async def counts(part: Sequence[str]) -> list[int]:
            async with self._counting.of():
                found = await self._embedder.count_tokens(part, lane="ingest", deadline_s=self._deadline_s)
            moves()
            return found

        return await self._spread(counts, texts, lambda: COUNT_TEXTS)

    async def _vectors(self, texts: Sequence[str]) -> list[bytes]:
        async with self._room.of(len(texts)):
            vectors = await self._embedder.embed(texts, lane="ingest", deadline_s=self._deadline_s)
        return [row.tobytes() for row in vectors]

    async def _spread(
        self,
        ask: Callable[[Sequence[str]], Awaitable[list[T]]],
        texts: Sequence[str],
        size: Callable[[], int],
    ) -> list[T]:
        """Ask about all texts, in several requests of `size` at a time, the answers in order.

        The size is asked for with each request: it may change meanwhile. The first failure ends them all.
        """
        if len(texts) <= size():
            return await ask(texts) if texts else []
        answers: dict[int, list[T]] = {}
        ahead = 0

        async def hand() -> None:
            nonlocal ahead
            while (start := ahead) < len(texts):
                ahead += size()
                answers[start] = await ask(texts[start:ahead])

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(self._breadth, len(texts))):
                    group.create_task(hand())
        except BaseExceptionGroup as failed:
            # The others were cancelled because of the first; it alone says why.
            raise failed.exceptions[0] from None
        return [answer for start in sorted(answers) for answer in answers[start]]


def text_hash(text: str) -> bytes:
    """16 bytes that stand for exactly this text."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def passage_tokens_max(settings: Settings, tokens_max: int) -> int:
    """`ingest.chunk_tokens_max`, or less for a model with a short window of `tokens_max`.

    Its headings and the two tokens around every text must fit beside it; else its end would be cut off.
    """
    window = min(settings.embedder.tokens_max, tokens_max)
    room = window - settings.ingest.heading_tokens_max - SPECIAL_TOKENS
    return max(1, min(settings.ingest.chunk_tokens_max, room))


def _head(title: str, heading: str) -> str:
    """The title is left out where the headings begin with it, as they do in most Markdown."""
    if not heading or heading.split(" > ", 1)[0] == title:
        return heading or title
    return f"{title} > {heading}" if title else heading


def _fitted(words: Sequence[str], counts: Sequence[int], tokens_max: int) -> str:
    """The leading words that fit. Tokens add up, since every cut is at a space."""
    kept, used = 0, 0
    for count in counts:
        used += count
        if used > tokens_max:
            break
        kept += 1
    return " ".join(words[:kept])
