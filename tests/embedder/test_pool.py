"""Promises of pi_rag/embedder/pool.py with a real model: what is killed is replaced, and nothing is left."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pi_rag.clock import SystemClock
from pi_rag.config import EmbedderSettings
from pi_rag.embedder.llama import linked
from pi_rag.embedder.pool import Pool
from pi_rag.errors import (
    EmbedderUnavailable,
    ModelCorrupt,
    ModelError,
    ModelMissing,
    ModelUnsupported,
    Stopping,
)
from pi_rag.models.checksum import sha256_of
from pi_rag.processes import right_of_way
from pi_rag.types import ModelCard

from . import strange
from .waiting import children, gone, kill, marked, open_files, sockets_of, threads_of, until, zombies

pytestmark = pytest.mark.model

LONG_S = 120.0
TEXTS = [f"house number {n} has a garden, a well and a story about winter" for n in range(12)]


@asynccontextmanager
async def running(card: ModelCard, **settings: Any) -> AsyncIterator[Pool]:
    """A started and fully staffed pool."""
    pool = Pool(card, EmbedderSettings(**settings), SystemClock())
    try:
        await pool.start()
        await until(lambda: staffed(pool))
        yield pool
    finally:
        await pool.stop()


def staffed(pool: Pool) -> bool:
    """True when every place is filled."""
    return all(worker["pid"] for worker in pool.status()["workers"])


def worker_pids(pool: Pool) -> list[int]:
    """Of the workers that are there now."""
    return [worker["pid"] for worker in pool.status()["workers"] if worker["pid"]]


async def test_documents_wait_while_somebody_is_answered(minilm: ModelCard) -> None:
    """And go on as soon as the answer is given. A query does not wait."""
    async with running(minilm, workers=1, query_workers=0, ingest_share=0.01, silence_s_max=400.0) as pool:
        with right_of_way.ours().taken():
            document = asyncio.create_task(pool.embed(["words " * 250], lane="ingest", deadline_s=LONG_S))
            done, _ = await asyncio.wait({document}, timeout=2.0)
            assert not done
        assert len(await document) == 1
        with right_of_way.ours().taken():
            assert len(await pool.embed(["a query"], lane="query", deadline_s=LONG_S)) == 1
        assert not right_of_way.ours().is_taken


@pytest.mark.parametrize("query", ["a query", "words " * 250])
async def test_a_question_does_not_wait_for_who_stands_aside_for_it(minilm: ModelCard, query: str) -> None:
    """Where the only worker is at documents they are finished first, also for the very text that is asked."""
    async with running(minilm, workers=1, query_workers=0, ingest_share=0.01, silence_s_max=400.0) as pool:
        with right_of_way.ours().taken():
            document = asyncio.create_task(pool.embed(["words " * 250], lane="ingest", deadline_s=LONG_S))
            await until(lambda: any(worker["lane"] for worker in pool.status()["workers"]))
            assert len(await pool.embed([query], lane="query", deadline_s=20.0)) == 1
            assert right_of_way.ours().is_taken
        await document


async def test_kills_under_load_cost_no_answer(minilm: ModelCard) -> None:
    """Worker after worker is killed during concurrent calls: no error, every vector right, nothing leaks."""
    async with running(minilm) as pool:
        right = await pool.embed(TEXTS, lane="query", deadline_s=LONG_S)
        before, threads = open_files(), threading.active_count()

        async def ask() -> None:
            for _ in range(10):
                for lane in ("query", "ingest"):
                    rows = await pool.embed(TEXTS, lane=lane, deadline_s=LONG_S)
                    assert float(np.min(np.sum(rows * right, axis=1))) > 0.999

        asking = [asyncio.create_task(ask()) for _ in range(4)]
        while not all(task.done() for task in asking):
            for pid in worker_pids(pool)[:1]:
                kill(pid)
            await asyncio.sleep(0.2)
        await asyncio.gather(*asking)
        assert pool.status()["restarts"] >= 1
        await until(lambda: staffed(pool))
        await until(lambda: open_files() <= before)
        assert threading.active_count() <= threads
        assert zombies() == []


async def test_an_idle_worker_that_dies_is_replaced(minilm: ModelCard) -> None:
    """Nobody has to ask first."""
    async with running(minilm, workers=2) as pool:
        old = worker_pids(pool)
        for pid in old:
            kill(pid)
        await until(lambda: staffed(pool) and not set(worker_pids(pool)) & set(old))


async def test_a_stopped_worker_is_noticed_and_replaced(minilm: ModelCard) -> None:
    """SIGSTOP: the text goes to another, the silent worker is killed."""
    async with running(minilm, workers=2, query_workers=0, silence_s_max=2.0, beat_s=0.2) as pool:
        stopped = worker_pids(pool)[0]
        kill(stopped, signal.SIGSTOP)
        calls = [pool.embed([text], lane="query", deadline_s=LONG_S) for text in TEXTS]
        rows = np.concatenate(await asyncio.gather(*calls))
        assert np.allclose(np.linalg.norm(rows, axis=1), 1.0, atol=1e-3)
        await until(lambda: staffed(pool) and stopped not in worker_pids(pool))
        assert gone([stopped])


async def test_the_nursery_may_die_too(minilm: ModelCard) -> None:
    """Its workers go with it, calls that wait are answered by the next ones, three times over."""
    async with running(minilm, workers=2) as pool:
        for _ in range(3):
            old = pool.status()
            calls = [
                asyncio.create_task(pool.embed(TEXTS, lane="query", deadline_s=LONG_S)) for _ in range(4)
            ]
            kill(old["nursery_pid"])
            for rows in await asyncio.gather(*calls):
                assert rows.shape == (len(TEXTS), 384)
            await until(lambda: staffed(pool))
            assert gone([old["nursery_pid"], *(worker["pid"] for worker in old["workers"])])


async def test_the_status_tells_which_engine_is_loaded(minilm: ModelCard) -> None:
    """By llama.cpp's own words, not by the name of a package: what of the processor it uses among them."""
    async with running(minilm, workers=1) as pool:
        engine = pool.status()["engine"]
        assert engine == linked()
        assert all(engine.values())
        assert " = 1" in engine["features"]


async def test_workers_have_one_thread_and_one_socket(minilm: ModelCard) -> None:
    """What forks has no second thread, so a fork of it is safe; no worker holds another's socket open."""
    async with running(minilm, workers=2) as pool:
        await pool.embed(TEXTS, lane="query", deadline_s=LONG_S)
        nursery = pool.status()["nursery_pid"]
        for pid in [nursery, *worker_pids(pool)]:
            assert threads_of(pid) == 1
        for pid in worker_pids(pool):
            assert sockets_of(pid) == 1
        assert sorted(children(nursery)) == sorted(worker_pids(pool))


async def test_ten_starts_leave_nothing(minilm: ModelCard) -> None:
    """Files and processes are as many as before, also when stop comes at once."""
    before = open_files()
    for round_number in range(10):
        pool = Pool(minilm, EmbedderSettings(workers=2, query_workers=0), SystemClock())
        starting = asyncio.create_task(pool.start())
        await asyncio.sleep(0.05 * round_number)
        await pool.stop()
        starting.cancel()
        await asyncio.wait({starting})
    assert zombies() == []
    await until(lambda: open_files() <= before)


def _missing(card: ModelCard, folder: Path) -> ModelCard:
    return replace(card, path=str(folder / "none.gguf"))


def _damaged(card: ModelCard, folder: Path) -> ModelCard:
    path = folder / "damaged.gguf"
    data = bytearray(Path(card.path).read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    return replace(card, path=str(path))


def _llama(card: ModelCard, folder: Path) -> ModelCard:
    path = folder / "llama.gguf"
    strange.llama(path)
    return replace(card, path=str(path), sha256=sha256_of(path))


def _wider(card: ModelCard, _folder: Path) -> ModelCard:
    return replace(card, dimensions=768)


@pytest.mark.parametrize(
    ("spoil", "error"),
    [
        (_missing, ModelMissing),
        (_damaged, ModelCorrupt),
        (_llama, ModelUnsupported),
        (_wider, ModelUnsupported),
    ],
)
async def test_a_model_that_cannot_boot_is_named(
    minilm: ModelCard, tmp_path: Path, spoil: Any, error: type[ModelError]
) -> None:
    """Start raises what is wrong, the status says it, and embed does not keep anybody waiting."""
    pool = Pool(spoil(minilm, tmp_path), EmbedderSettings(workers=2, query_workers=0), SystemClock())
    with pytest.raises(error) as caught:
        await pool.start()
    assert pool.status()["state"] == "unavailable"
    assert pool.status()["reason"] == caught.value.message
    with pytest.raises(EmbedderUnavailable, match="not running"):
        await pool.embed(["x"], lane="query", deadline_s=LONG_S)
    await pool.stop()
    assert zombies() == []


async def test_a_model_that_comes_back_is_used(minilm: ModelCard, tmp_path: Path) -> None:
    """The pool goes on trying after a failed start; nobody has to restart the service."""
    card = _missing(minilm, tmp_path)
    pool = Pool(card, EmbedderSettings(workers=1, backoff_s_max=0.5), SystemClock())
    with pytest.raises(ModelMissing):
        await pool.start()
    shutil.copyfile(minilm.path, tmp_path / "copy")
    (tmp_path / "copy").rename(card.path)
    await until(lambda: str(pool.status()["state"]) == "ready")
    assert (await pool.embed(["x"], lane="query", deadline_s=LONG_S)).shape == (1, 384)
    await pool.stop()


SUPERVISOR = """
import asyncio, json, os, sys
from pi_rag.clock import SystemClock
from pi_rag.config import EmbedderSettings
from pi_rag.embedder.pool import Pool
from pi_rag.types import ModelCard

async def main():
    print("spawning", flush=True)
    pool = Pool(ModelCard(**json.loads(sys.argv[1])), EmbedderSettings(), SystemClock())
    await pool.start()
    print("ready", flush=True)
    while True:
        await pool.embed(["a text"] * 50, lane="ingest", deadline_s=60)

asyncio.run(main())
"""


@pytest.mark.parametrize("wait", ["spawning", "spawning+0.1", "spawning+0.2", "spawning+0.3", "ready"])
def test_kill_9_of_the_supervisor_leaves_no_process(minilm: ModelCard, wait: str) -> None:
    """Whenever it is killed, while it spawns or while it works, nursery and workers end with it."""
    mark = f"TEST_MARK={uuid.uuid4()}"
    name, _, value = mark.partition("=")
    with subprocess.Popen(
        [sys.executable, "-c", SUPERVISOR, json.dumps(asdict(minilm))],
        stdout=subprocess.PIPE,
        env={**os.environ, name: value},
        text=True,
    ) as supervisor:
        assert supervisor.stdout is not None
        line, _, delay_s = wait.partition("+")
        while supervisor.stdout.readline().strip() != line:
            assert supervisor.poll() is None
        time.sleep(float(delay_s or 0))  # not waiting for anything: choosing the moment of death
        supervisor.kill()
    assert gone(marked(mark))
    assert marked(mark) == []


async def test_who_waits_for_a_start_is_told_of_a_stop(minilm: ModelCard) -> None:
    """A pool that is stopped before its first worker is ready keeps nobody waiting, and leaves nothing."""
    before = children(os.getpid())
    pool = Pool(minilm, EmbedderSettings(), SystemClock())
    starting = asyncio.create_task(pool.start())
    await asyncio.sleep(0)
    await pool.stop()
    async with asyncio.timeout(LONG_S):
        with pytest.raises(Stopping):
            await starting
    assert children(os.getpid()) == before
