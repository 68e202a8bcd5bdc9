"""Folders are watched over HTTP, from request to answer."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx

from pi_rag.service.house import House
from tests.ingest.making import zipped


async def hits(guest: httpx.AsyncClient, query: str) -> list[str]:
    answer = await guest.post("/v1/search", json={"query": query, "mode": "text"})
    return [Path(hit["source"]).name for hit in answer.json()["hits"]]


async def until_found(guest: httpx.AsyncClient, query: str, *names: str) -> None:
    async with asyncio.timeout(10):
        while await hits(guest, query) != [*names]:
            await asyncio.sleep(0.02)


async def test_a_folder_is_named_once_and_is_right_from_then_on(
    guest: httpx.AsyncClient, tmp_path: Path
) -> None:
    """What is in it is found; what is edited is found as it is; what is deleted is not found."""
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "a.md").write_text("the boiler")
    answer = await guest.post("/v1/watches", json={"folder": str(folder), "exclude": ["*.txt"]})
    assert answer.status_code == 201, answer.text
    told = answer.json()
    assert (told["folder"], told["collection"], told["exclude"]) == (str(folder), "default", ["*.txt"])
    await until_found(guest, "boiler", "a.md")
    (folder / "a.md").write_text("the lamp")
    await until_found(guest, "lamp", "a.md")
    assert await hits(guest, "boiler") == []
    (folder / "a.md").unlink()
    await until_found(guest, "lamp")

    (listed,) = (await guest.get("/v1/watches")).json()["watches"]
    assert (listed["id"], listed["files"], listed["problem"], listed["notices"]) == (
        told["id"],
        0,
        None,
        True,
    )
    assert listed["seen_at"] is not None


async def test_each_file_says_what_became_of_it(guest: httpx.AsyncClient, tmp_path: Path) -> None:
    """When it was changed and stored, or why not; a page at a time."""
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "a.md").write_text("the boiler")
    (folder / "b.jpg").write_text("x")
    (folder / "c.md").write_text(" ")
    number = (await guest.post("/v1/watches", json={"folder": str(folder)})).json()["id"]
    await until_found(guest, "boiler", "a.md")
    address = f"/v1/watches/{number}/files"

    async with asyncio.timeout(10):
        while len(skipped := (await guest.get(address, params={"skipped": True})).json()["files"]) < 2:
            await asyncio.sleep(0.02)
    first = (await guest.get(address, params={"limit": 1})).json()
    assert [each["skipped"]["code"] for each in skipped] == ["document_binary", "document_empty"]
    assert (first["next"], first["files"][0]["path"], first["files"][0]["size"]) == ("a.md", "a.md", 10)
    assert first["files"][0]["indexed_at"] > 0
    rest = (await guest.get(address, params={"limit": 9, "after": "a.md"})).json()
    assert [each["path"] for each in rest["files"]] == ["b.jpg", "c.md"]
    assert rest["next"] is None


async def test_a_folder_is_removed_and_its_documents_stay(guest: httpx.AsyncClient, tmp_path: Path) -> None:
    """What changes in it later is not seen any more."""
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "a.md").write_text("the boiler")
    number = (await guest.post("/v1/watches", json={"folder": str(folder)})).json()["id"]
    await until_found(guest, "boiler", "a.md")
    assert (await guest.delete(f"/v1/watches/{number}")).json() == {"removed": 1}
    assert await hits(guest, "boiler") == ["a.md"]
    assert (await guest.get("/v1/watches")).json() == {"watches": []}
    gone = await guest.delete(f"/v1/watches/{number}")
    assert (gone.status_code, gone.json()["error"]["code"]) == (404, "watch_not_found")


async def test_what_cannot_be_watched_is_refused_with_the_reason(
    guest: httpx.AsyncClient, tmp_path: Path, house: House
) -> None:
    """No folder, a file, a relative path, our own data, twice the same, a field that nobody knows."""
    (tmp_path / "a.md").write_text("x")
    (tmp_path / "in").mkdir()
    assert (await guest.post("/v1/watches", json={"folder": str(tmp_path / "in")})).status_code == 201
    refused = {
        str(tmp_path / "none"): "path_not_found",
        str(tmp_path / "a.md"): "request_invalid",
        "notes": "request_invalid",
        "/": "request_invalid",
        str(house.settings.data_path): "request_invalid",
        str(tmp_path / "in"): "request_invalid",
        str(tmp_path): "request_invalid",
    }
    for folder, code in refused.items():
        answer = await guest.post("/v1/watches", json={"folder": folder})
        assert answer.json()["error"]["code"] == code, folder
    unknown = await guest.post("/v1/watches", json={"folder": str(tmp_path), "recursive": True})
    assert unknown.status_code == 400


async def test_the_status_tells_of_watched_folders(guest: httpx.AsyncClient, tmp_path: Path) -> None:
    """How many there are, and that nothing is amiss."""
    (tmp_path / "notes").mkdir()
    await guest.post("/v1/watches", json={"folder": str(tmp_path / "notes")})
    told = (await guest.get("/v1/status")).json()["watching"]
    assert told == {"folders": 1, "blind": 0, "problems": []}


async def test_an_archive_says_how_many_documents_are_in_it(guest: httpx.AsyncClient, tmp_path: Path) -> None:
    """It is none itself, and yet in; nothing of its neighbours is counted. When it goes, all of it goes."""
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "a.zip").write_bytes(zipped({"b.md": b"the boiler", "c/d.md": b"the lamp", "e.jpg": b"x"}))
    (folder / "a.zip.md").write_text("the pump")
    number = (await guest.post("/v1/watches", json={"folder": str(folder)})).json()["id"]
    for word, name in (("boiler", "b.md"), ("lamp", "d.md"), ("pump", "a.zip.md")):
        await until_found(guest, word, name)

    archive, beside = (await guest.get(f"/v1/watches/{number}/files")).json()["files"]
    assert (archive["within"], archive["document_id"], archive["skipped"]) == (2, None, None)
    assert archive["indexed_at"] > 0
    assert (beside["within"], beside["document_id"] is None) == (0, False)

    async def sources() -> list[dict[str, object]]:
        under = {"under": str(folder / "a.zip")}
        return list((await guest.get("/v1/sources", params=under)).json()["sources"])

    assert len(await sources()) == 3
    (folder / "a.zip").unlink()
    async with asyncio.timeout(10):
        while await sources():  # also what was not taken of it
            await asyncio.sleep(0.02)
