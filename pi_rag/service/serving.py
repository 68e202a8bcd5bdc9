"""The house on its ground: desks, socket, web server, proof, READY; kept until a signal, left in reverse.

It is imported when the ground is laid. It knows neither how the database was opened nor where the model lies.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import sys
import threading
from collections.abc import AsyncIterator, Callable
from functools import partial

from pi_rag import log
from pi_rag.budget import Step
from pi_rag.clock import tick_s
from pi_rag.config import Settings
from pi_rag.errors import PiRagError, SettingsInvalid
from pi_rag.host.heat import temperature_c
from pi_rag.host.systemd import notify, watchdog_s
from pi_rag.ingest.pace import Gauges
from pi_rag.ingest.runner import Runner
from pi_rag.query import QueryDesk
from pi_rag.query_cache import QueryCache
from pi_rag.service import meaning as meanings
from pi_rag.service import returning, selftest, sizing, tuning
from pi_rag.service.app import application
from pi_rag.service.gate import Gate
from pi_rag.service.ground import Ground, Signals, hold_log_to, tell_of_doubts
from pi_rag.service.health import Heart
from pi_rag.service.house import House
from pi_rag.service.listener import listening
from pi_rag.service.reindexing import Reindexing
from pi_rag.service.renewing import Renewal
from pi_rag.service.telling import Telling
from pi_rag.service.tuning import Start
from pi_rag.service.web import web

PATIENCE_S = 5.0
"""How often a start that goes on asks systemd for more time, each time for three times as much."""

PROOF_S_BETWEEN = 1.0
"""How often an unproven service tries again to prove itself. Each try costs one embedding."""

SWITCH_S = 0.0005
"""A search waits for the interpreter so long, at most, each time that it comes back from SQLite or the index
while a text is cut. With Python's own 5 ms it takes twice as long, and p95 four times: benchmarks/LOG.md."""

_log = log.logger("service")


async def answer(ground: Ground, signals: Signals, reload: Callable[[], Settings]) -> None:
    """Whoever asks, until the service is to stop. Raises PiRagError when it cannot be reached."""
    settings = ground.start.settings
    async with _house(ground) as house:
        with listening(settings.socket_path, settings.service.socket_mode) as sock:
            watchdog = house.watchdog
            gate = Gate(
                application(house), settings.service, house.metrics.answered, lambda: watchdog.room_mib
            )
            async with web(gate, settings.service, sock, gate.refusal) as server:
                await _until_stopped(house, ground.start, gate, server, signals, reload)


@contextlib.asynccontextmanager
async def _house(ground: Ground) -> AsyncIterator[House]:
    """The rooms, left in reverse."""
    settings, store, meaning, clock = ground.start.settings, ground.store, ground.meaning, ground.clock
    available_mib = ground.watchdog.available_mib
    async with contextlib.AsyncExitStack() as stack:
        runner = Runner(
            store,
            meaning.embedder,
            meaning.reason,
            settings,
            clock,
            tokens_max=meaning.tokens_max,
            gauges=Gauges(available_mib, temperature_c),
        )
        stack.push_async_callback(runner.stop)
        cache = QueryCache(store, meaning.embedder, meaning.maker, settings.cache, clock, available_mib)
        stack.push_async_callback(cache.stop)
        query = QueryDesk(
            store,
            cache,
            query_prefix=meaning.query_prefix,
            query_s_max=settings.embedder.query_s_max,
            settings=settings.query,
            clock=clock,
        )
        if meaning.card is not None and meaning.reason is None:
            query.adopt(meaning.query_prefix, meanings.fingerprint(meaning.card))
        reindexing = Reindexing(store, meaning, query, runner, settings, clock)
        stack.push_async_callback(reindexing.stop)
        house = House(
            settings=settings,
            store=store,
            keeper=ground.keeper,
            meaning=meaning,
            query=query,
            runner=runner,
            reindexing=reindexing,
            watchdog=ground.watchdog,
            clock=clock,
        )
        stack.push_async_callback(house.agents.stop)
        house.sized = ground.sized
        yield house


async def _until_stopped(
    house: House,
    start: Start,
    gate: Gate,
    server: asyncio.Task[None],
    signals: Signals,
    reload: Callable[[], Settings],
) -> None:
    """Start what works by itself, then wait for signals and act on them."""
    keeping = await house.query.cache.start()
    heart = _heart(house)
    proof = asyncio.create_task(_prove_and_tell(house, Telling(house, partial(notify, ""))), name="proof")
    tuned = asyncio.create_task(_return_and_tune(house, start), name="tune")
    renewal = Renewal(house, start)
    loops = (house.keeper, house.results, house.upkeep, house.filling)
    by_itself = (
        proof,
        server,
        house.runner.start(),
        keeping,
        *(loop.start() for loop in loops),
        heart.start(),
        house.alarms.start(),
        house.watchdog.start(),
        house.minutes.start(),
    )
    house.reindexing.resume()
    await house.watching.start()
    for task in by_itself:
        task.add_done_callback(lambda _: signals.woken.set())
    try:
        while not signals.stop:
            await signals.woken.wait()
            signals.woken.clear()
            _raise_faults(*by_itself)
            if signals.reload:
                signals.reload = False
                _apply(house, gate, reload, renewal)
    finally:
        house.stopping = True
        _bound_the_stop(house.settings.service.stop_s_max)
        notify("STOPPING=1", "finishing what was acknowledged")
        _log.info("stopping", state=house.state)
        proof.cancel()
        tuned.cancel()
        await asyncio.wait({proof, tuned})
        await renewal.stop()
        await house.watching.stop()
        await house.reindexing.stop()
        await house.results.stop()
        await house.store.end_aside()
        await house.backing_up.stop()
        await house.upkeep.stop()
        await house.filling.stop()
        await house.alarms.stop()
        await house.minutes.stop()
        await house.watchdog.stop()
        await house.runner.drain(house.settings.service.stop_s_max / 2)
        await heart.stop()


def _heart(house: House) -> Heart:
    """It beats until the queue has come to rest."""
    return Heart(
        house.beats,
        house.settings.health,
        house.clock,
        turns={"writer": house.store.write_turn, "readers": house.store.read_turn},
        words=lambda: house.meaning.words if house.watchdog.step < Step.WORDS else None,
        watchdog_s=watchdog_s(),
        ping=partial(notify, "WATCHDOG=1"),
    )


def _bound_the_stop(seconds: float) -> None:
    """End the process after `seconds`, whatever still hangs.

    Each room ends its own work in good order, but a thread that waits for a dead disk cannot be ended, and
    Python waits for its threads. What was acknowledged is on the disk, and children die with their parent.
    """

    def end() -> None:
        _log.warning("stop_cut_short", after_s=seconds)
        log.end()
        os._exit(0)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()


def _raise_faults(*tasks: asyncio.Task[None]) -> None:
    """A fault in what works by itself ends the service, and whoever keeps it starts it again."""
    for task in tasks:
        if task.done() and not task.cancelled() and (fault := task.exception()):
            raise fault


async def _return_and_tune(house: House, start: Start) -> None:
    """What is measured is how this machine works with the model, which may not be there yet."""
    await tuning.keep_tuned(house, await returning.until_there(house, start))


async def _prove_and_tell(house: House, telling: Telling) -> None:
    """Start the model, say READY when all of it has worked once, and go on saying how it is.

    A model that fails in a way that no restart would mend must not keep the service from answering with
    words: systemd is then told READY with a status that says degraded (docs/decisions/0001).
    """
    patience = asyncio.create_task(_ask_for_patience_while_starting(house), name="patience")
    try:
        notify("", "loading the model")
        await house.meaning.start()
        notify("", "trying a search")
        _settle()
        await _tried(house)
    finally:
        patience.cancel()
        await asyncio.wait({patience})
    notify("READY=1", await telling.first())
    while True:
        await telling.look()
        # While all is well nothing presses: every wake-up of a house at rest costs its share of a core.
        rest_s = house.settings.health.status_s_min if house.proven else PROOF_S_BETWEEN
        await asyncio.sleep(tick_s(house.clock, rest_s))
        if not house.proven:
            await _tried(house)


async def _tried(house: House) -> None:
    """One try of all that a search needs; what it lacks is no reason to end."""
    s_max = house.settings.embedder.query_s_max
    try:
        # A store that is stuck is not waited for: what else there is can be told of, and systemd sees to it.
        async with asyncio.timeout(house.settings.store.reader_wait_s_max + s_max):
            await selftest.prove_words(house.store)
            await selftest.prove_meaning(house.store, house.meaning, s_max)
    except (PiRagError, TimeoutError) as error:
        house.unproven_by = error.code if isinstance(error, PiRagError) else "store_busy"
    else:
        house.proven, house.unproven_by = True, None


async def _ask_for_patience_while_starting(house: House) -> None:
    """A model on a slow card may take longer than systemd waits by itself. The loop asks, so it is alive."""
    end_s = house.clock.monotonic_s() + house.settings.embedder.boot_s_max
    while house.clock.monotonic_s() < end_s:
        notify(f"EXTEND_TIMEOUT_USEC={int(PATIENCE_S * 3e6)}")
        await asyncio.sleep(PATIENCE_S)


def _settle() -> None:
    """What is loaded by now stays. The collector need not look at it again: that would stop all for 0.1 s.

    And who computes in Python makes way for the others ten times as often as is usual.
    """
    gc.collect()
    gc.freeze()
    sys.setswitchinterval(SWITCH_S)


def _apply(house: House, gate: Gate, reload: Callable[[], Settings], renewal: Renewal) -> None:
    """Take over what can change without a restart: log level, bounds of requests, search, the embedder."""
    try:
        as_read = reload()
        house.sized = sizing.resized(as_read, house.sized)
    except SettingsInvalid as error:
        _log.error("settings_kept", reason=error.message)
        return
    fresh = house.sized.settings
    tell_of_doubts(as_read)  # what was fitted to the budget is told apart from it
    hold_log_to(fresh)
    gate.settings = fresh.service
    house.administration.choose(fresh.service.admin_group)
    house.query.settings = fresh.query
    house.memory.follow(fresh.remember)
    renewal.begin(fresh)
    _log.info("settings_reloaded")
