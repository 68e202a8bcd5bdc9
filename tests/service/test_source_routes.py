"""It is told over HTTP of every source whether it is in, since when, and if not, why not."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx

from pi_rag.ingest.reader_wire import PATH_CHARS_MAX
from pi_rag.service.schemas import COLLECTION_CHARS_MAX, SOURCE_CHARS_MAX
from pi_rag.service.source_routes import NEXT_CHARS_MAX
from pi_rag.store import removal
from tests.service.test_routes import added


async def told(guest: httpx.AsyncClient, **wanted: Any) -> list[dict[str, Any]]:
    return list((await guest.get("/v1/sources", params=wanted)).json()["sources"])


async def test_a_file_says_whether_it_is_in_and_if_not_why(guest: httpx.AsyncClient, tmp_path: Path) -> None:
    """What was added by its path, in a folder, and what was sent; whether taken or not."""
    folder = tmp_path / "notes"
    folder.mkdir()
    for name, text in (("a.md", "the boiler"), ("b.jpg", "x"), ("c.md", " ")):
        (folder / name).write_text(text)
    await added(guest, {"paths": [str(folder)]})
    await added(guest, {"documents": [{"source": "now.txt", "text": "noon"}], "collection": "diary"})

    a, b, c = await told(guest, under=str(folder))
    assert (a["source"], a["collection"], a["passages"]) == (str(folder / "a.md"), "default", 1)
    assert a["seen_at"] >= a["indexed_at"] > 0
    assert (a["watched"], a["waiting"], a["skipped"]) == (False, False, None)
    assert [each["skipped"]["code"] for each in (b, c)] == ["document_binary", "document_empty"]
    assert (c["document_id"], c["indexed_at"], c["passages"]) == (None, None, 0)
    assert await told(guest, skipped=True) == [b, c]
    assert [each["source"] for each in await told(guest, collection="diary")] == ["now.txt"]

    await added(guest, {"paths": [str(folder)]})
    again = (await told(guest, under=str(folder / "a.md")))[0]
    assert (again["seen_at"] > a["seen_at"], again["indexed_at"]) == (True, a["indexed_at"])


async def test_sources_come_a_page_at_a_time(guest: httpx.AsyncClient) -> None:
    """Each once, also one of several collections, whatever they are called."""
    for collection in ("b@c", "a/b"):
        await added(guest, {"documents": [{"source": "x@y", "text": "t"}], "collection": collection})
    found: list[tuple[str, str]] = []
    page: dict[str, Any] = {"next": ""}
    while page["next"] is not None:
        page = (await guest.get("/v1/sources", params={"limit": 1, "after": page["next"]})).json()
        found += [(each["source"], each["collection"]) for each in page["sources"]]
    assert found == [("x@y", "a/b"), ("x@y", "b@c")]


async def test_every_next_is_taken_and_nothing_else(guest: httpx.AsyncClient) -> None:
    """The longest there can be is understood; a source alone is refused, for it would begin anew."""
    source, collection = "s" * SOURCE_CHARS_MAX, "\N{GRINNING FACE}" * COLLECTION_CHARS_MAX
    await added(guest, {"documents": [{"source": source, "text": "t"}], "collection": collection})
    page = (await guest.get("/v1/sources", params={"limit": 1})).json()
    assert (await guest.get("/v1/sources", params={"after": page["next"]})).json()["sources"] == []
    # A file in an archive has a longer one than can be sent.
    assert len(page["next"]) + len("!/") + PATH_CHARS_MAX <= NEXT_CHARS_MAX
    refused = await guest.get("/v1/sources", params={"after": "/a/b.md"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "request_invalid")


async def test_a_watched_file_was_seen_when_its_folder_was(guest: httpx.AsyncClient, tmp_path: Path) -> None:
    """It is known to be there, though nobody read it again."""
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "a.md").write_text("the boiler")
    first = await added(guest, {"paths": [str(folder)]})
    await guest.post("/v1/watches", json={"folder": str(folder)})
    async with asyncio.timeout(10):
        while not (row := (await told(guest))[0])["watched"]:
            await asyncio.sleep(0.02)
        while (watch := (await guest.get("/v1/watches")).json()["watches"][0])["seen_at"] is None:
            await asyncio.sleep(0.02)
    (row,) = await told(guest)
    assert row["seen_at"] >= watch["seen_at"] > first["finished_at"]


async def test_a_file_that_a_folder_leaves_out_says_by_what(guest: httpx.AsyncClient, tmp_path: Path) -> None:
    """Only of what nothing is known; what is no path, or not the first page, is no such question."""
    (tmp_path / ".piragignore").write_text("*.log\n")
    for name in ("a.md", "b.log"):
        (tmp_path / name).write_text("the boiler")

    async def left_out(under: str, **more: Any) -> str | None:
        page = (await guest.get("/v1/sources", params={"under": under} | more)).json()
        found: str | None = page["left_out"]
        return found

    by = f"{tmp_path}/.piragignore names it."
    assert await left_out(f"{tmp_path}/b.log") == f"It is left out when a folder above it is added: {by}"
    assert await left_out(f"{tmp_path}/a.md") is None
    assert await left_out("b.log") is None
    assert await left_out(f"{tmp_path}/b.log", after="/a@default") is None
    assert await left_out(f"{tmp_path}/b.log", skipped=True) is None
    await added(guest, {"paths": [f"{tmp_path}/b.log"]})
    assert await left_out(f"{tmp_path}/b.log") is None


async def test_what_is_stored_and_left_out_of_its_watched_folder_says_so(
    guest: httpx.AsyncClient, tmp_path: Path
) -> None:
    """It does not follow its file: it was added by its name, or before there were patterns. In a collection
    that has no such folder it says nothing, nor do the files below it."""
    for name in ("a.md", "b.log", "c.log"):
        (tmp_path / name).write_text("the boiler")
    log = f"{tmp_path}/b.log"
    for collection in ("default", "other"):
        await added(guest, {"paths": [log, f"{tmp_path}/a.md"], "collection": collection})

    async def left_out(under: str, collection: str) -> str | None:
        found: str | None = (
            await guest.get("/v1/sources", params={"under": under, "collection": collection})
        ).json()["left_out"]
        return found

    assert await left_out(log, "default") is None
    await guest.post("/v1/watches", json={"folder": str(tmp_path), "include": ["*.md"]})
    said = await left_out(log, "default")
    assert said is not None and said.startswith(f"It is left out of the watched folder {tmp_path}: ")
    for under, collection in ((log, "other"), (str(tmp_path), "default"), (f"{tmp_path}/a.md", "default")):
        assert await left_out(under, collection) is None


async def test_what_is_not_there_any_more_is_not_told_for_ever(
    guest: httpx.AsyncClient, tmp_path: Path
) -> None:
    """Of a folder that is named by a link; and of a name that was mistyped nothing at all."""
    folder, link = tmp_path / "notes", tmp_path / "link"
    folder.mkdir()
    link.symlink_to(folder)
    for name in ("a.jpg", "b.jpg"):
        (folder / name).touch()
    await added(guest, {"paths": [str(link)]})
    (folder / "a.jpg").unlink()
    job = await added(guest, {"paths": [str(link), str(tmp_path / "typo")]})
    assert [each["source"] for each in await told(guest)] == [str(folder / "b.jpg")]
    assert str(tmp_path / "typo") in [each["source"] for each in job["refusals"]]


async def test_why_sources_were_not_taken_is_forgotten_below_a_folder(
    guest: httpx.AsyncClient, tmp_path: Path
) -> None:
    """All of them at once; which folder must be said."""
    folder = tmp_path / "notes"
    folder.mkdir()
    for name in ("a.jpg", "b.jpg", "c.md"):
        (folder / name).write_text("the boiler")
    await added(guest, {"paths": [str(folder)]})
    for under, reasons in ((f"{folder}-other", 0), (str(folder), 2), (str(folder), 0)):
        answer = await guest.delete("/v1/sources", params={"under": under})
        assert answer.json() == {"withdrawn": 0, "reasons": reasons}
    assert [each["source"] for each in await told(guest)] == [str(folder / "c.md")]
    for unsaid in ({}, {"under": ""}):
        assert (await guest.delete("/v1/sources", params=unsaid)).status_code == 400


async def test_what_waits_below_a_folder_is_let_go(guest: httpx.AsyncClient, tmp_path: Path) -> None:
    """More than goes in one step, while all is paused; nothing of it is stored later."""
    await guest.post("/v1/jobs/pause")
    names = [f"/waits/{number}.md" for number in range(removal.AT_ONCE + 5)]
    documents = [{"source": name, "text": "the boiler"} for name in (*names, "/stays.md")]
    await guest.post("/v1/documents", json={"documents": documents, "wait": False})
    gone = (await guest.delete("/v1/sources", params={"under": "/waits"})).json()
    assert gone == {"withdrawn": len(names), "reasons": 0}
    waiting = (await guest.get("/v1/sources")).json()["sources"]
    assert [(each["source"], each["waiting"]) for each in waiting] == [("/stays.md", True)]
