"""The supervisor: lay the ground, build the house on it, keep it until a signal, tear it down in reverse.

Order: log, database, model, desks, socket, web server, proof, READY. Whatever fails on the way is a typed
error, and nothing is left behind. A model that cannot be used is not a failure: the service then answers from
words alone and says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import uvloop

from pi_rag import log
from pi_rag.clock import SystemClock
from pi_rag.config import Settings
from pi_rag.host import memory, wall_clock
from pi_rag.service.ground import Signals, hold_log_to, laid, tell_of_doubts

ARENAS_MAX = 2
"""Heaps that the service's threads share. With one for each of them, a dozen, memory creeps up for hours
while as much is in use as before. systemd's unit says the same to the other processes."""

_log = log.logger("service")


def serve(settings: Settings, reload: Callable[[], Settings]) -> int:
    """Run the service until SIGTERM or SIGINT. `reload` reads the settings again for SIGHUP.

    Returns the exit code. Raises PiRagError when the service cannot start.
    """
    memory.share_arenas(ARENAS_MAX)
    hold_log_to(settings)
    with log.aside():
        _tell_of_the_clock(settings)
        tell_of_doubts(settings)
        return uvloop.run(_serve(settings, reload))


def _tell_of_the_clock(settings: Settings) -> None:
    """One that was set back makes stamps and ages wrong, and nothing else: no wait is measured by it."""
    behind_s = wall_clock.behind_s([settings.database_path])
    if behind_s >= wall_clock.BEHIND_S_MIN:
        _log.warning("clock_behind", seconds=round(behind_s), said="set it: timedatectl set-ntp true")


async def _serve(settings: Settings, reload: Callable[[], Settings]) -> int:
    signals = Signals(asyncio.get_running_loop())
    async with laid(settings, signals, SystemClock()) as ground:
        if ground is not None:
            # Not before: what answers takes longer to import than all of the ground takes to lay.
            from pi_rag.service.serving import answer

            await answer(ground, signals, reload)
    _log.info("stopped")
    return 0
