"""Promises of pi_rag/ingest/walk.py."""

from __future__ import annotations

import contextlib
import os
import shutil
import tracemalloc
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pi_rag.errors import DocumentLinkLoop, DocumentUnsupported, PathNotFound
from pi_rag.ingest import mounts as mounting
from pi_rag.ingest.ignore import Choice
from pi_rag.ingest.walk import Folder, Found, LeftOut, left_out, look, steps, walk
from pi_rag.types import Refusal
from tests.ingest.folders import unprivileged

BYTES_A_NAME_MAX = 2000
"""An entry of a listing, its path, and what sorting holds of it."""


def make(root: Path, *names: str) -> None:
    """Empty files, with the folders they need."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def names(root: Path, files_max: int = 100) -> list[str]:
    """What is found, relative to the root; refusals as 'code name'."""
    return [
        str(each.path.relative_to(root))
        if isinstance(each, Found)
        else f"{each.code} {os.path.relpath(each.source, root)}"
        for each in walk(root, files_max)
    ]


def test_files_come_by_name_and_folders_where_they_stand(tmp_path: Path) -> None:
    """The order is the same every time."""
    make(tmp_path, "b.txt", "a/2.md", "a/1.md", "c/d/e.txt", "a.txt")
    assert names(tmp_path) == ["a/1.md", "a/2.md", "a.txt", "b.txt", "c/d/e.txt"]


def test_a_file_is_itself(tmp_path: Path) -> None:
    """Naming a file is enough, even a hidden one."""
    make(tmp_path, ".hidden.md")
    assert list(walk(tmp_path / ".hidden.md", 1)) == [Found(tmp_path / ".hidden.md")]


def test_hidden_and_junk_are_left_out_without_a_word(tmp_path: Path) -> None:
    """What programs made for themselves is no document. A file called like junk is one."""
    make(tmp_path, ".git/config", ".env", "node_modules/x.js", "a/__pycache__/y.py", ".venv/z.py", "a/target")
    assert names(tmp_path) == ["a/target"]


def test_media_are_refused_by_name(tmp_path: Path) -> None:
    """Each has a line that says why."""
    make(tmp_path, "photo.JPG", "notes.md")
    assert names(tmp_path) == ["notes.md", "document_binary photo.JPG"]


def test_links_in_a_folder_are_not_followed(tmp_path: Path) -> None:
    """Neither out of the folder nor in circles; each that may be a loss has a line that says why."""
    root, outside = tmp_path / "root", tmp_path / "root-2"
    make(tmp_path, "root/real.md", "root/in/deep.md", "root-2/secret.md")
    (root / "file").symlink_to(outside / "secret.md")
    (root / "folder").symlink_to(outside)
    (root / "loop").symlink_to(root / "loop")
    (root / "nowhere").symlink_to(root / "none")
    assert names(root) == [
        "document_unsupported file",
        "document_unsupported folder",
        "in/deep.md",
        "document_link_loop loop",
        "document_unsupported nowhere",
        "real.md",
    ]


def test_a_link_to_what_lies_in_the_same_folder_needs_no_word(tmp_path: Path) -> None:
    """Nothing is lost by it: what it leads to is found by its own path, if that is not left out."""
    root = tmp_path / "root"
    make(tmp_path, "root/real.md", "root/in/deep.md")
    (root / "copy.md").symlink_to("in/deep.md")
    (root / "in" / "up.md").symlink_to("../real.md")
    (root / "in" / "circle").symlink_to(root)
    (root / "by-name").symlink_to(root / "in")
    (root / "in" / "twice").symlink_to(root / "copy.md")
    assert names(root) == ["in/deep.md", "real.md"]
    assert names(root / "in") == [
        "document_unsupported circle",
        "deep.md",
        "document_unsupported up.md",
    ]


@pytest.mark.parametrize(
    "target", [".h/a.md", "venv", "venv/a.md", "b.log", "in/b.log", "c.txt", "drafts/a.md"]
)
def test_a_link_to_what_is_left_out_is_refused(tmp_path: Path, target: str) -> None:
    """Nobody else would say that it is lost; a part of the folder is told the same."""
    make(tmp_path, target, "in/d.md")
    (tmp_path / ".gitignore").write_text("*.log\n")
    (tmp_path / "in" / "link.md").symlink_to(tmp_path / target)
    choice = Choice.of(["*.md"], ["drafts/"])
    assert seen(tmp_path, "in/link.md", choice) == ["in/link.md"]
    assert [each for each in seen(tmp_path, "", choice) if "link" in each] == ["in/link.md"]
    assert left_out(str(tmp_path), "in/link.md", choice) is None


def test_links_are_asked_at_their_turn_with_one_reading_of_the_mounts(
    tmp_path: Path, mounts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So no step of a walk takes long, however many links there are, and whether they are left out or not."""
    make(tmp_path, "root/b.md", "root/in/c.md")
    for link, target in (("a", "b.md"), ("c", "in/c.md"), ("d", "/"), ("in/d", "/")):
        (tmp_path / "root" / link).symlink_to(target)
    read: list[bytes] = []
    asked: list[str] = []

    class Table:
        def read_bytes(self) -> bytes:
            read.append(mounts.read_bytes())
            return read[-1]

    realpath = os.path.realpath

    def noted(path: str, *, strict: bool) -> str:
        asked.append(path)
        return realpath(path, strict=strict)

    walking = steps(tmp_path / "root", 10)
    monkeypatch.setattr(mounting, "TABLE", Table())
    monkeypatch.setattr(os.path, "realpath", noted)
    come = []
    for each in walking:
        path = each.source if isinstance(each, Refusal) else str(each.path)
        come.append((os.path.relpath(path, tmp_path), len(asked)))
    assert come == [
        ("root", 0), ("root/a", 1), ("root/b.md", 1), ("root/c", 2), ("root/d", 3), ("root/in", 3),
        ("root/in/c.md", 3), ("root/in/d", 4),
    ]  # fmt: skip
    assert len(read) == 1


def test_a_link_to_another_mount_is_not_asked_where_it_leads(tmp_path: Path, mounts: Path) -> None:
    """The mount may be dead, and the walk would hang in it. The refusal is the same as of other links."""
    make(tmp_path, "root/a.md")
    (tmp_path / "root" / "nas").symlink_to("/mnt/nas/none")
    _, refusal = walk(tmp_path / "root", 10)
    assert isinstance(refusal, Refusal)
    assert "not followed" in refusal.message


def test_a_link_named_as_root_is_followed(tmp_path: Path) -> None:
    """A person may name a folder by its link; what is found has its real path."""
    make(tmp_path, "real/a.md")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert list(walk(tmp_path / "link", 10)) == [Found(tmp_path / "real" / "a.md")]


def test_pipes_and_sockets_are_refused(tmp_path: Path) -> None:
    """They are no documents, and reading one would wait forever."""
    os.mkfifo(tmp_path / "pipe")
    assert names(tmp_path) == ["document_unsupported pipe"]
    with pytest.raises(DocumentUnsupported):
        walk(tmp_path / "pipe", 10)


@pytest.mark.parametrize("name", ["none", "a.md/below", "zero\0byte", "x" * 300])
def test_a_root_that_is_not_there_is_not_found(tmp_path: Path, name: str) -> None:
    """At once, not when the first file is asked for."""
    make(tmp_path, "a.md")
    with pytest.raises(PathNotFound):
        walk(tmp_path / name, 10)


def test_a_root_that_leads_nowhere_is_called_a_link(tmp_path: Path) -> None:
    """There is such a file for whoever looks into the folder."""
    (tmp_path / "link").symlink_to("none")
    with pytest.raises(PathNotFound, match="/link is a link that leads nowhere"):
        walk(tmp_path / "link", 10)


def test_a_root_that_is_a_loop_is_named(tmp_path: Path) -> None:
    """A link to itself leads nowhere."""
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(DocumentLinkLoop):
        walk(tmp_path / "loop", 10)


def test_too_many_files_are_cut_off_and_said(tmp_path: Path) -> None:
    """The first ones are found; one line says that there are more."""
    make(tmp_path, *(f"{letter}/{number}.md" for letter in "abc" for number in range(3)))
    *found, last = names(tmp_path, 5)
    assert found == ["a/0.md", "a/1.md", "a/2.md", "b/0.md", "b/1.md"]
    assert last == "document_refused ."
    assert len(names(tmp_path, 9)) == 9
    assert names(tmp_path, 9)[-1] == "c/2.md"


def test_what_is_not_taken_hides_no_cut(tmp_path: Path) -> None:
    """Of a folder full of it only so much is looked at; that there is more is said, and the walk goes on."""
    make(tmp_path, "a/1.jpg", "a/2.jpg", "a/3.jpg", "b.md")
    assert names(tmp_path, 2) == [*(f"document_binary a/{number}.jpg" for number in (1, 2, 3)), "b.md"]
    make(tmp_path, "a/4.md")
    assert names(tmp_path, 2)[-2:] == ["document_refused a", "b.md"]
    for number in (1, 2, 3):
        (tmp_path / "a" / f"{number}.jpg").unlink()
        (tmp_path / "a" / f"{number}.jpg").symlink_to("4.md")
    assert names(tmp_path, 2) == ["document_refused a", "b.md"]


def test_a_folder_that_vanishes_is_one_refusal(tmp_path: Path) -> None:
    """What was found before stays found, and what comes after is found."""
    make(tmp_path, "a/1.md", "b/2.md", "c/3.md")
    found = walk(tmp_path, 10)
    assert next(found) == Found(tmp_path / "a" / "1.md")
    shutil.rmtree(tmp_path / "b")
    gone = next(found)
    assert isinstance(gone, Refusal)
    assert (gone.code, gone.source) == ("document_vanished", str(tmp_path / "b"))
    assert list(found) == [Found(tmp_path / "c" / "3.md")]


def test_a_folder_that_cannot_be_looked_into_is_one_refusal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rest of the tree is found. The refusal is made up, since root may look into everything."""
    make(tmp_path, "a/1.md", "b/2.md")
    scandir = os.scandir

    def guarded(path: str) -> os._ScandirIterator[str]:
        if path.endswith("/a"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", guarded)
    assert names(tmp_path) == ["document_unreadable a", "b/2.md"]


@pytest.mark.parametrize("name", [None, ".gitignore"])
def test_of_what_is_closed_to_us_the_right_thing_is_named(name: str | None) -> None:
    """The folder, where it may have no ignore file at all; the ignore file, where that alone is closed."""
    with unprivileged(), TemporaryDirectory() as place:
        make(Path(place), "in/a.md", "in/.gitignore")
        closed = Path(place) / "in" / (name or "")
        closed.chmod(0)
        (refusal,) = walk(Path(place), 10)
        (Path(place) / "in").chmod(0o700)
    assert isinstance(refusal, Refusal)
    assert (refusal.code, refusal.source) == ("document_unreadable", f"{place}/in")
    assert refusal.message == (
        "Its .gitignore cannot be read, so nobody knows what to leave out."
        if name
        else "The folder cannot be looked into: Permission denied."
    )


def test_a_name_that_is_not_utf8_is_refused_and_shown(tmp_path: Path) -> None:
    """Such a name could be neither stored nor answered; the refusal can be printed."""
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.txt")).touch()
    (refusal,) = walk(tmp_path, 10)
    assert isinstance(refusal, Refusal)
    assert refusal.code == "document_unreadable"
    assert refusal.source.encode("utf-8").endswith(b"caf?.txt")


def test_a_name_may_have_lines(tmp_path: Path) -> None:
    """It is a name like any other; whoever prints it takes care of that."""
    make(tmp_path, "first\nsecond\t\x1b[31m.md")
    assert list(walk(tmp_path, 10)) == [Found(tmp_path / "first\nsecond\t\x1b[31m.md")]


@pytest.mark.slow
def test_a_folder_of_very_many_files_costs_little(tmp_path: Path, long_form: bool) -> None:
    """Of 100,000 in one folder each is found once, in order, within some tens of MiB."""
    count = 100_000 if long_form else 3_000
    for number in range(count):
        os.close(os.open(tmp_path / f"{number:06}.md", os.O_CREAT | os.O_WRONLY))
    tracemalloc.start()
    try:
        found = [each.path.name for each in walk(tmp_path, count) if isinstance(each, Found)]
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found == [f"{number:06}.md" for number in range(count)]
    assert peak_bytes < count * BYTES_A_NAME_MAX
    assert len(names(tmp_path, count - 1)) == count


def test_a_tree_deeper_than_the_stack_is_walked(tmp_path: Path) -> None:
    """Until the kernel itself says that a path is too long; that is one refusal."""
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    (last,) = walk(tmp_path, 10)
    assert isinstance(last, Refusal)
    assert last.code == "document_unreadable"
    _remove_deep(tmp_path / "d")


def _remove_deep(path: Path) -> None:
    """The usual ways to remove a tree give up on one so deep: it is unrolled from the top."""
    while path.exists():
        for _ in range(500):
            below = path / "d" / "d"
            if not below.exists():
                break
            below.rename(path.with_name("rest"))
            shutil.rmtree(path)
            path.with_name("rest").rename(path)
        else:
            continue
        shutil.rmtree(path)


def test_ignore_files_are_honoured_at_every_level(tmp_path: Path) -> None:
    """What git leaves out, and what is written for us, is left out without a word, wherever it is."""
    make(tmp_path, "a.md", "b.log", "build/x.md", "in/a.md", "in/b.log", "in/c.md")
    (tmp_path / ".gitignore").write_text("*.log\nbuild/\n")
    (tmp_path / "in" / ".piragignore").write_text("!b.log\n/c.md\n")
    assert names(tmp_path) == ["a.md", "in/a.md", "in/b.log"]
    assert list(walk(tmp_path / "b.log", 1)) == [Found(tmp_path / "b.log")]


def seen(root: Path, path: str, choice: Choice | None = None) -> list[str]:
    """What a look at a part of a root finds, relative to the root; folders with a slash."""
    found = look(str(root), path, 100, choice or Choice())
    return [
        os.path.relpath(each.source if isinstance(each, Refusal) else each.path, root)
        + ("/" if isinstance(each, Folder) else "")
        for each in found
        if not isinstance(each, LeftOut)
    ]


def test_a_part_is_seen_as_the_whole_walk_sees_it(tmp_path: Path) -> None:
    """A look at each path gives just what the walk finds there, by the rules of all folders above it."""
    make(
        tmp_path, "a/1.md", "a/b/2.md", "a/b/x.log", "a/.h/3.md", "a/venv/4.py", "a/out/5.md", "6.md", "p.jpg"
    )
    (tmp_path / "link").symlink_to("/")
    (tmp_path / ".gitignore").write_text("*.log\nout/\n")
    assert seen(tmp_path, "") == ["./", "6.md", "a/", "a/1.md", "a/b/", "a/b/2.md", "link", "p.jpg"]
    assert seen(tmp_path, "a") == ["a/", "a/1.md", "a/b/", "a/b/2.md"]
    assert seen(tmp_path, "a/b/2.md") == ["a/b/2.md"]
    assert seen(tmp_path, "p.jpg") == ["p.jpg"]
    for path in ("a/b/x.log", "a/.h", "a/.h/3.md", "a/venv", "a/venv/4.py", "a/out/5.md", "a/none", "n/o"):
        assert seen(tmp_path, path) == [], path


def test_what_was_chosen_counts_for_the_whole_and_for_a_part(tmp_path: Path) -> None:
    """Only what is included and not excluded is seen; folders are looked into for what is in them."""
    make(tmp_path, "a/1.md", "a/2.txt", "drafts/3.md", "4.md")
    choice = Choice.of(["*.md"], ["drafts/"])
    assert seen(tmp_path, "", choice) == ["./", "4.md", "a/", "a/1.md"]
    assert seen(tmp_path, "a/2.txt", choice) == []
    assert seen(tmp_path, "drafts/3.md", choice) == []
    assert seen(tmp_path, "a/1.md", choice) == ["a/1.md"]


def test_a_link_on_the_way_leads_nowhere(tmp_path: Path) -> None:
    """A look does not go through a link that stands where a folder was: it could leave the root."""
    make(tmp_path, "root/in/1.md", "outside/1.md")
    (tmp_path / "root" / "link").symlink_to(tmp_path / "outside")
    assert seen(tmp_path / "root", "link/1.md") == []


NAMES = ("a", "b.md", "c.log", ".d", "venv", "out")
LINES = ("*.log", "out/", "/a", "!c.log", "b.*", "**/a/b.md", "!*")


@given(st.data())
@settings(max_examples=60)
def test_what_a_walk_passes_over_is_said_to_be_left_out_and_nothing_else(data: st.DataObject) -> None:
    """Of every file and every folder that there is, whatever was chosen and whatever ignore files say."""
    some = st.lists(st.sampled_from(LINES), max_size=3)
    choice = Choice.of(data.draw(st.sampled_from(([], ["*.md"], ["a/"]))), data.draw(some))
    with TemporaryDirectory() as folder:
        root = Path(folder).resolve()
        for parts in data.draw(
            st.lists(st.lists(st.sampled_from(NAMES), min_size=1, max_size=4), max_size=8)
        ):
            with contextlib.suppress(OSError):  # a file stands where a folder would have to be
                make(root, "/".join(parts))
        for path in [root, *(each for each in root.rglob("*") if each.is_dir())]:
            (path / ".piragignore").write_text("\n".join(data.draw(some)))
        (root / "link").symlink_to(root / "venv" if (root / "venv").exists() else "/")
        found = {
            str(each.path)
            for each in look(str(root), "", 1000, choice)
            if not isinstance(each, Refusal | LeftOut)
        }
        found |= {each.source for each in look(str(root), "", 1000, choice) if isinstance(each, Refusal)}
        for path in root.rglob("*"):
            told = left_out(str(root), str(path.relative_to(root)), choice)
            assert (told is None) == (str(path) in found), path


def test_what_is_left_out_says_by_what(tmp_path: Path) -> None:
    """The nearest reason to the root: what lies in a folder that is left out is left out with it."""
    make(tmp_path, ".h/a.md", "in/venv/b.py", "in/c.log", "in/d.md", "in/e.txt", "in/real/f.md")
    (tmp_path / ".gitignore").write_text("*.log\n")
    (tmp_path / "in" / ".piragignore").write_text("d*\n")
    (tmp_path / "in" / "link").symlink_to("real")
    (tmp_path / "in" / "out").symlink_to("/")
    choice = Choice.of(["*.md", "*.log", "f.txt"], ["f*"])
    inside = [f"in/{name}" for name in ("venv/b.py", "c.log", "d.md", "e.txt", "real/f.md")]
    told = {path: left_out(str(tmp_path), path, choice) for path in (".h/a.md", *inside)}
    at = tmp_path / "in"
    assert told == {
        ".h/a.md": (f"{tmp_path}/.h", "its name begins with a dot"),
        "in/venv/b.py": (f"{at}/venv", "programs make folders of this name, and make them again"),
        "in/c.log": (f"{at}/c.log", f"{tmp_path}/.gitignore names it"),
        "in/d.md": (f"{at}/d.md", f"{at}/.piragignore names it"),
        "in/e.txt": (f"{at}/e.txt", "--include takes only *.md, *.log, f.txt"),
        "in/real/f.md": (f"{at}/real/f.md", "--exclude leaves out f*"),
    }
    not_followed = "it is a link, and links within a folder are not followed"
    assert left_out(str(tmp_path), "in/out/etc") == (f"{at}/out", not_followed)
    assert left_out(str(tmp_path), "in/out") is None  # a walk says so
    assert left_out(str(at), "link/f.md") == (f"{at}/link", "it is a link to what lies in the same folder")
    assert left_out("/", str(tmp_path / "in")[1:]) is None
    assert left_out("/", ".none") == ("/.none", "its name begins with a dot")
