"""Nothing outside of a root is read, whatever becomes of the path meanwhile."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pi_rag.errors import (
    DocumentLinkLoop,
    DocumentOutside,
    DocumentRefused,
    DocumentTooLarge,
    DocumentUnsupported,
    NotFound,
    PathNotFound,
)
from pi_rag.ingest import beneath
from pi_rag.ingest.beneath import EVERYWHERE, Open, Roots, open_by_names
from pi_rag.ingest.file import read_file

ROUNDS = 500


@pytest.fixture(params=["by the kernel", "by names"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Open:
    """Both ways of opening keep the same promises."""
    if request.param == "by names":
        monkeypatch.setattr(beneath, "opener", lambda: open_by_names)
        return open_by_names
    found = beneath.opener()
    if found is open_by_names:
        pytest.skip("this kernel, or its sandbox, has no openat2")
    return found


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root with a file in a folder, beside one that holds a secret."""
    (tmp_path / "root" / "inner").mkdir(parents=True)
    (tmp_path / "root" / "inner" / "file").write_text("inside")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "file").write_text("SECRET")
    return tmp_path / "root"


@pytest.mark.usefixtures("way")
def test_what_lies_beneath_is_read(root: Path) -> None:
    """By its path, by one with dots, by a link from anywhere that leads in, and by a root that is a link."""
    (root / "link").symlink_to("inner/file")
    (root.parent / "way-in").symlink_to(root / "inner")
    (root.parent / "root-link").symlink_to(root)
    paths = [root / "inner" / "file", root / "inner" / ".." / "inner" / "file", root / "link"]
    paths += [root.parent / "way-in" / "file", root.parent / "root-link" / "inner" / "file"]
    for named in (root, root.parent / "root-link"):
        assert [read_file(path, 1, Roots([str(named)])) for path in paths] == [b"inside"] * len(paths)
    assert read_file(root / "inner" / "file", 1, Roots(["/none", str(root)])) == b"inside"


@pytest.mark.usefixtures("way")
def test_what_lies_elsewhere_is_refused(root: Path) -> None:
    """By its path, with dots, through links, and also when it is not there: a refusal tells nothing of it."""
    (root / "link").symlink_to(root.parent / "outside" / "file")
    (root / "folder").symlink_to("../outside")
    (root.parent / "rooted").mkdir()
    (root.parent / "rooted" / "file").write_text("SECRET")
    elsewhere = [root / "link", root / "folder" / "file", root / ".." / "outside" / "file"]
    elsewhere += [root.parent / "outside" / "file", root.parent / "rooted" / "file", Path("/none/there")]
    for path in elsewhere:
        with pytest.raises(DocumentOutside):
            read_file(path, 1, Roots([str(root)]))


def swap_folder(root: Path) -> None:
    """The folder is a link to another one for a moment."""
    (root / "inner").rename(root / "kept")
    (root / "inner").symlink_to(root.parent / "outside")
    (root / "inner").unlink()
    (root / "kept").rename(root / "inner")


def swap_file(root: Path) -> None:
    """The file is a link to another one for a moment."""
    file = root / "inner" / "file"
    file.rename(root / "kept")
    file.symlink_to(root.parent / "outside" / "file")
    file.unlink()
    (root / "kept").rename(file)


@contextlib.contextmanager
def swapping(root: Path, swap: Callable[[Path], None]) -> Iterator[Callable[[], int]]:
    """Another thread swaps as fast as it can; gives how often it has."""
    count, stop = 0, threading.Event()

    def go_on() -> None:
        nonlocal count
        while not stop.is_set():
            swap(root)
            count += 1

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        yield lambda: count
    finally:
        stop.set()
        thread.join()


@pytest.mark.parametrize("swap", [swap_folder, swap_file])
@pytest.mark.parametrize("everywhere", [False, True], ids=["a root", "everywhere"])
def test_a_link_swapped_meanwhile_does_not_lead_out(
    root: Path, way: Open, swap: Callable[[Path], None], everywhere: bool
) -> None:
    """A real race: the inside is read, or a refusal comes; never what the link leads to.

    Without roots only links that were there at first are followed, which the race cannot show: there the
    path without links is opened, as it was found before the swap.
    """
    roots = EVERYWHERE if everywhere else Roots([str(root)])
    place, within = roots.placed(root / "inner" / "file")
    folder = os.open(place, os.O_PATH)
    seen: set[bytes] = set()
    with swapping(root, swap) as swaps:
        rounds = 0
        while rounds < ROUNDS or swaps() < ROUNDS or b"inside" not in seen or b"refused" not in seen:
            rounds += 1
            try:
                if everywhere:
                    fd = way(folder, within)
                    seen.add(Path(f"/proc/self/fd/{fd}").read_bytes())
                    os.close(fd)
                else:
                    seen.add(read_file(root / "inner" / "file", 1, roots))
            except (DocumentRefused, NotFound, OSError):
                seen.add(b"refused")
    os.close(folder)
    assert seen == {b"inside", b"refused"}


def test_without_care_the_same_race_is_lost(root: Path) -> None:
    """The test above would notice: a path that is looked at and then opened by its name gives the secret."""
    path, found = root / "inner" / "file", b""
    with swapping(root, swap_folder):
        while found != b"SECRET":
            with contextlib.suppress(OSError):
                if Path(os.path.realpath(path)) == path:
                    found = path.read_bytes()
    assert found == b"SECRET"


@pytest.mark.usefixtures("way")
def test_a_link_put_in_the_way_is_told(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between resolving and opening, a file that becomes a link is refused with a reason."""
    real = beneath.opener()

    def swap_and_open(folder: int, within: str) -> int:
        (root / "inner").rename(root / "kept")
        (root / "inner").symlink_to(root / "kept")
        return real(folder, within)

    monkeypatch.setattr(beneath, "opener", lambda: swap_and_open)
    with pytest.raises(DocumentLinkLoop):
        read_file(root / "inner" / "file", 1)


@pytest.mark.parametrize("within", ["../outside/file", "inner/../../outside/file", "/etc/passwd"])
def test_neither_way_leads_up(root: Path, way: Open, within: str) -> None:
    """Even if a path came unresolved."""
    folder = os.open(root, os.O_PATH)
    with pytest.raises(OSError) as refused:
        way(folder, within)
    os.close(folder)
    assert refused.value.errno in (errno.EXDEV, errno.ENOENT)


@pytest.mark.usefixtures("way")
def test_what_is_no_file_is_refused_and_never_opened(root: Path) -> None:
    """Pipes, sockets, devices, folders, a terabyte of holes, loops: at once, each with its reason."""
    os.mkfifo(root / "pipe")
    (root / "huge").touch()
    os.truncate(root / "huge", 1 << 40)
    (root / "loop").symlink_to(root / "loop")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(root / "socket"))
        for name in ("pipe", "socket", "inner"):
            with pytest.raises(DocumentUnsupported):
                read_file(root / name, 1, Roots([str(root)]))
    for device in ("/dev/zero", "/dev/null", "/dev/tty"):
        with pytest.raises(DocumentUnsupported):
            read_file(Path(device), 1, Roots(["/dev"]))
    with pytest.raises(DocumentTooLarge):
        read_file(root / "huge", 64, Roots([str(root)]))
    with pytest.raises(DocumentLinkLoop):
        read_file(root / "loop", 1, Roots([str(root)]))
    with pytest.raises(PathNotFound):
        read_file(root / "none", 1, Roots([str(root)]))


@pytest.mark.usefixtures("way")
def test_a_name_that_is_not_utf8_is_opened_as_it_is(root: Path) -> None:
    """What such a file may be called is decided elsewhere; its bytes can be read."""
    path = Path(os.fsdecode(os.fsencode(root) + b"/caf\xe9.txt"))
    path.write_text("inside")
    assert read_file(path, 1, Roots([str(root)])) == b"inside"


@pytest.mark.usefixtures("way")
def test_nothing_is_left_open(root: Path) -> None:
    """Neither after success nor after any refusal."""
    os.mkfifo(root / "pipe")
    (root / "link").symlink_to("/etc")
    before = len(list(Path("/proc/self/fd").iterdir()))
    for name in ("inner/file", "pipe", "none", "link", "inner/file/below", "x" * 300):
        with contextlib.suppress(DocumentRefused, NotFound):
            read_file(root / name, 1, Roots([str(root)]))
    assert len(list(Path("/proc/self/fd").iterdir())) <= before


def test_a_kernel_without_openat2_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """And a sandbox that forbids it; any other fault is told instead of being taken for that."""
    for number, expected in ((errno.ENOSYS, open_by_names), (errno.EPERM, open_by_names)):

        def fail(*_: object, number: int = number) -> int:
            raise OSError(number, "no")

        monkeypatch.setattr(beneath, "_open_at_once", fail)
        beneath.opener.cache_clear()
        assert beneath.opener() is expected
    monkeypatch.undo()
    beneath.opener.cache_clear()


def test_roots_come_from_the_setting() -> None:
    """As in PATH; nothing set is everywhere."""
    assert Roots.of("").placed(Path("/etc")) == ("/", "etc")
    assert Roots.of("/usr:/etc:").placed(Path("/etc")) == ("/etc", ".")
    with pytest.raises(DocumentOutside):
        Roots.of("/usr:/etc").placed(Path("/"))
