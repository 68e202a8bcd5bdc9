"""`python -m pi_rag.embedder.tuning`: measures what this machine needs for this model, says it, and ends.

Four things, each by doing it: one text alone with both ways of attention, the way to a worker and back,
passages a second by workers and threads, and short texts in one call. All of it fits in `tune_s_max`: on a
slow or busy machine there are fewer repetitions, and what there was no time for is named. It judges nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import json
import os
import signal
import socket
import statistics
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import asdict, replace

from pi_rag.clock import Clock, SystemClock
from pi_rag.embedder import wire
from pi_rag.embedder.curve import Curve, Points
from pi_rag.embedder.engine import Engine
from pi_rag.embedder.links import WorkerLink
from pi_rag.embedder.llama import Model
from pi_rag.embedder.nursery import boot
from pi_rag.embedder.order import Order
from pi_rag.embedder.pool import MIB, Pool
from pi_rag.embedder.tuned import Measured, Sharing, Speed
from pi_rag.embedder.tuner import MESSAGE_BYTES_MAX, Assignment
from pi_rag.embedder.worker import work
from pi_rag.errors import PiRagError
from pi_rag.processes.child import attach, die_with_parent
from pi_rag.processes.frames import read_frame, send_frame
from pi_rag.processes.limits import Limits, apply, yield_to_oom

OOM_SCORE_ADJ = 800
"""Before any worker: nobody waits for it."""

LENGTHS = (8, 16, 32, 64, 96, 128, 192, 256)
"""In tokens, [CLS] and [SEP] included; the model's window is added."""

PASSAGE_TOKENS = 230
"""About what ingest cuts to."""

SHORT_TOKENS = (8, 16, 32)
SHARED_TEXTS = (4, 8)

ROUNDS_MAX = 9
WAYS_MAX = 300
PASSAGES_MAX = 20
SPEED_ROUNDS = 2

CURVE_SHARE = 0.45
"""How much of the time the curve may take, from the start on; most depends on it."""
SPEED_SHARE = 0.9
"""By when workers and threads must be done."""

SILENCE_S_MAX = 60.0

Told = Callable[[str], None]


def main(argv: list[str]) -> int:
    """Measure, say it, end."""
    clock = SystemClock()
    began_s = clock.monotonic_s()
    sock, arguments = attach(argv)
    faulthandler.enable()
    apply(Limits(network=True))
    yield_to_oom(OOM_SCORE_ADJ)
    assignment = Assignment.from_argument(arguments[0])
    os.nice(assignment.nice)
    with sock:
        try:
            doing = Bench(assignment, clock, began_s, lambda part: _tell(sock, {"doing": part})).measured()
            measured = asyncio.run(doing)
        except PiRagError as error:
            _tell(sock, {"failed": error.to_wire()})
            return error.exit_code
        _tell(sock, {"measured": asdict(measured)})
    return 0


class Bench:
    """One measurement, and the time that is left for it."""

    def __init__(self, assignment: Assignment, clock: Clock, began_s: float, told: Told) -> None:
        self._card = assignment.card
        self._settings = assignment.settings
        self._clock = clock
        self._began_s = began_s
        self._told = told
        self._skipped: list[str] = []

    async def measured(self) -> Measured:
        """All the figures. Raises ModelError and its kinds, EmbedderUnavailable."""
        self._told("loading the model")
        order = self._order()
        engine = boot(order)
        try:
            self._told("attention, plain and flash")
            plain, flash, rounds = self._attention(engine)
        finally:
            engine.close()
        self._told("the way to a worker")
        curve = Curve(plain, flash, await self._frame_ms())
        self._told("workers and threads")
        speeds = await self._speeds(engine.model, curve, replace(order, tokens_max=engine.tokens_max))
        self._told("short texts in one call")
        sharing = self._sharing(engine.model, curve)
        return Measured(
            plain=plain,
            flash=flash,
            frame_ms=curve.frame_ms,
            speeds=tuple(speeds),
            sharing=tuple(sharing),
            rounds=rounds,
            took_s=round(self._clock.monotonic_s() - self._began_s, 2),
            skipped=tuple(self._skipped),
        )

    def _attention(self, plain: Engine) -> tuple[Points, Points, int]:
        """The least time of one text alone at each length, both ways in turn; and how many rounds."""
        flash = Engine(plain.model, plain.tokens_max, flash_tokens_min=1)
        ways = {"plain": plain, "flash": flash}
        least = {way: dict.fromkeys(lengths(plain.tokens_max), float("inf")) for way in ways}
        rounds, round_s = 0, 0.0
        while rounds == 0 or (rounds < ROUNDS_MAX and self._has(round_s, CURVE_SHARE)):
            began_s = self._clock.monotonic_s()
            for tokens in lengths(plain.tokens_max):
                for way, engine in ways.items():
                    times = [self._ms(engine, tokens, 1) for _ in range(repetitions(tokens))]
                    least[way][tokens] = min(least[way][tokens], *times)
            rounds, round_s = rounds + 1, self._clock.monotonic_s() - began_s
        flash.close()
        points = {way: tuple((tokens, round(ms, 4)) for tokens, ms in least[way].items()) for way in ways}
        return points["plain"], points["flash"], rounds

    async def _frame_ms(self) -> float:
        """The whole way through a real pool and back: its queue, its socket, a worker that counts a word."""
        settings = replace(
            self._settings, workers=1, query_workers=0, threads=1, tokens_max=min(LENGTHS[2], self._window)
        )
        pool = Pool(self._card, settings, self._clock)
        try:
            await pool.start()
            times: list[float] = []
            while len(times) < WAYS_MAX and (not times or self._has(0.0, CURVE_SHARE + 0.1)):
                began_s = self._clock.monotonic_s()
                await pool.count_tokens(["word"], lane="query", deadline_s=SILENCE_S_MAX)
                times.append(1000 * (self._clock.monotonic_s() - began_s))
        finally:
            await pool.stop()
        return round(statistics.median(times), 4)

    async def _speeds(self, model: Model, curve: Curve, order: Order) -> list[Speed]:
        """The best of some rounds for each crew."""
        engine = Engine(model, order.tokens_max, flash_tokens_min=curve.flash_tokens_min)
        tokens = min(PASSAGE_TOKENS, engine.tokens_max)
        wanted = crews(len(os.sched_getaffinity(0)), self._settings.workers, self._settings.threads)
        best: dict[tuple[int, int], float] = {}
        for number in range(SPEED_ROUNDS):
            for at, (workers, threads) in enumerate(wanted):
                left = SPEED_ROUNDS * len(wanted) - number * len(wanted) - at
                count = self._passages(curve.text_ms(tokens), left)
                if count > 0:
                    ms = await self._crew_ms(engine, replace(order, threads=threads), workers, tokens, count)
                    best[workers, threads] = max(best.get((workers, threads), 0.0), 1000 * workers / ms)
        engine.close()
        self._skip([crew_name(*crew) for crew in wanted if crew not in best])
        return [Speed(*crew, passages_s=round(speed, 3)) for crew, speed in best.items()]

    def _passages(self, passage_ms: float, crews_left: int) -> int:
        """How many passages each worker of the next crew may take, beside the one that warms it up."""
        room_s = (self._until_s(SPEED_SHARE) - self._clock.monotonic_s()) / crews_left
        return min(PASSAGES_MAX, int(1000 * room_s / passage_ms) - 1)

    async def _crew_ms(self, engine: Engine, order: Order, workers: int, tokens: int, count: int) -> float:
        """What one passage takes one of these workers while all of them work."""
        async with crew(engine, order, workers) as links:
            await asyncio.gather(*(_embed(link, tokens, 1) for link in links))
            began_s = self._clock.monotonic_s()

            async def one(link: WorkerLink) -> float:
                await _embed(link, tokens, count)
                return self._clock.monotonic_s() - began_s

            ends_s = await asyncio.gather(*map(one, links))
        return 1000 * statistics.mean(ends_s) / count

    def _sharing(self, model: Model, curve: Curve) -> list[Sharing]:
        """What sharing a call would gain, with the better way of attention for it."""
        room = min(SHORT_TOKENS[-1] * SHARED_TEXTS[-1], self._window)
        engines = [Engine(model, room, SHARED_TEXTS[-1], flash_tokens_min=least) for least in (1, room + 1)]
        found: list[Sharing] = []
        for tokens in SHORT_TOKENS:
            for texts in SHARED_TEXTS:
                expected_s = 3 * len(engines) * texts * curve.text_ms(tokens) / 1000
                if tokens * texts > room or not self._has(expected_s, 1.0):
                    self._skip([f"{texts} texts of {tokens} tokens in one call"])
                    continue
                shared_ms = min(self._ms(engine, tokens, texts) for engine in engines for _ in range(3))
                alone_ms = texts * curve.text_ms(tokens)
                found.append(Sharing(tokens, texts, round(alone_ms, 4), round(shared_ms, 4)))
        for engine in engines:
            engine.close()
        return found

    def _ms(self, engine: Engine, tokens: int, texts: int) -> float:
        batch = [text_of(tokens)] * texts
        began_s = self._clock.monotonic_s()
        engine.embed(batch)
        return 1000 * (self._clock.monotonic_s() - began_s)

    def _has(self, seconds: float, share: float) -> bool:
        """Whether there is so much time left until that share of all of it is used."""
        return self._clock.monotonic_s() + seconds <= self._until_s(share)

    def _until_s(self, share: float) -> float:
        return self._began_s + share * self._settings.tune_s_max

    def _skip(self, what: Sequence[str]) -> None:
        self._skipped += what

    @property
    def _window(self) -> int:
        return min(self._settings.tokens_max, self._card.tokens_max)

    def _order(self) -> Order:
        """For an engine that computes every length with plain attention, and for workers with its kin."""
        return Order(
            path=self._card.path,
            sha256=self._card.sha256,
            tokens_max=self._window,
            texts_per_call_max=1,
            flash_tokens_min=self._window + 1,
            threads=1,
            nice=0,
            beat_s=self._settings.beat_s,
            frame_bytes_max=self._settings.frame_mib_max * MIB,
        )


def lengths(tokens_max: int) -> list[int]:
    """Where the curve is measured: up to the window and at it."""
    return sorted({*(tokens for tokens in LENGTHS if tokens < tokens_max), tokens_max})


def repetitions(tokens: int) -> int:
    """How often a round measures a text: a short one is over before the machine has settled."""
    return max(1, min(8, 128 // tokens))


def crews(cores: int, workers: int, threads: int) -> list[tuple[int, int]]:
    """(workers, threads) to be measured, the most telling first; what a person has set is among them."""
    some = [1, cores, *(number for number in (2, 3, 4, 6, 8) if number < cores)]
    wanted = [(number, 1) for number in some] + [(max(1, cores // 2), min(2, cores)), (1, cores)]
    if workers:
        wanted += [(workers, threads or 1)]
    elif threads:
        wanted += [(max(1, cores // threads), threads)]
    return list(dict.fromkeys(wanted))


def crew_name(workers: int, threads: int) -> str:
    """'2 workers x 1 thread'."""
    return f"{workers} worker{'s' * (workers > 1)} x {threads} thread{'s' * (threads > 1)}"


def text_of(tokens: int) -> tuple[int, ...]:
    """A text of exactly so many tokens, with [CLS] and [SEP]. Which ones they are costs nothing."""
    return tuple(1000 + number for number in range(tokens - 2))


@contextlib.asynccontextmanager
async def crew(engine: Engine, order: Order, workers: int) -> AsyncIterator[list[WorkerLink]]:
    """So many forked workers that have greeted; killed and reaped after the block."""
    links: list[WorkerLink] = []
    try:
        for _ in range(workers):
            links.append(await _hired(engine, order))
        yield links
    finally:
        for link in links:
            link.close()
            os.waitpid(link.pid, 0)


async def _hired(engine: Engine, order: Order) -> WorkerLink:
    ours, theirs = socket.socketpair()
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        _become_worker(theirs, parent, engine, order)
    theirs.close()
    try:
        reader, writer = await asyncio.open_unix_connection(sock=ours)
        wire.parsed_hello(await read_frame(reader, order.frame_bytes_max))
        return WorkerLink(
            pid,
            reader,
            writer,
            dimensions=engine.model.dimensions,
            bytes_max=order.frame_bytes_max,
            silence_s_max=SILENCE_S_MAX,
        )
    except BaseException:
        ours.close()
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        raise


def _become_worker(sock: socket.socket, parent: int, engine: Engine, order: Order) -> None:
    """The rest of a forked process's life, as in the nursery. It never returns."""
    try:
        die_with_parent(parent)
        engine.use_threads(order.threads)
        work(sock, engine, order.frame_bytes_max, order.beat_s)
    finally:
        os._exit(0)


async def _embed(link: WorkerLink, tokens: int, count: int) -> None:
    """One passage after another."""
    for number in range(count):
        payload = await link.ask(wire.request(number, "embed", [wire.encoded_text(text_of(tokens))]))
        wire.parsed_vectors(payload, number, 1, link.dimensions)


def _tell(sock: socket.socket, message: dict[str, object]) -> None:
    send_frame(sock, json.dumps(message).encode(), MESSAGE_BYTES_MAX)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
