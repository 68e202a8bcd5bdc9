"""Work that might hold up the event loop, done on a thread; where there is little of it, at once.

To go to a thread and back costs a fraction of a millisecond, and more on a busy machine: as much as all that
is done with a short note. It does not know the work.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

LITTLE = 4096
"""Bytes or characters that are looked through in about a millisecond, on a Pi too."""

P = ParamSpec("P")
T = TypeVar("T")


async def aside(size: int, do: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What `do` gives for something of this size."""
    return do(*args, **kwargs) if size <= LITTLE else await asyncio.to_thread(do, *args, **kwargs)
