"""Holding work back between two pieces, and calling to it."""

from __future__ import annotations

import asyncio

import pytest

from pi_rag.ingest.pause import Bell, Pause


async def test_work_that_was_begun_is_ended_before_it_is_held() -> None:
    """Who holds it waits for those inside; who comes meanwhile begins when it is over."""
    pause, told, go_on = Pause(), [], asyncio.Event()

    async def piece(name: str) -> None:
        async with pause.piece():
            told.append(f"{name} begins")
            await go_on.wait()
            told.append(f"{name} ends")

    async def hold() -> None:
        async with pause.held():
            told.append("held")
            await asyncio.sleep(0)
            told.append("free")

    first = asyncio.create_task(piece("first"))
    await asyncio.sleep(0)
    holding = asyncio.create_task(hold())
    await asyncio.sleep(0)
    second = asyncio.create_task(piece("second"))
    await asyncio.sleep(0)
    go_on.set()
    await asyncio.gather(first, holding, second)

    assert told == ["first begins", "first ends", "held", "free", "second begins", "second ends"]


async def test_who_gives_up_waiting_leaves_it_open() -> None:
    """A holder that is cancelled before its turn holds nobody back."""
    pause, inside = Pause(), asyncio.Event()

    async def piece() -> None:
        async with pause.piece():
            inside.set()
            await asyncio.Event().wait()

    async def hold() -> None:
        async with pause.held():
            raise AssertionError("somebody was inside")

    working = asyncio.create_task(piece())
    await inside.wait()
    holding = asyncio.create_task(hold())
    await asyncio.sleep(0)
    holding.cancel()
    await asyncio.wait({holding})
    async with pause.piece():
        pass
    working.cancel()
    await asyncio.wait({working})


async def test_each_ring_wakes_one() -> None:
    """And not all who wait."""
    bell, heard = Bell(4), list[int]()

    async def hear(number: int) -> None:
        await bell.heard()
        heard.append(number)

    tasks = [asyncio.create_task(hear(number)) for number in range(3)]
    await asyncio.sleep(0)
    bell.ring()
    for _ in range(10):  # whoever was woken has had its turn
        await asyncio.sleep(0)
    assert heard == [0]
    bell.ring_all()
    await asyncio.wait_for(asyncio.gather(*tasks), 5)
    assert heard == [0, 1, 2]


async def test_what_was_rung_for_nobody_is_kept_but_not_without_end() -> None:
    """As often as it says."""
    bell = Bell(2)
    for _ in range(5):
        bell.ring()
    await asyncio.wait_for(bell.heard(), 5)
    await asyncio.wait_for(bell.heard(), 5)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(bell.heard(), 0.01)
