"""A disk that never answers holds up what lies on it, and nothing else."""

from __future__ import annotations

import _thread
import asyncio
import contextlib
import os
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from pi_rag.clock import SystemClock
from pi_rag.config import IngestSettings
from pi_rag.errors import Busy, DiskStuck, DocumentStalled
from pi_rag.ingest import disk, story
from pi_rag.ingest.disk import Disk
from pi_rag.types import Item, NewItem
from tests.embedder.fake import FakeEmbedder
from tests.ingest.folders import Home, home, make, until


class Dead:
    """What hangs until it is released, as a question to a dead mount does."""

    def __init__(self) -> None:
        self.released = threading.Event()
        self.threads: list[threading.Thread] = []

    def __call__(self) -> str:
        """The question."""
        self.threads.append(threading.current_thread())
        assert self.released.wait(20)
        return "at last"


def patient() -> Disk:
    return Disk(IngestSettings(disk_s_max=0.1), SystemClock(), Path("/srv/pi-rag"))


async def answered(asked: Disk) -> None:
    async def all_answered() -> bool:
        return not asked.stuck()

    await until(all_answered)


async def test_an_answer_comes_back_and_so_does_an_error() -> None:
    """With its arguments there and its own exception back; nothing is counted as stuck."""
    asked = patient()
    assert await asked.ask("/x", max, 3, 7) == 7
    with pytest.raises(FileNotFoundError):
        await asked.ask("/x", os.stat, "/none/there")
    assert asked.stuck() == []


async def test_only_what_lies_on_the_same_mount_waits(mounts: Path) -> None:
    """One question finds out; the next ones to that mount start no thread, and the others are answered."""
    asked, dead = patient(), Dead()
    with pytest.raises(DocumentStalled, match=r"0\.1 s"):
        await asked.ask("/mnt/nas/a", dead)
    for _ in range(20):
        with pytest.raises(DiskStuck, match="/mnt/nas") as turned_away:
            await asked.ask(Path("/mnt/nas/x/../b"), dead)
    assert turned_away.value.retry_after_ms == 10_000
    for elsewhere in ("/home/a", "/mnt/nas-2/a", "/mnt/nas/inner/a"):
        assert await asked.ask(elsewhere, lambda: "here") == "here"
    (stuck,) = asked.stuck()
    assert (stuck["mount"], stuck["threads"], len(dead.threads)) == ("/mnt/nas", 1, 1)

    dead.released.set()
    await answered(asked)
    assert await asked.ask("/mnt/nas/a", lambda: "back") == "back"


async def test_what_hangs_on_our_own_mount_holds_up_nothing_else(mounts: Path) -> None:
    """Our database is on it, so it answers: whatever hung, no neighbour does. The same is not asked again."""
    asked, dead = patient(), Dead()
    with pytest.raises(DocumentStalled):
        await asked.ask("/home/me", dead)
    for neighbour in ("/home/you/a.md", "/home/me/notes/a.md", "/srv/a.md"):
        assert await asked.ask(neighbour, lambda: "here") == "here"
    with pytest.raises(DiskStuck, match="/home/me"):
        await asked.ask("/home/me/", dead)
    dead.released.set()
    await answered(asked)


async def test_a_path_through_a_link_lies_where_that_leads(mounts: Path, tmp_path: Path) -> None:
    """Of a dead mount behind a link one question finds out, and all there waits, by whatever way."""
    (tmp_path / "link").symlink_to("further")
    (tmp_path / "further").symlink_to("/mnt/nas/deep")
    (tmp_path / "circle").symlink_to("circle")
    asked, dead = patient(), Dead()
    with pytest.raises(DocumentStalled):
        await asked.ask(tmp_path / "link" / "a.md", dead)
    for there in (tmp_path / "further" / "b.md", Path("/mnt/nas/c.md")):
        with pytest.raises(DiskStuck, match="/mnt/nas"):
            await asked.ask(there, dead)
    for here in (tmp_path / "a.md", tmp_path / "circle"):
        assert await asked.ask(here, lambda: "here") == "here"
    assert [each["mount"] for each in asked.stuck()] == ["/mnt/nas"]
    dead.released.set()
    await answered(asked)


async def test_a_question_whose_asker_has_gone_still_counts(mounts: Path) -> None:
    """Who asks and goes, again and again, does not fill the machine with threads."""
    asked, dead = patient(), Dead()
    task = asyncio.create_task(asked.ask("/mnt/nas/a", dead))
    await asyncio.sleep(0)
    task.cancel()

    async def is_stuck() -> bool:
        return bool(asked.stuck())

    await until(is_stuck)
    with pytest.raises(DiskStuck):
        await asked.ask("/mnt/nas/b", dead)
    dead.released.set()
    await answered(asked)


async def test_nobody_waits_for_its_thread_in_the_end() -> None:
    """A process that stops would otherwise hang as the disk does."""
    asked, dead = patient(), Dead()
    with pytest.raises(DocumentStalled):
        await asked.ask("/x", dead)
    assert [thread.daemon for thread in dead.threads] == [True]
    dead.released.set()
    await answered(asked)


async def test_without_a_thread_to_ask_it_is_a_matter_of_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """No document is refused since the machine is full."""

    def full(*_: object) -> int:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(_thread, "start_new_thread", full)
    with pytest.raises(Busy):
        await patient().ask("/x", lambda: None)


@contextlib.asynccontextmanager
async def half_dead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mounts: Path, **more: object
) -> AsyncIterator[tuple[Home, Dead]]:
    """A house where all below `nas` hangs."""
    dead, really = Dead(), story._seen

    def seen(item: Item, *further: Any) -> object:
        if "/nas/" in item.source:
            dead()
        return really(item, *further)

    monkeypatch.setattr(story, "_seen", seen)
    monkeypatch.setattr(disk, "RETRY_S_MIN", 0.05)
    with mounts.open("a") as table:
        table.write(f"43 22 0:38 / {tmp_path}/root/nas rw - nfs4 nas:/x rw\n")
    values: dict[str, object] = {"ingest__disk_s_max": 0.2, "ingest__retry_s_min": 0.05}
    async with home(tmp_path, FakeEmbedder(), **values | more) as made:
        try:
            yield made, dead
        finally:
            dead.released.set()


async def test_a_dead_mount_holds_up_its_own_documents_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mounts: Path
) -> None:
    """More files there than hands, and yet the others are taken; back again, each is taken in too."""
    async with half_dead(tmp_path, monkeypatch, mounts) as (made, dead):
        names = [f"nas__{number}_md" for number in range(10)]
        make(made.root, here_md="tea", **dict.fromkeys(names, "coffee"))
        items = [NewItem("path", str(made.root / "nas" / f"{number}.md")) for number in range(10)]
        job_id = await made.runner.enqueue("default", items)
        here = await made.runner.enqueue("default", [NewItem("path", str(made.root / "here.md"))])
        text = await made.runner.enqueue("default", [NewItem("text", "note", payload=b"a note")])

        assert (await made.runner.finished(here)).items_done == 1
        assert (await made.runner.finished(text)).items_done == 1
        (stuck,) = stuck_of(made)
        assert stuck["mount"] == str(made.root / "nas")
        assert stuck["threads"] <= 8  # as many as hands
        dead.released.set()
        assert (await made.runner.finished(job_id)).items_done == 10
        assert stuck_of(made) == []


def stuck_of(made: Home) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = made.runner.status()["disks_stuck"]
    return found


async def test_a_dead_mount_within_a_folder_holds_up_that_folder_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mounts: Path
) -> None:
    """The walk that comes to it says which mount it is and waits, through no fault of its own; a neighbour is
    taken. When it answers again, all of the folder is there."""
    scandir = os.scandir
    async with half_dead(tmp_path, monkeypatch, mounts, ingest__attempts_max=1) as (made, dead):

        def scanned(path: str) -> object:
            if path.endswith("/nas"):
                dead()
            return scandir(path)

        monkeypatch.setattr(os, "scandir", scanned)
        make(made.root, a_md="tea", nas__b_md="coffee", z_md="cocoa")
        with pytest.raises(DocumentStalled):
            await made.runner.disk.ask(made.root / "nas", dead)
        folder = await made.runner.enqueue("default", [NewItem("path", str(made.root))])
        beside = await made.runner.enqueue("default", [NewItem("path", str(made.root / "a.md"))])
        assert (await made.runner.finished(beside)).items_done == 1
        assert [each["mount"] for each in stuck_of(made)] == [str(made.root / "nas")]

        dead.released.set()
        job = await made.runner.finished(folder)
        assert (job.items_failed, set(await made.documents())) == (0, {"a.md", "nas/b.md", "z.md"})


async def test_a_folder_on_a_dead_mount_is_not_added(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mounts: Path
) -> None:
    """Who asks to watch it is told, while the loop goes on."""
    async with half_dead(tmp_path, monkeypatch, mounts) as (made, dead):
        make(made.root, nas__a_md="tea")
        with pytest.raises(DocumentStalled):
            await made.runner.disk.ask(made.root / "nas", dead)
        with pytest.raises(DiskStuck):
            await made.watching.add(str(made.root / "nas"), "default", [], [])
