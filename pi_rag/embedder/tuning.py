"""`python -m pi_rag.embedder.tuning`: measures what this machine needs for this model, says it, and ends.

Four things, each by doing it: one text alone with both ways of attention, the way to a worker and back,
passages a second by workers and threads, and short texts in one call. All of it fits in `tune_s_max`: on a
slow or busy machine there are fewer repetitions, and what there was no time for is named. It judges nothing.
"""

from __future__ import annotations

import asyncio
import faulthandler
import itertools
import json
import os
import socket
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from operator import attrgetter

from pi_rag.clock import Clock, SystemClock
from pi_rag.embedder.crew import SILENCE_S_MAX, Done, worked
from pi_rag.embedder.curve import Curve, Points
from pi_rag.embedder.engine import Engine
from pi_rag.embedder.llama import Model
from pi_rag.embedder.nursery import boot
from pi_rag.embedder.order import CANARY, Order
from pi_rag.embedder.pool import MIB, Pool
from pi_rag.embedder.tuned import Measured, Sharing, Speed
from pi_rag.embedder.tuner import MESSAGE_BYTES_MAX, Assignment
from pi_rag.errors import PiRagError
from pi_rag.processes.child import attach
from pi_rag.processes.frames import send_frame
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
PASSAGES_MIN = 3
SPEED_ROUNDS = 3
CREW_S_MAX = 1.5

CURVE_SHARE = 0.45
"""How much of the time the curve may take, from the start on; most depends on it."""
SPEED_SHARE = 0.9
"""By when workers and threads must be done."""

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
        self._got: list[float] = []

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
            got=round(min(self._got), 3),
            took_s=round(self._clock.monotonic_s() - self._began_s, 2),
            skipped=tuple(self._skipped),
        )

    def _attention(self, plain: Engine) -> tuple[Points, Points, int]:
        """The least time of one text alone at each length, both ways in turn; and how many rounds."""
        flash = Engine(plain.model, plain.tokens_max, flash_tokens_min=1)
        ways = {"plain": plain, "flash": flash}
        least = {way: dict.fromkeys(lengths(plain.tokens_max), float("inf")) for way in ways}
        rounds, round_s = 0, 0.0
        used_s, start_s = time.process_time(), self._clock.monotonic_s()
        while rounds == 0 or (rounds < ROUNDS_MAX and self._has(round_s, CURVE_SHARE)):
            began_s = self._clock.monotonic_s()
            for tokens in lengths(plain.tokens_max):
                for way, engine in ways.items():
                    times = [self._ms(engine, tokens, 1) for _ in range(repetitions(tokens))]
                    least[way][tokens] = min(least[way][tokens], *times)
            rounds, round_s = rounds + 1, self._clock.monotonic_s() - began_s
        self._got.append((time.process_time() - used_s) / (self._clock.monotonic_s() - start_s))
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
        """The best of some rounds for each crew; in turn, so that what disturbs them disturbs them all."""
        engine = Engine(model, order.tokens_max, flash_tokens_min=curve.flash_tokens_min)
        passage = text_of(model, min(PASSAGE_TOKENS, engine.tokens_max))
        passage_s = curve.text_ms(len(passage)) / 1000
        wanted = crews(len(os.sched_getaffinity(0)), self._settings.workers, self._settings.threads)
        best: dict[tuple[int, int], Done] = {}
        for left in range(SPEED_ROUNDS * len(wanted), 0, -1):
            workers, threads = wanted[-left % len(wanted)]
            room_s = (self._until_s(SPEED_SHARE) - self._clock.monotonic_s()) / left
            if room_s < PASSAGES_MIN * passage_s:
                continue
            # One passage of it warms the workers up, and the last one may be begun just before the end.
            seconds = min(CREW_S_MAX, room_s - 2 * passage_s)
            done = await worked(
                engine, replace(order, threads=threads), workers, passage, seconds, self._clock
            )
            best[workers, threads] = max(
                best.get((workers, threads), done), done, key=attrgetter("passages_s")
            )
        engine.close()
        self._skipped += [crew_name(*crew) for crew in wanted if crew not in best]
        # With more threads than one, the others wait for each other: what they got says nothing.
        self._got += [done.got for (_, threads), done in best.items() if threads == 1]
        return [Speed(*crew, passages_s=round(done.passages_s, 3)) for crew, done in best.items()]

    def _sharing(self, model: Model, curve: Curve) -> list[Sharing]:
        """What sharing a call would gain, with the better way of attention for it."""
        room = min(SHORT_TOKENS[-1] * SHARED_TEXTS[-1], self._window)
        engines = [Engine(model, room, SHARED_TEXTS[-1], flash_tokens_min=least) for least in (1, room + 1)]
        found: list[Sharing] = []
        for tokens in SHORT_TOKENS:
            for texts in SHARED_TEXTS:
                expected_s = 3 * len(engines) * texts * curve.text_ms(tokens) / 1000
                if tokens * texts > room or not self._has(expected_s, 1.0):
                    self._skipped.append(f"{texts} texts of {tokens} tokens in one call")
                    continue
                shared_ms = min(self._ms(engine, tokens, texts) for engine in engines for _ in range(3))
                alone_ms = texts * curve.text_ms(tokens)
                found.append(Sharing(tokens, texts, round(alone_ms, 4), round(shared_ms, 4)))
        for engine in engines:
            engine.close()
        return found

    def _ms(self, engine: Engine, tokens: int, texts: int) -> float:
        batch = [text_of(engine.model, tokens)] * texts
        began_s = self._clock.monotonic_s()
        engine.embed(batch)
        return 1000 * (self._clock.monotonic_s() - began_s)

    def _has(self, seconds: float, share: float) -> bool:
        """Whether there is so much time left until that share of all of it is used."""
        return self._clock.monotonic_s() + seconds <= self._until_s(share)

    def _until_s(self, share: float) -> float:
        return self._began_s + share * self._settings.tune_s_max

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
            ingest_share=1.0,
            aside_s_max=0.0,
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


def text_of(model: Model, tokens: int) -> tuple[int, ...]:
    """A text of exactly so many tokens, with [CLS] and [SEP]. Which ones they are makes no difference."""
    ids = [int(number) for number in model.tokens(CANARY) if number not in model.unusable]
    return tuple(itertools.islice(itertools.cycle(ids), tokens - model.specials))


def _tell(sock: socket.socket, message: dict[str, object]) -> None:
    send_frame(sock, json.dumps(message).encode(), MESSAGE_BYTES_MAX)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
