"""Small files of the kernel, read so that nothing in them can be an error.

Such a file may be missing, empty, unreadable, endless, or no text at all. What it does not say is `""` or
None here: not known. It does not know what any file means.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

ROOT = Path("/")
"""Below it lie /proc, /sys, /etc and /run; tests give another one."""

BYTES_MAX = 1 << 20
"""No file read here is that long; one that is longer is cut, so that a wrong path cannot fill the memory."""

CHUNK_BYTES = 1 << 14
"""Room is made for so much before each reading. Most files are shorter, and some are read every second."""

NUMBER_MAX = 2**63
"""The kernel's largest numbers are below it; what is larger is no number of its making."""


def text(path: Path | str) -> str:
    """What stands in a file, without the blanks and zero bytes around it; "" where it cannot be read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError):
        return ""
    try:
        return _read(descriptor).decode("utf-8", "replace").strip("\0 \t\r\n")
    finally:
        os.close(descriptor)


def _read(descriptor: int) -> bytes:
    """All of it. One reading of a file of /proc gives a page at most, however much was asked for."""
    found = b""
    # A file of /proc/pressure that the kernel was started without opens, and cannot be read.
    with contextlib.suppress(OSError):
        while len(found) < BYTES_MAX and (more := os.read(descriptor, CHUNK_BYTES)):
            found += more
    return found[:BYTES_MAX]


def lines(path: Path) -> list[str]:
    """The lines of a file; none where it cannot be read."""
    return text(path).splitlines()


def number(path: Path, base: int = 10) -> int | None:
    """The whole number that a file holds; None where it holds anything else."""
    return as_number(text(path), base)


def as_number(word: str, base: int = 10) -> int | None:
    """A word as a whole number the kernel could have written; None for any other word."""
    try:
        found = int(word, base) if word.isascii() and "_" not in word else None
    except ValueError:
        return None
    return found if found is not None and abs(found) < NUMBER_MAX else None


def facts(path: Path) -> dict[str, str]:
    """The first value of every `key: value` of a file."""
    found: dict[str, str] = {}
    for line in lines(path):
        key, _, value = line.partition(":")
        found.setdefault(key.strip(), value.strip())
    return found


def below(folder: Path, pattern: str) -> Iterator[Path]:
    """What a folder has by this pattern, in order; nothing where it cannot be looked into."""
    try:
        yield from sorted(folder.glob(pattern))
    except (OSError, ValueError):
        return


def exists(path: Path) -> bool:
    """Whether something is there that this user can know of."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False
