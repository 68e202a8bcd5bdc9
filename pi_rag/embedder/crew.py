"""Some workers, forked as the nursery forks them, that do nothing but be measured.

A crew works for a while, and tells how many passages it did and how much of the processor it got: on a
machine that others use, its speed says little. It does not know what is made of that.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from dataclasses import dataclass

from pi_rag.clock import Clock
from pi_rag.embedder import wire
from pi_rag.embedder.engine import Engine
from pi_rag.embedder.links import WorkerLink
from pi_rag.embedder.order import Order
from pi_rag.embedder.worker import work
from pi_rag.processes.child import die_with_parent
from pi_rag.processes.frames import read_frame
from pi_rag.types import Text

SILENCE_S_MAX = 60.0


@dataclass(frozen=True, slots=True)
class Done:
    """What a crew did."""

    passages_s: float
    """Of all its workers together."""
    got: float
    """The processor time of the worker that got least, over the time that it was there; with one thread at
    most about 1."""


async def worked(
    engine: Engine, order: Order, workers: int, passage: Text, seconds: float, clock: Clock
) -> Done:
    """Have so many workers embed a passage again and again for about so long, at least once each.

    Raises LinkLost or WorkerSilent when one is gone, VectorInvalid.
    """
    crew = _Crew(engine, order, clock)
    try:
        for _ in range(workers):
            await crew.hire()
        payload = wire.encoded_text(passage)
        # The first passage finds the buffers shared with us, and pays for its own copy.
        await asyncio.gather(*(_rate(link, payload, 0.0, clock) for link in crew.links))
        rates = await asyncio.gather(*(_rate(link, payload, seconds, clock) for link in crew.links))
    finally:
        got = crew.dismissed()
    return Done(sum(rates), got)


async def _rate(link: WorkerLink, passage: bytes, seconds: float, clock: Clock) -> float:
    """Passages a second of one worker."""
    began_s, done = clock.monotonic_s(), 0
    while done == 0 or clock.monotonic_s() < began_s + seconds:
        payload = await link.ask(wire.request(done, "embed", [passage]))
        wire.parsed_vectors(payload, done, 1, link.dimensions)
        done += 1
    return done / (clock.monotonic_s() - began_s)


class _Crew:
    def __init__(self, engine: Engine, order: Order, clock: Clock) -> None:
        self._engine = engine
        self._order = order
        self._clock = clock
        self._pids: dict[int, float] = {}
        """Since when each is there."""
        self.links: list[WorkerLink] = []

    async def hire(self) -> None:
        """One more, that has greeted."""
        ours, theirs = socket.socketpair()
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            _become_worker(theirs, parent, self._engine, self._order)
        self._pids[pid] = self._clock.monotonic_s()
        theirs.close()
        reader, writer = await asyncio.open_unix_connection(sock=ours)
        bytes_max = self._order.frame_bytes_max
        wire.parsed_hello(await read_frame(reader, bytes_max))
        link = WorkerLink(
            pid,
            reader,
            writer,
            dimensions=self._engine.model.dimensions,
            bytes_max=bytes_max,
            silence_s_max=SILENCE_S_MAX,
        )
        self.links.append(link)

    def dismissed(self) -> float:
        """Kill and reap them all; how much of its time the one that got least was at the processor."""
        got = [self._buried(pid, since_s) for pid, since_s in self._pids.items()]
        for link in self.links:
            link.close()
        return min(got, default=0.0)

    def _buried(self, pid: int, since_s: float) -> float:
        os.kill(pid, signal.SIGKILL)
        took_s = self._clock.monotonic_s() - since_s
        _, _, used = os.wait4(pid, 0)
        return (used.ru_utime + used.ru_stime) / max(took_s, 1e-6)


def _become_worker(sock: socket.socket, parent: int, engine: Engine, order: Order) -> None:
    """The rest of a forked process's life, as in the nursery. It never returns."""
    try:
        die_with_parent(parent)
        engine.use_threads(order.threads)
        work(sock, engine, order.frame_bytes_max, order.beat_s)
    finally:
        os._exit(0)
