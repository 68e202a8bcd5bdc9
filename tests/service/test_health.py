"""Signs of life, and what systemd is told of them."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from pi_rag.clock import SystemClock
from pi_rag.config import HealthSettings, Settings
from pi_rag.service.health import Beats, Heart, Pings
from pi_rag.service.house import House
from pi_rag.store.store import Store
from pi_rag.stress import family
from pi_rag.stress.running import RunningService
from pi_rag.types import ModelCard
from tests.service.systemd import Systemd

STALL = Path(__file__).parent / "stall"

WATCHDOG_S = 1.0
"""As a unit would have it in WatchdogSec=, but shorter; pings come at half of it."""


class Ticks:
    """A clock that a test moves. The time of day is nobody's business here."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def monotonic_s(self) -> float:
        return self.now_s

    def wall_s(self) -> float:
        raise AssertionError("health goes by the monotonic clock alone: the other one jumps")


async def no_turn() -> None:
    """What a store that works does."""


def heart_of(beats: Beats, clock: Ticks, said: list[float], words: Callable[[], int | None]) -> Heart:
    return Heart(
        beats,
        HealthSettings(),
        clock,
        turns={},
        words=words,
        watchdog_s=10.0,
        ping=lambda: said.append(clock.now_s),
    )


def test_a_loop_is_silent_after_its_time_and_no_longer_once_it_beats() -> None:
    """Each has its own longest silence; one that begins later is not missed before its first beat."""
    clock = Ticks()
    beats = Beats(clock)
    quick, slow = beats.expect("quick", 5.0), beats.expect("slow", 50.0)
    late = beats.expect("late", 5.0, from_first=True)
    told = []
    for now_s, beat in ((5.0, None), (5.1, None), (6.0, quick), (7.0, late), (13.0, None), (60.0, slow)):
        clock.now_s = now_s
        if beat is not None:
            beat()
        told.append(beats.silent())

    assert told == [[], ["quick"], [], [], ["quick", "late"], ["quick", "late"]]
    assert beats.status()["slow"] == {"silent_s": 0.0, "silence_s_max": 50.0, "longest_s": 60.0}
    late.rest()
    beats.forget("quick")
    assert beats.silent() == []


@given(st.lists(st.tuples(st.floats(0.1, 3.0), st.sets(st.sampled_from(["loop", "writer", "embedder"])))))
def test_a_ping_says_that_everybody_has_beaten_since_the_last(rounds: list[tuple[float, set[str]]]) -> None:
    """Whoever beats and whenever: no ping without a beat of each since the last one, nor before its time."""
    clock = Ticks()
    beats = Beats(clock)
    names = ("loop", "writer", "embedder")
    for name in names:
        beats.expect(name, 1.0)
    pings = Pings.of(beats, names, 5.0, clock.now_s)
    pinged_s, beaten = 0.0, set[str]()
    for seconds, who in rounds:
        clock.now_s += seconds
        for name in who:
            beats[name]()
        beaten |= who
        well = clock.now_s - pinged_s >= 5.0 and beaten == set(names)
        assert pings.takes(clock.now_s) == well
        if well:
            pinged_s, beaten = clock.now_s, set()


def test_the_embedder_counts_from_its_first_word_on_and_not_while_it_is_to_rest() -> None:
    """A model that was never there would be missed after each restart, too; one that was ended is not."""
    clock, said = Ticks(), list[float]()
    words: list[int | None] = [0]
    heart = heart_of(Beats(clock), clock, said, lambda: words[0])

    async def lived() -> None:
        keeping = heart.start()
        # By hand from here on, second by second.
        keeping.cancel()
        for second in range(1, 61):
            clock.now_s = float(second)
            if 20 <= second <= 30:
                words[0] = second
            elif second == 50:
                words[0] = None
            heart.look()
        await heart.stop()

    asyncio.run(lived())

    assert said == [5, 10, 15, 20, 25, 30, 50, 55, 60]


async def test_workers_that_are_called_back_are_expected_from_their_first_word_on() -> None:
    """To be called back is no word of theirs: while the model loads, however long, pings go on."""
    clock, said = Ticks(), list[float]()
    words: list[int | None] = [0]
    heart = heart_of(Beats(clock), clock, said, lambda: words[0])
    heart.start().cancel()
    for second in range(1, 96):
        clock.now_s = float(second)
        if second == 10:
            words[0] = None
        elif second == 20:
            words[0] = 9  # as before the rest
        elif second < 10 or 80 <= second <= 85:
            words[0] = second
        heart.look()
    await heart.stop()

    assert said == list(range(5, 86, 5)), "and those who fall silent after it are missed"


async def test_a_fault_in_a_turn_is_told_and_the_next_one_comes() -> None:
    """A store at rest that is given nothing to do any more would look like one that hangs."""
    beats, turns = Beats(SystemClock()), list[int]()
    beats.expect("writer", 30.0)

    async def faulty() -> None:
        turns.append(1)
        if len(turns) < 3:
            raise KeyError("canary")
        beats["writer"]()

    heart = Heart(
        beats,
        HealthSettings(turn_s=0.05),
        SystemClock(),
        turns={"writer": faulty},
        words=lambda: 0,
        watchdog_s=None,
        ping=lambda: None,
    )
    with capture_logs() as logs:
        heart.start()
        await until(lambda: beats["writer"].count > 0)
        await heart.stop()

    assert [each["room"] for each in logs if each["event"] == "turn_fault"] == ["writer", "writer"]


@pytest.mark.parametrize(("stuck", "others"), [("writer", "readers"), ("readers", "writer")])
async def test_a_stuck_store_ends_the_pings_until_it_goes_on(
    tmp_path: Path, settings: Settings, stuck: str, others: str
) -> None:
    """What writes hangs, or all that reads: the rest beats on, and yet nobody says that all is well."""
    clock, pings = SystemClock(), list[int]()
    one_reader = replace(settings.store, readers=1, readers_overflow_max=0, reader_wait_s_max=0.1)
    store = Store.open(tmp_path / "pi-rag.db", one_reader, clock, settings.index)
    beats, hanging, goes_on = Beats(clock), threading.Event(), threading.Event()
    store.beat_with(writer=beats.expect("writer", 0.5), readers=beats.expect("readers", 0.5))
    heart = Heart(
        beats,
        HealthSettings(),
        clock,
        turns={"writer": store.write_turn, "readers": store.read_turn},
        words=lambda: 0,
        watchdog_s=0.2,
        ping=lambda: pings.append(1),
    )
    heart.start()
    await until(lambda: len(pings) >= 2)

    def hang(_: object) -> None:
        hanging.set()
        goes_on.wait()

    use = store.write if stuck == "writer" else store.read
    stands = asyncio.create_task(use(hang))
    await until(hanging.is_set)
    before, turns = len(pings), beats[others].count
    await until(lambda: stuck in beats.silent() and beats[others].count > turns + 5)
    during = len(pings)
    goes_on.set()
    await stands
    await until(lambda: len(pings) > during)
    await heart.stop()
    await store.close()

    assert during <= before + 1


async def test_a_long_write_that_goes_on_beats(tmp_path: Path, settings: Settings) -> None:
    """A large document on a slow card is no reason to end the service."""
    store = Store.open(tmp_path / "pi-rag.db", settings.store, SystemClock(), settings.index)
    beats: list[int] = []
    store.beat_with(writer=lambda: beats.append(1), readers=lambda: None)
    counting = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 500000)"
    during = await store.write(
        lambda db: (db.execute(f"{counting} SELECT count(*) FROM c").get, len(beats))[1]
    )
    await store.close()

    assert during > 1


async def test_every_loop_of_the_house_beats(house: House) -> None:
    """Those of the store, the queue, the index, the upkeep, memory and both caches: none is forgotten."""
    house.keeper.start()
    house.results.start()
    house.upkeep.start()
    house.filling.start()
    house.watchdog.start()
    house.minutes.start()
    house.alarms.start()
    await house.watching.start()
    house.minutes.event("memory_step", {"step": "shed"})
    await house.store.write(lambda _: None)
    names = set(house.beats.status())
    await until(lambda: all(house.beats[name].count for name in names))
    await house.keeper.stop()
    await house.results.stop()
    await house.upkeep.stop()
    await house.filling.stop()
    await house.watchdog.stop()
    await house.minutes.stop()
    await house.alarms.stop()

    assert names == {
        "writer",
        "readers",
        "ingest",
        "index",
        "upkeep",
        "filling",
        "queries",
        "answers",
        "memory",
        "metrics",
        "alerts",
    }


async def test_a_watched_folder_has_a_beat_of_its_own(house: House, tmp_path: Path) -> None:
    """One that hangs does not hide behind the others; one that is watched no more is not missed."""
    folder = tmp_path / "papers"
    folder.mkdir()
    added = await house.watching.add(str(folder), "default", [], [])
    name = f"watching-{added['id']}"
    await until(lambda: house.beats[name].count > 1)
    await house.watching.remove(added["id"])

    assert name not in house.beats.status()


async def test_a_document_that_cannot_even_be_let_go_silences_the_queue(house: House) -> None:
    """Its lease is over and it is still in hand: then the queue's loop does not say that it works."""

    class Hangs:
        def when(self) -> float:
            return asyncio.get_running_loop().time() - 3600

    class InHand:
        lease = Hangs()

    beat = house.beats["ingest"]
    house.runner._beat()
    before = beat.count
    house.runner._current[0] = InHand()  # type: ignore[assignment]
    house.runner._beat()
    held = beat.count
    del house.runner._current[0]
    house.runner._beat()

    assert (held, beat.count) == (before, before + 1)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.01)


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[Systemd]:
    listener = Systemd(tmp_path / "notify")
    yield listener
    listener.close()


def pinging(tmp_path: Path, minilm: ModelCard, systemd: Systemd, fault: str) -> RunningService:
    """A real service that pings, with a fault that waits for its signal."""
    environ = {
        "PI_RAG_MODEL": minilm.path,
        "NOTIFY_SOCKET": str(systemd.path),
        "WATCHDOG_USEC": str(int(WATCHDOG_S * 1e6)),
        "PI_RAG_EMBEDDER_BEAT_S": "0.1",
        "PI_RAG_WORKERS": "1",
        "PYTHONPATH": os.pathsep.join([str(STALL), *filter(None, [os.environ.get("PYTHONPATH")])]),
        "TEST_FAULT": fault,
    }
    return RunningService(tmp_path, environ)


@pytest.mark.model
@pytest.mark.parametrize("fault", ["loop", "writer"])
def test_pings_stop_when_a_real_service_hangs(
    tmp_path: Path, minilm: ModelCard, systemd: Systemd, fault: str
) -> None:
    """Its event loop stands still, or its writer does: no more than the ping that is due comes after that."""
    with pinging(tmp_path, minilm, systemd, fault) as service:
        systemd.hear_of("WATCHDOG")
        systemd.forget()
        os.kill(service.pid, signal.SIGUSR2)
        after = systemd.pings_before(2 * WATCHDOG_S)
        service.kill()

    assert after <= 2, "one may have come before the fault, and one was due"


@pytest.mark.model
def test_pings_stop_when_all_workers_are_dead(tmp_path: Path, minilm: ModelCard, systemd: Systemd) -> None:
    """And none can be started. Words answer until systemd tries a restart; the new service, which has never
    had a worker, pings without."""
    model = tmp_path / "model.gguf"
    model.write_bytes(Path(minilm.path).read_bytes())
    service = pinging(tmp_path, minilm, systemd, "none")
    service.environ["PI_RAG_MODEL"] = str(model)
    with service:
        systemd.hear_of("WATCHDOG")
        model.unlink()
        systemd.forget()
        for pid in family.all_of(service.pid) - {service.pid}:
            os.kill(pid, signal.SIGKILL)
        after = systemd.pings_before(2 * WATCHDOG_S)
        degraded = service.client.search("lamp")["degraded"]
        service._wait_ready = False
        service.kill()
        systemd.forget()
        service.start()
        ready = systemd.hear_of("READY")[-1]
        systemd.hear_of("WATCHDOG")

    assert after <= 2
    assert degraded == ["embedder_unavailable"]
    assert "embedder_unavailable" in ready["STATUS"]


@pytest.mark.model
def test_a_clock_set_back_by_a_year_changes_nothing(
    tmp_path: Path, minilm: ModelCard, systemd: Systemd
) -> None:
    """Pings go on, documents are stored and found, and nobody is taken for silent."""
    with pinging(tmp_path, minilm, systemd, "clock") as service:
        systemd.hear_of("WATCHDOG")
        os.kill(service.pid, signal.SIGUSR2)
        given = [{"source": "a", "text": "the lamp in the hall is lit"}]
        job = service.client.add_documents(given, wait=True)["job"]
        hits = service.client.search("a lamp")["hits"]
        systemd.forget()
        for _ in range(3):
            systemd.hear_of("WATCHDOG")
        status = service.client.status()

    assert job["items_done"] == 1
    assert job["created_at"] < time.time() - 300 * 86_400, "the clock was set back"
    assert [hit["source"] for hit in hits] == ["a"]
    assert status["ready"] and "store_silent" not in status["degraded"]
    assert "loop_silent" not in {each["name"] for each in status["alerts"]}
