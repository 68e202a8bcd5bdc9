"""POST and GET /v1/backup: one at a time, told as it goes, thinned out in the settings' folder alone."""

from __future__ import annotations

import asyncio
import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from pi_rag.config import StoreSettings, to_toml
from pi_rag.service.house import House
from pi_rag.store import backups, inspection
from pi_rag.store.backup import Made, Making
from tests.embedder.waiting import until
from tests.service.held import Hanging, shared_threads_held


async def _ended(guest: httpx.AsyncClient) -> dict[str, Any]:
    """How it is once it is no longer running."""
    end_s = time.monotonic() + 30
    while True:
        answer: dict[str, Any] = (await guest.get("/v1/backup")).json()
        if answer["state"] != "running":
            return answer
        assert time.monotonic() < end_s
        await asyncio.sleep(0.01)


async def _added(guest: httpx.AsyncClient) -> None:
    body = {"documents": [{"source": "a", "text": "tea in the garden"}], "wait": True}
    assert (await guest.post("/v1/documents", json=body)).status_code == 200


async def test_a_backup_is_made_and_told(house: House, guest: httpx.AsyncClient) -> None:
    """With the settings as they were made, not as a budget lowered them, and verify's checksum."""
    await _added(guest)
    as_set = replace(house.settings, cache=replace(house.settings.cache, query_mib_max=777))
    house.sized = replace(house.sized, as_set=as_set)
    assert (await guest.get("/v1/backup")).json()["state"] == "none"

    begun = await guest.post("/v1/backup", json={})

    assert (begun.status_code, begun.json()["state"]) == (202, "running")
    done = await _ended(guest)
    assert (done["state"], done["warnings"], done["error"]) == ("done", ["same_disk"], None)
    seen = inspection.inspect(Path(done["path"]), StoreSettings(), deep=True)
    assert seen.card is not None and seen.card.settings == to_toml(as_set)
    verified = (await guest.post("/v1/verify", json={})).json()
    assert verified["content_hash"] == done["content_hash"]
    assert done["newest_at"] == done["began_at"]


async def test_there_is_one_at_a_time(house: House, guest: httpx.AsyncClient) -> None:
    """The second is told that the service is busy, and harms nothing."""
    asked = [guest.post("/v1/backup", json={}) for _ in range(3)]
    codes = sorted(each.status_code for each in await asyncio.gather(*asked))
    assert codes == [202, 503, 503]
    assert (await _ended(guest))["state"] == "done"


@pytest.mark.parametrize(
    ("to", "status", "code"),
    [
        ("relative/path", 400, "request_invalid"),
        ("/nowhere/at/all.db", 404, "path_not_found"),
        ("/a\0b", 400, "request_invalid"),
    ],
)
async def test_a_place_that_cannot_be(guest: httpx.AsyncClient, to: str, status: int, code: str) -> None:
    """Told at once, before anything is begun."""
    answer = await guest.post("/v1/backup", json={"to": to})
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


async def test_a_named_file_is_made_and_never_overwritten_nor_thinned_out(
    guest: httpx.AsyncClient, tmp_path: Path
) -> None:
    """A folder of a person is theirs."""
    there = tmp_path / "usb"
    there.mkdir()
    for name in ("one.db", "two.db"):
        assert (await guest.post("/v1/backup", json={"to": str(there / name)})).status_code == 202
        assert (await _ended(guest))["state"] == "done"
    again = await guest.post("/v1/backup", json={"to": str(there / "one.db")})
    assert (again.status_code, again.json()["error"]["code"]) == (500, "backup_unwritable")
    assert (await guest.post("/v1/backup", json={"to": str(there)})).status_code == 202
    done = await _ended(guest)
    assert (done["removed"], len(list(there.iterdir()))) == ([], 3)


async def test_a_folder_of_the_settings_that_went_is_seen(
    house: House, guest: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As a disk that is not mounted any more: the newest is not there, and the next one's failure is told."""
    assert (await guest.post("/v1/backup", json={})).status_code == 202
    assert (await _ended(guest))["newest_at"] is not None
    shutil.rmtree(house.settings.backup_path)
    house.settings.backup_path.write_text("no folder")

    assert (await guest.get("/v1/backup")).json()["newest_at"] is None
    assert (await guest.post("/v1/backup", json={})).status_code == 500
    told = (await guest.get("/v1/backup")).json()

    assert (told["state"], told["error"]["code"]) == ("failed", "backup_unwritable")
    there = tmp_path / "stick"
    there.mkdir()
    assert (await guest.post("/v1/backup", json={"to": str(there)})).status_code == 202
    assert (await _ended(guest))["folder_error"] == told["error"], "another place is no remedy"
    house.settings.backup_path.unlink()
    assert (await guest.post("/v1/backup", json={})).status_code == 202
    assert (await _ended(guest))["folder_error"] is None


async def test_a_folder_that_is_missing_does_not_become_a_file(
    guest: httpx.AsyncClient, tmp_path: Path
) -> None:
    """A mistyped name is refused at once, with what to do."""
    answer = await guest.post("/v1/backup", json={"to": str(tmp_path / "ubs")})

    error = answer.json()["error"]
    assert (answer.status_code, error["message"]) == (404, f"There is no folder {tmp_path / 'ubs'}.")
    assert "ends with .db" in error["hint"] and not (tmp_path / "ubs").exists()


async def test_a_stick_that_is_pulled_at_the_end_is_a_failure(
    house: House, guest: httpx.AsyncClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not a backup that runs for ever."""
    aside = house.store.aside

    async def pulled(work: Making) -> Made:
        made = await aside(work)
        made.path.unlink()
        return made

    monkeypatch.setattr(house.store, "aside", pulled)
    await guest.post("/v1/backup", json={"to": str(tmp_path)})
    ended = await _ended(guest)

    assert (ended["state"], ended["error"]["code"]) == ("failed", "backup_unwritable")


async def test_of_one_day_the_newest_stays_in_the_folder_of_the_settings(
    house: House, guest: httpx.AsyncClient
) -> None:
    """What went is named."""
    await guest.post("/v1/backup", json={})
    first = (await _ended(guest))["path"]
    end_s = time.monotonic() + 30
    while Path(first).name == (await _name_now(house)):
        assert time.monotonic() < end_s
        await asyncio.sleep(0.05)
    await guest.post("/v1/backup", json={})
    done = await _ended(guest)
    assert done["removed"] == [first]
    assert [str(each) for each in Path(first).parent.iterdir()] == [done["path"]]


async def _name_now(house: House) -> str:
    from pi_rag.store.backup import name_at

    return name_at(house.clock.wall_s())


async def test_the_end_of_the_service_ends_it_at_once(house: House, guest: httpx.AsyncClient) -> None:
    """Nothing is left in the folder, and the status says why."""
    await _added(guest)
    slow = replace(house.settings, backup=replace(house.settings.backup, mib_s_max=0.25))
    house.backing_up._settings = slow
    await guest.post("/v1/backup", json={})
    await house.store.end_aside()
    await asyncio.wait_for(house.backing_up.stop(), 10)
    status = await house.backing_up.status()
    assert (status.state, (status.error or {})["code"]) == ("failed", "stopping")
    assert list(house.settings.backup_path.iterdir()) == []


@pytest.fixture
def impatient(house: House, monkeypatch: pytest.MonkeyPatch) -> House:
    """It waits a moment for a disk."""
    monkeypatch.setattr(house.runner.disk, "_settings", replace(house.settings.ingest, disk_s_max=0.3))
    return house


async def test_however_many_ask_of_a_hung_folder_one_thread_waits(
    impatient: House, guest: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are told what it is, at once after the first time; when it answers again, so does this."""
    hanging = Hanging(lambda *_: 7.0)
    monkeypatch.setattr(backups, "newest_at", hanging)
    first = await asyncio.gather(*(guest.get("/v1/backup") for _ in range(20)))
    again = [await guest.get("/v1/backup") for _ in range(5)]

    assert {each.json()["error"]["code"] for each in (*first, *again)} == {"disk_stuck"}
    assert hanging.calls == 1
    hanging.let_go()
    await until(lambda: not impatient.runner.disk.stuck())
    assert (await guest.get("/v1/backup")).json()["newest_at"] == 7.0


async def test_who_stops_waiting_leaves_no_second_thread(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `pi-rag doctor` that is interrupted, and is typed again."""
    hanging = Hanging(lambda *_: 7.0)
    monkeypatch.setattr(backups, "newest_at", hanging)
    for _ in range(3):
        asked = asyncio.create_task(house.backing_up.newest_at())
        await until(lambda: hanging.calls > 0)
        asked.cancel()
        await asyncio.wait({asked})
    hanging.let_go()

    assert await house.backing_up.newest_at() == 7.0
    assert hanging.calls == 1


async def test_a_hung_folder_takes_one_thread_and_no_other_folder(
    impatient: House, guest: httpx.AsyncClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backup to the stick that is there is made, and told, while the folder of the settings hangs."""
    backing_up = impatient.backing_up
    place, hanging = backing_up._place, Hanging(backing_up._place)

    def placed(to: str | None, now_s: float) -> Any:
        return hanging(to, now_s) if to is None else place(to, now_s)

    monkeypatch.setattr(backing_up, "_place", placed)
    first = await asyncio.gather(*(guest.post("/v1/backup", json={}) for _ in range(5)))
    again = await guest.post("/v1/backup", json={})

    assert {each.json()["error"]["code"] for each in first} <= {"busy", "disk_stuck"}
    assert (again.status_code, again.json()["error"]["code"], hanging.calls) == (503, "disk_stuck", 1)
    assert (await guest.post("/v1/backup", json={"to": str(tmp_path)})).status_code == 202
    done = await _ended(guest)
    assert (done["state"], done["newest_at"]) == ("done", None)
    hanging.let_go()


async def test_a_backup_needs_none_of_the_shared_threads(house: House, guest: httpx.AsyncClient) -> None:
    """From the first question to the last word."""
    async with shared_threads_held():
        assert (await guest.post("/v1/backup", json={})).status_code == 202
        assert (await _ended(guest))["state"] == "done"
