"""Who is free, and what they are given: the places of all workers, over one set of lanes.

It knows neither how a worker is started nor how it is spoken to; `place` does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from pi_rag.clock import Clock
from pi_rag.embedder.calls import Batch
from pi_rag.embedder.lanes import Lanes
from pi_rag.errors import PiRagError
from pi_rag.processes import right_of_way

if TYPE_CHECKING:
    from pi_rag.embedder.place import Place


class Staff:
    """Gives waiting batches to free workers."""

    def __init__(self, lanes: Lanes, clock: Clock, news: Callable[[PiRagError | None], None]) -> None:
        """`news` is told of every worker: None when it is ready, the reason when it could not be started."""
        self.news = news
        self.lanes = lanes
        self.clock = clock
        self.places: Sequence[Place] = ()
        self.examining = asyncio.Lock()
        """Held while a worker is examined or relieved, so that it is one at a time."""
        self.batches = 0
        """How many batches have been given out."""
        self.words = 0
        """How many times a worker has been heard: beats and answers."""
        self._idle: dict[Place, asyncio.Future[Batch]] = {}
        self._request_id = 0

    @property
    def ready(self) -> bool:
        """True when at least one worker can answer."""
        return any(place.ready for place in self.places)

    def heard(self) -> None:
        """A worker has said something."""
        self.words += 1

    def next_request_id(self) -> int:
        """A number that no request had before."""
        self._request_id += 1
        return self._request_id

    def offer(self, place: Place) -> asyncio.Future[Batch]:
        """A place is free; its next batch will be in the future."""
        given: asyncio.Future[Batch] = asyncio.get_running_loop().create_future()
        self._idle[place] = given
        self.dispatch()
        return given

    def leave(self, place: Place) -> None:
        """A place is free no longer, for whatever reason."""
        self._idle.pop(place, None)

    def dispatch(self) -> None:
        """Give what waits to who is free: to those that only answer queries first."""
        for place in sorted(self._idle, key=lambda place: place.ingests):
            batch = self.lanes.take(
                self.clock.monotonic_s(), ingest=place.ingests, idle_workers=len(self._idle)
            )
            if batch is not None:
                self.batches += 1
                self._idle.pop(place).set_result(batch)
        right_of_way.ours().lacks_workers(self.lanes.queued()["query"] > 0)

    def put_back(self, batch: Batch) -> None:
        """A batch that no worker has done waits again."""
        self.lanes.put_back(batch)
        self.dispatch()
