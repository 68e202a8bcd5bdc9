"""Signals to the processes of one service: kill -9, stand still, go on. Nobody else is ever sent one."""

from __future__ import annotations

import contextlib
import os
import random
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from pi_rag.stress import family


def kill_one(supervisor: int, role: str, dice: random.Random) -> int | None:
    """kill -9 of one in that role; its pid, or None when there is none."""
    pids = family.family(supervisor).get(role, [])
    return kill(dice.choice(pids)) if pids else None


def kill(pid: int) -> int | None:
    """kill -9; its pid, or None when it had just ended by itself."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return None
    return pid


@contextmanager
def stopped(pids: Sequence[int]) -> Iterator[None]:
    """Inside it these processes do nothing (SIGSTOP); afterwards those that are left go on."""
    _send(pids, signal.SIGSTOP)
    try:
        yield
    finally:
        _send(pids, signal.SIGCONT)


def _send(pids: Sequence[int], which: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, which)
