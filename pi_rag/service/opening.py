"""Opening the database at the start, while its disk may have no room for what that needs.

A database that was ended in the midst of its work is opened without any. What needs some: a new one, the
index that SQLite keeps of a log where none is there yet (32 KiB), and an older schema. Ending would be no
help: whoever starts it again would meet the same disk. So it waits for room, says so, and goes on when it
sees some.

It knows neither what is opened nor what comes after it.
"""

from __future__ import annotations

import asyncio
import math
import shutil
from collections.abc import Callable
from pathlib import Path

from pi_rag import log
from pi_rag.clock import Clock
from pi_rag.errors import DiskFull
from pi_rag.host.systemd import notify
from pi_rag.store.store import Store

RETRY_S = 5.0
"""How long after a try the next one comes, if there is no more room to be seen."""

ROOM_BYTES = 2**20
"""So much more than at the last try is a reason for the next one. It is far more than most starts need."""

RETRY_TIMES = 9
"""Later by so many times as long as a try took: one that brings up a schema writes, which wears a card."""

LOOK_S = 0.2
"""How soon room is seen meanwhile, and a stop."""

_log = log.logger("service")


async def opened(
    attempt: Callable[[], Store], folder: Path, is_stopping: Callable[[], bool], clock: Clock
) -> Store | None:
    """What `attempt` opens, as soon as `folder` has room for it; None when the service is to stop before.

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
        await _wait_for_room(clock.monotonic_s() - begun_s, folder, is_stopping)
    return None


async def _wait_for_room(tried_s: float, folder: Path, is_stopping: Callable[[], bool]) -> None:
    """Until there is more than now, or it is time for the next try."""
    spared_s, enough_bytes = RETRY_TIMES * tried_s, _free_bytes(folder) + ROOM_BYTES
    # systemd would else end a start that lasts.
    patience_s = 3 * (spared_s + 2 * RETRY_S)
    notify(f"EXTEND_TIMEOUT_USEC={int(patience_s * 1e6)}", "the disk is full: waiting for room")
    await _rest(spared_s, is_stopping)
    await _rest(RETRY_S, lambda: is_stopping() or _free_bytes(folder) >= enough_bytes)


async def _rest(seconds: float, is_over: Callable[[], bool]) -> None:
    for _ in range(math.ceil(seconds / LOOK_S)):
        if is_over():
            return
        await asyncio.sleep(LOOK_S)


def _free_bytes(folder: Path) -> int:
    """Of its file system; 0 where that cannot be told, as of a folder that could not be made."""
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return 0
