"""Promises of pi_rag/ingest/sight.py: what a look at a real folder sees."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pi_rag.config import WatchSettings
from pi_rag.errors import DocumentUnreadable
from pi_rag.ingest import ignore, sight
from pi_rag.ingest.differences import NOT_TAKEN, Stamp, believed
from pi_rag.ingest.ignore import ALL
from pi_rag.ingest.notices import Notices
from pi_rag.ingest.sight import Sight
from pi_rag.ingest.story import content_digest
from pi_rag.store.documents import MadeFrom
from tests.ingest.folders import unprivileged


def make(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)


def looked(root: Path, files_max: int = 100) -> Sight:
    return Sight(str(root), ALL, files_max)


@contextmanager
def mounted(folder: Path) -> Iterator[None]:
    """A drive of its own on a folder."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_files_are_seen_with_their_stamps(tmp_path: Path) -> None:
    """What is new, what has changed and what is gone; what is as it was is only counted."""
    make(tmp_path, "a.md", "in/b.md", "c.jpg")
    facts = (tmp_path / "a.md").stat()
    stamp = (facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)
    stored = {"a.md": stamp, "in/b.md": (1, 1, 1), "gone.md": (1, 1, 1)}
    look = looked(tmp_path)
    found = look.compared([""], stored)
    assert found.unchanged == 1
    assert [(each.path, each.stamp) for each in found.fresh] == [("c.jpg", NOT_TAKEN)]
    assert [(each.path, each.stamp.size) for each in found.changed] == [("in/b.md", 7)]
    assert found.gone == ["gone.md"]
    assert found.fresh[0].refusal is not None
    assert found.fresh[0].refusal.code == "document_binary"
    assert look.folders == [str(tmp_path), str(tmp_path / "in")]
    assert look.device == sight.device_of(str(tmp_path))


def test_a_look_at_parts_sees_only_them(tmp_path: Path) -> None:
    """A file that is named, and a folder with all that is in it."""
    make(tmp_path, "a.md", "b.md", "in/c.md", "in/d/e.md", "out/f.md")
    found = looked(tmp_path).compared(["a.md", "in", "none"], {"a.md": (1, 1, 1), "none": (1, 1, 1)})
    assert [each.path for each in found.fresh] == ["in/c.md", "in/d/e.md"]
    assert [each.path for each in found.changed] == ["a.md"]
    assert found.gone == ["none"]


def test_a_folder_that_is_not_there_has_no_device(tmp_path: Path) -> None:
    """Nor has a file, or a link in its place."""
    make(tmp_path, "a.md")
    (tmp_path / "link").symlink_to(tmp_path)
    for name in ("none", "a.md", "link"):
        assert sight.device_of(str(tmp_path / name)) is None
    look = looked(tmp_path / "none")
    assert look.compared([""], {"a": (1, 1, 1)}).gone == ["a"]
    assert look.device is None


def test_a_folder_that_goes_away_during_a_look_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was not seen before it went may be there: the whole look is not believed."""
    make(tmp_path, "root/a/1.md", "root/b/2.md")
    root, scandir = tmp_path / "root", os.scandir

    def guarded(path: str) -> os._ScandirIterator[str]:
        if path.endswith("/b"):
            root.rename(tmp_path / "away")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", guarded)
    look = looked(root)
    look.compared([""], {})
    assert look.device is None


def test_what_cannot_be_looked_into_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that answers with an error, as on a network mount that fails. The error is made up."""
    make(tmp_path, "a/1.md", "b.md")
    scandir = os.scandir

    def guarded(path: str) -> os._ScandirIterator[str]:
        if path.endswith("/a"):
            raise OSError(5, "Input/output error")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", guarded)
    look = looked(tmp_path)
    found = look.compared([""], {"a/1.md": (1, 1, 1)})
    assert look.unreadable == ["a"]
    assert (found.gone, [each.path for each in found.fresh]) == (["a/1.md"], ["b.md"])


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO, errno.ESTALE])
@pytest.mark.parametrize("include", [(), ("*.md",)])
def test_an_error_is_not_taken_for_absence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, include: tuple[str, ...]
) -> None:
    """Named or on the way to what is named, nothing in it is gone. The errors are made up."""
    make(tmp_path, "a/b/1.md")
    lstat, pathlib_stat = os.lstat, Path.stat

    def failing(path: str | Path) -> os.stat_result:
        if f"{path}/".startswith(f"{tmp_path}/a/"):
            raise OSError(number, os.strerror(number))
        return lstat(path)

    def failing_too(path: Path, *, follow_symlinks: bool = True) -> os.stat_result:
        failing(path)
        return pathlib_stat(path, follow_symlinks=follow_symlinks)

    monkeypatch.setattr(os, "lstat", failing)
    monkeypatch.setattr(Path, "stat", failing_too)
    for path in ("a", "a/b", "a/b/1.md"):
        look = Sight(str(tmp_path), sight.chosen(str(tmp_path), "/data", include, ()), 100)
        found = look.compared([path], {"a/b/1.md": (1, 1, 1)})
        assert believed(found.gone, look.unreadable) == []
    assert sight.not_there(str(tmp_path), ["a/b/1.md", "none.md"]) == ["none.md"]


@pytest.mark.parametrize("part", ["", "in", "in/b.md"])
def test_a_folder_whose_ignore_file_cannot_be_read_is_not_looked_into(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    """It may hide anything: nothing comes from it and nothing in it is gone. The refusal is made up."""
    make(tmp_path, "in/.gitignore", "in/b.md")

    def refused(path: Path, mib_max: int) -> bytes:
        raise DocumentUnreadable("made up")

    monkeypatch.setattr(ignore, "read_file", refused)
    look = looked(tmp_path)
    found = look.compared([part], {"in/a.md": (1, 1, 1)})
    assert (found.fresh, look.unreadable) == ([], ["in"])
    assert believed(found.gone, look.unreadable) == []


@pytest.mark.parametrize("mode", [0, 0o444, 0o111])
def test_a_folder_of_somebody_else_is_told_and_left_out(mode: int) -> None:
    """Nothing in it is gone, the others are looked into, and nobody tries to hear of changes in it."""
    home = Path(tempfile.mkdtemp())
    home.chmod(0o755)
    make(home, "in/a.md", "b.md")
    (home / "in").chmod(mode)
    look, listed = looked(home), looked(home)
    try:
        with unprivileged():
            found = look.compared([""], {"in/a.md": (1, 1, 1)})
            listed.look_for_folders()
            for folders in (look.folders, listed.folders):
                Notices(folders, WatchSettings()).close()
    finally:
        (home / "in").chmod(0o700)
        shutil.rmtree(home)
    assert {each.path: each.refusal and each.refusal.code for each in found.fresh} == {
        "b.md": None, "in": "document_unreadable"
    }  # fmt: skip
    assert (believed(found.gone, look.unreadable), look.folders, listed.folders) == ([], *[[str(home)]] * 2)


def test_a_name_that_is_no_text_is_refused_and_nothing_else(tmp_path: Path) -> None:
    """A file and a folder with such names; the folder is not among those to hear from."""
    make(tmp_path, "a.md")
    bad = os.fsdecode(os.fsencode(tmp_path) + b"/\xff")
    Path(bad).mkdir()
    (Path(bad) / "b.md").touch()
    Path(f"{bad}.md").touch()
    found = looked(tmp_path).compared([""], {})
    taken = [each.path for each in found.fresh if not each.refusal]
    assert (taken, len(found.fresh)) == (["a.md"], 3)
    listed = looked(tmp_path)
    listed.look_for_folders()
    assert listed.folders == [str(tmp_path)]


@pytest.mark.parametrize(
    "names", [("a.md", "b.md", "c.md"), ("a.jpg", "b.jpg", "c.jpg"), ("x/a.md", "y/b.md", "z/c.md")]
)
def test_a_look_is_bounded(tmp_path: Path, names: tuple[str, ...]) -> None:
    """Of what is too much only so much is seen, whatever it is, and it is known that there is more."""
    make(tmp_path, *names)
    look = looked(tmp_path, files_max=2)
    assert (look.compared([""], {}).seen, look.cut) == (2, True)
    whole = looked(tmp_path, files_max=3)
    assert (whole.compared([""], {}).seen, whole.cut) == (3, False)


def test_what_is_there_is_told_one_by_one(tmp_path: Path) -> None:
    """For what a bounded look did not come to."""
    make(tmp_path, "a.md")
    assert sight.not_there(str(tmp_path), ["a.md", "b.md"]) == ["b.md"]


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        (["/r/a.md"], {"a.md"}),
        (["/r/in/a.md", "/r/in", "/r/inn.md"], {"in", "inn.md"}),
        (["/r/in/.gitignore", "/r/in/d/a.md"], {"in"}),
        (["/r/.piragignore"], {""}),
        (["/r"], {""}),
        (["/elsewhere"], {""}),
        (["/r/1", "/r/2", "/r/3", "/r/4"], {""}),
        ([], set()),
    ],
)
def test_notices_say_where_to_look(changed: list[str], expected: set[str]) -> None:
    """At each path once; at the whole folder of an ignore file; at all when they are many."""
    assert sight.parts("/r", changed, 3) == expected


def test_contents_are_those_of_the_documents(tmp_path: Path) -> None:
    """What cannot be read has none, nor what leads out of the folder by now."""
    make(tmp_path, "root/a.md", "root/b.md", "root/c.md", "secret")
    root = tmp_path / "root"
    found = looked(root).compared([""], {}).fresh
    (root / "b.md").unlink()
    (root / "c.md").unlink()
    (root / "c.md").symlink_to(tmp_path / "secret")
    plain, given = content_digest("", {}, b"root/a.md"), content_digest("A", {"x": 1}, b"root/a.md")
    for made in (MadeFrom(plain, "", {}), MadeFrom(given, "A", {"x": 1})):
        others = [MadeFrom("other", "", {}), MadeFrom("another", "B", {})]
        assert sight.digests(str(root), found, 1, [*others, made]) == {"a.md": made.content_hash}
    assert sight.digests(str(root), found, 1, [MadeFrom(plain, "A", {"x": 1})]) == {}


def test_our_own_data_are_never_looked_at(tmp_path: Path) -> None:
    """To note a change there would be the next change. A folder beside it with a like name is looked at."""
    make(tmp_path, "da [1]*/pi-rag.db", "da [1]x/a.md", "b.md")
    choice = sight.chosen(str(tmp_path), str(tmp_path / "da [1]*"), [], ["b.md"])
    found = Sight(str(tmp_path), choice, 100).compared([""], {})
    assert [each.path for each in found.fresh] == ["da [1]x/a.md"]


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
def test_a_drive_within_the_folder_that_is_away_is_told(tmp_path: Path) -> None:
    """Its files are known as lying elsewhere. Its folder is told when it is away, not for deletions."""
    make(tmp_path, "a.md", "usb/.keep")
    with mounted(tmp_path / "usb"):
        make(tmp_path, "usb/in/b.md")
        look = looked(tmp_path)
        found = look.compared([""], {})
        stick = sight.device_of(str(tmp_path / "usb")) or 0
        assert {each.path: each.elsewhere for each in found.fresh} == {"a.md": 0, "usb/in/b.md": stick}
        stored = {"usb/in/b.md": stick, "usb/gone/c.md": stick}
        assert sight.away(str(tmp_path), stored, ()) == []
    assert sight.away(str(tmp_path), stored, ()) == ["usb/gone", "usb/in"]
    (tmp_path / "usb" / ".keep").unlink()
    (tmp_path / "usb").rmdir()
    assert sight.away(str(tmp_path), stored, ()) == ["usb"]


def test_a_mount_point_that_is_removed_with_its_drive_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As udisks does below /media/pi, whatever was there before. The numbers are made up."""
    devices: dict[str, int | None] = {"": 1, "pi": 1, "pi/USB": 7}

    def device_of(folder: str) -> int | None:
        return devices.get(folder[3:])

    monkeypatch.setattr(sight, "device_of", device_of)
    stored = {"pi/USB/in/a.md": 7}
    assert sight.away("/r", stored, ()) == []
    assert sight.away("/r", stored, {7}) == ["pi/USB/in"], "another stick with the same number"
    devices["pi/USB"] = 8
    assert sight.away("/r", stored, ()) == ["pi/USB/in"], "another stick"
    del devices["pi/USB"]
    assert sight.away("/r", stored, ()) == ["pi/USB"]
    del devices["pi"]
    assert sight.away("/r", stored, ()) == ["pi"]
    del devices[""]
    assert sight.away("/r", stored, ()) == ["pi"]


def test_stamps_tell_a_change_without_reading(tmp_path: Path) -> None:
    """An unchanged tree is compared without opening one of its files."""
    make(tmp_path, "a.md")
    (tmp_path / "a.md").chmod(0)
    (seen,) = looked(tmp_path).compared([""], {}).fresh
    found = looked(tmp_path).compared([""], {"a.md": (*seen.stamp, seen.ctime_ns)})
    assert isinstance(seen.stamp, Stamp)
    assert (found.unchanged, found.seen) == (1, 1)
