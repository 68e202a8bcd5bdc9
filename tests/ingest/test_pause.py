"""Holding work back between two pieces."""

from __future__ import annotations

import asyncio

from pi_rag.ingest.pause import Pause


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
