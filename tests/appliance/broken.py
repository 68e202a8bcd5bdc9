"""Faults on request: laid into the machine's Python, where every process of the service loads it.

SIGUSR1 makes the main thread stand still in the middle of its work, as in a call that never ends. SIGUSR2
makes a process grow by 10 MiB each second, until it ends.
"""

import signal
import threading
import time
from types import FrameType

GROWTH_MIB_S = 10


def _stand_still(number: int, frame: FrameType | None) -> None:
    while True:
        time.sleep(3600)


def _grow(number: int, frame: FrameType | None) -> None:
    threading.Thread(target=_leak, daemon=True).start()


def _leak() -> None:
    kept: list[bytes] = []
    while True:
        kept.append(b"\1" * (GROWTH_MIB_S << 20))
        time.sleep(1)


signal.signal(signal.SIGUSR1, _stand_still)
signal.signal(signal.SIGUSR2, _grow)
