"""Our own embedder as a child process that speaks the peers' protocol: `python -m benchmarks.embedding.own`.

What is asked goes through the pool, as in the service: its queues, its nursery, its workers, its checks. The
event loop runs all the time, so that the pool's own housekeeping does too. Orders besides those of `peer.py`:

    {"do": "loaded", "texts": queries, "load": passages, "seconds": s}   {"ms": [...]}
    {"do": "overhead", "texts": [...], "lane": ...}      {"engine_ms": [...], "pool_ms": [...]}
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pi_rag.clock import SystemClock
from pi_rag.config import EmbedderSettings
from pi_rag.embedder.engine import Engine
from pi_rag.embedder.llama import Model
from pi_rag.embedder.pool import Pool
from pi_rag.models.shelf import card_of_file

if TYPE_CHECKING:
    from pi_rag.types import Lane, Vectors

Order = dict[str, Any]

DEADLINE_S = 600.0
REQUEST_CHARS = 1500
"""Text of one request: a long passage or some short ones, so that no worker idles long when a list ends."""
REQUEST_TEXTS_MAX = 16
FEEDERS = 4 * (os.cpu_count() or 1)
"""Requests under way at a time, so that no worker waits for its next batch."""
REPEATS = 5
"""How often each text of an `overhead` order is timed."""


def main() -> None:
    """Answer order after order until the input ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    asyncio.run(_serve(answers))


async def _serve(answers: Any) -> None:
    own = Own()
    try:
        while line := await asyncio.to_thread(sys.stdin.readline):
            try:
                answer = await own.answer(json.loads(line))
            except Exception as error:
                answer = {"failed": f"{type(error).__name__}: {error}".splitlines()[0][:300]}
            print(json.dumps(answer), file=answers, flush=True)
    finally:
        await own.close()


class Own:
    """A pool, opened once."""

    def __init__(self) -> None:
        self._pool: Pool | None = None
        self._path = ""
        self._settings = EmbedderSettings()

    async def answer(self, order: Order) -> Order:
        """What an order asks for. Raises what the pool raises."""
        if order["do"] == "open":
            return await self._open(order)
        texts = order["texts"]
        if order["do"] == "rate":
            return await self._rate(texts, order["seconds"])
        if order["do"] == "latency":
            return {"ms": await self._latencies_ms(texts, order["seconds"])}
        if order["do"] == "loaded":
            return {"ms": await self._loaded_ms(texts, order["load"], order["seconds"])}
        if order["do"] == "overhead":
            return await self._overhead(texts, order["lane"])
        rows = await self._embed(texts)
        return {"vectors": base64.b64encode(rows.tobytes()).decode(), "dimensions": rows.shape[1]}

    async def close(self) -> None:
        """End the workers."""
        if self._pool is not None:
            await self._pool.stop()

    async def _open(self, order: Order) -> Order:
        self._settings = replace(EmbedderSettings(), **order["settings"])
        self._path = order["path"]
        self._pool = Pool(card_of_file(Path(self._path)), self._settings, SystemClock())
        await self._pool.start()
        await self._embed(["one", "two"])
        return {"about": "pi_rag"}

    async def _embed(self, texts: Sequence[str], lane: Lane = "ingest") -> Vectors:
        assert self._pool is not None, "the first order is open"
        return await self._pool.embed(texts, lane=lane, deadline_s=DEADLINE_S)

    async def _rate(self, texts: Sequence[str], seconds: float) -> Order:
        """The list to its end, again and again until the time is over, with no pause between."""
        begun_s, done = time.perf_counter(), 0
        endless = _passes(texts, lambda: time.perf_counter() - begun_s >= seconds)

        async def feed() -> None:
            nonlocal done
            for request in endless:
                await self._embed(request)
                done += len(request)

        await asyncio.gather(*(feed() for _ in range(FEEDERS)))
        return {"texts": done, "seconds": time.perf_counter() - begun_s}

    async def _latencies_ms(self, texts: Sequence[str], seconds: float) -> list[float]:
        """As a search asks: one query at a time, in the lane of queries."""
        found: list[float] = []
        end_s = time.perf_counter() + seconds
        while time.perf_counter() < end_s or len(found) < 20:
            begun_s = time.perf_counter()
            await self._embed([texts[len(found) % len(texts)]], "query")
            found.append((time.perf_counter() - begun_s) * 1000)
        return found

    async def _loaded_ms(self, texts: Sequence[str], load: Sequence[str], seconds: float) -> list[float]:
        """The same while every worker that may have passages has them."""
        over = False
        endless = _passes(load, lambda: over)

        async def feed() -> None:
            for request in endless:
                await self._embed(request)
                if over:
                    return

        feeders = [asyncio.create_task(feed()) for _ in range(FEEDERS)]
        try:
            await self._embed(load[:1])
            return await self._latencies_ms(texts, seconds)
        finally:
            over = True
            await asyncio.gather(*feeders)

    async def _overhead(self, texts: Sequence[str], lane: Lane) -> Order:
        """Each text by a bare engine in this process, and by the pool, in turn."""
        model = Model.load(self._path)
        engine = Engine(model, self._settings.tokens_max)
        try:
            engine.embed(texts[:1])
            times: Order = {"engine_ms": [], "pool_ms": []}
            for text in list(texts) * REPEATS:
                begun_s = time.perf_counter()
                engine.embed([text])
                middle_s = time.perf_counter()
                await self._embed([text], lane)
                times["engine_ms"].append((middle_s - begun_s) * 1000)
                times["pool_ms"].append((time.perf_counter() - middle_s) * 1000)
            return times
        finally:
            engine.close()
            model.close()


def _passes(texts: Sequence[str], over: Callable[[], bool]) -> Iterator[list[str]]:
    """Requests of whole passes over a list. No text comes twice, or what is known already would be fast."""
    for number in itertools.count():
        yield from _requests([f"{text} {number}" for text in texts] if number else texts)
        if over():
            return


def _requests(texts: Sequence[str]) -> Iterator[list[str]]:
    request: list[str] = []
    for text in texts:
        full = len(request) == REQUEST_TEXTS_MAX or sum(map(len, request)) + len(text) > REQUEST_CHARS
        if request and full:
            yield request
            request = []
        request.append(text)
    if request:
        yield request


if __name__ == "__main__":
    main()
