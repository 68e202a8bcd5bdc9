"""Looks after the RAM index while the service runs: makes it, saves it, and measures what it misses.

What is due is decided from numbers; then it is done in small steps between which everybody else gets their
turn.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from statistics import fmean
from typing import Any, Literal

from pi_rag import log
from pi_rag.clock import Clock, tick_s
from pi_rag.errors import PiRagError, TryLater
from pi_rag.index import choice
from pi_rag.index.choice import Shape
from pi_rag.store import Connection, derived, documents, identity, nearest, snapshot, vectors
from pi_rag.store.rows import Row
from pi_rag.store.store import Store
from pi_rag.store.translate import of_the_system
from pi_rag.types import Fingerprint, Scope

LOOK_S_BETWEEN = 5.0
"""How often it is asked whether anything is due: two small reads."""

FAILED_S_BETWEEN = 300.0
"""How long it rests after a failure: a save may wear the card with 100 MiB before the disk is full."""

RECALL_AT = 10
"""How many of the nearest are compared when recall is measured."""

RECALL_SAMPLES = 100
"""How many measurements the mean is of."""

RECALL_SHARE = 1000
"""A measurement waits at least so many times as long as the last one took, so it costs a thousandth."""

ROOM = 1.25
"""A finer index is made only when it would fit with a quarter more passages, so that it does not come and
go with each document."""

_log = log.logger("index")

Due = Literal["make", "drop", "save", "nothing"]


@dataclass(frozen=True, slots=True)
class Facts:
    """What decides."""

    model: Fingerprint | None
    passages: int
    usable: bool
    has: Shape
    fits: Shape
    """What suits the number of passages."""
    fits_with_room: Shape
    """What would suit a quarter more."""
    unsaved: int
    unsaved_max: int


def due(facts: Facts) -> Due:
    """What is to be done now."""
    if facts.model is None:
        return "nothing"
    if facts.fits.kind == "exact":
        return "drop" if facts.usable else "nothing"
    finer = facts.fits_with_room.kind == facts.has.kind and facts.fits_with_room.bits > facts.has.bits
    if not facts.usable or facts.has.kind != facts.fits.kind or facts.has.bits > facts.fits.bits or finer:
        return "make"
    return "save" if facts.unsaved >= facts.unsaved_max else "nothing"


class Keeper:
    """One for the life of the service."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._derived = store.derived
        self._clock = clock
        self._recall: deque[float] = deque(maxlen=RECALL_SAMPLES)
        self._next_recall_s = clock.monotonic_s()
        self._making = False
        self._settled_at = -1
        """How many writes there had been when nothing was due."""
        self.beat: Callable[[], None] = lambda: None
        """Called by the loop that looks after it, to say that it works."""
        self._task: asyncio.Task[None] | None = None

    def start(self) -> asyncio.Task[None]:
        """Begin to look after it."""
        self._task = asyncio.create_task(self._keep(), name="index")
        return self._task

    async def stop(self) -> None:
        """Save what has changed, once more. Twice is harmless."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
            self._task = None
            if self._derived.unsaved:
                try:
                    await self._save()
                except Exception as error:
                    _tell(error)

    async def look(self) -> Due:
        """Do what is due, and say what that was. Without a write since the last time it is nothing."""
        writes = self._store.writes
        if writes == self._settled_at:
            return "nothing"
        facts = await self._store.read(self._facts)
        wanted = due(facts)
        if wanted == "make":
            assert facts.model is not None
            await self._make(facts.model, facts.fits, facts.passages)
        elif wanted == "drop":
            await self._store.write(self._without, facts.fits)
        elif wanted == "save":
            await self._save()
        else:
            self._settled_at = writes
        return wanted

    async def measure(self) -> float | None:
        """Recall of the last query that the index answered, against all vectors; None when there was none."""
        asked = self._derived.take_asked()
        if asked is None:
            return None
        begun_s = self._clock.monotonic_s()
        recall = await self._store.read(_recall, self._derived, asked)
        took_s = self._clock.monotonic_s() - begun_s
        pause_s = max(self._derived.settings.recall_s_between, took_s * RECALL_SHARE)
        self._next_recall_s = self._clock.monotonic_s() + pause_s
        if recall is not None:
            self._recall.append(recall)
        return recall

    def status(self) -> dict[str, Any]:
        """The index and its recall, as /v1/status shows them."""
        mean = round(fmean(self._recall), 4) if self._recall else None
        recall = {"at": RECALL_AT, "mean": mean, "samples": len(self._recall)}
        return {**self._derived.status(), "making": self._making, "recall": recall}

    async def _keep(self) -> None:
        while True:
            self.beat()
            pause_s = tick_s(self._clock, LOOK_S_BETWEEN)
            try:
                await self.look()
                if (
                    self._derived.settings.recall_s_between
                    and self._clock.monotonic_s() >= self._next_recall_s
                ):
                    await self.measure()
            except Exception as error:
                _tell(error)
                pause_s = LOOK_S_BETWEEN if isinstance(error, TryLater) else FAILED_S_BETWEEN
            await asyncio.sleep(pause_s)

    def _facts(self, db: Connection) -> Facts:
        model = identity.fingerprint(db)
        index, _ = self._derived.usable(model) if model else (None, "")
        passages = len(index) if index is not None else documents.counts(db).chunks
        return Facts(
            model=model,
            passages=passages,
            usable=index is not None,
            has=self._derived.shape,
            fits=self._fitting(passages, model),
            fits_with_room=self._fitting(int(passages * ROOM), model),
            unsaved=self._derived.unsaved,
            unsaved_max=self._derived.settings.snapshot_changes,
        )

    def _fitting(self, passages: int, model: Fingerprint | None) -> Shape:
        return self._derived.fitting(passages, model.dimensions if model else 1)

    async def _make(self, model: Fingerprint, shape: Shape, passages: int) -> None:
        """From all vectors in the database, while writes go on; the old one serves until the new one does."""
        index, begun_s = choice.made(shape, model.dimensions, passages), self._clock.monotonic_s()
        last_id = 0
        assert index is not None
        self._making = True
        try:
            await self._store.write(lambda _: self._derived.begin())
            while rows := await self._store.read(_vectors_after, model, last_id):
                self.beat()
                await asyncio.to_thread(derived.add, index, rows)
                last_id = rows[-1][0]
            adopted = await self._store.write(self._derived.adopt, index, shape, model, last_id)
        finally:
            self._making = False
            self._derived.end()
        took_s = round(self._clock.monotonic_s() - begun_s, 3)
        _log.info("index_made", kind=shape.name, passages=len(index), seconds=took_s, used=adopted)
        if adopted:
            await self._save()

    def _without(self, db: Connection, shape: Shape) -> None:
        self._derived.without(shape)
        snapshot.forget(db)

    async def _save(self) -> None:
        """Raises StoreError kinds where the folder or the disk does not take it."""
        try:
            publish = await self._store.write(self._derived.save)
            if publish is not None:
                await asyncio.to_thread(publish)
        except OSError as error:
            raise of_the_system(error, self._derived.folder) from error


def _tell(error: Exception) -> None:
    """What goes wrong with an index that is derived costs searches time, and never the service."""
    if isinstance(error, PiRagError):
        _log.warning("index_not_kept", code=error.code, reason=error.message)
    else:
        _log.error("index_fault", exc_info=error)


def _vectors_after(db: Connection, model: Fingerprint, last_id: int) -> list[Row]:
    """As `derived.vectors_after`; none as soon as the table is one of another model's vectors."""
    now = identity.fingerprint(db)
    if now is None or identity.differences(now, model):
        return []
    return derived.vectors_after(db, last_id)


def _recall(db: Connection, index: derived.Derived, vector: bytes) -> float | None:
    """The part of the truly nearest that a search with the index finds, of one and the same state.

    None when the model has changed since the vector was asked for.
    """
    model = identity.fingerprint(db)
    if model is None or index.usable(model)[0] is None:
        return None
    found = nearest.nearest(db, index, vector, RECALL_AT, Scope()).found
    index.take_asked()
    exact = vectors.nearest(db, vector, RECALL_AT)
    truth = {chunk_id for chunk_id, _ in exact}
    return len(truth & {chunk_id for chunk_id, _ in found}) / len(truth) if truth else None
