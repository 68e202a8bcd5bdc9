"""The metrics file of a service."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from pi_rag.clock import SystemClock
from pi_rag.config import MetricsSettings
from pi_rag.errors import Busy, StoreBusy
from pi_rag.service.house import House
from pi_rag.service.minute import LINE
from pi_rag.service.minutes import LINES_WAITING_MAX, Minutes

LONG = MetricsSettings(line_s=3600.0)
SHORT = MetricsSettings(line_s=0.01)

LINE_BYTES_MAX = 2048
"""What a line may cost: with a page of the disk each, an hour of them is far from the bound of 5 MiB."""


async def status() -> dict[str, Any]:
    return {"state": "ready", "searches": {"searches": 1}}


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.005)


def lines(folder: Path) -> list[dict[str, Any]]:
    path = folder / "metrics.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


async def test_a_line_comes_each_time_and_says_when(tmp_path: Path) -> None:
    """Of what there was since the line before."""
    minutes = Minutes(tmp_path, SHORT, SystemClock(), status)
    minutes.start()
    await until(lambda: len(lines(tmp_path)) >= 2)
    await minutes.stop()
    first, second = lines(tmp_path)[:2]
    assert (first["state"], first["searches"], second["searches"]) == ("ready", 1, 0)
    assert first["at"] <= second["at"]


async def test_an_event_is_written_at_once(tmp_path: Path) -> None:
    """It does not wait for its minute, and has the figures that caused it."""
    minutes = Minutes(tmp_path, LONG, SystemClock(), status)
    minutes.start()
    minutes.event("memory_step", {"step": "shed", "used_mib": 905.5})
    minutes.event("memory_step", {"step": "normal", "at": 7.0})
    await until(lambda: len(lines(tmp_path)) == 2)
    await minutes.stop()
    told = lines(tmp_path)
    assert told[0] | {"at": 0} == {"at": 0, "event": "memory_step", "step": "shed", "used_mib": 905.5}
    assert told[1]["at"] == 7.0


async def test_what_has_happened_is_written_at_the_end(tmp_path: Path) -> None:
    """The last step before a stop is what somebody will look for."""
    minutes = Minutes(tmp_path, LONG, SystemClock(), status)
    minutes.start()
    minutes.event("memory_step", {})
    await minutes.stop()
    assert [each["event"] for each in lines(tmp_path)] == ["memory_step"]


@pytest.mark.parametrize("fails", [False, True])
async def test_what_is_being_written_at_the_end_is_written_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, fails: bool
) -> None:
    """A thread may be at it, or fail at it: nothing is lost, and nothing overtakes."""
    minutes = Minutes(tmp_path, LONG, SystemClock(), status)
    begun, let, append = threading.Event(), threading.Event(), minutes._file.append

    def slow(data: bytes) -> None:
        if not begun.is_set():
            begun.set()
            let.wait(30)
            if fails:
                raise OSError("no")
        append(data)

    monkeypatch.setattr(minutes._file, "append", slow)
    minutes.start()
    minutes.event("first", {})
    await until(begun.is_set)
    minutes.event("second", {})
    stopped = asyncio.create_task(minutes.stop())
    await asyncio.sleep(0)  # it is asked to end while the thread is at it
    let.set()
    await stopped

    assert [each["event"] for each in lines(tmp_path)] == ["first", "second"]


async def test_a_folder_that_takes_nothing_is_told_once_and_resumed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One warning however long it lasts; then what waited is written, within its bound, and that is told."""
    folder = tmp_path / "metrics"
    folder.write_text("a file in its place")
    minutes = Minutes(folder, LONG, SystemClock(), status)
    minutes.start()
    for number in range(LINES_WAITING_MAX + 7):
        minutes.event("memory_step", {"used_mib": number})
        await asyncio.sleep(0)
    said: list[str] = []

    def told_of(event: str) -> bool:
        said.append(capsys.readouterr().err)
        return event in "".join(said)

    await until(lambda: told_of("metrics_not_written"))
    for _ in range(3):
        minutes.event("memory_step", {"used_mib": -1})
        await asyncio.sleep(0.02)
    folder.unlink()
    minutes.event("memory_step", {"used_mib": -2})
    await until(lambda: bool(lines(folder)))
    await minutes.stop()

    told = "".join([*said, capsys.readouterr().err])
    assert (told.count("metrics_not_written"), told.count("metrics_written_again")) == (1, 1)
    kept = [each["used_mib"] for each in lines(folder)]
    assert len(kept) == LINES_WAITING_MAX
    assert kept[-4:] == [-1, -1, -1, -2]


async def test_what_is_written_again_while_it_ends_is_told_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The thread is at the line that the disk takes again when the service ends."""
    failed, begun, let = threading.Event(), threading.Event(), threading.Event()
    minutes = Minutes(tmp_path, LONG, SystemClock(), status)
    append = minutes._file.append

    def held(data: bytes) -> None:
        if not failed.is_set():
            failed.set()
            raise OSError(28, "No space left on device")
        begun.set()
        let.wait(10)
        append(data)

    monkeypatch.setattr(minutes._file, "append", held)
    minutes.start()
    minutes.event("first", {})
    await until(failed.is_set)
    minutes.event("second", {})
    await until(begun.is_set)
    stopped = asyncio.create_task(minutes.stop())
    await asyncio.sleep(0)  # it is asked to end while the thread is at it
    let.set()
    await stopped

    assert len(lines(tmp_path)) == 2
    assert capsys.readouterr().err.count("metrics_written_again") == 1


async def test_without_a_thread_to_write_it_is_written_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When memory is short none can be started; the loop goes on, and nothing is lost."""
    minutes = Minutes(tmp_path, LONG, SystemClock(), status)
    refused: list[object] = []

    def none(*args: object) -> None:
        refused.append(args)
        raise Busy("No thread can be started now.")

    with monkeypatch.context() as short:
        short.setattr("pi_rag.service.minutes.apart", none)
        minutes.start()
        minutes.event("first", {})
        await until(lambda: bool(refused))
    minutes.event("second", {})
    await until(lambda: len(lines(tmp_path)) == 2)
    await minutes.stop()

    assert [each["event"] for each in lines(tmp_path)] == ["first", "second"]


@pytest.mark.parametrize(
    ("fault", "told"), [(StoreBusy("canary"), "code=store_busy"), (KeyError("canary"), "metrics_fault")]
)
async def test_a_status_that_cannot_be_told_costs_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], fault: Exception, told: str
) -> None:
    """The next one comes, be it a fault of ours."""
    asked = 0

    async def busy_at_first() -> dict[str, Any]:
        nonlocal asked
        asked += 1
        if asked == 1:
            raise fault
        return await status()

    minutes = Minutes(tmp_path, SHORT, SystemClock(), busy_at_first)
    minutes.start()
    await until(lambda: bool(lines(tmp_path)))
    await minutes.stop()
    assert told in capsys.readouterr().err


async def test_a_real_service_fills_its_line(house: House, guest: httpx.AsyncClient) -> None:
    """With what it did, in less than two KiB, and with nothing of what was stored and asked."""
    canary = "zanzibarine"
    document = {"source": f"/{canary}.md", "text": f"the {canary} lamp", "metadata": {canary: canary}}
    await guest.post("/v1/documents", json={"documents": [document], "collection": canary})
    for _ in range(3):
        await guest.post("/v1/search", json={"query": f"{canary} lamp"})
    minutes = Minutes(house.settings.metrics_path, SHORT, house.clock, house.minute)
    minutes.start()
    await until(lambda: bool(lines(house.settings.metrics_path)))
    await minutes.stop()

    text = (house.settings.metrics_path / "metrics.jsonl").read_text()
    first = lines(house.settings.metrics_path)[0]
    assert canary not in text
    assert len(text.splitlines()[0]) < LINE_BYTES_MAX
    assert first.keys() - {"at"} <= {column.name for column in LINE}
    assert (first["searches"], first["embedded"], first["answer_hits"]) == (3, 1, 2)
    assert {"p50_ms", "p95_ms", "passages", "wal_mib", "budget_mib", "step", "written_kib"} <= first.keys()


async def test_a_line_takes_memory_as_it_is_known(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Measuring all processes each minute would be much of what a rest costs; a person is worth it."""
    asked: list[bool] = []
    status = house.watchdog.status

    async def noted(*, well: bool = True) -> dict[str, Any]:
        asked.append(well)
        return await status(well=well)

    monkeypatch.setattr(house.watchdog, "status", noted)
    assert (await house.minute())["memory"]["processes"]
    await house.status()
    assert asked == [False, True]
