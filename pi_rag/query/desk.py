"""The story of a search: what vectors and words have found is fused, thinned out, read as cited texts.

All of a search is one read on one thread, so that what is chosen and what is read are of one state. A half of
it may be ahead on another: the words while a query is embedded, the vectors of a known one where a core would
be idle. When the embedder cannot answer in time the words answer alone, and the answer says so.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from pi_rag.clock import Clock
from pi_rag.config import QuerySettings
from pi_rag.errors import BadInput, DeadlineExceeded, ModelMismatch, PiRagError, StoreBusy
from pi_rag.processes import right_of_way
from pi_rag.query.choosing import Choice, chosen
from pi_rag.query.course import Course
from pi_rag.query.fusing import Looked
from pi_rag.query.question import Answer, Hit, Question, checked
from pi_rag.query.reading import hits
from pi_rag.query_cache import QueryCache
from pi_rag.rank.fusion import Ranked
from pi_rag.store import Connection, identity
from pi_rag.store.by_words import worded
from pi_rag.store.chances import Chances
from pi_rag.store.common import CommonWords
from pi_rag.store.derived import Derived
from pi_rag.store.nearest import Nearest, nearest
from pi_rag.store.scope import fitting_none, unknown_fields
from pi_rag.store.store import Store
from pi_rag.store.worded import Worded
from pi_rag.types import AnswerDegraded, Fingerprint

T = TypeVar("T")

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
        self.query_prefix = query_prefix
        """What the model in use wants before a query."""
        self._query_s_max = query_s_max
        self._clock = clock
        self.made_by: Fingerprint | None = None
        """The model in use; None while there is none."""
        self._adopted = asyncio.Event()
        self._chances = Chances()
        self._common = CommonWords()
        self._reads_max = settings.reads_wanted
        self._turns = asyncio.Semaphore(self._reads_max)
        self._under_way = 0

    def adopt(self, query_prefix: str, made_by: Fingerprint) -> None:
        """From now on vectors are of this model, and meet only an index that is of the same."""
        self.query_prefix, self.made_by = query_prefix, made_by
        self._adopted.set()
        self._adopted = asyncio.Event()

    async def search(self, question: Question) -> Answer:
        """The best passages for a question. Raises BadInput and its kinds; StoreError and its kinds."""
        query, course = checked(question, self.settings), Course(self._clock)
        look = _Look(question, query, self.settings, course, self._store.derived, self._chances, self._common)
        with right_of_way.ours().taken():
            found = await self._found(look)
        look.course.explain["query_prefix"] = self.query_prefix
        return Answer(found, tuple(look.course.degraded), look.course.took_ms(), look.course.explain)

    def asked_again(self, question: Question) -> None:
        """A question that was answered here before is answered once more, by somebody who kept the answer."""
        if question.mode != "text":
            self.cache.used(self.query_prefix + checked(question, self.settings))

    async def _found(self, look: _Look) -> tuple[Hit, ...]:
        """The hits, from a vector of the model that the index is of."""
        look.made_by, look.vector = self.made_by, None
        try:
            return await self._answered(look)
        except ModelMismatch:
            # The index became another model's after the vector was made: its own model answers in a moment.
            if await self._is_followed(look.made_by):
                return await self._found(look)
            look.course.degraded.append("model_mismatch")
            look.vector = None
            return await self._read(look.answered, self._clock.wall_s())

    async def _is_followed(self, made_by: Fingerprint | None) -> bool:
        """Wait until another model is adopted than this; False when none is within a query's time."""
        if self.made_by is made_by:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._adopted.wait(), self._query_s_max)
        return self.made_by is not made_by

    async def _answered(self, look: _Look) -> tuple[Hit, ...]:
        """Embed the query and read the answer, with one half of it ahead where a thread is free for that."""
        text = self.query_prefix + look.query
        self._under_way += 1
        try:
            if look.question.mode != "hybrid" or (self._is_crowd() and self.cache.holds(text)):
                return await self._embedded(look, text)
            found, _ = await asyncio.gather(self._embedded(look, text), self._ahead(look))
            return found
        finally:
            self._under_way -= 1

    async def _ahead(self, look: _Look) -> None:
        """The nearest passages where the vector is known by now, else the words: the read will need both.

        That one looks itself where this cannot.
        """
        half: Callable[[Connection], object] = look.words if look.vector is None else look.near
        with contextlib.suppress(StoreBusy, ModelMismatch):
            await self._read(half)

    def _is_crowd(self) -> bool:
        """Whether two threads for each search would be more than there are."""
        return 2 * self._under_way > self._reads_max

    async def _embedded(self, look: _Look, text: str) -> tuple[Hit, ...]:
        if look.question.mode != "text":
            await self._embed(look, text)
        return await self._read(look.answered, self._clock.wall_s())

    async def _read(self, look: Callable[..., T], *args: Any) -> T:
        """As `Store.read`, in turn: more at once than cores would only wait for each other."""
        async with self._turns:
            return await self._store.read(look, *args)

    async def _embed(self, look: _Look, text: str) -> None:
        """Give it the query's vector, or the reason why there is none."""
        try:
            with look.course.stage("embed"):
                look.vector, origin = await self.cache.vector(text, deadline_s=self._query_s_max)
        except PiRagError as error:
            look.course.degraded.append(lacking(error))
        else:
            look.course.explain["cache"] = origin


class _Look:
    """One question on its way through the database. Its methods are run by a reader."""

    def __init__(
        self,
        question: Question,
        query: str,
        settings: QuerySettings,
        course: Course,
        derived: Derived,
        chances: Chances,
        common: CommonWords,
    ) -> None:
        self.question = question
        self.query = query
        self.course = course
        self.made_by: Fingerprint | None = None
        """The model of the query's vector."""
        self.vector: bytes | None = None
        self._settings = settings
        self._derived = derived
        self._chances = chances
        self._common = common
        self._depth = max(settings.candidates, question.k)
        self._is_all = False
        self._worded: _Once[Worded] = _Once()
        self._neared: _Once[Nearest] = _Once()
        course.explain |= {"mode": question.mode, "cache": None}

    def answered(self, db: Connection, now_s: float) -> tuple[Hit, ...]:
        """Find, choose the best of all, and read them. `now_s` is wall time.

        Raises ModelMismatch when the vector is of another model than the index is.
        """
        if self.vector is not None:
            # What was ahead may have seen the index before it became another model's.
            identity.expect(db, self.made_by)
        choices = self._choices(db)
        while len(choices) < self.question.k and self._looks_deeper():
            choices = self._choices(db)
        found = hits(db, choices, self.question, self._settings, self.course, now_s)
        if self.question.scope.filter:
            metadata = [hit.passage.metadata for hit in found]
            if unknown := unknown_fields(db, self.question.scope, metadata):
                self.course.explain["unknown_fields"] = unknown
        if not found:
            self.course.explain["fitting_none"] = fitting_none(db, self.question.scope)
        return found

    def _choices(self, db: Connection) -> list[Choice]:
        # Words first: they take longer, and who has begun with the vector meanwhile need not be waited for.
        words = self.words(db) if self.vector is None or self.question.mode == "hybrid" else None
        near = None
        if self.vector is not None:
            found = self.near(db)
            near, self.course.explain["vector"] = found.found, found.explain
        return self._chosen(db, near, words)

    def _chosen(self, db: Connection, near: Ranked | None, words: Worded | None) -> list[Choice]:
        looked = Looked(self.vector, near, words)
        counts = {name: len(found) for name, found in looked.lists.items()}
        self._is_all = all(count < self._depth for count in counts.values())
        self.course.explain |= {"candidates": counts, "degraded": list(self.course.degraded)}
        return chosen(db, looked, self._chances, self.question, self._settings, self.course)

    def _looks_deeper(self) -> bool:
        """Whether so much was left out that there should be more candidates, and there are."""
        if not self._is_thinned() or self._is_all or self._depth >= DEPTH_MAX:
            return False
        self._depth = min(self._depth * DEEPER, DEPTH_MAX)
        return True

    def _is_thinned(self) -> bool:
        """Whether what is shown may come from far below the first ones."""
        return self.question.unique or self.question.per_document_max is not None

    def words(self, db: Connection) -> Worded:
        """The passages that hold the query's words best."""
        return self._worded.of(self._depth, lambda: self._look_for_words(db))

    def near(self, db: Connection) -> Nearest:
        """The passages nearest to the query's vector. Raises ModelMismatch."""
        vector, made_by = self.vector, self.made_by
        assert vector is not None
        return self._neared.of((vector, self._depth), lambda: self._look_near(db, vector, made_by))

    def _look_for_words(self, db: Connection) -> Worded:
        settings = self._settings
        with self.course.stage("text"):
            return worded(
                db,
                self.query,
                self._depth,
                self.question.scope,
                settings.title_weight,
                settings.heading_weight,
                match=self.question.match,
                ranked_max=settings.words_ranked_max,
                common=self._common,
            )

    def _look_near(self, db: Connection, vector: bytes, made_by: Fingerprint | None) -> Nearest:
        identity.expect(db, made_by)
        with self.course.stage("vector"):
            sure = None if self._is_thinned() else self.question.k
            return nearest(db, self._derived, vector, self._depth, self.question.scope, sure)


class _Once(Generic[T]):
    """What is found once for a key. Who asks while another looks gets what that one finds."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: tuple[object, T] | None = None

    def of(self, key: object, look: Callable[[], T]) -> T:
        """What `look` gives, or gave for this key before."""
        with self._lock:
            if self._found is None or self._found[0] != key:
                self._found = (key, look())
            return self._found[1]


def lacking(error: PiRagError) -> AnswerDegraded:
    """The closed word for why there is no vector. A fault of the question itself is raised on."""
    if isinstance(error, ModelMismatch):
        return "model_mismatch"
    if isinstance(error, DeadlineExceeded):
        return "embedder_timeout"
    if isinstance(error, BadInput):
        raise error
    return "embedder_unavailable"
