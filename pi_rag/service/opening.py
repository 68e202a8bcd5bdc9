"""Opening the database at the start, while its disk may have no room for what that needs.

A database that was ended in the midst of its work is opened without any. What needs some: a new one, the
index that SQLite keeps of a log where none is there yet (32 KiB), and an older schema. Ending would be no
help: whoever starts it again would meet the same disk. So it waits for room, and says so.

It knows neither what is opened nor what comes after it.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable

from pi_rag import log
from pi_rag.clock import Clock
from pi_rag.errors import DiskFull
from pi_rag.host.systemd import notify
from pi_rag.store.store import Store

RETRY_S = 5.0
"""How long after a try the next one comes."""

RETRY_TIMES = 9
"""Later by so many times as long as a try took: one that brings up a schema writes, which wears a card."""

LOOK_S = 0.2
"""How soon a stop is noticed meanwhile."""

_log = log.logger("service")


async def opened(attempt: Callable[[], Store], is_stopping: Callable[[], bool], clock: Clock) -> Store | None:
    """What `attempt` opens, as soon as there is room for it; None when the service is to stop before that.

    Raises what `attempt` raises, but for DiskFull.
    """
    is_told = False
    while not is_stopping():
        begun_s = clock.monotonic_s()
        try:
            return attempt()
        except DiskFull as error:
            if not is_told:
                _log.warning("start_waits", code=error.code, reason=error.message)
                is_told = True
        await _rest(RETRY_S + RETRY_TIMES * (clock.monotonic_s() - begun_s), is_stopping)
    return None


async def _rest(seconds: float, is_stopping: Callable[[], bool]) -> None:
    """systemd would else end a start that lasts."""
    notify(f"EXTEND_TIMEOUT_USEC={int((seconds + RETRY_S) * 3e6)}", "the disk is full: waiting for room")
    for _ in range(math.ceil(seconds / LOOK_S)):
        if is_stopping():
            return
        await asyncio.sleep(LOOK_S)
