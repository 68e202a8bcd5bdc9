"""What a house does to the files and to the disk of a service: full, read-only, damaged, not to be opened.

Each block stops the service or starts it where that is needed, and leaves everything as it was before. What
is mounted is mounted over the service's own data folder, and nowhere else.
"""

from __future__ import annotations

import errno
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pi_rag.stress.running import RunningService

ROOM_MIB = 16
"""What a small disk has beside what lies there already."""
NOISE_BYTES = 4096
"""In a model's file."""
DAMAGED_SHARE = 0.3
"""Of a database's pages."""
PAGE_BYTES_AT = 16
PAGE_BYTES_MAX = 1 << 16
"""Where the size of a page stands in a database, and the one that two bytes cannot hold: it is written as 1
(SQLite's file format, 1.3.2)."""
STATUS = Path("/proc/self/status")
CAP_SYS_ADMIN = 1 << 21
"""Without it, root mounts nothing."""
CLOSED_TO_ROOT = (
    "setpriv",
    "--bounding-set=-dac_override,-dac_read_search",
    "--inh-caps=-dac_override,-dac_read_search",
)
"""Under this, root is refused what any other owner would be refused."""


def may_mount(status: Path = STATUS) -> str:
    """Why nothing can be mounted here; empty where it can."""
    if os.geteuid() != 0:
        return "needs root, to mount a disk of its own: run it with sudo"
    if not _capabilities(status) & CAP_SYS_ADMIN:
        return "root may not mount here, as in most containers: run it on the machine itself"
    return "" if shutil.which("mount") and shutil.which("umount") else "needs mount and umount"


def _capabilities(status: Path) -> int:
    """What the kernel lets this process do, a bit each (capabilities(7)); none where it does not say."""
    lines = status.read_text(encoding="ascii", errors="replace").splitlines()
    return next((int(line.split()[1], 16) for line in lines if line.startswith("CapEff:")), 0)


def may_close() -> str:
    """Why permissions mean nothing here; empty where they do."""
    if os.geteuid() == 0 and not shutil.which("setpriv"):
        return "root may read everything: needs setpriv, or another user"
    return ""


def as_owner() -> tuple[str, ...]:
    """The program under which permissions mean something."""
    return CLOSED_TO_ROOT if os.geteuid() == 0 else ()


@contextmanager
def small_disk(service: RunningService) -> Iterator[Path]:
    """The service is stopped; its data lies on a file system of some MiB. Afterwards it is where it was."""
    data, aside = service.data, service.data.with_name("data-aside")
    shutil.copytree(data, aside)
    mib = sum(path.stat().st_size for path in aside.rglob("*") if path.is_file()) // 2**20 + ROOM_MIB
    _run("mount", "-t", "tmpfs", "-o", f"size={mib}m,mode=700", "none", str(data))
    try:
        shutil.copytree(aside, data, dirs_exist_ok=True)
        try:
            yield data
        finally:
            shutil.rmtree(aside)
            shutil.copytree(data, aside)
    finally:
        _run("umount", "-l", str(data))
        put_back(aside, data)


@contextmanager
def full(folder: Path) -> Iterator[None]:
    """Inside it, not a byte more fits on the disk of this folder."""
    ballast = folder / "ballast"
    try:
        for piece in (1 << 20, 1):
            write_until_full(ballast, piece)
        yield
    finally:
        ballast.unlink(missing_ok=True)


def write_until_full(path: Path, piece: int) -> None:
    """Write to a file, so many bytes at a time, until the disk takes no more."""
    with path.open("ab", buffering=0) as file:
        try:
            while file.write(b"\n" * piece):
                pass
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Inside it nobody can write there, root neither; but who has a file open: stop the service first."""
    _run("mount", "--bind", str(folder), str(folder))
    try:
        _run("mount", "-o", "remount,bind,ro", str(folder))
        yield
    finally:
        _run("umount", "-l", str(folder))


def _run(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True, timeout=30.0)


@contextmanager
def kept(service: RunningService) -> Iterator[Path]:
    """The stopped service's data may be damaged inside it; afterwards, stopped again, it is as before."""
    aside = service.data.with_name("data-kept")
    shutil.copytree(service.data, aside)
    try:
        yield service.data
    finally:
        put_back(aside, service.data)


def put_back(aside: Path, data: Path) -> None:
    """What was kept aside is the data folder again."""
    shutil.rmtree(data)
    aside.rename(data)


def damage(database: Path, dice: random.Random) -> int:
    """Write noise over some pages of a database that nobody has open, never the first; how many."""
    page_bytes = bytes_of_page(database)
    pages = database.stat().st_size // page_bytes
    chosen = dice.sample(range(1, pages), max(1, int(pages * DAMAGED_SHARE)))
    with database.open("r+b") as file:
        for page in chosen:
            file.seek(page * page_bytes)
            file.write(dice.randbytes(page_bytes))
    return len(chosen)


def bytes_of_page(database: Path) -> int:
    """As the database's own header says."""
    with database.open("rb") as file:
        file.seek(PAGE_BYTES_AT)
        told = int.from_bytes(file.read(2))
    return PAGE_BYTES_MAX if told == 1 else told


def corrupted(model: Path, copy: Path, dice: random.Random) -> Path:
    """A copy of a model file with noise in its middle; its folder is made."""
    copy.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(model, copy)
    with copy.open("r+b") as file:
        file.seek(copy.stat().st_size // 2)
        file.write(dice.randbytes(NOISE_BYTES))
    return copy


@contextmanager
def closed(path: Path) -> Iterator[None]:
    """Inside it nobody but a real root may open this path."""
    mode = path.stat().st_mode & 0o7777
    path.chmod(0)
    try:
        yield
    finally:
        path.chmod(mode)


@contextmanager
def ballast(mib: int) -> Iterator[None]:
    """A process of ours holds so much memory inside it. It ends with its starter, however that ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(mib)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with process:
        try:
            assert process.stdout is not None
            process.stdout.readline()  # it has it all
            yield
        finally:
            process.kill()


_HOLD = "import sys; held = b'x' * (int(sys.argv[1]) << 20); print(flush=True); sys.stdin.read()"
