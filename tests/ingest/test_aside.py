"""Work beside the event loop."""

from __future__ import annotations

import threading

import pytest

from pi_rag.ingest.aside import LITTLE, aside


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
