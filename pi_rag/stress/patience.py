"""Waiting for what must come true, and asking again whoever says "in a moment".

It knows no service: only that one which is not there, or says no, makes nothing true.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import TypeVar

from pi_rag.errors import PiRagError, TryLater

T = TypeVar("T")

LOOK_S = 0.05
ASKED_S_MAX = 30.0
"""So long somebody is asked again; then his last word counts."""


def until(condition: Callable[[], object], seconds: float, look_s: float = LOOK_S) -> bool:
    """Wait for it; whether it came true in time. It is looked at once at least; an error is not true."""
    end_s = time.monotonic() + seconds
    while True:
        with contextlib.suppress(PiRagError):
            if condition():
                return True
        if time.monotonic() >= end_s:
            return False
        time.sleep(look_s)


def asked(ask: Callable[[], T], seconds: float = ASKED_S_MAX, look_s: float = LOOK_S) -> T:
    """The answer, also of one who was told to come again. Raises what it raises otherwise, or in the end."""
    end_s = time.monotonic() + seconds
    while True:
        try:
            return ask()
        except TryLater:
            if time.monotonic() >= end_s:
                raise
        time.sleep(look_s)
