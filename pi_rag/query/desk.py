"""The story of a search: vectors and words looked up, fused, thinned out, and read back as cited texts.

All of it happens in one read transaction on one thread, so that it sees one state of the database and waits
for one thread only; but while a query is embedded, the words look already. When the embedder cannot answer in
time the words answer alone, and the answer says so.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping

from pi_rag.clock import Clock
from pi_rag.config import QuerySettings
from pi_rag.errors import BadInput, DeadlineExceeded, ModelMismatch, PiRagError
from pi_rag.query.choosing import Choice, chosen
from pi_rag.query.course import Course
from pi_rag.query.question import Answer, Hit, Question, checked
from pi_rag.query.reading import hits
from pi_rag.query_cache import QueryCache
from pi_rag.rank.fusion import Ranked
from pi_rag.store import Connection, identity, search
from pi_rag.store.derived import Derived
from pi_rag.store.nearest import nearest
from pi_rag.store.scope import unknown_fields
from pi_rag.store.store import Store
from pi_rag.types import Degraded, Fingerprint

DEEPER = 8
"""So many times as many candidates are looked at when near-duplicates have taken the place of all others."""

DEPTH_MAX = 5000
"""Beyond so many candidates nobody looks deeper. Reading so many takes some tens of milliseconds."""


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
        self._made_by: Fingerprint | None = None
        self._adopted = asyncio.Event()

    def adopt(self, query_prefix: str, made_by: Fingerprint) -> None:
        """From now on vectors are of this model, and meet only an index that is of the same."""
        self._query_prefix, self._made_by = query_prefix, made_by
        self._adopted.set()
        self._adopted = asyncio.Event()

    async def search(self, question: Question) -> Answer:
        """The best passages for a question. Raises BadInput and its kinds; StoreError and its kinds."""
        query, course = checked(question, self.settings), Course(self._clock)
        look = _Look(question, query, self.settings, course, self._store.derived)
        found = await self._found(look)
        look.course.explain["query_prefix"] = self._query_prefix
        return Answer(found, tuple(look.course.degraded), look.course.took_ms(), look.course.explain)

    def asked_again(self, question: Question) -> None:
        """A question that was answered here before is answered once more, by somebody who kept the answer."""
        if question.mode != "text":
            self.cache.used(self._query_prefix + checked(question, self.settings))

    async def _found(self, look: _Look) -> tuple[Hit, ...]:
        """The hits, from a vector of the model that the index is of."""
        made_by = self._made_by
        vector, words = await self._prepared(look)
        now_s = self._clock.wall_s()
        try:
            return await self._store.read(look.answered, vector, made_by, words, now_s)
        except ModelMismatch:
            # The index became another model's after the vector was made: its own model answers in a moment.
            if await self._is_followed(made_by):
                return await self._found(look)
            look.course.degraded.append("model_mismatch")
            return await self._store.read(look.answered, None, None, words, now_s)

    async def _is_followed(self, made_by: Fingerprint | None) -> bool:
        """Wait until another model is adopted than this; False when none is within a query's time."""
        if self._made_by is made_by:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._adopted.wait(), self._query_s_max)
        return self._made_by is not made_by

    async def _prepared(self, look: _Look) -> tuple[bytes | None, Ranked | None]:
        """The query's vector, and what the words have found while it was made. None: not there (yet)."""
        if look.question.mode == "text":
            return None, None
        if look.question.mode == "vector" or self.cache.holds(self._query_prefix + look.query):
            return await self._vector(look), None
        return await asyncio.gather(self._vector(look), self._store.read(look.words))

    async def _vector(self, look: _Look) -> bytes | None:
        """The query's vector, or None with the reason in the course."""
        try:
            with look.course.stage("embed"):
                vector, origin = await self.cache.vector(
                    self._query_prefix + look.query, deadline_s=self._query_s_max
                )
        except PiRagError as error:
            look.course.degraded.append(_reason(error))
            return None
        look.course.explain["cache"] = origin
        return vector


class _Look:
    """One question on its way through the database. Its methods are run by a reader."""

    def __init__(
        self, question: Question, query: str, settings: QuerySettings, course: Course, derived: Derived
    ) -> None:
        self.question = question
        self.query = query
        self.course = course
        self._settings = settings
        self._derived = derived
        self._depth = max(settings.candidates, question.k)
        self._is_all = False
        course.explain |= {"mode": question.mode, "cache": None}

    def answered(
        self,
        db: Connection,
        vector: bytes | None,
        made_by: Fingerprint | None,
        words: Ranked | None,
        now_s: float,
    ) -> tuple[Hit, ...]:
        """Look where nobody has looked yet, choose the best, and read them. Without a vector: words alone.

        Raises ModelMismatch for a vector of another model than the index is of.
        """
        if vector is not None:
            identity.expect(db, made_by)
        choices = self._chosen(db, self._lists(db, vector, words))
        while len(choices) < self.question.k and self._looks_deeper():
            choices = self._chosen(db, self._lists(db, vector, None))
        found = hits(db, choices, self.question, self._settings, self.course, now_s)
        if not found:
            self.course.explain["unknown_fields"] = unknown_fields(db, self.question.scope)
        return found

    def _lists(self, db: Connection, vector: bytes | None, words: Ranked | None) -> dict[str, Ranked]:
        lists: dict[str, Ranked] = {}
        if vector is not None:
            lists["vector"] = self._nearest(db, vector)
        if self.question.mode != "vector" or vector is None:
            lists["text"] = words if words is not None else self.words(db)
        self._is_all = all(len(found) < self._depth for found in lists.values())
        self.course.explain |= {
            "candidates": {name: len(found) for name, found in lists.items()},
            "degraded": list(self.course.degraded),
        }
        return lists

    def _chosen(self, db: Connection, lists: Mapping[str, Ranked]) -> list[Choice]:
        return chosen(db, lists, self.question, self._settings, self.course)

    def _looks_deeper(self) -> bool:
        """Whether so much was left out that there should be more candidates, and there are."""
        thinned = self.question.unique or self.question.per_document_max is not None
        if not thinned or self._is_all or self._depth >= DEPTH_MAX:
            return False
        self._depth *= DEEPER
        return True

    def words(self, db: Connection) -> Ranked:
        """The passages that hold the query's words best."""
        weights = (self._settings.title_weight, self._settings.heading_weight)
        with self.course.stage("text"):
            return search.by_words(db, self.query, self._depth, self.question.scope, *weights)

    def _nearest(self, db: Connection, vector: bytes) -> Ranked:
        with self.course.stage("vector"):
            near = nearest(db, self._derived, vector, self._depth, self.question.scope)
        self.course.explain["vector"] = near.explain
        return near.found


def _reason(error: PiRagError) -> Degraded:
    """The closed word for why there is no vector. A fault of the question itself is raised on."""
    if isinstance(error, ModelMismatch):
        return "model_mismatch"
    if isinstance(error, DeadlineExceeded):
        return "embedder_timeout"
    if isinstance(error, BadInput):
        raise error
    return "embedder_unavailable"
