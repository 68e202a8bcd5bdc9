"""Work beside the event loop."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from pi_rag.ingest.aside import LITTLE, apart, aside


@pytest.mark.parametrize(("size", "beside"), [(0, False), (LITTLE, False), (LITTLE + 1, True)])
async def test_much_work_is_done_on_a_thread_and_little_at_once(size: int, beside: bool) -> None:
    """So that the loop is never held up, and a short note costs no way to a thread and back."""
    thread = await aside(size, threading.current_thread)
    assert (thread is not threading.current_thread()) == beside


@pytest.mark.parametrize("size", [0, LITTLE + 1])
async def test_what_it_raises_comes_out(size: int) -> None:
    """Wherever it was done."""
    with pytest.raises(ZeroDivisionError):
        await aside(size, divmod, 1, 0)


async def test_what_waits_for_others_takes_no_shared_thread() -> None:
    """However many wait, and whoever has stopped waiting: there is a thread for what is to be done here."""
    loop, go = asyncio.get_running_loop(), threading.Event()
    faults: list[object] = []
    loop.set_default_executor(ThreadPoolExecutor(1))
    loop.set_exception_handler(lambda _, fault: faults.append(fault))
    waiting = [apart(go.wait, 20) for _ in range(3)]
    assert await aside(LITTLE + 1, max, 3, 7) == 7
    waiting[0].cancel()
    go.set()
    assert await asyncio.gather(*waiting[1:]) == [True, True]
    with pytest.raises(ZeroDivisionError):
        await apart(divmod, 1, 0)
    assert not faults
