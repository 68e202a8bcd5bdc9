"""A watched folder is right from then on: pi_rag/ingest/watched.py, with real files and inotify."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pi_rag.errors import Busy, EmbedderUnavailable
from pi_rag.ingest import sight, watched
from pi_rag.ingest.notices import Notices, NoWatches
from pi_rag.ingest.sight import Sight
from pi_rag.ingest.story import content_digest
from pi_rag.store import checkup, removal, watches
from pi_rag.store.rows import all_rows
from pi_rag.types import NewItem
from tests.embedder.fake import FakeEmbedder
from tests.ingest.folders import Home, home, make, unprivileged, until
from tests.ingest.making import zipped

if TYPE_CHECKING:
    from pi_rag.types import Lane, Text, Vectors


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks and rests that take seconds in a service take an instant here."""
    monkeypatch.setattr(watched, "LOOK_S_BETWEEN", 0.05)
    monkeypatch.setattr(watched, "REST_S_MIN", 0.05)


@pytest.fixture
def embedder() -> FakeEmbedder:
    return FakeEmbedder()


@pytest.fixture
async def at_home(tmp_path: Path, embedder: FakeEmbedder) -> AsyncIterator[Home]:
    async with home(tmp_path, embedder) as made:
        yield made


async def watch(made: Home, include: tuple[str, ...] = (), exclude: tuple[str, ...] = ()) -> int:
    told = await made.watching.add(str(made.root), "default", include, exclude)
    return int(told["id"])


def embedded(made: Home) -> int:
    """How many passages the model has seen since the start."""
    count: int = made.runner.status()["passages"]["embedded"]
    return count


async def test_what_is_there_is_stored_and_what_comes_later_too(at_home: Home) -> None:
    """Files of now, a file of later, and one in a folder of later, each found without anybody asking."""
    make(at_home.root, a_md="tea", in__b_md="coffee")
    await watch(at_home)
    await at_home.holds("a.md", "in/b.md")
    make(at_home.root, c_md="milk")
    await at_home.holds("a.md", "in/b.md", "c.md")
    make(at_home.root, new__deep__d_md="water")
    await at_home.holds("a.md", "in/b.md", "c.md", "new/deep/d.md")
    make(at_home.root, new__deep__e_md="wine")
    await at_home.holds("a.md", "in/b.md", "c.md", "new/deep/d.md", "new/deep/e.md")
    assert await at_home.store.read(checkup.check) == []


async def test_a_changed_file_is_stored_anew(at_home: Home) -> None:
    """Under its old number, whether it was written in place or another was put in its place."""
    make(at_home.root, a_md="green tea")
    await watch(at_home)
    before = (await at_home.holds("a.md"))["a.md"]

    async def has_changed(before_hash: str) -> bool:
        return (await at_home.documents())["a.md"].content_hash != before_hash

    make(at_home.root, a_md="black tea")
    await until(lambda: has_changed(before.content_hash))
    second = (await at_home.holds("a.md"))["a.md"]
    make(at_home.root, new_tmp="white tea")
    (at_home.root / "new.tmp").rename(at_home.root / "a.md")
    await until(lambda: has_changed(second.content_hash))
    assert (await at_home.holds("a.md"))["a.md"].id == before.id == second.id


def alike(root: Path, *names: str) -> None:
    """Files of one size and one time, as when one clock tick saw them written; each holds its name."""
    for name in names:
        (root / name).write_text(name)
        os.utime(root / name, (5.0, 5.0))


def rotated(root: Path) -> None:
    """What lay in one lies in the next, as of logs."""
    (root / "b.txt").rename(root / "c.txt")
    (root / "a.txt").rename(root / "b.txt")


def swapped(root: Path) -> None:
    (root / "a.txt").rename(root / "x.tmp")
    (root / "b.txt").rename(root / "a.txt")
    (root / "x.tmp").rename(root / "b.txt")


def brought(root: Path) -> None:
    """From elsewhere on the disk."""
    alike(root.parent, "o.txt")
    (root.parent / "o.txt").rename(root / "a.txt")


@pytest.mark.parametrize("is_down", [False, True])
@pytest.mark.parametrize(
    ("happens", "after"),
    [
        (rotated, {"b.txt": "a.txt", "c.txt": "b.txt"}),
        (swapped, {"a.txt": "b.txt", "b.txt": "a.txt"}),
        (brought, {"a.txt": "o.txt", "b.txt": "b.txt"}),
    ],
)
async def test_another_file_of_the_same_size_and_time_is_another(
    at_home: Home, happens: Callable[[Path], None], after: dict[str, str], is_down: bool
) -> None:
    """Put in the place of one, it is stored in its place, whether somebody watched or not."""
    alike(at_home.root, "a.txt", "b.txt")
    await watch(at_home)
    await at_home.holds("a.txt", "b.txt")
    await at_home.seen()
    if is_down:
        await at_home.again(lambda: happens(at_home.root))
    else:
        happens(at_home.root)
    wanted = {path: content_digest("", {}, text.encode()) for path, text in after.items()}

    async def is_so() -> bool:
        return {path: row.content_hash for path, row in (await at_home.documents()).items()} == wanted

    await until(is_so)


async def test_other_rights_cost_one_reading_and_bring_nothing_back(at_home: Home) -> None:
    """Nothing is queued, what was removed stays so, alone or within an archive, and the next look knows."""
    make(at_home.root, a_md="tea", b_md="coffee")
    (at_home.root / "c.zip").write_bytes(zipped({"d.md": b"milk", "e.md": b"water"}))
    number = await watch(at_home)
    await at_home.holds("a.md", "b.md", "c.zip!/d.md", "c.zip!/e.md")
    for name in ("b.md", "c.zip!/d.md"):
        await at_home.store.write(removal.source, str(at_home.root / name), None, 1.0)
    before, jobs = await at_home.documents(), await at_home.store.read(all_rows, "SELECT id FROM jobs")

    async def is_known() -> bool:
        stamps = await at_home.store.read(watches.stamps, number)
        return all((at_home.root / name).stat().st_ctime_ns == stamp[2] for name, stamp in stamps.items())

    for name in ("a.md", "b.md", "c.zip"):
        (at_home.root / name).chmod(0o600)
    await until(is_known)
    assert await at_home.documents() == before
    assert await at_home.store.read(all_rows, "SELECT id FROM jobs") == jobs
    writes = at_home.store.writes
    await at_home.again(lambda: None)
    await at_home.seen()
    assert at_home.store.writes == writes


async def test_a_deleted_file_and_a_deleted_folder_vanish(at_home: Home) -> None:
    """With all that was made from them."""
    make(at_home.root, a_md="tea", in__b_md="coffee", in__deep__c_md="milk", inn_md="water")
    await watch(at_home)
    await at_home.holds("a.md", "in/b.md", "in/deep/c.md", "inn.md")
    (at_home.root / "a.md").unlink()
    await at_home.holds("in/b.md", "in/deep/c.md", "inn.md")
    shutil.rmtree(at_home.root / "in")
    await at_home.holds("inn.md")
    assert await at_home.store.read(checkup.check) == []


async def test_a_folder_that_is_made_again_is_heard_of(at_home: Home) -> None:
    """It has the path of one that was known, and is another. What comes into it later is stored."""
    make(at_home.root, a_md="tea", in__b_md="coffee")
    await watch(at_home)
    await at_home.holds("a.md", "in/b.md")
    shutil.rmtree(at_home.root / "in")
    make(at_home.root, in__c_md="milk")
    await at_home.holds("a.md", "in/c.md")
    make(at_home.root, in__d_md="water")
    await at_home.holds("a.md", "in/c.md", "in/d.md")


async def test_a_folder_that_goes_costs_no_rest(
    tmp_path: Path, embedder: FakeEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next sweep knows it is gone; nobody waits, and no fault is told."""
    rests: list[Exception] = []

    async def rest(self: object, error: Exception) -> None:
        rests.append(error)

    monkeypatch.setattr(watched.Watched, "_rest", rest)
    async with home(tmp_path, embedder, watch__sweep_s=1.0) as made:
        make(made.root, a_md="tea", in__deep__b_md="coffee")
        await watch(made)
        await made.holds("a.md", "in/deep/b.md")
        shutil.rmtree(made.root / "in")
        await made.holds("a.md")
        (before,) = await made.watching.listing()

        async def is_swept() -> bool:
            (told,) = await made.watching.listing()
            return bool(told["seen_at"] > before["seen_at"])

        await until(is_swept)
        make(made.root, c_md="milk")
        await made.holds("a.md", "c.md")
    assert rests == []


async def test_a_folder_that_is_emptied_at_once_is_empty(
    at_home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However much goes, and though an empty folder is doubted where nobody was told."""
    monkeypatch.setattr(watched, "PARTS_MAX", 5)
    names = [f"{number}.md" for number in range(30)]
    for name in names:
        (at_home.root / name).write_text(f"note {name}")
    await watch(at_home)
    await at_home.holds(*names)
    for name in names:
        (at_home.root / name).unlink()
    await at_home.holds()
    assert await at_home.problem() is None


async def test_a_renamed_file_is_the_same_document(at_home: Home) -> None:
    """Its number and its vectors stay, its title follows its name, and the model is not asked."""
    make(at_home.root, a_txt="tea", in__b_txt="coffee")
    await watch(at_home)
    before = await at_home.holds("a.txt", "in/b.txt")
    vectors = await at_home.store.read(all_rows, "SELECT * FROM vectors ORDER BY chunk_id")
    asked = embedded(at_home)
    (at_home.root / "a.txt").rename(at_home.root / "renamed.txt")
    await at_home.holds("renamed.txt", "in/b.txt")
    (at_home.root / "in").rename(at_home.root / "out")
    after = await at_home.holds("renamed.txt", "out/b.txt")

    assert (after["renamed.txt"].id, after["out/b.txt"].id) == (before["a.txt"].id, before["in/b.txt"].id)
    assert (after["renamed.txt"].title, after["out/b.txt"].title) == ("renamed", "b")
    assert await at_home.store.read(all_rows, "SELECT * FROM vectors ORDER BY chunk_id") == vectors
    assert embedded(at_home) == asked


async def test_what_was_given_with_a_file_goes_where_it_goes(at_home: Home) -> None:
    """It is watched, it changes, it moves: its title and metadata are those that somebody gave."""
    make(at_home.root, a_md="green tea")
    given = NewItem("bytes", str(at_home.root / "a.md"), "Of tea", b"green tea", {"year": 2024})
    await at_home.runner.finished(await at_home.runner.enqueue("default", [given]))
    before = (await at_home.holds("a.md"))["a.md"]
    await watch(at_home)
    await at_home.seen()
    (at_home.root / "a.md").rename(at_home.root / "b.md")
    moved = (await at_home.holds("b.md"))["b.md"]
    assert (moved.id, moved.updated_at) == (before.id, before.updated_at)
    make(at_home.root, b_md="black tea")

    async def has_changed() -> bool:
        return (await at_home.documents())["b.md"].content_hash != before.content_hash

    await until(has_changed)
    now = (await at_home.holds("b.md"))["b.md"]
    assert (now.title, now.metadata) == ("Of tea", {"year": 2024})


async def test_a_file_that_becomes_another_kind_is_cut_anew(at_home: Home) -> None:
    """A note that is Markdown now has its headings, under its old number."""
    make(at_home.root, a_txt="# Tea\n\nGreen tea.")
    await watch(at_home)
    before = (await at_home.holds("a.txt"))["a.txt"]
    (at_home.root / "a.txt").rename(at_home.root / "a.md")

    async def is_markdown() -> bool:
        found = (await at_home.documents()).get("a.md")
        return found is not None and (found.kind, found.title, found.id) == ("markdown", "Tea", before.id)

    await until(is_markdown)


async def test_what_happened_while_it_was_away_is_made_up_for(at_home: Home) -> None:
    """New, changed, deleted and renamed while the service was down; what is as it was is not embedded."""
    make(at_home.root, same_md="a", changed_md="b", gone_md="c", old_md="d and more")
    await watch(at_home)
    before = await at_home.holds("same.md", "changed.md", "gone.md", "old.md")
    asked = embedded(at_home)

    def meanwhile() -> None:
        make(at_home.root, changed_md="bb", new_md="e")
        (at_home.root / "gone.md").unlink()
        (at_home.root / "old.md").rename(at_home.root / "moved.md")
        # Its size and time are the same: it is read again, and found to be the same.
        os.utime(at_home.root / "same.md", ns=(0, (at_home.root / "same.md").stat().st_mtime_ns))

    await at_home.again(meanwhile)
    after = await at_home.holds("same.md", "changed.md", "new.md", "moved.md")
    assert after["moved.md"].id == before["old.md"].id
    assert embedded(at_home) == asked + 2


async def test_an_unchanged_folder_is_neither_queued_nor_written(at_home: Home) -> None:
    """A start without changes makes no job and no write."""
    make(at_home.root, a_md="tea", b_md="coffee")
    await watch(at_home)
    await at_home.holds("a.md", "b.md")

    async def is_noted() -> bool:
        (told,) = await at_home.watching.listing()
        return bool(told["files"] == 2)

    await until(is_noted)
    await at_home.runner.drain(5.0)  # or it may still find out that nothing is left to do, which is a write
    jobs = await at_home.store.read(all_rows, "SELECT id FROM jobs")
    writes = at_home.store.writes
    await at_home.again(lambda: None)
    await at_home.seen()
    assert await at_home.store.read(all_rows, "SELECT id FROM jobs") == jobs
    assert at_home.store.writes == writes


async def test_what_was_added_before_is_not_queued_again(at_home: Home) -> None:
    """Nor is a file that was only touched; both are known to be stored."""
    make(at_home.root, a_md="tea", b_md="coffee")
    item = NewItem("path", str(at_home.root))
    await at_home.runner.finished(await at_home.runner.enqueue("default", [item]))
    jobs = await at_home.store.read(all_rows, "SELECT id FROM jobs")
    number = await watch(at_home)

    async def known() -> list[tuple[str, float | None]]:
        rows = await at_home.watching.files(number, skipped=False, limit=9, after="")
        return [(row.path, row.modified_at) for row in rows if row.indexed_at]

    async def are_known() -> bool:
        return [path for path, _ in await known()] == ["a.md", "b.md"]

    await until(are_known)
    os.utime(at_home.root / "a.md", (5.0, 5.0))

    async def is_touched() -> bool:
        return (await known())[0] == ("a.md", 5.0)

    await until(is_touched)
    assert await at_home.store.read(all_rows, "SELECT id FROM jobs") == jobs


async def test_ignore_files_count_and_may_change(at_home: Home) -> None:
    """What a new line leaves out vanishes; what it no longer leaves out comes back."""
    make(at_home.root, a_md="tea", b_log="coffee", drafts__c_md="milk")
    await watch(at_home, exclude=("drafts/",))
    await at_home.holds("a.md", "b.log")
    (at_home.root / ".piragignore").write_text("*.log\n")
    await at_home.holds("a.md")
    (at_home.root / ".piragignore").write_text("a.md\n")
    await at_home.holds("b.log")


async def test_only_what_is_included_is_taken(at_home: Home) -> None:
    """Patterns as in ignore files, for the files of now and of later."""
    make(at_home.root, a_md="tea", b_txt="coffee")
    await watch(at_home, include=("*.md",))
    await at_home.holds("a.md")
    make(at_home.root, c_txt="milk", d_md="water")
    await at_home.holds("a.md", "d.md")


async def test_a_file_that_is_not_taken_says_why(at_home: Home) -> None:
    """Refused by its name, or when it was read; mended, it is taken and says nothing."""
    make(at_home.root, a_jpg="x", b_md="  ", c_md="tea")
    number = await watch(at_home)
    await at_home.holds("c.md")

    async def skipped() -> dict[str, str]:
        rows = await at_home.watching.files(number, skipped=True, limit=10, after="")
        return {row.path: row.skipped.code for row in rows if row.skipped}

    assert await skipped() == {"a.jpg": "document_binary", "b.md": "document_empty"}
    make(at_home.root, b_md="coffee")
    await at_home.holds("b.md", "c.md")
    assert await skipped() == {"a.jpg": "document_binary"}


async def test_an_emptied_file_leaves_no_ghost(at_home: Home) -> None:
    """What was in it is not found any more as soon as that was seen; no sweep is waited for."""
    make(at_home.root, a_md="tea", b_md="coffee")
    await watch(at_home)
    await at_home.holds("a.md", "b.md")
    make(at_home.root, a_md="")
    await at_home.holds("b.md")


@pytest.mark.parametrize("empty", [False, True])
async def test_a_drive_that_is_away_empties_nothing(at_home: Home, empty: bool) -> None:
    """The folder gone, or an empty one in its place: it waits, says so, and goes on when it is back."""
    for number in range(20):
        (at_home.root / f"{number}.md").write_text(f"note {number}")
    await watch(at_home)
    names = [f"{number}.md" for number in range(20)]
    await at_home.holds(*names)
    away = at_home.root.with_name("away")

    def unplugged() -> None:
        at_home.root.rename(away)
        if empty:
            at_home.root.mkdir()

    await at_home.again(unplugged)

    async def waits() -> bool:
        return "waiting" in (await at_home.problem() or "")

    await until(waits)
    assert len(await at_home.documents()) == 20
    assert at_home.watching.status()["problems"][0]["folder"] == str(at_home.root)
    if empty:
        at_home.root.rmdir()
    (away / "new.md").write_text("new")
    away.rename(at_home.root)
    await at_home.holds(*names, "new.md")
    assert await at_home.problem() is None


async def test_a_folder_that_goes_while_it_is_watched_empties_nothing(at_home: Home) -> None:
    """The kernel tells that everything in it is gone, and so is the folder itself."""
    make(at_home.root, a_md="tea", in__b_md="coffee")
    await watch(at_home)
    before = await at_home.holds("a.md", "in/b.md")
    away = at_home.root.with_name("away")
    at_home.root.rename(away)

    async def waits() -> bool:
        return await at_home.problem() == "the folder is not there: waiting"

    await until(waits)
    assert await at_home.documents() == before
    away.rename(at_home.root)
    make(at_home.root, c_md="milk")
    await at_home.holds("a.md", "in/b.md", "c.md")


async def test_another_stick_in_the_place_of_one_empties_nothing(at_home: Home) -> None:
    """It may have the same number of a device, as here: what is known is not on it. The first comes back."""
    make(at_home.root, a_md="tea", b_jpg="x")
    await watch(at_home)
    before = await at_home.holds("a.md")
    away = at_home.root.with_name("away")
    at_home.root.rename(away)

    async def says(words: str) -> bool:
        return words in (await at_home.problem() or "")

    await until(lambda: says("not there"))
    other = at_home.root.with_name("other")
    make(other, b_jpg="y", c_md="coffee")
    other.rename(at_home.root)
    await until(lambda: says("another disk"))
    assert await at_home.documents() == before
    at_home.root.rename(other)
    away.rename(at_home.root)
    make(at_home.root, d_md="milk")
    await at_home.holds("a.md", "d.md")


@contextmanager
def mounted(folder: Path) -> Iterator[None]:
    """A drive of its own on a folder."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
async def test_a_real_drive_that_is_pulled_out_empties_nothing(at_home: Home) -> None:
    """One note on it is enough; another disk in its place changes nothing either."""
    with mounted(at_home.root):
        make(at_home.root, a_md="tea")
        await watch(at_home)
        before = await at_home.holds("a.md")

    async def says(words: str) -> bool:
        return words in (await at_home.problem() or "")

    await until(lambda: says("another disk"))
    with mounted(at_home.root):
        make(at_home.root, other_md="coffee")
        await at_home.again(lambda: None)
        await until(lambda: says("another disk"))
        assert await at_home.documents() == before


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
async def test_a_drive_within_the_folder_takes_nothing_with_it(at_home: Home) -> None:
    """What lay on it is kept and said; what is deleted beside it vanishes."""
    make(at_home.root, a_md="tea", b_md="coffee")
    (at_home.root / "usb").mkdir()
    with mounted(at_home.root / "usb"):
        make(at_home.root, usb__c_md="milk")
        await watch(at_home)
        await at_home.holds("a.md", "b.md", "usb/c.md")
    (at_home.root / "a.md").unlink()
    await at_home.holds("b.md", "usb/c.md")
    await at_home.again(lambda: None)

    async def is_said() -> bool:
        return "1 file cannot be looked at" in (await at_home.problem() or "")

    await until(is_said)
    await at_home.holds("b.md", "usb/c.md")


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
async def test_a_drive_whose_mount_point_goes_with_it_takes_nothing_along(at_home: Home) -> None:
    """As below /media/pi. Another one in its place takes nothing either, and what is on it comes."""
    stick = at_home.root / "usb"
    stick.mkdir()
    with mounted(stick):
        make(at_home.root, a_md="tea", usb__in__b_md="coffee")
        await watch(at_home)
        await at_home.holds("a.md", "usb/in/b.md")
    stick.rmdir()

    async def is_said() -> bool:
        return "1 file cannot be looked at" in (await at_home.problem() or "")

    await until(is_said)
    await at_home.holds("a.md", "usb/in/b.md")
    stick.mkdir()
    with mounted(stick):
        make(at_home.root, usb__c_md="milk")
        await at_home.holds("a.md", "usb/in/b.md", "usb/c.md")
        await at_home.again(lambda: None)
        await until(is_said)
        await at_home.holds("a.md", "usb/in/b.md", "usb/c.md")


async def test_another_drive_with_the_number_of_one_takes_nothing_with_it(
    at_home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On FAT and XFS the next stick has it. What is on that one waits, however often it is looked at."""
    device_of = sight.device_of
    monkeypatch.setattr(sight, "device_of", lambda path: 7 if "/usb" in path else device_of(path))
    make(at_home.root, a_md="tea", usb__b_md="coffee")
    await watch(at_home)
    await at_home.holds("a.md", "usb/b.md")

    def swapped() -> None:
        (at_home.root / "usb/b.md").unlink()
        make(at_home.root, usb__c_md="milk", d_md="wine")

    await at_home.again(swapped)
    await at_home.holds("a.md", "usb/b.md", "d.md")
    await at_home.again(lambda: make(at_home.root, e_md="water"))
    await at_home.holds("a.md", "usb/b.md", "d.md", "e.md")
    assert "1 file cannot be looked at" in (await at_home.problem() or "")


async def test_without_watches_of_the_kernel_sweeps_find_it(
    tmp_path: Path, embedder: FakeEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says so, and goes on; with watches again it says nothing any more. The lack of them is made up."""
    limited = True

    class Limited(Notices):
        def __init__(self, *args: object) -> None:
            if limited:
                raise NoWatches("OS file watch limit reached.")
            super().__init__(*args)  # type: ignore[arg-type]  # as they came

    monkeypatch.setattr(watched, "Notices", Limited)
    async with home(tmp_path, embedder, watch__sweep_blind_s=1.0) as made:
        make(made.root, a_md="tea")
        await watch(made)
        await made.holds("a.md")
        assert "no more inotify watches" in (await made.problem() or "")
        assert made.watching.status()["blind"] == 1
        make(made.root, b_md="coffee")
        await made.holds("a.md", "b.md")
        limited = False

        async def hears() -> bool:
            return await made.problem() is None

        await until(hears)


async def test_a_full_queue_is_waited_for(tmp_path: Path, embedder: FakeEmbedder) -> None:
    """Nothing is lost and nothing fails: what has no place now is queued later, and the reason is said."""
    async with home(tmp_path, embedder, ingest__queue_items_max=3) as made:
        embedder.broken = EmbedderUnavailable("none")
        make(made.root, a_md="tea", b_md="coffee")
        await watch(made)

        async def are_queued() -> bool:
            rows = await made.store.read(all_rows, "SELECT count(*) FROM job_items")
            return bool(rows[0][0] == 2)

        await until(are_queued)
        make(made.root, c_md="milk", d_md="water")

        async def is_held_up() -> bool:
            return await made.problem() == "held up by busy"

        await until(is_held_up)
        embedder.broken = None
        await made.holds("a.md", "b.md", "c.md", "d.md")

        async def is_well() -> bool:
            return await made.problem() is None

        await until(is_well)


async def test_a_file_that_vanishes_while_it_waits_is_not_stored(
    at_home: Home, embedder: FakeEmbedder
) -> None:
    """Nor one that was being read: when the model is back, only what is there is stored."""
    embedder.broken = EmbedderUnavailable("none")
    make(at_home.root, a_md="tea", b_md="coffee", c_md="milk")
    await watch(at_home)

    async def queued(count: int) -> bool:
        rows = await at_home.store.read(all_rows, "SELECT count(*) FROM job_items")
        return bool(rows[0][0] == count)

    await until(lambda: queued(3))
    (at_home.root / "a.md").unlink()
    (at_home.root / "b.md").unlink()
    await until(lambda: queued(1))
    embedder.broken = None
    await at_home.holds("c.md")


class Held(FakeEmbedder):
    """It answers nobody until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.let_go = asyncio.Event()

    async def embed(self, texts: Sequence[Text], *, lane: Lane, deadline_s: float) -> Vectors:
        await self.let_go.wait()
        return await super().embed(texts, lane=lane, deadline_s=deadline_s)


async def test_nothing_haunts_that_went_while_it_was_in_hand(tmp_path: Path) -> None:
    """An archive whose files are in hand, and a file that has changed since it was taken in hand."""
    embedder = Held()
    async with home(tmp_path, embedder) as made:
        await _goes_while_it_is_in_hand(made)
        embedder.let_go.set()
        make(made.root, b_md="water")
        await made.holds("b.md")
        await made.runner.drain(5.0)
        assert set(await made.documents()) == {"b.md"}


async def _goes_while_it_is_in_hand(at_home: Home) -> None:
    (at_home.root / "a.zip").write_bytes(zipped({"x.md": b"green tea", "y.md": b"black tea"}))
    make(at_home.root, a_md="coffee")
    await watch(at_home)

    async def are_in_hand() -> bool:
        return len(at_home.runner.status()["current"]) == 3

    await until(are_in_hand)
    make(at_home.root, a_md="milk and coffee")

    async def is_queued_again() -> bool:
        return len(await at_home.store.read(all_rows, "SELECT id FROM job_items")) == 4

    await until(is_queued_again)
    (at_home.root / "a.zip").unlink()
    (at_home.root / "a.md").unlink()

    async def are_gone() -> bool:
        return [each["files"] for each in await at_home.watching.listing()] == [0]

    await until(are_gone)


async def test_a_file_that_keeps_changing_waits_once(at_home: Home, embedder: FakeEmbedder) -> None:
    """What waits for its turn is not queued again, and is stored as it is in the end."""
    embedder.broken = EmbedderUnavailable("none")
    make(at_home.root, a_md="tea", b_md="coffee", c_md="milk", d_md="wine", e_md="beer")
    number = await watch(at_home)

    async def noted(size: int) -> bool:
        rows = await at_home.watching.files(number, skipped=False, limit=10, after="d.md")
        return [row.size for row in rows] == [size]

    await until(lambda: noted(4))
    for size in (10, 20, 30):
        make(at_home.root, e_md="x" * size)
        await until(lambda size=size: noted(size))  # type: ignore[misc]  # mypy does not know defaults
    rows = await at_home.store.read(all_rows, "SELECT source FROM job_items WHERE source LIKE '%e.md'")
    assert len(rows) == 1
    embedder.broken = None
    assert (await at_home.holds("a.md", "b.md", "c.md", "d.md", "e.md"))["e.md"].char_count == 30


async def test_a_name_that_is_no_text_stops_nothing(at_home: Home) -> None:
    """It is skipped with its reason; files beside it are stored, before and after."""
    make(at_home.root, a_md="tea")
    number = await watch(at_home)
    await at_home.holds("a.md")
    make(at_home.root, **{os.fsdecode(b"\xff_md"): "x"})
    make(at_home.root, b_md="coffee")
    await at_home.holds("a.md", "b.md")
    make(at_home.root, c_md="milk")
    await at_home.holds("a.md", "b.md", "c.md")
    rows = await at_home.watching.files(number, skipped=True, limit=10, after="")
    assert [row.skipped.code for row in rows if row.skipped] == ["document_unreadable"]


async def test_a_folder_that_is_closed_to_us_stops_nothing(embedder: FakeEmbedder) -> None:
    """What lies beside it is stored, and it is named; what is in it comes when it is opened."""
    with unprivileged():
        place = Path(tempfile.mkdtemp())
        make(place, root__a_md="tea", root__in__b_md="coffee")
        closed = place / "root" / "in"
        closed.chmod(0)
        async with home(place, embedder) as made:
            number = await watch(made)
            await made.holds("a.md")
            (row,) = await made.watching.files(number, skipped=True, limit=9, after="")
            assert (row.path, row.skipped and row.skipped.code) == ("in", "document_unreadable")
            assert await made.problem() is None
            make(made.root, c_md="milk")
            await made.holds("a.md", "c.md")
            closed.chmod(0o700)
            await made.holds("a.md", "c.md", "in/b.md")
        shutil.rmtree(place)


async def test_a_watched_folder_that_is_closed_to_us_is_waited_for(embedder: FakeEmbedder) -> None:
    """It says so, nothing is lost, and it is seen without the kernel's help when it is opened."""
    with unprivileged():
        place = Path(tempfile.mkdtemp())
        make(place, root__a_md="tea")
        async with home(place, embedder, watch__sweep_blind_s=1.0) as made:
            await watch(made)
            await made.holds("a.md")
            made.root.chmod(0)
            await made.again(lambda: None)

            async def is_said() -> bool:
                return await made.problem() == "the folder cannot be looked into: waiting"

            await until(is_said)
            made.root.chmod(0o700)
            make(made.root, b_md="milk")
            await made.holds("a.md", "b.md")
        shutil.rmtree(place)


async def test_links_lead_nowhere(at_home: Home, tmp_path: Path) -> None:
    """A circle, a link out of the folder and one to nothing are skipped; nobody hears what is behind them."""
    outside = tmp_path / "outside"
    make(outside, secret_md="secret")
    make(at_home.root, a_md="tea")
    (at_home.root / "circle").symlink_to(at_home.root)
    (at_home.root / "out").symlink_to(outside)
    (at_home.root / "nothing").symlink_to(tmp_path / "nothing")
    await watch(at_home)
    await at_home.holds("a.md")
    make(outside, more_md="more")
    make(at_home.root, b_md="coffee")
    await at_home.holds("a.md", "b.md")


async def test_its_own_data_are_no_documents(tmp_path: Path, embedder: FakeEmbedder) -> None:
    """A watched folder that holds the database is not in a circle of writing what it has written."""
    (tmp_path / "root").mkdir()
    async with home(tmp_path, embedder, service__data=str(tmp_path / "root" / "data")) as made:
        make(made.root, a_md="tea")
        number = await watch(made)
        await made.holds("a.md")
        rows = await made.watching.files(number, skipped=False, limit=10, after="")
        assert [row.path for row in rows] == ["a.md"]


def test_a_rest_is_as_long_as_is_asked_and_longer_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Up to a bound, however often: a full queue is not asked every moment, and is asked again."""
    monkeypatch.setattr(watched, "REST_S_MIN", 1.0)
    asked = Busy("full", retry_after_ms=90_000)
    assert watched.rest_s(asked, 1) == 90
    assert 0.5 <= watched.rest_s(ValueError(), 1) <= 1.0 <= watched.rest_s(ValueError(), 3) <= 4.0
    assert 30.0 <= watched.rest_s(ValueError(), 10_000) <= watched.REST_S_MAX


async def test_what_cannot_be_noted_is_not_queued(at_home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor the other way round: a document of which its folder knew nothing would outlive its file."""

    def fails(*_: object, **__: object) -> None:
        raise RuntimeError

    with monkeypatch.context() as broken:
        broken.setattr(watches, "queued", fails)
        make(at_home.root, a_md="tea")
        await watch(at_home)

        async def rests() -> bool:
            return await at_home.problem() is not None

        await until(rests)
        assert await at_home.store.read(all_rows, "SELECT id FROM jobs") == []
    await at_home.holds("a.md")
    assert len(await at_home.store.read(all_rows, "SELECT id FROM jobs")) == 1


async def test_a_fault_of_ours_costs_a_rest(at_home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder says that something is wrong, and is looked at again."""
    faulty = True
    compared = Sight.compared

    def at_times(self: object, *args: object) -> object:
        if faulty:
            raise ZeroDivisionError("made up")
        return compared(self, *args)  # type: ignore[arg-type]  # as they came

    monkeypatch.setattr(Sight, "compared", at_times)
    make(at_home.root, a_md="tea")
    await watch(at_home)

    async def is_said() -> bool:
        return await at_home.problem() == "held up by internal_error"

    await until(is_said)
    faulty = False
    await at_home.holds("a.md")
    assert asyncio.all_tasks()
