"""The write-ahead log as it lies on the disk: its frames, which of them are whole, and which count.

SQLite reads a log up to the first frame whose checksum is wrong and takes the rest for what a power cut tore.
That is right for its last transaction: it was never acknowledged. One before it was synced before the next
began, so a frame that is wrong there is damage, and what comes after it is as good as acknowledged. The
format is that of https://sqlite.org/fileformat.html#the_write_ahead_log. It knows no pages.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

HEADER_BYTES = 32
FRAME_HEADER_BYTES = 24

_MAGIC = 0x377F0682
"""The last bit says that checksums are of big-endian words; a Raspberry Pi writes little-endian ones."""

Sums = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Frame:
    """One page as a transaction left it."""

    page: int
    commit_pages: int
    """Pages of the database after this commit; 0 for a frame that ends no transaction."""
    at: int
    """Where its content begins in the log's file."""
    is_whole: bool


@dataclass(frozen=True, slots=True)
class Log:
    """What there is in a log's file."""

    page_bytes: int
    frames: Sequence[Frame] = ()
    """Of the last generation, in their order, whole or not."""
    header_is_whole: bool = True

    @property
    def transactions(self) -> list[list[Frame]]:
        """The frames of each commit; what no commit ends is left out."""
        found: list[list[Frame]] = [[]]
        for frame in self.frames:
            found[-1].append(frame)
            if frame.commit_pages:
                found.append([])
        return found[:-1]

    @property
    def kept(self) -> list[list[Frame]]:
        """The transactions that count: all but a last one that is not whole."""
        found = self.transactions
        return found[:-1] if found and not all(frame.is_whole for frame in found[-1]) else found

    @property
    def last_is_torn(self) -> bool:
        """Whether the last transaction does not count. A power cut does that, and damage can look like it."""
        return len(self.kept) < len(self.transactions)

    @property
    def damaged(self) -> int:
        """Frames that count and are not whole, and a header that is not, before any that count."""
        wrong = sum(not frame.is_whole for each in self.kept for frame in each)
        return wrong + (not self.header_is_whole and bool(self.kept))


def read(fd: int) -> Log:
    """The log in an open file. Reads all of it; one that is no log has no frames."""
    header = os.pread(fd, HEADER_BYTES, 0)
    if len(header) < HEADER_BYTES:
        return Log(0)
    magic, _, page_bytes, _, *_ = struct.unpack(">8I", header)
    words = ">" if magic == _MAGIC + 1 else "<"
    whole = magic | 1 == _MAGIC | 1 and checksum(header[:24], (0, 0), words) == _sums(header, 24)
    page_bytes = _page_bytes(fd, page_bytes)
    if not page_bytes:
        return Log(0)
    frames = list(_frames(fd, header, page_bytes, words, header_is_whole=whole))
    return Log(page_bytes, frames, whole)


def count(fd: int) -> int:
    """How many frames follow one another with the same salts; their contents are not read."""
    page_bytes = _page_bytes(fd, int.from_bytes(os.pread(fd, 4, 8), "big"))
    salts = os.pread(fd, 8, HEADER_BYTES + 8)
    if not page_bytes or len(salts) < 8:
        return 0
    step, size = FRAME_HEADER_BYTES + page_bytes, os.fstat(fd).st_size
    if _is_begun_anew(os.pread(fd, 8, 16), salts):
        return 0  # what follows such a header was moved into the database before it was written
    for number, at in enumerate(range(HEADER_BYTES, size - step + 1, step)):
        if _differing_bits(os.pread(fd, 8, at + 8), salts) > FLIPPED_BITS_MAX:
            return number
    return max(0, (size - HEADER_BYTES) // step)


def checksum(data: bytes, seed: Sums, words: str = "<") -> Sums:
    """SQLite's checksum of whole pairs of words, going on from `seed`."""
    one, two = seed
    pairs = iter(struct.unpack(f"{words}{len(data) // 4}I", data))
    for first, second in zip(pairs, pairs, strict=True):
        one = (one + first + two) & 0xFFFFFFFF
        two = (two + second + one) & 0xFFFFFFFF
    return one, two


def _frames(fd: int, header: bytes, page_bytes: int, words: str, *, header_is_whole: bool) -> Iterator[Frame]:
    """Each frame is held against the checksum that the one before it says of itself."""
    size, at, before = os.fstat(fd).st_size, HEADER_BYTES, _sums(header, 24)
    salts = header[16:24]
    if not header_is_whole:
        first = os.pread(fd, FRAME_HEADER_BYTES, at)
        if len(first) < FRAME_HEADER_BYTES or _is_begun_anew(salts, first[8:16]):
            return
        salts = first[8:16]
    while at + FRAME_HEADER_BYTES + page_bytes <= size:
        head = os.pread(fd, FRAME_HEADER_BYTES, at)
        content = os.pread(fd, page_bytes, at + FRAME_HEADER_BYTES)
        fits = head[8:16] == salts
        if not fits and _differing_bits(head[8:16], salts) > FLIPPED_BITS_MAX:
            return
        page, commit_pages = struct.unpack(">2I", head[:8])
        whole = fits and page > 0 and checksum(head[:8] + content, before, words) == _sums(head, 16)
        yield Frame(page, commit_pages, at + FRAME_HEADER_BYTES, whole)
        before, at = _sums(head, 16), at + FRAME_HEADER_BYTES + page_bytes


FLIPPED_BITS_MAX = 2
"""So many are taken for damage. Of the salts of the generation before, the first is smaller by one, so that a
bit of it differs at the least, and the second is random: one in a hundred million looks like the same."""


def _is_begun_anew(header_salts: bytes, frame_salts: bytes) -> bool:
    """Whether a header that is not whole is one of the next generation, whose writing was cut short."""
    ours, theirs = header_salts[:4], frame_salts[:4]
    return (int.from_bytes(theirs, "big") + 1) & 0xFFFFFFFF == int.from_bytes(ours, "big")


def _differing_bits(one: bytes, other: bytes) -> int:
    return (int.from_bytes(one, "big") ^ int.from_bytes(other, "big")).bit_count()


def _sums(data: bytes, at: int) -> Sums:
    one, two = struct.unpack_from(">2I", data, at)
    return one, two


def _page_bytes(fd: int, said: int) -> int:
    """The size at which the second frame carries the salts of the first, else the one that is said."""
    first = os.pread(fd, FRAME_HEADER_BYTES, HEADER_BYTES)[8:16]
    for size in dict.fromkeys((said, 16384, 4096)):
        if not is_page_size(size):
            continue
        second = os.pread(fd, FRAME_HEADER_BYTES, HEADER_BYTES + FRAME_HEADER_BYTES + size)[8:16]
        if len(second) == 8 and _differing_bits(first, second) <= FLIPPED_BITS_MAX:
            return size
    return said if is_page_size(said) else 0


def is_page_size(number: int) -> bool:
    """Whether SQLite has pages of this size."""
    return 512 <= number <= 65536 and number.bit_count() == 1
