"""Promises of pi_rag/embedder/silence.py and of the link that lives by it: our own silence does not count."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from pi_rag.embedder import wire
from pi_rag.embedder.links import WorkerLink, WorkerSilent
from pi_rag.embedder.silence import GRACE, Silence
from pi_rag.processes.frames import packed
from tests.embedder.waiting import until

S_MAX = 0.4


async def test_a_silence_is_told_once_and_a_word_begins_it_anew() -> None:
    """What is called off in time is not told of, however often."""
    missed: list[float] = []
    silence = Silence(S_MAX, lambda: missed.append(time.monotonic()))
    silence.begin()
    for _ in range(5):
        await asyncio.sleep(S_MAX * 0.4)
        silence.begin()
    begun_s = time.monotonic()
    assert not missed
    await until(lambda: bool(missed))
    assert missed[0] - begun_s >= S_MAX * 0.95
    silence.begin()
    silence.end()
    await asyncio.sleep(S_MAX * 1.5)
    assert len(missed) == 1


@asynccontextmanager
async def linked() -> AsyncIterator[tuple[WorkerLink, socket.socket]]:
    """A link to a process that only this test speaks for."""
    ours, theirs = socket.socketpair()
    process = await asyncio.create_subprocess_exec("sleep", "60")
    reader, writer = await asyncio.open_unix_connection(sock=ours)
    link = WorkerLink(process.pid, reader, writer, dimensions=1, bytes_max=64, silence_s_max=S_MAX)
    try:
        with theirs:
            await asyncio.sleep(0)
            yield link, theirs
    finally:
        link.close()
        await process.wait()


@pytest.mark.parametrize("stood_still_from", [0.1, 1 - GRACE + 0.1], ids=["before its end", "at its end"])
async def test_who_spoke_while_we_stood_still_was_not_silent(stood_still_from: float) -> None:
    """The loop is held over the time at which the silence would end; the word lies there unread."""
    async with linked() as (link, worker):
        await asyncio.sleep(S_MAX * stood_still_from)
        worker.sendall(packed(wire.BEAT, 64))
        time.sleep(S_MAX * 1.2)  # noqa: ASYNC251 - to hold the loop is what is tried
        worker.sendall(packed(b"answer", 64))
        await asyncio.wait({link.speaking}, timeout=10)
        assert link.heard() == b"answer"


async def test_a_question_has_all_of_the_time() -> None:
    """However long ago the worker has beaten; and when that is over it is silent."""
    async with linked() as (link, worker):
        await asyncio.sleep(S_MAX * 0.7)
        asked_s = time.monotonic()
        with pytest.raises(WorkerSilent):
            await link.ask(b"question")
        assert time.monotonic() - asked_s >= S_MAX * 0.95
        assert os.read(worker.fileno(), 64) == packed(b"question", 64)
