"""Answers given before, kept in RAM for some minutes: in front of the desk that answers questions.

An answer is known by all of its question and by the settings it was made with. It is dropped as soon as a
write touched a collection that it was asked in, and it is never kept when it is degraded. Nothing of a
question or an answer is written to the disk. It knows nothing of how a search is done.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, is_dataclass, replace
from functools import lru_cache
from heapq import nlargest
from typing import Any, Literal

from pi_rag import log
from pi_rag.cache import Cache
from pi_rag.clock import Clock, tick_s
from pi_rag.config import CacheSettings, QuerySettings
from pi_rag.errors import PiRagError, StoreError, TryLater
from pi_rag.query import Answer, QueryDesk, Question
from pi_rag.query_cache import LOOK_S_BETWEEN, has_room
from pi_rag.store.store import Store
from pi_rag.types import Scope

Origin = Literal["hit", "miss", "off"]
"""Where an answer came from: the cache, the desk, or the desk because the cache is off."""

_log = log.logger("cache")


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer, shared by all who ask its question, and what it was made from."""

    question: Question
    generation: int
    answer: Answer


class AnswerCache:
    """Answers questions, those asked before at once. One for the life of the service."""

    def __init__(
        self,
        desk: QueryDesk,
        store: Store,
        settings: CacheSettings,
        clock: Clock,
        available_mib: Callable[[], float | None],
        searched: Callable[[], None] = lambda: None,
    ) -> None:
        """`searched` is called when the desk is about to search for somebody: others may make way."""
        self._desk = desk
        self._searched = searched
        self._available_mib = available_mib
        self._store = store
        self._settings = settings
        self._clock = clock
        self._bytes_max = settings.results_mib_max * 2**20
        self._on = bool(settings.results_max and self._bytes_max)
        self._cache: Cache[Kept] = Cache(
            bytes_max=self._bytes_max,
            entries_max=settings.results_max,
            policy="lru",
            ttl_s=settings.results_ttl_s,
            clock=clock,
        )
        self._seen = store.generation(None)
        """The last write that the cache has been looked through for."""
        self._missed: dict[bytes, tuple[int, Question]] = {}
        """What writes dropped and somebody had asked for more than once, the most wanted first: its uses, and
        the question. No more than are made anew, for a busy service may never come to that.
        """
        self._numbers = dict.fromkeys(("asked", "dropped", "warmed", "sheds"), 0)
        self._last_look = (0, self._seen)
        """Questions and writes there had been."""
        self._short = False
        self.beat: Callable[[], None] = lambda: None
        """Called by the loop that looks after it, to say that it works."""
        self._task: asyncio.Task[None] | None = None

    def start(self) -> asyncio.Task[None]:
        """Begin to look after it."""
        self._task = asyncio.create_task(self._keep(), name="answers")
        return self._task

    async def stop(self) -> None:
        """Look after it no more. Twice is harmless."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
            self._task = None

    async def search(self, question: Question) -> Answer:
        """The best passages for a question. Raises as `QueryDesk.search` does."""
        self._numbers["asked"] += 1
        # A question that is too long is not worth reading to its end; the desk refuses it.
        if not self._on or len(question.query) > self._desk.settings.chars_max:
            self._searched()
            return _told(await self._desk.search(question), "off")
        begun_s = self._clock.monotonic_s()
        self.drop_old()
        key = key_of(question, self._desk.settings)
        known = self._cache.get(key)
        if known is None:
            self._searched()
            return _told(await self._made(key, question), "miss")
        self._desk.asked_again(question)
        took_ms = round((self._clock.monotonic_s() - begun_s) * 1000, 3)
        return replace(_told(known.answer, "hit"), took_ms={"results": took_ms, "total": took_ms})

    def drop_old(self) -> None:
        """Drop what a write has made old since the last time, and what is over its time."""
        newest = self._store.generation(None)
        if newest == self._seen:
            self._cache.stats()
            return
        self._seen = newest
        for key, entry in self._cache.entries():
            kept = entry.value
            if kept.generation != self._generation(kept.question):
                self._cache.drop(key)
                self._numbers["dropped"] += 1
                if entry.uses > 1:
                    self._missed[key] = (entry.uses, kept.question)
        self._missed = dict(self._most_wanted())

    async def look(self) -> None:
        """Drop what is old, or everything when memory is short. When nobody has asked or written since the
        last look, make anew what is wanted.
        """
        was_short, self._short = (
            self._short,
            not has_room(not self._short, self._available_mib(), self._settings.available_mib_min),
        )
        if self._short:
            self.shed()
            if not was_short:
                await self._store.shed()
            return
        self.drop_old()
        before, self._last_look = self._last_look, (self._numbers["asked"], self._seen)
        if before == self._last_look:
            await self.warm()

    async def warm(self) -> None:
        """Ask again what a write dropped and was used most, up to `cache.results_warm` of them.

        Only what somebody asked for again since it was made: what nobody wants any more is not kept alive.
        """
        self.drop_old()
        missed, self._missed = self._missed, {}
        for _, question in missed.values():
            self.beat()
            try:
                await self._made(key_of(question, self._desk.settings), question)
            except PiRagError as error:
                _log.info("answer_not_warmed", code=error.code)
            else:
                self._numbers["warmed"] += 1

    def shed(self) -> int:
        """Give the RAM back. Returns how many bytes that was."""
        self._numbers["sheds"] += 1
        self._missed = {}
        return self._cache.shed()

    def status(self) -> dict[str, Any]:
        """How it is, as /v1/status shows it in `cache.results`."""
        stats = asdict(self._cache.stats())
        bounds = {"entries_max": self._settings.results_max, "bytes_max": self._bytes_max}
        return {"state": "on" if self._on else "off", **bounds, **stats, **self._numbers}

    def _most_wanted(self) -> list[tuple[bytes, tuple[int, Question]]]:
        return nlargest(self._settings.results_warm, self._missed.items(), key=lambda each: each[1][0])

    async def _keep(self) -> None:
        while True:
            self.beat()
            await asyncio.sleep(tick_s(self._clock, LOOK_S_BETWEEN))
            try:
                await self.look()
            except (TryLater, StoreError) as error:
                _log.warning("answers_not_looked_after", code=error.code)

    def _generation(self, question: Question) -> int:
        """Another number as soon as a write may have made an answer old.

        A scope of more than collections says what no document fits, wherever that is: there any write counts.
        """
        collection = question.scope.collection
        return self._store.generation(collection if question.scope == Scope(collection=collection) else None)

    async def _made(self, key: bytes, question: Question) -> Answer:
        """Ask the desk, and keep the answer when nothing was written meanwhile that it may not know of."""
        generation = self._generation(question)
        answer = await self._desk.search(question)
        if not answer.degraded and generation == self._generation(question):
            kept = Kept(question, generation, answer)
            self._cache.put(key, kept, ram_bytes(kept))
        return answer


def key_of(question: Question, settings: QuerySettings) -> bytes:
    """The same for the same question under the same settings, whatever the order of a filter's fields."""
    whole = json.dumps([asdict(question), asdict(settings)], sort_keys=True)
    return hashlib.blake2b(whole.encode("ascii"), digest_size=16).digest()


def ram_bytes(value: Any) -> int:
    """RAM of a value and all it holds. What it shares with others is counted each time: an upper bound."""
    size = sys.getsizeof(value)
    if isinstance(value, _SINGLE):
        return size
    if isinstance(value, Mapping):
        return size + sum(map(ram_bytes, value)) + sum(map(ram_bytes, value.values()))
    if isinstance(value, Sequence):
        return size + sum(map(ram_bytes, value))
    kind: Any = type(value)
    return size + sum(ram_bytes(getattr(value, name)) for name in _field_names(kind))


_SINGLE = (str, bytes, int, float, type(None))
"""Nearly all values of an answer, told apart first: it is weighed on the loop that answers everybody."""


@lru_cache
def _field_names(kind: type) -> tuple[str, ...]:
    return tuple(each.name for each in fields(kind)) if is_dataclass(kind) else ()


def _told(answer: Answer, origin: Origin) -> Answer:
    """The answer with its origin in `explain`, in a mapping of its own: the answer that is kept is shared."""
    return replace(answer, explain={**answer.explain, "results": origin})
