"""Faults, each by name, done to the real processes of one service that the test itself started."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from pathlib import Path
from typing import Any

from pi_rag.stress.running import RunningService


def kill_a_worker(service: RunningService, dice: random.Random) -> int:
    """kill -9 of one worker; its pid."""
    pids = [worker["pid"] for worker in service.client.status()["embedder"]["workers"] if worker["pid"]]
    pid = dice.choice(pids)
    os.kill(pid, signal.SIGKILL)
    return int(pid)


def kill_one(service: RunningService, role: str, dice: random.Random) -> int:
    """kill -9 of one child in that role, if there is any; how many that were."""
    children = service.client.status()["memory"]["processes"]
    pids = [each["pid"] for each in children if each["role"] == role]
    if not pids:
        return 0
    with contextlib.suppress(ProcessLookupError):  # it has just ended by itself
        os.kill(dice.choice(pids), signal.SIGKILL)
    return 1


def processes(status: dict[str, Any]) -> set[int]:
    """Every process of a service, by its own account."""
    return {each["pid"] for each in status["memory"]["processes"]}


def left_after(pids: set[int], seconds: float) -> set[int]:
    """Those still alive after at most `seconds`; returns as soon as there are none."""
    end_s = time.monotonic() + seconds
    while True:
        alive = {pid for pid in pids if _lives(pid)}
        if not alive or time.monotonic() > end_s:
            return alive
        time.sleep(0.01)


def _lives(pid: int) -> bool:
    """A zombie has ended: only its parent has not yet looked."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"
