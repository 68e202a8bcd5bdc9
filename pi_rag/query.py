"""The story of a search: vectors and words side by side, fused, and read back as cited passages.

When the embedder cannot answer in time the words answer alone, and the answer says so. It knows both
workshops, but neither HTTP nor processes.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pi_rag.clock import Clock
from pi_rag.config import QuerySettings
from pi_rag.errors import BadInput, DeadlineExceeded, ModelMismatch, PiRagError, QueryEmpty, QueryTooLong
from pi_rag.query_cache import Origin, QueryCache
from pi_rag.rank.fusion import Fused, Ranked, reciprocal_rank
from pi_rag.store import search
from pi_rag.store.store import Store
from pi_rag.text.clean import clean
from pi_rag.types import Degraded, Mode, Passage, Scope


@dataclass(frozen=True, slots=True)
class Question:
    """What is looked for, and where."""

    query: str
    k: int = 8
    mode: Mode = "hybrid"
    scope: Scope = field(default_factory=Scope)


@dataclass(frozen=True, slots=True)
class Hit:
    """One cited passage with the reasons for its place."""

    passage: Passage
    fused: Fused


@dataclass(frozen=True, slots=True)
class Answer:
    """The hits, best first; what was missing; and the milliseconds each stage took."""

    hits: Sequence[Hit]
    degraded: Sequence[Degraded]
    took_ms: Mapping[str, float]
    explain: Mapping[str, Any]


class QueryDesk:
    """Answers questions. One for the life of the service; its settings may be replaced while it works."""

    def __init__(
        self,
        store: Store,
        cache: QueryCache,
        *,
        query_prefix: str,
        query_s_max: float,
        settings: QuerySettings,
        clock: Clock,
    ) -> None:
        self.settings = settings
        self.cache = cache
        self._store = store
        self._query_prefix = query_prefix
        self._query_s_max = query_s_max
        self._clock = clock

    async def search(self, question: Question) -> Answer:
        """The best passages for a question. Raises BadInput and its kinds; StoreError and its kinds."""
        query = self._checked(question)
        watch = _Stopwatch(self._clock)
        course = _Course(watch)
        by_meaning, by_words = await asyncio.gather(
            self._by_vector(query, question, course), self._by_words(query, question, watch)
        )
        if by_meaning is None and question.mode == "vector":
            by_words = await self._words(query, question, watch)
        lists = {
            name: found for name, found in (("vector", by_meaning), ("text", by_words)) if found is not None
        }
        with watch.stage("fuse"):
            fused = reciprocal_rank(lists, k=self.settings.rrf_k)[: question.k]
        with watch.stage("read"):
            passages = await self._store.read(search.passages, [each.id for each in fused])
        explain = self._explanation(question, lists, course)
        return Answer(_joined(passages, fused), tuple(course.degraded), watch.report(), explain)

    def _checked(self, question: Question) -> str:
        if len(question.query) > self.settings.chars_max:
            most = self.settings.chars_max
            raise QueryTooLong(f"The query has {len(question.query)} characters; at most {most} are taken.")
        if not 1 <= question.k <= self.settings.k_max:
            raise BadInput(f"k is {question.k}; it must be from 1 to {self.settings.k_max}.")
        query = clean(question.query).strip()
        if not query:
            raise QueryEmpty("The query is empty.")
        return query

    async def _by_vector(self, query: str, question: Question, course: _Course) -> Ranked | None:
        """The nearest passages, or None with the reason in `course`."""
        if question.mode == "text":
            return None
        try:
            with course.watch.stage("embed"):
                vector, course.cache = await self.cache.vector(
                    self._query_prefix + query, deadline_s=self._query_s_max
                )
        except PiRagError as error:
            course.degraded.append(_reason(error))
            return None
        with course.watch.stage("vector"):
            return await self._store.read(search.by_vector, vector, self._depth(question), question.scope)

    async def _by_words(self, query: str, question: Question, watch: _Stopwatch) -> Ranked | None:
        return None if question.mode == "vector" else await self._words(query, question, watch)

    async def _words(self, query: str, question: Question, watch: _Stopwatch) -> Ranked:
        weights = (self.settings.title_weight, self.settings.heading_weight)
        with watch.stage("text"):
            return await self._store.read(
                search.by_words, query, self._depth(question), question.scope, *weights
            )

    def _depth(self, question: Question) -> int:
        return max(self.settings.candidates, question.k)

    def _explanation(
        self, question: Question, lists: Mapping[str, Ranked], course: _Course
    ) -> dict[str, Any]:
        return {
            "mode": question.mode,
            "fusion": "reciprocal_rank",
            "rrf_k": self.settings.rrf_k,
            "query_prefix": self._query_prefix,
            "candidates": {name: len(found) for name, found in lists.items()},
            "cache": course.cache,
            "degraded": list(course.degraded),
        }


def _joined(passages: Sequence[Passage], fused: Sequence[Fused]) -> list[Hit]:
    """A passage deleted between ranking and reading is left out instead of failing the whole answer."""
    found = {passage.chunk_id: passage for passage in passages}
    return [Hit(found[each.id], each) for each in fused if each.id in found]


def _reason(error: PiRagError) -> Degraded:
    """The closed word for why there is no vector. A fault of the question itself is raised on."""
    if isinstance(error, ModelMismatch):
        return "model_mismatch"
    if isinstance(error, DeadlineExceeded):
        return "embedder_timeout"
    if isinstance(error, BadInput):
        raise error
    return "embedder_unavailable"


@dataclass(slots=True)
class _Course:
    """How one search goes: its times, what it lacks, and where its vector came from."""

    watch: _Stopwatch
    degraded: list[Degraded] = field(default_factory=list)
    cache: Origin | None = None
    """None when no vector was asked for, or none came."""


class _Stopwatch:
    """Milliseconds by stage. Stages of one search may overlap, so their sum may exceed the total."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._begun_s = clock.monotonic_s()
        self._stages: dict[str, float] = {}

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[None]:
        begun_s = self._clock.monotonic_s()
        try:
            yield
        finally:
            self._stages[name] = self._ms_since(begun_s)

    def report(self) -> dict[str, float]:
        return {**self._stages, "total": self._ms_since(self._begun_s)}

    def _ms_since(self, begun_s: float) -> float:
        return round((self._clock.monotonic_s() - begun_s) * 1000, 3)
