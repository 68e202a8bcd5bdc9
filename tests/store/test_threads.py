"""Work on threads outlives the task that waits for it, and ends before the threads do."""

from __future__ import annotations

import asyncio
import threading

import pytest

from pi_rag.errors import Stopping
from pi_rag.store.threads import Threads


class Slow:
    """Work that has begun when it says so, and ends when it is told to."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.may_end = threading.Event()
        self.ended = False

    def __call__(self) -> str:
        """The work itself."""
        self.begun.set()
        assert self.may_end.wait(10)
        self.ended = True
        return "done"

    async def has_begun(self) -> None:
        """Wait for the work to be on its thread."""
        assert await asyncio.to_thread(self.begun.wait, 10)


async def test_the_result_comes_back_and_the_end_is_told() -> None:
    """The thread's answer, on the loop."""
    threads, ends = Threads("test", 1), []
    assert await threads.run(lambda: 7, lambda: ends.append("end")) == 7
    assert ends == ["end"]
    threads.end()


async def test_an_exception_comes_back_and_the_end_is_told() -> None:
    """As it was raised."""
    threads, ends = Threads("test", 1), []
    nothing: dict[str, int] = {}
    with pytest.raises(KeyError):
        await threads.run(lambda: nothing["x"], lambda: ends.append("end"))
    assert ends == ["end"]
    threads.end()


async def test_a_cancelled_task_leaves_its_work_to_finish() -> None:
    """The end is told when the work has ended, not when the task has."""
    threads, work, ends = Threads("test", 1), Slow(), []
    task = asyncio.create_task(threads.run(work, lambda: ends.append("end")))
    await work.has_begun()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ends == []
    work.may_end.set()
    assert await threads.drain(10, pytest.fail)
    assert work.ended
    assert ends == ["end"]
    threads.end()


async def test_work_that_fails_after_its_task_is_gone_troubles_nobody() -> None:
    """The loop's complaint about an exception that nobody saw would be an error here."""
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    threads, work = Threads("test", 1), Slow()
    nothing: dict[str, int] = {}
    task = asyncio.create_task(threads.run(lambda: nothing[work()]))
    await work.has_begun()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    work.may_end.set()
    assert await threads.drain(10, pytest.fail)
    del task
    assert complaints == []
    threads.end()


async def test_draining_refuses_new_work_and_waits_for_the_old() -> None:
    """Work in progress is finished, not cut off."""
    threads, work, ends = Threads("test", 1), Slow(), []
    task = asyncio.create_task(threads.run(work))
    await work.has_begun()
    draining = asyncio.create_task(threads.drain(10, pytest.fail))
    await asyncio.sleep(0)
    with pytest.raises(Stopping):
        await threads.run(lambda: 7, lambda: ends.append("end"))
    assert ends == ["end"]
    work.may_end.set()
    assert await draining
    assert await task == "done"
    threads.end()


async def test_work_that_takes_too_long_is_interrupted() -> None:
    """And its end is waited for."""
    threads, work = Threads("test", 1), Slow()
    task = asyncio.create_task(threads.run(work))
    await work.has_begun()
    assert await threads.drain(0.01, work.may_end.set)
    assert await task == "done"
    threads.end()


async def test_work_that_cannot_be_interrupted_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    """Closing does not wait for ever; it says that something is left."""
    monkeypatch.setattr("pi_rag.store.threads.INTERRUPT_S_MAX", 0.01)
    threads, work = Threads("test", 1), Slow()
    task = asyncio.create_task(threads.run(work))
    await work.has_begun()
    assert not await threads.drain(0.01, lambda: None)
    threads.end()
    work.may_end.set()
    assert await task == "done"


async def test_last_work_can_follow_the_drain() -> None:
    """To close what the threads have used."""
    threads = Threads("test", 1)
    assert await threads.drain(1, pytest.fail)
    assert (await threads.last(lambda: threading.current_thread().name)).startswith("test_0")
    threads.end()


async def test_the_first_free_thread_gets_the_work() -> None:
    """One after the other on the same thread, at once on several, and no more of them than allowed."""
    threads, works = Threads("test", 2), [Slow(), Slow()]
    alone = {await threads.run(threading.get_ident) for _ in range(5)}
    at_once = [asyncio.create_task(threads.run(work)) for work in works]
    for work in works:
        await work.has_begun()
    waiting = asyncio.create_task(threads.run(threading.get_ident))
    await asyncio.sleep(0)
    assert not waiting.done()
    works[0].may_end.set()
    assert {await waiting} == alone
    works[1].may_end.set()
    assert await asyncio.gather(*at_once) == ["done", "done"]
    assert {await threads.run(threading.get_ident) for _ in range(5)} == alone
    threads.end()
