"""A service that ends again and again soon after its start waits longer before each new one.

systemd starts it again whatever happens, for ever, since a card that is mounted late or a disk that is full
mends itself one day. But only from 254 on systemd waits longer each time (RestartSteps=), and Raspberry Pi OS
bookworm has 252. So the starts are counted here, in a file that lives as long as the unit is not stopped. Who
comes to the socket meanwhile waits there. It does not know why a start failed.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pi_rag import log
from pi_rag.clock import Clock
from pi_rag.host.systemd import notify

LASTING_S = 60.0
"""A run that lasted so long was a good one: the next start is the first again."""

AT_ONCE = 3
"""So many starts in a row wait for nothing: most faults are gone by then."""

WAIT_S_MAX = 60.0
"""The longest wait, so that what was mended from outside is seen within a minute."""

START_S = 120.0
"""What a start may take after the wait: TimeoutStartSec of the unit."""

ENDING = {signal.SIGTERM, signal.SIGINT}

_log = log.logger("service")


@dataclass(frozen=True, slots=True)
class Start:
    """How many starts in a row there were with this one, and when it began, by the monotonic clock."""

    number: int
    at_s: float


def number_of(last: Start | None, now_s: float) -> int:
    """Which start in a row one would be that begins now."""
    return 1 if last is None or not 0 <= now_s - last.at_s < LASTING_S else last.number + 1


def wait_s(number: int) -> float:
    """How long that start waits: nothing, then 2 s, and twice as long each time."""
    return 0.0 if number <= AT_ONCE else min(2.0 ** min(number - AT_ONCE, 16), WAIT_S_MAX)


@contextlib.contextmanager
def counted(clock: Clock, wait: Callable[[float], bool] | None = None) -> Iterator[bool]:
    """Wait as long as this start must, then run; only a run that ends well is forgotten.

    Gives False when it was told to end while it waited. Without systemd's folder nothing is counted.
    """
    # A unit of somebody's own may have several, with colons between them (systemd.exec(5)).
    folder = os.environ.get("RUNTIME_DIRECTORY", "").split(":")[0]
    if not folder:
        yield True
        return
    file = Path(folder) / "starts"
    number = number_of(_read(file), clock.monotonic_s())
    goes_on = _told_and_waited(number, wait or _waited)
    with contextlib.suppress(OSError):
        file.write_text(f"{number} {clock.monotonic_s()}")
    yield goes_on
    with contextlib.suppress(OSError):
        file.unlink()


def _told_and_waited(number: int, wait: Callable[[float], bool]) -> bool:
    seconds = wait_s(number)
    if not seconds:
        return True
    status = f"waiting {seconds:g} s: the last {number - 1} starts ended within a minute; see the log"
    # Held back before anybody can know of the wait: a signal would else end it in the usual way.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {*ENDING, signal.SIGHUP})
    try:
        notify(f"EXTEND_TIMEOUT_USEC={int((seconds + START_S) * 1e6)}", status)
        _log.warning("starts_failed", failures=number - 1, wait_s=seconds)
        return wait(seconds)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _waited(seconds: float) -> bool:
    """Wait for so long, or until a signal. False: it says that this process shall end."""
    came = signal.sigtimedwait({*ENDING, signal.SIGHUP}, seconds)
    return came is None or came.si_signo not in ENDING


def _read(file: Path) -> Start | None:
    """The start before this one; None when there was none, or nothing sensible is told of it."""
    try:
        number, at_s = file.read_text().split()
        return Start(max(0, int(number)), float(at_s))
    except (OSError, ValueError):
        return None
