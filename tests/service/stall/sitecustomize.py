"""What SIGUSR2 does to a service under test: TEST_FAULT names it. Python imports this by itself."""

from __future__ import annotations

import os
import signal
import time
from typing import Any


def _stall_loop(*_: Any) -> None:
    """Signals are handled in the thread of the event loop: nothing else happens there any more."""
    time.sleep(3600)


def _stick_writer(*_: Any) -> None:
    """The thread that writes never comes back."""
    from pi_rag.store import writer

    setattr(writer.Writer, "_take_turn", lambda _: time.sleep(3600))  # noqa: B010 - mypy lets no method be set
    setattr(writer.Writer, "_work", lambda *_: time.sleep(3600))  # noqa: B010


def _set_clock_back(*_: Any) -> None:
    """By a year: the first network sync after a start with a wrong date."""
    now_s = time.time
    time.time = lambda: now_s() - 365 * 86_400


FAULTS = {"loop": _stall_loop, "writer": _stick_writer, "clock": _set_clock_back}

if os.environ.get("TEST_FAULT") in FAULTS:
    signal.signal(signal.SIGUSR2, FAULTS[os.environ["TEST_FAULT"]])
