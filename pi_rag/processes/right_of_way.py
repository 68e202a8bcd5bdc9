"""Right of way: whoever computes for documents steps aside while somebody is being answered.

One process says so in a page of memory that others see, and these look at it between the parts of their
work. To step back in the scheduler is not enough where two cores share a cache and a memory: one at full
work makes the other slower. It knows neither searches nor models.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import mmap
import os
import time
from collections.abc import Iterator

LOOK_S = 0.001
"""How often who stands aside looks whether the way is free: a part of the time that an answer takes."""


class RightOfWay:
    """What the process that answers says to all others. For one event loop."""

    def __init__(self) -> None:
        self.descriptor = os.memfd_create("right-of-way", os.MFD_ALLOW_SEALING)
        os.ftruncate(self.descriptor, mmap.PAGESIZE)
        # Were it cut off by one of those who see it, writing to it would end this process.
        fcntl.fcntl(self.descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW)
        self._page = mmap.mmap(self.descriptor, mmap.PAGESIZE)
        self._taken = self._hurried = 0
        self._lacks_workers = False

    @contextlib.contextmanager
    def taken(self) -> Iterator[None]:
        """Inside it somebody is being answered."""
        self._taken += 1
        self._say()
        try:
            yield
        finally:
            self._taken -= 1
            self._say()

    @contextlib.contextmanager
    def hurried(self) -> Iterator[None]:
        """Inside it an answer needs what one of those who would stand aside is at."""
        self._hurried += 1
        self._say()
        try:
            yield
        finally:
            self._hurried -= 1
            self._say()

    def lacks_workers(self, lacks: bool) -> None:
        """Whether a question waits for one of those who would stand aside to be free."""
        self._lacks_workers = lacks
        self._say()

    @property
    def is_taken(self) -> bool:
        """Whether others stand aside: somebody is answered, and nobody waits for those others themselves."""
        return self._taken > 0 and not self._hurried and not self._lacks_workers

    def _say(self) -> None:
        self._page[0] = self.is_taken


class Aside:
    """What one that works sees of it. To be called between the parts of the work."""

    def __init__(self, descriptor: int, share: float, wait_s_max: float) -> None:
        """It works no more than a `share` of the time, while somebody is answered; from 0 to 1.

        It stands aside for `wait_s_max` in all, so that it is not taken for one that hangs.
        """
        self._page = mmap.mmap(descriptor, 1, prot=mmap.PROT_READ)
        self._rest = 1 / share - 1
        self._wait_s_max = wait_s_max
        self.begin()

    def begin(self) -> None:
        """A piece of work begins."""
        self._left_s = self._wait_s_max
        self._since_s = time.monotonic()

    def __call__(self) -> None:
        """A part of it is done: stand aside if need be, the longer the part was."""
        if self._page[0]:
            now_s = time.monotonic()
            self._stand(min(self._left_s, (now_s - self._since_s) * self._rest))
            self._left_s -= time.monotonic() - now_s
        self._since_s = time.monotonic()

    def _stand(self, wait_s: float) -> None:
        end_s = time.monotonic() + wait_s
        while self._page[0] and (left_s := end_s - time.monotonic()) > 0:
            time.sleep(min(left_s, LOOK_S))


@functools.cache
def ours() -> RightOfWay:
    """This process's own. There is one, whichever desk answers and whichever pool embeds."""
    return RightOfWay()
