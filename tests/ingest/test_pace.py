"""How much ingest takes on at once."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pi_rag.config import from_values
from pi_rag.host.heat import SLOWED_C, temperature_c
from pi_rag.ingest import pace as paces
from pi_rag.ingest.pace import Bounds, Pace, Readings, Room, pace
from tests.host import boards

CALM = Readings(query_ago_s=None, available_mib=None, temperature_c=None)
BOUNDS = Bounds(
    workers=4,
    documents_max=9,
    passages_max=32,
    query_quiet_s=2.0,
    available_mib_min=256,
    temperature_c_max=80.0,
)

readings = st.builds(
    Readings,
    query_ago_s=st.none() | st.floats(0, 100),
    available_mib=st.none() | st.floats(0, 16_384),
    temperature_c=st.none() | st.floats(-40, 150),
)
bounds = st.builds(
    Bounds,
    workers=st.integers(1, 64),
    documents_max=st.integers(1, 500),
    passages_max=st.integers(1, 4096),
    query_quiet_s=st.floats(0, 600),
    available_mib_min=st.integers(0, 65_536),
    temperature_c_max=st.floats(40, 120),
)


@given(readings, bounds)
def test_it_is_bounded_and_never_stands_still(read: Readings, within: Bounds) -> None:
    """At least one document and one passage, whatever is read; at most what the settings say."""
    found = pace(read, within)
    assert 1 <= found.documents <= within.documents_max
    assert 1 <= found.passages <= within.passages_max


@given(readings, bounds, st.floats(0, 100), st.floats(0, 16_384))
def test_worse_readings_never_take_more_on(
    read: Readings, within: Bounds, hotter: float, mib_less: float
) -> None:
    """Hotter, with less memory, or while somebody searches: no more documents and no more passages."""
    before = pace(read, within)
    worse = [replace(read, query_ago_s=0.0)]
    if read.temperature_c is not None:
        worse.append(replace(read, temperature_c=read.temperature_c + hotter))
    if read.available_mib is not None:
        worse.append(replace(read, available_mib=max(0.0, read.available_mib - mib_less)))
    for each in worse:
        found = pace(each, within)
        assert found.documents <= before.documents and found.passages <= before.passages


@given(bounds)
def test_without_a_reason_it_takes_all_it_may(within: Bounds) -> None:
    """A machine that says nothing of itself is worked at in full."""
    found = pace(CALM, within)
    assert (found.documents, found.passages, found.why) == (within.documents_max, within.passages_max, "full")


@pytest.mark.parametrize(
    ("read", "documents", "passages", "why"),
    [
        (replace(CALM, query_ago_s=1.9), 9, 2, "queries"),
        (replace(CALM, query_ago_s=2.0), 9, 32, "full"),
        (replace(CALM, available_mib=512), 9, 32, "full"),
        (replace(CALM, available_mib=384), 4, 16, "memory"),
        (replace(CALM, available_mib=100), 1, 1, "memory"),
        (replace(CALM, temperature_c=70), 9, 32, "full"),
        (replace(CALM, temperature_c=72.5), 7, 3, "heat"),
        (replace(CALM, temperature_c=75), 4, 2, "heat"),
        (replace(CALM, temperature_c=80), 1, 1, "heat"),
        (replace(CALM, temperature_c=78, available_mib=320, query_ago_s=0), 2, 1, "heat"),
        (replace(CALM, available_mib=320, query_ago_s=0), 2, 2, "queries"),
    ],
)
def test_what_holds_it_back_and_how_far(read: Readings, documents: int, passages: int, why: str) -> None:
    """Half the workers while somebody searches; memory in proportion, and so the workers that heat leaves
    busy; the worst of them is told."""
    found = pace(read, BOUNDS)
    assert (found.documents, found.passages, found.why) == (documents, passages, why)


def test_a_hot_board_is_kept_below_where_it_is_slowed_and_comes_back(tmp_path: Path) -> None:
    """A board in a closed box that would reach 92 degrees with all workers busy stays well below 80; it works
    on meanwhile, and in full again once the lid is open. Read from /sys as a Pi has it."""
    root = boards.pi_5(tmp_path)
    sensor = root / "sys/class/thermal/thermal_zone0/temp"

    def lasts(minutes: int, celsius: float, idle_c: float) -> tuple[float, list[Pace]]:
        """How hot it is after so long, and every pace on the way. The heat of a board follows in a minute."""
        held = []
        for _ in range(minutes * 12):
            sensor.write_text(f"{celsius * 1000:.0f}\n")
            held.append(pace(replace(CALM, temperature_c=temperature_c(root)), BOUNDS))
            busy = min(BOUNDS.workers, held[-1].passages)
            celsius += (idle_c + 8.0 * busy - celsius) / 12
            hottest.append(celsius)
        return celsius, held

    hottest: list[float] = []
    warm_c, closed = lasts(20, 45.0, idle_c=60.0)
    assert 70.0 < warm_c <= max(hottest) < SLOWED_C - 3
    assert {each.passages for each in closed} >= {32, 3, 2}
    cool_c, opened = lasts(20, warm_c, idle_c=35.0)
    assert cool_c < 70.0
    assert (opened[0].why, opened[-1]) == ("heat", Pace(9, 32, "full"))


def test_no_more_documents_than_could_be_read_while_a_lease_lasts() -> None:
    """They may all wait for the one reader, each for its longest time."""
    many = from_values(
        {"embedder.workers": 64, "ingest.documents_per_worker": 64, "service.data": "/var/lib/none"}
    )
    found = Bounds.of(many)
    assert (found.documents_max + 1) * many.ingest.read_s_max <= many.ingest.lease_s


@given(st.integers(1, 64), st.integers(1, 64), st.integers(1, 4096))
def test_the_lane_has_room_for_all_that_stand_in_it(workers: int, texts: int, places: int) -> None:
    """Were each passage a request of its own: beside them counts, a reindex, and vectors for other programs.
    So documents are not turned away by their own lane, unless it is hardly one."""
    values = {"embedder.workers": workers, "ingest.embed_texts": texts, "embedder.ingest_queue_max": places}
    settings = from_values(values | {"service.data": "/var/lib/none"})
    others = 3 * settings.embedder.requests_at_once
    assert Bounds.of(settings).passages_max <= max(1, places - others)


@pytest.mark.parametrize(("workers", "texts"), [(1, 4), (4, 4), (8, 4), (4, 8)])
def test_the_lane_slows_no_usual_machine(workers: int, texts: int) -> None:
    """Two full requests for each worker are under way."""
    settings = from_values(
        {"embedder.workers": workers, "ingest.embed_texts": texts, "service.data": "/var/lib/none"}
    )
    assert Bounds.of(settings).passages_max == 2 * workers * texts


async def _inside(room: Room, amount: int, seen: list[int], go: asyncio.Event) -> None:
    async with room.of(amount):
        seen.append(amount)
        await go.wait()


async def _turns() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_a_room_lets_in_by_turns_and_never_more_than_it_has() -> None:
    """A small one behind a large one waits for it; what is larger than the room goes in alone."""
    room, seen, go = Room(4), list[int](), asyncio.Event()
    tasks = [asyncio.create_task(_inside(room, amount, seen, go)) for amount in (3, 2, 1, 9, 1)]
    await _turns()
    assert seen == [3]
    go.set()
    await asyncio.gather(*tasks)
    assert seen == [3, 2, 1, 9, 1]


async def test_a_room_that_grows_lets_more_in_and_one_that_shrinks_fewer() -> None:
    """At once, and nobody who is inside is disturbed."""
    room, seen, go = Room(1), list[int](), asyncio.Event()
    tasks = [asyncio.create_task(_inside(room, 1, seen, go)) for _ in range(5)]
    await _turns()
    assert len(seen) == 1
    room.size = 3
    await _turns()
    assert len(seen) == 3
    room.size = 1
    go.set()
    await asyncio.gather(*tasks)
    assert len(seen) == 5


@pytest.mark.parametrize("which", [0, 1])
async def test_who_leaves_a_room_or_its_queue_makes_way(which: int) -> None:
    """A cancelled one inside gives its part back; one that waited holds up nobody behind it."""
    room, seen, go = Room(2), list[int](), asyncio.Event()
    tasks = [asyncio.create_task(_inside(room, amount, seen, go)) for amount in (1, 2, 1)]
    await _turns()
    tasks[which].cancel()
    await _turns()
    assert seen == ([1, 2] if which == 0 else [1, 1])
    go.set()
    await asyncio.gather(*tasks, return_exceptions=True)
    async with asyncio.timeout(5), room.of(2):
        """All of it is free again."""


async def test_who_is_let_in_as_it_is_cancelled_gives_it_back() -> None:
    """Whichever comes first."""
    room, go = Room(1), asyncio.Event()
    first = asyncio.create_task(_inside(room, 1, [], go))
    second = asyncio.create_task(_inside(room, 1, [], go))
    await _turns()
    go.set()
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.gather(first, second, return_exceptions=True)
    async with asyncio.timeout(5), room.of(1):
        """It is free."""


async def test_who_waits_for_room_is_asked_whether_to_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a lease is renewed, and a job that was cancelled ends there; then it is out of the queue."""
    monkeypatch.setattr(paces, "MOVES_S", 0.001)
    room, asked = Room(1), 0

    def moves() -> None:
        nonlocal asked
        asked += 1
        if asked == 3:
            raise KeyError("enough")

    async with room.of():
        with pytest.raises(KeyError):
            async with asyncio.timeout(5), room.of(moves=moves):
                raise AssertionError("there is no room")
    async with asyncio.timeout(5), room.of():
        """It is free."""
