"""A silence that is called off by every word, and told of when it lasts too long.

It must not be told of when it was we who stood still, and the word is there unread. So towards its end it is
looked at twice, and what has come by the second look is read before it counts. It does not know who speaks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

GRACE = 0.25
"""Of the longest silence: so much before its end is the first look. A worker at rest has beaten by then, so
that no look wakes a service at rest."""


class Silence:
    """Calls `missed` once, `s_max` seconds after the last `begin`, unless `end` comes. For one event loop."""

    def __init__(self, s_max: float, missed: Callable[[], None]) -> None:
        self._grace_s = s_max * GRACE
        self._word_s = s_max - self._grace_s
        self._missed = missed
        self._next: asyncio.Handle | None = None

    def begin(self) -> None:
        """From now on, whatever was before."""
        self.end()
        self._next = asyncio.get_running_loop().call_later(self._word_s, self._give_grace)

    def end(self) -> None:
        """A word has come, or none is expected any more."""
        if self._next is not None:
            self._next.cancel()

    def _give_grace(self) -> None:
        self._next = asyncio.get_running_loop().call_later(self._grace_s, self._let_read)

    def _let_read(self) -> None:
        """Whoever was woken by a word in this same turn of the loop reads it first, and calls `end`."""
        self._next = asyncio.get_running_loop().call_soon(self._missed)
