"""How much ingest takes on at once: less while people search, while memory is short, and when it is hot.

`pace` decides, from readings alone. A `Room` holds those who work to what was decided. Neither knows what the
work is.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Literal

from pi_rag.config import Settings

HEAT_RANGE_C = 10.0
"""So far below the bound it begins to step back, so that it need not stop where the bound is."""

MOVES_S = 10.0
"""How often who waits for room says that it is still there."""

Why = Literal["full", "queries", "memory", "heat"]


@dataclass(frozen=True, slots=True)
class Gauges:
    """What the machine tells of itself; None where it does not."""

    available_mib: Callable[[], float | None] = lambda: None
    temperature_c: Callable[[], float | None] = lambda: None


@dataclass(frozen=True, slots=True)
class Readings:
    """What is known at one moment."""

    query_ago_s: float | None
    """Seconds since the last search began; None: there was none."""
    available_mib: float | None
    temperature_c: float | None


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much it may be at most, and when it steps back."""

    workers: int
    documents_max: int
    passages_max: int
    query_quiet_s: float
    available_mib_min: int
    temperature_c_max: float

    @classmethod
    def of(cls, settings: Settings) -> Bounds:
        """What the settings say.

        No more documents than could be read one after another while a lease lasts. Two requests for each
        worker: the next is there when one is done. Each has a passage at least, so the lane has a place for
        all of them and for what else stands in it: counts, a reindex, and vectors for other programs.
        """
        ingest, embedder = settings.ingest, settings.embedder
        places = embedder.ingest_queue_max - 3 * embedder.requests_at_once
        readable = int(ingest.lease_s / ingest.read_s_max) - 1
        return cls(
            workers=embedder.workers_wanted,
            documents_max=max(2, min(ingest.documents_per_worker * embedder.workers_wanted, readable)),
            passages_max=max(1, min(2 * embedder.workers_wanted * ingest.embed_texts, places)),
            query_quiet_s=ingest.query_quiet_s,
            available_mib_min=ingest.available_mib_min,
            temperature_c_max=ingest.temperature_c_max,
        )


@dataclass(frozen=True, slots=True)
class Pace:
    """How much may be in hand at once; what waits fills it. At least one of each: it never stands still."""

    documents: int
    passages: int
    """That wait for a worker, or are at one."""
    why: Why
    """What holds it back most."""


def pace(readings: Readings, bounds: Bounds) -> Pace:
    """The pace for these readings.

    While people search, half of the workers have a passage each. Memory and heat take away in proportion,
    beginning at twice the memory and ten degrees before their bounds: memory of all that is in hand, heat of
    the workers that are busy, since only one who rests is cooler.
    """
    shares: dict[Why, float] = {
        "memory": _memory_share(readings.available_mib, bounds.available_mib_min),
        "heat": _heat_share(readings.temperature_c, bounds.temperature_c_max),
    }
    why = min(shares, key=lambda each: shares[each])
    share = shares[why]
    documents = _part(bounds.documents_max, share)
    passages = _part(bounds.passages_max, shares["memory"])
    if shares["heat"] < 1.0:
        passages = min(passages, _part(bounds.workers, shares["heat"]))
    ago_s, few = readings.query_ago_s, max(1, bounds.workers // 2)
    if ago_s is not None and ago_s < bounds.query_quiet_s and few < passages:
        return Pace(documents, few, "queries")
    return Pace(documents, passages, why if share < 1.0 else "full")


def _part(most: int, share: float) -> int:
    return max(1, round(most * share))


def _memory_share(available_mib: float | None, mib_min: int) -> float:
    if available_mib is None or not mib_min:
        return 1.0
    return _within(available_mib / mib_min - 1.0)


def _heat_share(temperature_c: float | None, c_max: float) -> float:
    return 1.0 if temperature_c is None else _within((c_max - temperature_c) / HEAT_RANGE_C)


def _within(share: float) -> float:
    return min(1.0, max(0.0, share))


class Room:
    """Room for so much at once, which may be made smaller or larger meanwhile. For one event loop.

    Who came first goes in first, however little the next one needs. What is larger than the whole room goes
    in alone.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._taken = 0
        self._waiting: deque[tuple[asyncio.Future[None], int]] = deque()

    @property
    def size(self) -> int:
        """How much may be in it."""
        return self._size

    @size.setter
    def size(self, size: int) -> None:
        self._size = size
        self._let_in()

    @contextlib.asynccontextmanager
    async def of(self, amount: int = 1, moves: Callable[[], None] = lambda: None) -> AsyncIterator[None]:
        """Inside it, so much is taken. `moves` is called now and then while it waits, and may raise."""
        await self._enter(amount, moves)
        try:
            yield
        finally:
            self._leave(amount)

    async def _enter(self, amount: int, moves: Callable[[], None]) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((turn, amount))
        self._let_in()
        try:
            while not turn.done():
                await asyncio.wait({turn}, timeout=MOVES_S)
                moves()
        except BaseException:
            if turn.done():
                self._leave(amount)  # it was let in at the moment it was cancelled
            else:
                turn.cancel()
                self._let_in()  # those behind it, perhaps
            raise

    def _leave(self, amount: int) -> None:
        self._taken -= amount
        self._let_in()

    def _let_in(self) -> None:
        while self._waiting:
            turn, amount = self._waiting[0]
            if not turn.cancelled():
                if self._taken and self._taken + amount > self._size:
                    return
                self._taken += amount
                turn.set_result(None)
            self._waiting.popleft()
