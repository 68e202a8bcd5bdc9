"""Who is next: two bounded lanes in front of the workers. Pure bookkeeping, without a clock or a socket.

Queries go before any ingest, since a person waits for them. Ingest may hold only some of the workers at
once, so that a query finds one free. Within a lane, first come is first served.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from pi_rag.errors import Busy

if TYPE_CHECKING:
    from pi_rag.embedder.calls import Call, Piece
    from pi_rag.types import Lane


class Lanes:
    """Calls that wait, with their pieces not yet given out, and how many pieces each lane has at workers."""

    def __init__(self, *, query_calls_max: int, ingest_calls_max: int, ingest_workers_max: int) -> None:
        self._calls_max: dict[Lane, int] = {"query": query_calls_max, "ingest": ingest_calls_max}
        self._waiting: dict[Lane, deque[tuple[Call, deque[Piece]]]] = {"query": deque(), "ingest": deque()}
        self._ingest_workers_max = ingest_workers_max
        self._at_work: dict[Lane, int] = {"query": 0, "ingest": 0}

    def admit(self, call: Call) -> None:
        """Let a call wait for workers. Raises Busy when its lane is full."""
        lane = self._waiting[call.lane]
        if len(lane) >= self._calls_max[call.lane]:
            raise Busy(f"{len(lane)} requests of the {call.lane} lane wait for the embedder already.")
        lane.append((call, deque(call.pieces)))

    def take(self, now_s: float) -> Piece | None:
        """The piece that a free worker should do now. Calls that nobody waits for any more are dropped."""
        piece = self._next("query", now_s)
        if piece is None and self._at_work["ingest"] < self._ingest_workers_max:
            piece = self._next("ingest", now_s)
        if piece is not None:
            self._at_work[piece.call.lane] += 1
        return piece

    def leave(self, piece: Piece) -> None:
        """A piece that was taken is at no worker any more, whatever became of it."""
        self._at_work[piece.call.lane] -= 1

    def put_back(self, piece: Piece) -> None:
        """A piece that has left its worker undone goes to the front of its lane, beyond any bound."""
        self._waiting[piece.call.lane].appendleft((piece.call, deque([piece])))

    def withdraw(self, call: Call) -> None:
        """Forget what still waits of a call."""
        lane = self._waiting[call.lane]
        self._waiting[call.lane] = deque(entry for entry in lane if entry[0] is not call)

    def queued(self) -> dict[str, int]:
        """How many entries wait in each lane."""
        return {lane: len(calls) for lane, calls in self._waiting.items()}

    def _next(self, name: Lane, now_s: float) -> Piece | None:
        lane = self._waiting[name]
        while lane:
            call, pieces = lane[0]
            if not call.open or now_s >= call.deadline_s:
                lane.popleft()
                continue
            piece = pieces.popleft()
            if not pieces:
                lane.popleft()
            return piece
        return None
