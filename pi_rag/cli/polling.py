"""A thread that asks the service now and then, so that whoever draws or blinks never waits for an answer.

It knows neither what is asked nor what is done with the answer.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from pi_rag.errors import PiRagError

RETRY_S_MAX = 4.0
"""A service that is gone is asked this often at least, so that its return is seen soon."""

Said = dict[str, Any] | Exception
"""An answer, or why there is none: a PiRagError, or a fault of ours."""


class Polling:
    """Asks by `ask` every `every_s`, and hands each answer, or what came instead, to `tell`.

    While there are no answers it waits twice as long each time, up to RETRY_S_MAX. `tell` is called from the
    thread. A fault of ours is told, and ends it: better no lamp than one that shows yesterday.
    """

    def __init__(
        self, ask: Callable[[], dict[str, Any]], tell: Callable[[Said], None], *, every_s: float
    ) -> None:
        self._ask = ask
        self._tell = tell
        self._every_s = every_s
        self._orders: queue.SimpleQueue[Callable[[], object]] = queue.SimpleQueue()

    def start(self) -> None:
        """Begin. It ends with the process."""
        threading.Thread(target=self._run, name="polling", daemon=True).start()

    def order(self, work: Callable[[], object]) -> None:
        """Do this in the thread, as soon as it is free, and ask again right after."""
        self._orders.put(work)

    def _run(self) -> None:
        failures = 0
        try:
            while True:
                failures = self._once(failures)
                with suppress(queue.Empty):
                    self._orders.get(timeout=wait_s(self._every_s, failures))()
        except Exception as fault:
            self._tell(fault)

    def _once(self, failures: int) -> int:
        """Ask, and give the number of failures in a row."""
        try:
            said = self._ask()
        except PiRagError as error:
            self._tell(error)
            return failures + 1
        self._tell(said)
        return 0


def wait_s(every_s: float, failures: int) -> float:
    """Until the next asking, after so many failures in a row."""
    # The exponent is bounded, since a service may be away for a month.
    longer = every_s * float(2 ** min(max(failures - 1, 0), 10))
    return max(every_s, min(longer, RETRY_S_MAX))
