"""What the service stands on: the log, the signals, the database, and the model.

The model's processes begin here, so that they load it while all else is made ready. It knows neither the
desks nor who is answered.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial

from pi_rag import log
from pi_rag.clock import Clock
from pi_rag.config import Settings, doubts
from pi_rag.host.systemd import notify
from pi_rag.service import meaning as meanings
from pi_rag.service import sizing, tuning
from pi_rag.service import watchdog as watchdogs
from pi_rag.service.meaning import Meaning
from pi_rag.service.opening import opened
from pi_rag.service.sizing import Sized
from pi_rag.service.tuning import Start
from pi_rag.service.watchdog import Watchdog
from pi_rag.store import identity
from pi_rag.store.keeper import Keeper
from pi_rag.store.store import Store

_log = log.logger("service")


@dataclass(frozen=True, slots=True)
class Ground:
    """What is there before any desk."""

    sized: Sized
    start: Start
    """How the embedder begins."""
    store: Store
    watchdog: Watchdog
    keeper: Keeper
    meaning: Meaning
    clock: Clock


class Signals:
    """Handlers only set a flag; whoever waits for `woken` acts on it at its own pace."""

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


def hold_log_to(settings: Settings) -> None:
    """What it writes from now on."""
    log.configure(settings.service.log_level, texts=settings.service.log_texts == "on")


def tell_of_doubts(settings: Settings) -> None:
    """A line for each setting that will hardly do what was meant."""
    for said in doubts(settings):
        _log.warning("settings_doubtful", said=said)


@contextlib.asynccontextmanager
async def laid(settings: Settings, signals: Signals, clock: Clock) -> AsyncIterator[Ground | None]:
    """It, left in reverse; None when the service is to stop before the database could be opened.

    A start that fails later, as when somebody else has the socket, has begun the model for nothing.
    """
    sized = sizing.sized(settings)
    chosen = tuning.at_start(sized.settings)
    notify("", "opening the database")
    attempt = partial(_open, chosen.as_set, clock)
    store = await opened(attempt, chosen.as_set.data_path, lambda: signals.stop, clock)
    if store is None:
        yield None
        return
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(store.close)
        start = tuning.kept_to(await store.read(identity.fingerprint_in_use), chosen)
        watchdog = watchdogs.of(start.settings, store, clock)
        stack.push_async_callback(watchdog.stop)
        keeper = Keeper(store, clock)
        stack.push_async_callback(keeper.stop)
        meaning = await meanings.joined(start.card, start.settings.embedder, start.curve, store, clock)
        stack.push_async_callback(meaning.stop)
        meaning.begin()
        await asyncio.sleep(0)  # its first process is there before anything keeps the loop busy
        yield Ground(sized, start, store, watchdog, keeper, meaning, clock)


def _open(settings: Settings, clock: Clock) -> Store:
    patience = partial(_ask_for_patience, settings.store.upgrade_s_max)
    return Store.open(settings.database_path, settings.store, clock, settings.index, patience)


def _ask_for_patience(seconds: float) -> None:
    """An older database is brought up before READY can be said; systemd would else end the start."""
    notify(f"EXTEND_TIMEOUT_USEC={int(seconds * 1e6)}", "bringing the database to the new schema")
    _log.info("upgrade_begun")
