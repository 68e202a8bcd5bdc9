"""A worker is killed every second while the embedder is under load, for twenty seconds or as long as told.

`STRESS_SECONDS=600 pytest tests/stress/test_kills.py` is the long form; `STRESS_SEED` replays a run.
"""

from __future__ import annotations

import asyncio
import os
import random
import threading
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest

from pi_rag.clock import SystemClock
from pi_rag.config import EmbedderSettings
from pi_rag.embedder.pool import Pool
from pi_rag.types import Lane, ModelCard
from tests.embedder.waiting import kill, open_files, until, zombies

if TYPE_CHECKING:
    from pi_rag.types import Vectors

pytestmark = pytest.mark.model

SEED = int(os.environ.get("STRESS_SEED", "20261121"))
SECONDS = float(os.environ.get("STRESS_SECONDS", "20"))
LONG_S = 120.0

TEXTS = [f"house number {n} has a garden and a well. " * (1 + n % 12) for n in range(48)]


async def test_a_kill_every_second_costs_no_answer(minilm: ModelCard) -> None:
    """No caller sees an error, every vector is right bit by bit, files and threads are as many as before."""
    pool = Pool(minilm, EmbedderSettings(workers=3), SystemClock())
    try:
        await pool.start()
        await until(lambda: _staffed(pool))
        right = await pool.embed(TEXTS, lane="ingest", deadline_s=LONG_S)
        files, threads = open_files(), threading.active_count()
        answers, killed = await _under_fire(pool, right, random.Random(SEED))
        await until(lambda: _staffed(pool))
        assert killed >= SECONDS / 2, "the fault did not happen"
        assert answers > killed
        assert pool.status()["circuit"] == "closed", "kills are nobody's fault"
        await until(lambda: open_files() <= files)
        assert threading.active_count() <= threads
        assert zombies() == []
    finally:
        await pool.stop()


async def _under_fire(pool: Pool, right: Vectors, dice: random.Random) -> tuple[int, int]:
    """Ask in both lanes while workers are killed; how many answers came, and how many kills."""
    ends_s = time.monotonic() + SECONDS
    lanes: list[Lane] = ["ingest", "ingest", "query"]
    guests = [asyncio.create_task(_asking(pool, right, lane, ends_s, dice)) for lane in lanes]
    killed = 0
    while time.monotonic() < ends_s:
        victims = [worker["pid"] for worker in pool.status()["workers"] if worker["pid"]]
        if victims:
            kill(dice.choice(victims))
            killed += 1
        await asyncio.sleep(1.0)  # not waiting for anything: it is how often there is a kill
    return sum(await asyncio.gather(*guests)), killed


async def _asking(pool: Pool, right: Vectors, lane: Lane, ends_s: float, dice: random.Random) -> int:
    answers = 0
    while time.monotonic() < ends_s:
        chosen = dice.sample(range(len(TEXTS)), 1 if lane == "query" else 12)
        rows = await pool.embed([TEXTS[each] for each in chosen], lane=lane, deadline_s=LONG_S)
        for row, each in zip(rows, chosen, strict=True):
            assert np.array_equal(row, right[each])
        answers += 1
    return answers


def _staffed(pool: Pool) -> bool:
    return all(worker["pid"] for worker in pool.status()["workers"])
