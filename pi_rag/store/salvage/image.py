"""The pages of a database file as its last commit left them: the file, with its log laid over it.

Nothing is written, and nothing is opened through SQLite, which would mend, empty or delete the log. Whoever
reads this way holds the lock of the data folder, so that nobody else writes. It knows no tables.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pi_rag.store.folder import wal_path
from pi_rag.store.salvage import log_frames
from pi_rag.store.salvage.log_frames import Log
from pi_rag.store.translate import of_the_system

FILE_HEADER_BYTES = 100

SIZES = (16384, 4096)
"""What our pages are and once were, where the header cannot be believed."""

LOOKED_AT = 64
"""Pages by which it is told how large a page is."""

_KINDS = frozenset({2, 5, 10, 13})


@dataclass(slots=True)
class Image:
    """Pages by their numbers, which begin with 1."""

    fd: int
    log_fd: int | None
    page_bytes: int
    count: int
    log: Log
    cut: bool = False
    """Whether the file ends before its database does: by its header, or within a page."""
    _newer: dict[int, int] = field(default_factory=dict)
    """Where the log has a page's content."""

    def page(self, number: int) -> bytes:
        """The content of a page, filled up with zeros where the file ends within it.

        What the disk refuses to give is zeros too: a page that cannot be read is a damaged page.
        """
        at = self._newer.get(number)
        try:
            if at is not None and self.log_fd is not None:
                data = os.pread(self.log_fd, self.page_bytes, at)
            else:
                data = os.pread(self.fd, self.page_bytes, (number - 1) * self.page_bytes)
        except OSError:
            data = b""
        return data.ljust(self.page_bytes, b"\0")

    def is_in_log(self, number: int) -> bool:
        """Whether the log has a page's content."""
        return number in self._newer

    @property
    def header(self) -> bytes:
        """The first bytes of the file, which say what it is."""
        return self.page(1)[:FILE_HEADER_BYTES]


@contextmanager
def opened(path: Path) -> Iterator[Image]:
    """The pages of the database `path`, to be read only. Raises StoreUnusable, StoreReadOnly."""
    fds: list[int] = []
    try:
        try:
            fds = [_open(each) for each in (path, wal_path(path)) if each.exists()]
        except OSError as error:
            raise of_the_system(error, path) from error
        has_file = path.exists()
        yield _image(fds[0] if has_file else -1, fds[-1] if wal_path(path).exists() else None)
    finally:
        for fd in fds:
            os.close(fd)


def _open(path: Path) -> int:
    return os.open(path, os.O_RDONLY | os.O_CLOEXEC)


def _image(fd: int, log_fd: int | None) -> Image:
    log = log_frames.read(log_fd) if log_fd is not None else Log(0)
    size = os.fstat(fd).st_size if fd >= 0 else 0
    page_bytes = log.page_bytes if log.kept else _page_bytes(fd, size)
    newer: dict[int, int] = {}
    count = -(-size // page_bytes)
    for transaction in log.kept:
        newer |= {frame.page: frame.at for frame in transaction if frame.page}
        count = _grown(count, transaction[-1].commit_pages, max(frame.page for frame in transaction))
    found = Image(fd, log_fd, page_bytes, count, log, _newer=newer)
    found.cut = size % page_bytes > 0 or _lacks_pages(found, size)
    return found


def _lacks_pages(image: Image, size: int) -> bool:
    """Whether the header speaks of pages that are neither in the file nor in the log.

    It is believed where its two counts of changes agree, as SQLite does.
    """
    header = image.header
    said = int.from_bytes(header[28:32], "big") if header[24:28] == header[92:96] else 0
    ends = size // image.page_bytes
    return said > image.count or not all(map(image.is_in_log, range(ends + 1, image.count + 1)))


def _grown(count: int, said: int, highest: int) -> int:
    """A commit that says something beyond belief of the number of pages says nothing."""
    return said if highest <= said <= 2 * (count + highest) else max(count, min(highest, 2 * count + 64))


def _page_bytes(fd: int, size: int) -> int:
    """The size at which most pages begin as pages do: a header that is damaged may say anything."""
    said = int.from_bytes(os.pread(fd, 2, 16), "big") if fd >= 0 else 0
    said = 65536 if said == 1 else said
    sizes = [each for each in dict.fromkeys((said, *SIZES)) if log_frames.is_page_size(each)]
    return max(sizes, key=lambda each: _likeness(fd, size, each))


def _likeness(fd: int, size: int, page_bytes: int) -> float:
    """The part of the first pages, after the first one, that begin with the kind of a page."""
    places = range(page_bytes, min(size, (LOOKED_AT + 1) * page_bytes), page_bytes)
    found = sum(os.pread(fd, 1, at)[:1] in {bytes([kind]) for kind in _KINDS} for at in places)
    return found / len(places) if places else 0.0
