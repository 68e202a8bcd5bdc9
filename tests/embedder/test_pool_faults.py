"""Promises of pi_rag/embedder/pool.py when workers misbehave. No model: `bad_nursery` forks the workers."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pi_rag.clock import SystemClock
from pi_rag.config import EmbedderSettings
from pi_rag.embedder import links
from pi_rag.embedder.place import FAULTS_MAX, KILLS_MAX
from pi_rag.embedder.pool import Pool
from pi_rag.errors import (
    Busy,
    DeadlineExceeded,
    EmbedderUnavailable,
    ModelUnsupported,
    PiRagError,
    RequestTooLarge,
    Stopping,
    TextNotEmbedded,
    VectorInvalid,
)
from pi_rag.types import Lane, ModelCard

from .bad_nursery import BAD, DEADLY, DIMENSIONS, STUCK, row
from .waiting import children, gone, kill, open_files, runs, until, zombies

ROOT = str(Path(__file__).parents[2])
LONG_S = 120.0

DEADLY_KINDS = ("die", "cut", "too_large", "killed")
CANARIES = ("never_a_canary", "lost_its_mind")
NONSENSE = [kind for kind in BAD if kind not in CANARIES]
ANY_FAULT = [*NONSENSE, *DEADLY_KINDS, "hang", "speak_unasked"]


@pytest.fixture(autouse=True)
def _bad_nursery(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pool spawns the tests' nursery instead of the real one."""
    monkeypatch.setattr(links, "NURSERY", "tests.embedder.bad_nursery")
    monkeypatch.setenv("PYTHONPATH", ROOT)


def pool_of(behaviour: str, **settings: Any) -> Pool:
    """A pool whose first workers misbehave: `KIND:COUNT`."""
    card = ModelCard("bad", behaviour, "", DIMENSIONS, "mean", 256, "", "none", "test", "none")
    quick: dict[str, Any] = {
        "workers": 2,
        "query_workers": 0,
        "backoff_s_max": 0.5,
        "beat_s": 0.1,
        "circuit_failures_max": 100,
    }
    return Pool(card, EmbedderSettings(**(quick | settings)), SystemClock())


@asynccontextmanager
async def running(behaviour: str, **settings: Any) -> AsyncIterator[Pool]:
    """A started pool, stopped afterwards."""
    pool = pool_of(behaviour, **settings)
    try:
        await pool.start()
        yield pool
    finally:
        await pool.stop()


def right(numbers: list[int]) -> np.ndarray[Any, Any]:
    """What good workers answer."""
    return np.array([row(str(number)) for number in numbers], dtype=np.float32)


async def ask(
    pool: Pool, numbers: list[int], *, lane: Lane = "ingest", deadline_s: float = LONG_S
) -> np.ndarray[Any, Any]:
    """Embed some numbers."""
    return await pool.embed([str(number) for number in numbers], lane=lane, deadline_s=deadline_s)


def staffed(pool: Pool) -> bool:
    """True when every place is filled."""
    return all(worker["pid"] for worker in pool.status()["workers"])


@pytest.mark.parametrize("kind", ANY_FAULT)
async def test_one_fault_costs_a_retry_and_never_an_answer(kind: str) -> None:
    """The first worker misbehaves; the caller gets right vectors all the same, and it is replaced."""
    async with running(f"{kind}:1", silence_s_max=1.0) as pool:
        if kind != "speak_unasked":
            await until(lambda: staffed(pool))
        answers = await asyncio.gather(*(ask(pool, [number, 7]) for number in range(10)))
        for number, rows in enumerate(answers):
            assert np.array_equal(rows, right([number, 7]))
        await until(lambda: pool.status()["restarts"] >= 1)


@pytest.mark.parametrize("kind", NONSENSE)
async def test_nonsense_twice_over_is_an_error_with_a_name(kind: str) -> None:
    """When a second worker answers nonsense too, the caller is told, and nobody is given the nonsense."""
    async with running(f"{kind}:999") as pool:
        with pytest.raises(PiRagError) as caught:
            await ask(pool, [1])
        assert isinstance(caught.value, VectorInvalid)


@pytest.mark.parametrize("kind", DEADLY_KINDS)
async def test_a_request_that_ends_every_worker_is_given_up(kind: str) -> None:
    """A crash is tried once more, a kill a few times, neither for ever; the pool stays alive."""
    ends = KILLS_MAX + FAULTS_MAX if kind == "killed" else FAULTS_MAX
    async with running(f"{kind}:{ends}", workers=1) as pool:
        with pytest.raises((TextNotEmbedded, VectorInvalid)):
            await ask(pool, [1])
        assert np.array_equal(await ask(pool, [2]), right([2]))


async def test_two_hanging_workers_are_told_from_a_slow_one() -> None:
    """Silence past the bound is a fault: killed, tried once more, then given up."""
    async with running("hang:2", workers=1, silence_s_max=0.2) as pool:
        with pytest.raises(TextNotEmbedded):
            await ask(pool, [1])
        assert np.array_equal(await ask(pool, [2]), right([2]))


@pytest.mark.parametrize("kind", ["die_before_hello", "odd_hello"])
async def test_workers_that_never_get_ready_are_tried_again_with_pauses(kind: str) -> None:
    """Start says so, calls fail at once instead of waiting, and a later worker mends it."""
    pool = pool_of(f"{kind}:3", workers=1)
    try:
        with pytest.raises(EmbedderUnavailable):
            await pool.start()
        assert pool.status()["state"] == "unavailable"
        with pytest.raises(EmbedderUnavailable):
            await ask(pool, [1])
        await until(lambda: pool.status()["state"] == "ready")
        assert pool.status()["reason"] is None
        assert np.array_equal(await ask(pool, [2]), right([2]))
    finally:
        await pool.stop()


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("die_at_boot", EmbedderUnavailable),
        ("silent_at_boot", EmbedderUnavailable),
        ("wrong_model", ModelUnsupported),
    ],
)
async def test_a_nursery_that_cannot_boot_is_reported(kind: str, error: type[PiRagError]) -> None:
    """The reason is in the error and in the status, and stop leaves nothing."""
    before = open_files()
    pool = pool_of(f"{kind}:0", boot_s_max=20 if kind != "silent_at_boot" else 1)
    with pytest.raises(error):
        await pool.start()
    assert pool.status()["state"] == "unavailable"
    assert pool.status()["reason"]
    await pool.stop()
    assert zombies() == []
    assert open_files() <= before


async def test_who_waits_is_told_when_the_embedder_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call that waits for a worker fails as soon as it is known that none will come."""
    async with running("hang:1", workers=1) as pool:
        waiting = asyncio.create_task(ask(pool, [1]))
        await until(lambda: pool.status()["workers"][0]["state"] == "busy")
        monkeypatch.setattr(links, "NURSERY", "tests.embedder.no_such_program")
        kill(pool.status()["nursery_pid"], signal.SIGKILL)
        with pytest.raises(EmbedderUnavailable):
            await waiting


async def test_a_stopped_nursery_is_replaced_when_it_is_needed() -> None:
    """A nursery that forks no more is killed, and another takes over."""
    async with running("well:0", silence_s_max=2.0) as pool:
        await until(lambda: staffed(pool))
        first = pool.status()
        kill(first["nursery_pid"], signal.SIGSTOP)
        for worker in first["workers"]:
            kill(worker["pid"], signal.SIGKILL)
        assert np.array_equal(await ask(pool, [1]), right([1]))
        assert pool.status()["nursery_pid"] != first["nursery_pid"]
        assert gone([first["nursery_pid"]])


async def test_full_lanes_say_busy_and_forget_who_left() -> None:
    """One call too many is refused at once; cancelled ones make room."""
    async with running("hang:99", workers=1, ingest_queue_max=3) as pool:
        waiting = [asyncio.create_task(ask(pool, [1]))]
        await until(lambda: pool.status()["workers"][0]["state"] == "busy")
        waiting += [asyncio.create_task(ask(pool, [number])) for number in (2, 3)]
        await until(lambda: pool.status()["queued"]["ingest"] == 2)
        with pytest.raises(Busy) as caught:
            await ask(pool, [4])
        assert caught.value.retry_after_ms is not None
        for call in waiting:
            call.cancel()
        await asyncio.wait(waiting)
        assert pool.status()["queued"] == {"query": 0, "ingest": 0}


async def test_a_deadline_ends_a_wait() -> None:
    """The caller is let go, the piece is forgotten."""
    async with running("hang:99", workers=1) as pool:
        with pytest.raises(DeadlineExceeded):
            await ask(pool, [1], deadline_s=0.05)
        with pytest.raises(DeadlineExceeded):
            await ask(pool, [2], lane="query", deadline_s=0.05)
        assert pool.status()["queued"] == {"query": 0, "ingest": 0}


async def test_ingest_leaves_a_worker_to_queries() -> None:
    """While the one worker that ingest may have is stuck, queries are answered and ingest waits."""
    async with running("well:0", workers=1, query_workers=1) as pool:
        await until(lambda: staffed(pool))
        texts = (STUCK, "1", "2")
        stuck = [asyncio.create_task(pool.embed([text], lane="ingest", deadline_s=LONG_S)) for text in texts]
        await until(lambda: pool.status()["queued"]["ingest"] == 2)
        assert np.array_equal(await ask(pool, [5], lane="query"), right([5]))
        assert [worker["lane"] for worker in pool.status()["workers"]].count("ingest") == 1
        for call in stuck:
            call.cancel()
        await asyncio.wait(stuck)


async def test_a_large_request_is_spread_and_put_together() -> None:
    """Many frames over several workers come back as one answer in order."""
    async with running("well:0", workers=3, batch_texts_max=7) as pool:
        numbers = list(range(500))
        assert np.array_equal(await ask(pool, numbers), right(numbers))
        counts = await pool.count_tokens([str(n) for n in numbers], lane="ingest", deadline_s=LONG_S)
        assert counts == [1] * 500


async def test_a_text_larger_than_a_frame() -> None:
    """Cut when it is embedded, since a model sees only a beginning; refused when it must be counted whole."""
    async with running("well:0", frame_mib_max=1) as pool:
        text = "1" + " " * (2 * 1024 * 1024)
        rows = await pool.embed([text], lane="ingest", deadline_s=LONG_S)
        assert np.array_equal(rows, right([1]))
        with pytest.raises(RequestTooLarge):
            await pool.count_tokens([text], lane="ingest", deadline_s=LONG_S)


async def test_stop_is_bounded_and_leaves_nothing() -> None:
    """A stuck call is told Stopping, every process ends, every file is closed; later calls are refused."""
    before = open_files()
    pool = pool_of("hang:99")
    await pool.start()
    await until(lambda: staffed(pool))
    status = pool.status()
    stuck = asyncio.create_task(ask(pool, [1]))
    await until(lambda: any(worker["state"] == "busy" for worker in pool.status()["workers"]))
    await pool.stop()
    with pytest.raises(Stopping):
        await stuck
    with pytest.raises(Stopping):
        await ask(pool, [1])
    assert gone([status["nursery_pid"], *(worker["pid"] for worker in status["workers"])])
    assert zombies() == []
    assert open_files() <= before


async def test_stop_lets_running_calls_end() -> None:
    """What was let in before stop is answered."""
    pool = pool_of("well:0")
    await pool.start()
    asked = asyncio.create_task(ask(pool, list(range(200))))
    await asyncio.sleep(0)
    await pool.stop()
    assert np.array_equal(await asked, right(list(range(200))))


async def test_stop_before_start_and_twice() -> None:
    """Stopping what does not run is no error."""
    pool = pool_of("well:0")
    await pool.stop()
    await pool.stop()


async def _kill_workers(pool: Pool, until_done: Callable[[], bool]) -> int:
    """kill -9 one worker after another until told to stop; how many."""
    killed = 0
    while not until_done():
        for worker in pool.status()["workers"]:
            if worker["pid"] and runs(worker["pid"]):
                kill(worker["pid"], signal.SIGKILL)
                killed += 1
                await asyncio.sleep(0.1)
        await asyncio.sleep(0.01)
    return killed


async def _asked_often(pool: Pool, rounds: int) -> None:
    for number in range(rounds):
        rows = await ask(pool, [number, number + 1], lane="query" if number % 2 else "ingest")
        assert np.array_equal(rows, right([number, number + 1]))
        await asyncio.sleep(0.005)


async def test_a_storm_of_kills_costs_no_answer_and_no_descriptor() -> None:
    """Hundreds of calls while workers are killed: all answers right, and as many files as before."""
    async with running("well:0", workers=4) as pool:
        await until(lambda: staffed(pool))
        before = open_files()
        asking = [asyncio.create_task(_asked_often(pool, 100)) for _ in range(4)]
        killed = await _kill_workers(pool, lambda: all(task.done() for task in asking))
        await asyncio.gather(*asking)
        assert killed >= 5
        await until(lambda: staffed(pool))
        await until(lambda: open_files() <= before)
        assert zombies() == []


def worker_pids(pool: Pool) -> list[int]:
    """Of the workers that are there now."""
    return [worker["pid"] for worker in pool.status()["workers"] if worker["pid"]]


async def test_the_innocent_do_not_suffer_for_who_they_travel_with() -> None:
    """One text of forty ends every worker that gets it: it alone is refused, for its own caller."""
    async with running("well:0", batch_texts_max=8) as pool:
        await until(lambda: staffed(pool))
        calls = [ask(pool, [number, number + 100], lane="ingest") for number in range(40)]
        guilty = pool.embed([DEADLY], lane="ingest", deadline_s=LONG_S)
        *answers, verdict = await asyncio.gather(*calls, guilty, return_exceptions=True)
        for number, rows in enumerate(answers):
            assert np.array_equal(rows, right([number, number + 100]))  # type: ignore[arg-type]  # not an error
        assert isinstance(verdict, TextNotEmbedded)
        assert pool.status()["circuit"] == "closed"


async def test_identical_texts_under_way_are_computed_once() -> None:
    """Thirty callers want the same: one batch, thirty right answers."""
    async with running("well:0", workers=1) as pool:
        await until(lambda: staffed(pool))
        before = pool.status()["batches"]
        answers = await asyncio.gather(*(ask(pool, [5]) for _ in range(30)))
        assert all(np.array_equal(rows, right([5])) for rows in answers)
        assert pool.status()["batches"] - before == 1
        assert pool.status()["shared"] == 29


async def test_a_silent_worker_writes_its_stack_before_it_is_killed(
    capfd: pytest.CaptureFixture[str],
) -> None:
    """The log says in which line it hung, and that it was asked."""
    async with running("hang:1", workers=1, silence_s_max=0.3) as pool:
        assert np.array_equal(await ask(pool, [1]), right([1]))
        written = capfd.readouterr().err
        assert "Fatal Python error: Aborted" in written
        assert "in misbehave" in written


@pytest.mark.parametrize(("behaviour", "stop"), [("quiet:1", False), ("well:0", True)])
async def test_an_idle_worker_that_beats_no_more_is_replaced(behaviour: str, stop: bool) -> None:
    """Stopped, or never beating: nobody has to give it work to find out."""
    async with running(behaviour, workers=1, silence_s_max=0.5) as pool:
        await until(lambda: staffed(pool))
        [first] = worker_pids(pool)
        if stop:
            kill(first, signal.SIGSTOP)
        await until(lambda: first not in worker_pids(pool) and staffed(pool))
        assert gone([first])


async def test_a_worker_that_beats_lives_on() -> None:
    """Well beyond the time in which silence would have ended it: so many beats take longer than that."""
    async with running("well:0", workers=1, silence_s_max=1.0, beat_s=0.05) as pool:
        await until(lambda: staffed(pool))
        first, enough = worker_pids(pool), (pool.words or 0) + 30
        await until(lambda: worker_pids(pool) != first or (pool.words or 0) >= enough)
        assert worker_pids(pool) == first


async def test_a_worker_that_loses_its_mind_is_found_out() -> None:
    """Its answers are sound vectors, only wrong ones: the canary tells, and a fork that sings takes over."""
    async with running("lost_its_mind:1", workers=1, examine_s=0.2) as pool:
        await until(lambda: staffed(pool))
        [first] = worker_pids(pool)
        await until(lambda: first not in worker_pids(pool) and staffed(pool))
        assert np.array_equal(await ask(pool, [3]), right([3]))


async def test_a_nursery_whose_forks_cannot_sing_is_replaced() -> None:
    """No worker of it ever answers anybody; the next nursery's do."""
    pool = pool_of("never_a_canary:99", workers=1)
    try:
        with pytest.raises(EmbedderUnavailable, match="first test"):
            await pool.start()
        with pytest.raises(EmbedderUnavailable):
            await ask(pool, [1])
        assert pool.status()["batches"] == 0
    finally:
        await pool.stop()


async def test_too_many_failures_open_the_circuit() -> None:
    """While it is open, calls fail at once, nothing is started, and the reason says how often it failed."""
    pool = pool_of("die_before_hello:99", workers=1, circuit_failures_max=3)
    try:
        with pytest.raises(EmbedderUnavailable):
            await pool.start()
        await until(lambda: "failed 3 times within" in str(pool.status()["reason"]))
        assert pool.status()["circuit"] == "open"
        assert pool.words is None, "nobody is expected to say that he works"
        await until(lambda: pool.status()["nursery_pid"] is None)
        with pytest.raises(EmbedderUnavailable, match="next attempt comes in 30 s"):
            await ask(pool, [1])
    finally:
        await pool.stop()


async def test_a_circuit_closes_when_workers_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cause is gone, the next attempt goes well, and calls are answered."""
    pool = pool_of("die_before_hello:99", workers=1, circuit_failures_max=3, circuit_open_s=0.5)
    try:
        with pytest.raises(EmbedderUnavailable):
            await pool.start()
        await until(lambda: pool.status()["circuit"] == "open")
        monkeypatch.setenv("BAD_NURSERY", "well:0")
        await until(lambda: pool.status()["state"] == "ready")
        assert pool.status()["circuit"] == "closed"
        assert pool.words is not None
        assert np.array_equal(await ask(pool, [2]), right([2]))
    finally:
        await pool.stop()


async def test_a_worker_that_grows_hands_over_to_another() -> None:
    """The new one has proved itself before the old one goes, so that there is always one; no call fails."""
    async with running("leak:1", workers=1, examine_s=0.1, growth_mib_max=16) as pool:
        await until(lambda: staffed(pool))
        [first] = worker_pids(pool)
        number = 0
        while first in worker_pids(pool):
            assert pool.status()["state"] == "ready"
            assert np.array_equal(await ask(pool, [number]), right([number]))
            number += 1
        await until(lambda: staffed(pool))
        assert number > 16, "it leaks a mebibyte an answer"
        assert gone([first])


async def test_a_stopped_worker_that_takes_no_more_bytes_is_noticed_too() -> None:
    """A text larger than its socket holds does not keep anybody waiting for it to be read."""
    async with running("well:0", workers=1, silence_s_max=0.5) as pool:
        await until(lambda: staffed(pool))
        [first] = worker_pids(pool)
        asked = asyncio.create_task(pool.embed(["1" + " " * 900_000], lane="ingest", deadline_s=LONG_S))
        kill(first, signal.SIGSTOP)
        assert np.array_equal(await asked, right([1]))
        assert gone([first])


async def test_several_bad_texts_at_once_do_not_switch_everybody_off() -> None:
    """Each is refused for itself, beside texts that are answered, and the circuit stays closed."""
    async with running("well:0", workers=4, circuit_failures_max=5) as pool:
        await until(lambda: staffed(pool))
        bad = [pool.embed([f"{DEADLY} {n}"], lane="ingest", deadline_s=LONG_S) for n in range(4)]
        good = [ask(pool, [number]) for number in range(5)]
        verdicts = await asyncio.gather(*bad, *good, return_exceptions=True)
        assert all(isinstance(verdict, TextNotEmbedded) for verdict in verdicts[:4])
        for number, rows in enumerate(verdicts[4:]):
            assert np.array_equal(rows, right([number]))  # type: ignore[arg-type]  # not an error
        assert pool.status()["circuit"] == "closed"


async def test_workers_that_die_without_being_asked_anything_are_counted() -> None:
    """They prove themselves and are gone: that is not tried hundreds of times a second."""
    pool = pool_of("die_idle:999", workers=1, circuit_failures_max=3)
    try:
        await pool.start()
        await until(lambda: pool.status()["circuit"] == "open")
        assert pool.status()["restarts"] <= 10
    finally:
        await pool.stop()


async def test_one_kill_before_a_worker_is_proven_is_nobodys_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """The place tries again before anybody is told."""
    async with running("die_before_hello:1", workers=1) as pool:
        assert np.array_equal(await ask(pool, [1]), right([1]))


async def test_who_has_grown_stays_when_no_other_can_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is short then: the one there is goes on answering, and nobody sees an error."""
    async with running("leak:1", workers=1, examine_s=0.1, growth_mib_max=4) as pool:
        await until(lambda: staffed(pool))
        [first] = worker_pids(pool)
        refused = asyncio.Event()

        async def no_fork(*_: object) -> links.WorkerLink:
            refused.set()
            raise OSError(12, "Cannot allocate memory")

        monkeypatch.setattr(links.NurseryLink, "fork", no_fork)
        number = 0
        while not refused.is_set():
            assert np.array_equal(await ask(pool, [number]), right([number]))
            number += 1
        assert np.array_equal(await ask(pool, [1000]), right([1000]))
        assert worker_pids(pool) == [first]


def pids(pool: Pool) -> list[int]:
    return [worker["pid"] for worker in pool.status()["workers"] if worker["pid"]]


@pytest.mark.parametrize("kind", ["well:0", "hang:1"])
async def test_a_worker_is_replaced_when_it_is_asked_to_go(kind: str) -> None:
    """At rest or stuck in the middle of something: another has its place, and no answer is lost."""
    async with running(kind, workers=1) as pool:
        await until(lambda: staffed(pool))
        [before] = pids(pool)
        asked = asyncio.create_task(ask(pool, [3])) if kind == "hang:1" else None
        await until(lambda: asked is None or pool.status()["workers"][0]["state"] == "busy")
        await pool.recycle(before)
        await until(lambda: staffed(pool) and pids(pool) != [before])
        assert np.array_equal(await ask(pool, [4]), right([4]))
        assert asked is None or np.array_equal(await asked, right([3]))
        await until(lambda: not runs(before))
        assert pool.status()["circuit"] == "closed", "it is nobody's fault"


async def test_a_pid_that_is_none_of_its_workers_is_left_alone() -> None:
    """It may have been replaced by itself a moment ago."""
    async with running("well:0") as pool:
        await until(lambda: staffed(pool))
        before = pids(pool)
        await pool.recycle(2**22 + 1)
        assert pids(pool) == before


@pytest.mark.parametrize("workers", [0, 1, 2])
async def test_fewer_workers_answer_all_the_same_and_the_others_come_back(workers: int) -> None:
    """One at least stays, whatever is asked for, and the one for queries is not counted."""
    async with running("well:0", workers=3, query_workers=1) as pool:
        await until(lambda: staffed(pool))
        pool.hold_to(workers)
        await until(lambda: len(pids(pool)) == max(1, workers) + 1)
        answers = await asyncio.gather(*(ask(pool, [number]) for number in range(20)))
        assert all(np.array_equal(rows, right([number])) for number, rows in enumerate(answers))
        assert len(pids(pool)) == max(1, workers) + 1
        pool.hold_to(3)
        await until(lambda: staffed(pool))


@pytest.mark.parametrize("why", ["died", "recycled"])
async def test_a_place_that_is_closed_while_a_worker_is_born_stays_empty(
    why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory is short just then, and a fork slow: neither the newcomer nor a successor is kept."""
    async with running("well:0", workers=2) as pool:
        await until(lambda: staffed(pool))
        nursery, second, really = pool.status()["nursery_pid"], pids(pool)[1], links.NurseryLink.fork
        forking, gate, forked = asyncio.Event(), asyncio.Event(), asyncio.Event()

        async def slowly(link: links.NurseryLink, silence_s: float) -> links.WorkerLink:
            forking.set()
            await gate.wait()
            worker = await really(link, silence_s)
            forked.set()
            return worker

        monkeypatch.setattr(links.NurseryLink, "fork", slowly)
        recycling = [asyncio.create_task(pool.recycle(second))] if why == "recycled" else []
        if why == "died":
            kill(second)
        await forking.wait()
        pool.hold_to(1)
        gate.set()
        await forked.wait()
        await until(lambda: children(nursery) == pids(pool) and len(pids(pool)) == 1)
        await asyncio.gather(*recycling)
        assert np.array_equal(await ask(pool, [1]), right([1]))
        pool.hold_to(2)
        await until(lambda: staffed(pool) and len(children(nursery)) == 2)


async def test_a_pool_that_rests_has_no_process_and_says_so_at_once() -> None:
    """Who asks is told why, also who asked before; when it is called off it answers as before."""
    async with running("well:0") as pool:
        await until(lambda: staffed(pool))
        all_pids = [*pids(pool), pool.status()["nursery_pid"]]
        pool.rest(rest=True)
        pool.rest(rest=True)
        await until(lambda: pool.status()["state"] == "unavailable")
        assert gone(all_pids)
        with pytest.raises(EmbedderUnavailable, match="short of memory"):
            await ask(pool, [1])
        await until(lambda: zombies() == [])
        pool.rest(rest=False)
        await until(lambda: staffed(pool))
        assert np.array_equal(await ask(pool, [2]), right([2]))
        assert pool.status()["circuit"] == "closed"


async def test_a_pool_can_be_stopped_while_it_rests() -> None:
    """The service ends in good order also when memory is short."""
    async with running("well:0") as pool:
        pool.rest(rest=True)
        await until(lambda: pool.status()["state"] == "unavailable")
