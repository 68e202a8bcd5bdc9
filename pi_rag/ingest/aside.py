"""Work that might hold up the event loop, done on a thread; where there is little of it, at once.

To go to a thread and back costs a fraction of a millisecond, and more on a busy machine: as much as all that
is done with a short note. What waits for others, and not for this machine, gets a thread of its own: the few
that all share would soon all wait. It does not know the work.
"""

from __future__ import annotations

import _thread
import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, ParamSpec, TypeVar

from pi_rag.errors import Busy

LITTLE = 4096
"""Bytes or characters that are looked through in about a millisecond, on a Pi too."""

P = ParamSpec("P")
T = TypeVar("T")


async def aside(size: int, do: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What `do` gives for something of this size."""
    return do(*args, **kwargs) if size <= LITTLE else await asyncio.to_thread(do, *args, **kwargs)


def apart(do: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> asyncio.Future[T]:
    """What `do` gives or raises, from a thread of its own, for which nobody waits in the end: not who asks,
    and not the process when it stops. Raises Busy when there is no thread for it."""
    future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
    future.add_done_callback(seen)
    try:
        # Not threading.Thread, whose start waits until the thread runs: on a busy machine, milliseconds.
        _thread.start_new_thread(_answer, (future, partial(do, *args, **kwargs)))
    except RuntimeError as error:
        raise Busy("No thread can be started now.") from error
    return future


def _answer(future: asyncio.Future[T], do: Callable[[], T]) -> None:
    """On the thread: the answer goes to the loop, unless that has ended meanwhile."""
    try:
        tell = partial(_tell, future, future.set_result, do())
    except BaseException as error:  # whatever it is, it belongs to who asked
        tell = partial(_tell, future, future.set_exception, error)
    try:
        future.get_loop().call_soon_threadsafe(tell)
    except RuntimeError:
        return


def _tell(future: asyncio.Future[T], how: Callable[[Any], None], answer: object) -> None:
    """Unless who asked has gone, and the question with it."""
    if not future.done():
        how(answer)


def seen(future: asyncio.Future[Any]) -> None:
    """What it raises is taken note of, also when nobody waits for it any more."""
    if not future.cancelled():
        future.exception()
