"""Promises of pi_rag/ingest/watching.py: folders are added, listed and removed, and kept over a restart."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Any

import pytest

from pi_rag.errors import (
    DiskFull,
    DocumentLinkLoop,
    DocumentOutside,
    DocumentUnreadable,
    DocumentUnsupported,
    PathNotFound,
    RequestInvalid,
    WatchNotFound,
)
from pi_rag.ingest import sight, watched, watching
from pi_rag.store import watches
from tests.embedder.fake import FakeEmbedder
from tests.ingest.folders import Home, home, make, until


@pytest.fixture
async def at_home(tmp_path: Path) -> AsyncIterator[Home]:
    async with home(tmp_path, FakeEmbedder(), watch__folders_max=2) as made:
        yield made


async def test_several_folders_are_kept_each_in_its_collection(at_home: Home, tmp_path: Path) -> None:
    """Also after a restart."""
    other = tmp_path / "other"
    make(at_home.root, a_md="tea")
    make(other, b_md="coffee")
    await at_home.watching.add(str(at_home.root), "one", [], [])
    await at_home.watching.add(str(other), "two", ["*.md"], ["c*"])
    rows = await at_home.holds("a.md", str(other / "b.md"))
    assert {row.collection for row in rows.values()} == {"one", "two"}

    await at_home.again(lambda: make(other, c_md="milk", d_md="water"))
    await at_home.holds("a.md", str(other / "b.md"), str(other / "d.md"))
    told = await at_home.watching.listing()
    assert [(each["folder"], each["collection"]) for each in told] == [
        (str(at_home.root), "one"),
        (str(other), "two"),
    ]
    assert (told[1]["include"], told[1]["exclude"]) == (["*.md"], ["c*"])


async def test_a_folder_is_known_by_its_real_path(at_home: Home, tmp_path: Path) -> None:
    """It may be named by a link."""
    (tmp_path / "link").symlink_to(at_home.root)
    told = await at_home.watching.add(str(tmp_path / "link"), "default", [], [])
    assert told["folder"] == str(at_home.root)


async def test_what_cannot_be_watched_is_refused(at_home: Home, tmp_path: Path) -> None:
    """At once, with the reason; nothing is kept of it."""
    os.mkfifo(tmp_path / "pipe")
    make(tmp_path, file_md="x")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    bad = os.fsdecode(os.fsencode(tmp_path) + b"/\xff")
    os.mkdir(bad)  # noqa: PTH102 - its name is no text
    kinds = {
        str(tmp_path / "none"): PathNotFound,
        str(tmp_path / "pipe"): DocumentUnsupported,
        str(tmp_path / "file.md"): RequestInvalid,
        str(tmp_path / "loop"): DocumentLinkLoop,
        bad: RequestInvalid,
        "relative": RequestInvalid,
        "/zero\0": RequestInvalid,
        "/": RequestInvalid,
        str(at_home.settings.data_path / "models"): PathNotFound,
        str(at_home.settings.data_path): RequestInvalid,
    }
    for folder, kind in kinds.items():
        with pytest.raises(kind) as refused:
            await at_home.watching.add(folder, "default", [], [])
        # A service that is kept out of /home sees nothing there, and so does who mistyped a name.
        assert (
            ("spelling" in refused.value.hint)
            == ("docs/watch.md" in refused.value.hint)
            == (kind is PathNotFound)
        )
    assert await at_home.watching.listing() == []


async def test_a_folder_that_may_not_be_read_says_how_to_let_the_service_in(
    at_home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hint leads to the page. The refusal is made up, since root may look into everything."""

    def refuse(path: str) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(DocumentUnreadable) as refused:
        await at_home.watching.add(str(at_home.root), "default", [], [])
    assert "docs/watch.md" in refused.value.hint


async def test_a_folder_outside_of_the_allowed_ones_is_refused(tmp_path: Path) -> None:
    """At once, also when a link to it lies inside; and so one beneath is watched."""
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    inside.mkdir()
    outside.mkdir()
    (inside / "link").symlink_to(outside)
    async with home(tmp_path, FakeEmbedder(), ingest__roots=str(inside)) as made:
        for folder in (outside, inside / "link"):
            with pytest.raises(DocumentOutside):
                await made.watching.add(str(folder), "default", [], [])
        assert (await made.watching.add(str(inside), "default", [], []))["folder"] == str(inside)


async def test_there_are_only_so_many(at_home: Home, tmp_path: Path) -> None:
    """One more is refused."""
    for name in ("x", "y", "z"):
        (tmp_path / name).mkdir()
    await at_home.watching.add(str(tmp_path / "x"), "default", [], [])
    await at_home.watching.add(str(tmp_path / "y"), "default", [], [])
    with pytest.raises(RequestInvalid, match="2 folders are watched"):
        await at_home.watching.add(str(tmp_path / "z"), "default", [], [])


async def test_a_folder_that_is_removed_is_left_alone(at_home: Home) -> None:
    """What is deleted in it later stays remembered."""
    make(at_home.root, a_md="tea")
    number = (await at_home.watching.add(str(at_home.root), "default", [], []))["id"]
    await at_home.holds("a.md")
    await at_home.watching.remove(number)
    (at_home.root / "a.md").unlink()
    await at_home.again(lambda: None)
    await at_home.holds("a.md")
    assert at_home.watching.status() == {"folders": 0, "blind": 0, "problems": []}
    with pytest.raises(WatchNotFound):
        await at_home.watching.remove(number)
    with pytest.raises(WatchNotFound):
        await at_home.watching.files(number, skipped=False, limit=1, after="")


async def test_a_folder_that_could_not_be_removed_is_kept(
    at_home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk, here made up, leaves it watched."""
    number = (await at_home.watching.add(str(at_home.root), "default", [], []))["id"]
    write = at_home.store.write

    async def full(do: Any, *args: Any) -> Any:
        if do is watches.remove:
            raise DiskFull("made up")
        return await write(do, *args)

    monkeypatch.setattr(at_home.store, "write", full)
    with pytest.raises(DiskFull):
        await at_home.watching.remove(number)
    assert at_home.watching.status()["folders"] == 1
    make(at_home.root, a_md="tea")
    await at_home.holds("a.md")


async def test_who_asks_and_goes_leaves_nothing_half_done(
    at_home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder that is written down is kept, and one that is not is not, whenever the question ends."""
    write, begun, go_on = at_home.store.write, asyncio.Event(), asyncio.Event()

    async def slow(do: Any, *args: Any) -> Any:
        done = await write(do, *args)
        if do in (watches.add, watches.remove):
            begun.set()
            await go_on.wait()
        return done

    monkeypatch.setattr(at_home.store, "write", slow)

    async def asked_and_gone(asked: Coroutine[Any, Any, object], folders: int) -> None:
        begun.clear()
        go_on.clear()
        task = asyncio.create_task(asked)
        await begun.wait()
        task.cancel()
        await asyncio.wait([task])
        go_on.set()

        async def agree() -> bool:
            listed = len(await at_home.watching.listing())
            return (listed, at_home.watching.status()["folders"]) == (folders, folders)

        await until(agree)

    await asked_and_gone(at_home.watching.add(str(at_home.root), "default", [], []), 1)
    make(at_home.root, a_md="tea")
    await at_home.holds("a.md")
    (told,) = await at_home.watching.listing()
    await asked_and_gone(at_home.watching.remove(told["id"]), 0)


async def test_a_folder_that_gives_no_answer_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a look at it hangs, as on a dead mount, and no longer; the service names it too."""
    answers, asked, device_of = threading.Event(), threading.Event(), sight.device_of

    def hangs(folder: str) -> int | None:
        asked.set()
        assert answers.wait(10)
        return device_of(folder)

    async with home(tmp_path, FakeEmbedder(), ingest__disk_s_max=0.2) as made:
        make(made.root, a_md="tea")
        monkeypatch.setattr(watched, "LOOK_S_BETWEEN", 0.05)
        await made.watching.add(str(made.root), "default", [], [])
        await made.holds("a.md")
        await until(lambda: _is_well(made))
        monkeypatch.setattr(sight, "device_of", hangs)
        await until(lambda: asyncio.to_thread(asked.is_set))
        await until(made.problem)
        (told,) = made.watching.status()["problems"]
        assert (told["folder"], told["problem"]) == (str(made.root), await made.problem())
        assert "gives no answer: waiting" in told["problem"]
        answers.set()
        await until(lambda: _is_well(made))


async def _is_well(made: Home) -> bool:
    return await made.problem() is None


async def test_what_a_watched_folder_leaves_out_says_by_what(at_home: Home, tmp_path: Path) -> None:
    """By its own choice, its ignore files, or a dot; and a link to it is as good."""
    make(at_home.root, a_md="tea", b_txt="tea", build__c_md="tea", d_md="tea")
    (at_home.root / ".piragignore").write_text("d.md\n")
    await at_home.watching.add(str(at_home.root), "one", ["*.md"], ["build/"])
    (tmp_path / "link").symlink_to(at_home.root)
    root = at_home.root
    told = {
        "a.md": None,
        "b.txt": f"It is left out of the watched folder {root}: --include takes only *.md.",
        "build/c.md": f"{root}/build, in which it lies, is left out of the watched folder {root}: "
        "--exclude leaves out build/.",
        "d.md": f"It is left out of the watched folder {root}: {root}/.piragignore names it.",
        ".h/e.md": f"{root}/.h, in which it lies, is left out of the watched folder {root}: "
        "its name begins with a dot.",
    }
    for path, why in told.items():
        for folder in (at_home.root, tmp_path / "link"):
            assert await at_home.watching.left_out(f"{folder}/{path}", None) == why
    assert await at_home.watching.left_out(f"{at_home.root}/b.txt", "one") == told["b.txt"]
    assert await at_home.watching.left_out(f"{at_home.root}/b.txt", "two") is None


async def test_our_own_data_in_a_watched_folder_are_called_so(at_home: Home, tmp_path: Path) -> None:
    """And not by a flag that nobody has typed."""
    await at_home.watching.add(str(tmp_path), "default", [], ["b"])
    told = await at_home.watching.left_out(str(at_home.settings.database_path), None)
    assert told == (
        f"{at_home.settings.data_path}, in which it lies, is left out of the watched folder {tmp_path}: "
        "it is pi-rag's own data folder."
    )


async def test_a_folder_that_is_only_added_leaves_out_what_the_nearest_one_says(
    at_home: Home, tmp_path: Path
) -> None:
    """A link above it says nothing of it; no error of a path is one of the question."""
    make(tmp_path, in__venv__a_py="x", in__b_md="x")
    (tmp_path / ".gitignore").write_text("in\n")
    (tmp_path / "link").symlink_to(tmp_path / "in")
    begun = f"{tmp_path}/in"
    adding = "in which it lies, is left out when a folder above it is added"
    venv = f"{begun}/venv, {adding}: programs make folders of this name, and make them again."
    assert await at_home.watching.left_out(f"{tmp_path}/in/venv/a.py", None) == venv
    assert await at_home.watching.left_out(f"{tmp_path}/link/venv/a.py", None) == venv
    named = f"{begun}, {adding}: {tmp_path}/.gitignore names it."
    assert await at_home.watching.left_out(f"{tmp_path}/in/b.md", None) == named
    for path in ("/", "/none", "/a\0b", "/" + "x" * 5000, f"{tmp_path}/none/a"):
        assert await at_home.watching.left_out(path, None) is None


async def test_nothing_is_told_of_what_lies_outside_of_the_allowed_folders(tmp_path: Path) -> None:
    """The service may not look there."""
    (tmp_path / "in").mkdir()
    async with home(tmp_path, FakeEmbedder(), ingest__roots=str(tmp_path / "in")) as made:
        assert await made.watching.left_out(f"{tmp_path}/.a", None) is None
        assert await made.watching.left_out(f"{tmp_path}/in/.a", None) is not None
        (tmp_path / "link").symlink_to(tmp_path / "in" / "a")
        assert await made.watching.left_out(f"{tmp_path}/link", None) is None


async def test_what_lies_above_the_allowed_folders_leaves_out_nothing(tmp_path: Path) -> None:
    """Nobody can add it: neither its name nor its ignore files say anything."""
    root = tmp_path / ".h" / "in"
    make(root, a_md="x", b_md="x")
    (root.parent / ".gitignore").write_text("a.md\n")
    (root / ".gitignore").write_text("b.md\n")
    async with home(tmp_path, FakeEmbedder(), ingest__roots=f"/none:{root}") as made:
        assert await made.watching.left_out(f"{root}/a.md", None) is None
        assert await made.watching.left_out(f"{root}", None) is None
        told = await made.watching.left_out(f"{root}/b.md", None)
        assert told == f"It is left out when a folder above it is added: {root}/.gitignore names it."


async def test_a_way_back_in_a_path_is_taken_out(at_home: Home) -> None:
    """What it goes through leaves nothing out."""
    make(at_home.root, a_md="x", _h__b_md="x", in__c_md="x")
    for way in (".h", "venv", "in"):
        for path in (f"{at_home.root}/{way}/../a.md", f"{at_home.root}/{way}/.."):
            assert await at_home.watching.left_out(path, None) is None


async def test_who_asks_what_is_left_out_of_a_dead_mount_is_answered_soon(
    at_home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That nobody knows, and the thread that hangs there stays the only one, also when who asked has gone."""
    asked, answers = [], threading.Event()

    def hangs(path: str, *_: object) -> str:
        asked.append(path)
        assert answers.wait(20)
        return path

    monkeypatch.setattr(watching, "LEFT_OUT_S_MAX", 0.02)
    monkeypatch.setattr(watching, "_left_out", hangs)
    async with asyncio.timeout(10):
        for path in ("/a", "/b"):
            assert await at_home.watching.left_out(path, None) is None
        found = await asyncio.gather(*(at_home.watching.left_out(path, None) for path in ("/c", "/d")))
    assert (found, asked) == ([None, None], ["/a"])
    answers.set()

    async def is_answered() -> bool:
        return await at_home.watching.left_out("/e", None) == "/e"

    await until(is_answered)
    monkeypatch.setattr(watching, "LEFT_OUT_S_MAX", 10.0)
    found = await asyncio.gather(*(at_home.watching.left_out(path, None) for path in ("/c", "/d")))
    assert found == ["/c", "/d"]
