"""POST /v1/verify: one reading for all who ask, beside everything else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import apsw
import httpx
import pytest

from pi_rag.config import StoreSettings
from pi_rag.service.house import House
from pi_rag.service.verifying import Verifying
from pi_rag.store import Connection, inspection
from pi_rag.store.connection import PAGE_BYTES
from pi_rag.store.content import Pause
from pi_rag.store.inspection import Inspection


def lose(db: Connection) -> None:
    """What a card might."""
    db.execute("DELETE FROM chunks_fts WHERE rowid = (SELECT min(id) FROM chunks)")


async def _added(guest: httpx.AsyncClient) -> None:
    body = {"documents": [{"source": "a", "text": "tea in the garden"}], "wait": True}
    assert (await guest.post("/v1/documents", json=body)).status_code == 200


async def test_a_whole_memory_is_said_to_be_whole(house: House, guest: httpx.AsyncClient) -> None:
    """With what it holds; a file that is read once it is stopped has the same checksum."""
    await _added(guest)

    found = (await guest.post("/v1/verify", json={"deep": True})).json()

    assert (found["problems"], found["counts"]["documents"]) == ([], 1)
    await house.runner.stop()
    await house.query.cache.stop()
    assert await house.store.close()
    seen = inspection.inspect(house.settings.database_path, StoreSettings(), deep=True)
    assert seen.digest is not None and seen.digest.content == found["content_hash"]


async def test_what_is_wrong_is_told(house: House, guest: httpx.AsyncClient) -> None:
    """And a key that nobody knows is refused."""
    await _added(guest)
    await house.store.write(lose)

    found = (await guest.post("/v1/verify", json={})).json()

    assert found["problems"] == ["1 passages without words"]
    assert (await guest.post("/v1/verify", json={"depth": 3})).status_code == 400


@pytest.mark.parametrize("page", [0, 3])
async def test_damage_is_told_and_not_raised(house: House, guest: httpx.AsyncClient, page: int) -> None:
    """As of a stopped one: also where the file cannot even be opened any more."""
    await _added(guest)
    path = house.settings.database_path
    emptied(path)
    with path.open("r+b") as file:
        file.seek(page * PAGE_BYTES)
        file.write(b"\xff" * PAGE_BYTES)

    answer = await guest.post("/v1/verify", json={})

    assert (answer.status_code, bool(answer.json()["problems"])) == (200, True)


def emptied(path: Path) -> None:
    """All of the log goes into the database, where a reader finds what lies there."""
    db = apsw.Connection(str(path))
    assert db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone() == (0, 0, 0)
    db.close()


async def test_a_log_that_grows_beside_it_ends_it(
    house: House, guest: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a backup: the disk is not to be filled by a look at what is on it."""
    await _added(guest)
    monkeypatch.setattr(type(house.store), "wal_bytes", 2**40)

    answer = await guest.post("/v1/verify", json={})

    assert answer.json()["error"]["code"] == "backup_overtaken"


async def test_who_asks_meanwhile_shares_the_reading(
    guest: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten who ask at once cost one reading; another kind of look is another one, and so is a later one."""
    seen: list[bool] = []
    examine: Callable[[Connection, Inspection, Pause], None] = inspection.examine

    def counted(db: Connection, it: Inspection, pause: Pause) -> None:
        seen.append(it.is_deep)
        examine(db, it, pause)

    monkeypatch.setattr(inspection, "examine", counted)
    asked = [guest.post("/v1/verify", json={"deep": number == 0}) for number in range(10)]

    answers = await asyncio.gather(*asked)

    assert sorted(seen) == [False, True]
    assert all(each.status_code == 200 for each in answers)
    await guest.post("/v1/verify", json={})
    assert sorted(seen) == [False, False, True]


async def test_who_was_cut_off_before_the_answer_gets_it(house: House) -> None:
    """Once: what was found is for who waited for it, and no memory of how things are."""
    verifying = Verifying(house)
    cut_off = asyncio.create_task(verifying.answer(deep=False))
    await asyncio.sleep(0)
    reading = verifying._readings[False].task
    cut_off.cancel()
    found = await reading

    assert await verifying.answer(deep=False) is found
    assert await verifying.answer(deep=False) is not found
