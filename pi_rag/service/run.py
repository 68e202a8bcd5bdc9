"""The supervisor: build the house in order, keep it until a signal, tear it down in reverse.

Order: log, database, model, desks, socket, web server, proof, READY. Whatever fails on the way is a typed
error, and nothing is left behind. A model that cannot be used is not a failure: the service then answers from
words alone and says so.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator, Callable
from functools import partial

import uvloop

from pi_rag import log
from pi_rag.clock import Clock, SystemClock
from pi_rag.config import Settings
from pi_rag.errors import PiRagError, SettingsInvalid
from pi_rag.host.heat import temperature_c
from pi_rag.host.memory import available_mib
from pi_rag.host.systemd import notify
from pi_rag.ingest.pace import Gauges
from pi_rag.ingest.runner import Runner
from pi_rag.query import QueryDesk
from pi_rag.query_cache import QueryCache
from pi_rag.service import meaning as meanings
from pi_rag.service import selftest, tuning
from pi_rag.service.app import application
from pi_rag.service.gate import Gate
from pi_rag.service.house import House
from pi_rag.service.listener import listening
from pi_rag.service.reindexing import Reindexing
from pi_rag.service.renewing import Renewal
from pi_rag.service.tuning import Start
from pi_rag.service.web import web
from pi_rag.store import identity
from pi_rag.store.keeper import Keeper
from pi_rag.store.store import Store

PROOF_S_BETWEEN = 1.0
"""How often an unproven service tries again to prove itself. Each try costs one embedding."""

SWITCH_S = 0.0005
"""A search waits for the interpreter so long, at most, each time that it comes back from SQLite or the index
while a text is cut. With Python's own 5 ms it takes twice as long, and p95 four times: benchmarks/LOG.md."""

_log = log.logger("service")


def serve(settings: Settings, reload: Callable[[], Settings]) -> int:
    """Run the service until SIGTERM or SIGINT. `reload` reads the settings again for SIGHUP.

    Returns the exit code. Raises PiRagError when the service cannot start.
    """
    log.configure(settings.service.log_level)
    return uvloop.run(_serve(settings, reload))


async def _serve(settings: Settings, reload: Callable[[], Settings]) -> int:
    signals = _Signals(asyncio.get_running_loop())
    async with _house(tuning.at_start(settings), SystemClock()) as (house, start):
        with listening(settings.socket_path, settings.service.socket_mode) as sock:
            gate = Gate(application(house), settings.service)
            async with web(gate, settings.service, sock) as server:
                await _until_stopped(house, start, gate, server, signals, reload)
    _log.info("stopped")
    return 0


@contextlib.asynccontextmanager
async def _house(chosen: Start, clock: Clock) -> AsyncIterator[tuple[House, Start]]:
    """The rooms, from the ground up, and how the embedder begins; left in reverse."""
    async with contextlib.AsyncExitStack() as stack:
        as_set = chosen.as_set
        patience = partial(_ask_for_patience, as_set.store.upgrade_s_max)
        store = Store.open(as_set.database_path, as_set.store, clock, as_set.index, patience)
        stack.push_async_callback(store.close)
        start = tuning.kept_to(await store.read(identity.fingerprint_in_use), chosen)
        settings = start.settings
        keeper = Keeper(store, clock)
        stack.push_async_callback(keeper.stop)
        meaning = await meanings.joined(start.card, settings.embedder, start.curve, store, clock)
        stack.push_async_callback(meaning.stop)
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
            keeper=keeper,
            meaning=meaning,
            query=query,
            runner=runner,
            reindexing=reindexing,
            clock=clock,
        )
        yield house, start


def _ask_for_patience(seconds: float) -> None:
    """An older database is brought up before READY can be said; systemd would else end the start."""
    notify(f"EXTEND_TIMEOUT_USEC={int(seconds * 1e6)}", "bringing the database to the new schema")
    _log.info("upgrade_begun")


class _Signals:
    """Handlers only set a flag; `_until_stopped` acts on it at its own pace."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.woken = asyncio.Event()
        self.stop = False
        self.reload = False
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._ask, "stop")
        loop.add_signal_handler(signal.SIGHUP, self._ask, "reload")

    def _ask(self, what: str) -> None:
        setattr(self, what, True)
        self.woken.set()


async def _until_stopped(
    house: House,
    start: Start,
    gate: Gate,
    server: asyncio.Task[None],
    signals: _Signals,
    reload: Callable[[], Settings],
) -> None:
    """Start what works by itself, then wait for signals and act on them."""
    keeping = await house.query.cache.start()
    proof = asyncio.create_task(_prove(house), name="proof")
    tuned = asyncio.create_task(tuning.keep_tuned(house, start), name="tune")
    renewal = Renewal(house, start)
    kept = (keeping, house.keeper.start(), house.results.start(), house.upkeep.start())
    by_itself = (proof, server, house.runner.start(), *kept)
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
        await house.upkeep.stop()
        await house.runner.drain(house.settings.service.stop_s_max / 2)


def _bound_the_stop(seconds: float) -> None:
    """End the process after `seconds`, whatever still hangs.

    Each room ends its own work in good order, but a thread that waits for a dead disk cannot be ended, and
    Python waits for its threads. What was acknowledged is on the disk, and children die with their parent.
    """

    def end() -> None:
        _log.warning("stop_cut_short", after_s=seconds)
        os._exit(0)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()


def _raise_faults(*tasks: asyncio.Task[None]) -> None:
    """A fault in what works by itself ends the service, and whoever keeps it starts it again."""
    for task in tasks:
        if task.done() and not task.cancelled() and (fault := task.exception()):
            raise fault


async def _prove(house: House) -> None:
    """Start the model, and say READY when all of it has worked once.

    A model that fails in a way that no restart would mend must not keep the service from answering with
    words: systemd is then told READY with a status that says degraded (docs/decisions/0001).
    """
    await selftest.prove_words(house.store)
    await house.meaning.start()
    _settle()
    told = ""
    while not house.proven:
        try:
            await selftest.prove_meaning(house.store, house.meaning, house.settings.embedder.query_s_max)
            house.proven = True
            told = _tell("ready", told)
        except PiRagError as error:
            told = _tell(f"degraded, answering from words alone: {error.message}", told)
            await asyncio.sleep(PROOF_S_BETWEEN)


def _settle() -> None:
    """What is loaded by now stays. The collector need not look at it again: that would stop all for 0.1 s.

    And who computes in Python makes way for the others ten times as often as is usual.
    """
    gc.collect()
    gc.freeze()
    sys.setswitchinterval(SWITCH_S)


def _tell(status: str, told: str) -> str:
    """Say a new status once, to systemd and to the log."""
    if status != told:
        notify("READY=1", status)
        _log.info("status", status=status)
    return status


def _apply(house: House, gate: Gate, reload: Callable[[], Settings], renewal: Renewal) -> None:
    """Take over what can change without a restart: log level, bounds of requests, search, the embedder."""
    try:
        fresh = reload()
    except SettingsInvalid as error:
        _log.error("settings_kept", reason=error.message)
        return
    log.configure(fresh.service.log_level)
    gate.settings = fresh.service
    house.query.settings = fresh.query
    renewal.begin(fresh)
    _log.info("settings_reloaded")
