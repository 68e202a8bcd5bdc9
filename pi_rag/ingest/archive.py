"""Archives in memory, within bounds: what is in them, or why they are not opened.

Nothing is written to a disk, so a path in an archive leads nowhere; one that tries to is refused all the
same, since it would be a source that lies. An archive within an archive is not opened. What an archive says
of its sizes is not believed: every byte that comes out is counted. It is for the reading child alone.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO, Protocol, cast

from pi_rag.errors import (
    DocumentBinary,
    DocumentDamaged,
    DocumentEncrypted,
    DocumentOutside,
    DocumentRefused,
    DocumentTooLarge,
    DocumentUnsupported,
)
from pi_rag.ingest.reader_wire import PATH_CHARS_MAX, Bounds, Unpacked
from pi_rag.text.kinds import is_archive, is_media

MIB = 1024 * 1024

READ_BYTES = 64 * 1024
"""What is unpacked between two looks at the bounds."""

RATIO_BYTES_MIN = MIB
"""The ratio counts from here on: a few kilobytes of zeros are no bomb."""

LZMA_MEMORY_BYTES_MAX = 128 * MIB
"""A stream may ask for gigabytes before it gives its first byte."""

_DAMAGE = (zipfile.BadZipFile, NotImplementedError, zlib.error, lzma.LZMAError, EOFError, OSError)
"""What is raised over one file of a zip, which is packed by itself: a wrong sum, a method of Windows' own."""

_TAR = frozenset({".tar", ".tgz", ".tbz", ".tbz2", ".txz"})


@dataclass(frozen=True, slots=True)
class _Member:
    path: str
    is_file: bool
    is_encrypted: bool
    read: Callable[[], bytes]
    is_hidden: bool = False
    """As a walk of the folder that was packed would pass over it without a word."""


def unpack(name: str, data: bytes, bounds: Bounds) -> Unpacked:
    """The files in an archive of that name, as far as they can be documents.

    Raises DocumentTooLarge when it is beyond its bounds, and what Python's modules raise over damage.
    """
    found, left = Unpacked(), _Left(bounds, len(data))
    for number, member in enumerate(_members(name, data, left), 1):
        if number > bounds.members_max:
            raise DocumentTooLarge(
                f"There are more than {bounds.members_max} files in it.",
                hint="Unpack it, and add the folder; or raise ingest.archive_members_max.",
            )
        if member.is_hidden:
            continue
        if error := _why_not(member):
            found.refused.append((member.path[:PATH_CHARS_MAX], error))
            continue
        try:
            found.members.append((str(PurePosixPath(member.path)), member.read()))
        except DocumentDamaged as damage:
            found.refused.append((member.path, damage))
    return found


class _Left:
    """How much may still come out of one archive."""

    def __init__(self, bounds: Bounds, packed_bytes: int) -> None:
        self._bounds = bounds
        self._ratio_bytes = max(RATIO_BYTES_MIN, packed_bytes * bounds.ratio_max)
        self._out = 0

    def read(self, stream: _Readable) -> bytes:
        """The rest of a stream. Raises DocumentTooLarge."""
        parts = []
        while part := stream.read(READ_BYTES):
            self.count(len(part))
            parts.append(part)
        return b"".join(parts)

    def count(self, more: int) -> None:
        """So many bytes came out. Raises DocumentTooLarge."""
        self._out += more
        if self._out > self._bounds.bytes_max:
            raise DocumentTooLarge(
                f"It unpacks to more than {self._bounds.bytes_max // MIB} MiB.",
                hint="Unpack it, and add the folder; or raise ingest.archive_mib_max.",
            )
        if self._out > self._ratio_bytes:
            raise DocumentTooLarge(
                f"It unpacks to more than {self._bounds.ratio_max} times its size, as a bomb does.",
                hint="Unpack it where there is room; or raise ingest.archive_ratio_max.",
            )


class _Readable(Protocol):
    """As much of a stream as is needed here."""

    def read(self, size: int, /) -> bytes: ...


class _Counted:
    """A stream whose bytes count as unpacked: of a tar the headers too, and what is passed over."""

    def __init__(self, stream: _Readable, left: _Left) -> None:
        self._stream = stream
        self._left = left

    def read(self, size: int, /) -> bytes:
        """The next bytes. Raises DocumentTooLarge."""
        part = self._stream.read(size)
        self._left.count(len(part))
        return part


class _Xz:
    """A stream of xz that may not ask for more memory than its bound; Python's own reader has none."""

    def __init__(self, packed: _Readable) -> None:
        self._packed = packed
        self._ahead = b""
        self._unpacker = self._new()

    def read(self, size: int, /) -> bytes:
        """The next bytes. Raises LZMAError."""
        while not self._unpacker.eof or self._follows():
            more = b""
            if self._unpacker.needs_input:
                more, self._ahead = self._ahead or self._packed.read(READ_BYTES), b""
            if part := self._unpacker.decompress(more, size):
                return part
            if self._unpacker.needs_input and not more:
                raise lzma.LZMAError("it ends too early")
        return b""

    @staticmethod
    def _new() -> lzma.LZMADecompressor:
        return lzma.LZMADecompressor(memlimit=LZMA_MEMORY_BYTES_MAX)

    def _follows(self) -> bool:
        """Whether another stream follows the one that has ended; zeros may stand between."""
        self._ahead = self._unpacker.unused_data.lstrip(b"\0")
        while not self._ahead and (more := self._packed.read(READ_BYTES)):
            self._ahead = more.lstrip(b"\0")
        if self._ahead:
            self._unpacker = self._new()
        return bool(self._ahead)


def _members(name: str, data: bytes, left: _Left) -> Iterator[_Member]:
    """What is in it, each to be read before the next."""
    if data.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            yield from (_of_zip(packed, info, left) for info in packed.infolist() if not info.is_dir())
        return
    path, stream = PurePosixPath(name), _decompressed(data)
    if path.suffix.lower() in _TAR or PurePosixPath(path.stem).suffix.lower() == ".tar":
        counted = cast("IO[bytes]", _Counted(stream, left))
        with tarfile.open(fileobj=counted, mode="r|") as tar:
            yield from (_of_tar(tar, info) for info in tar if not info.isdir())
    else:
        yield _Member(path.stem, True, False, lambda: left.read(stream))


def _of_zip(packed: zipfile.ZipFile, info: zipfile.ZipInfo, left: _Left) -> _Member:
    def read() -> bytes:
        try:
            with packed.open(info) as stream:
                return left.read(stream)
        except _DAMAGE as error:
            raise DocumentDamaged(f"It cannot be unpacked: {error}") from error

    return _Member(info.filename, True, bool(info.flag_bits & 1), read, _is_hidden(info.filename))


def _of_tar(tar: tarfile.TarFile, info: tarfile.TarInfo) -> _Member:
    def read() -> bytes:
        stream = tar.extractfile(info)
        assert stream is not None
        return stream.read()

    # A sparse file would become its zeros, which are in no stream and so not counted.
    name = _legible(info.name)
    return _Member(name, info.isreg() and not info.issparse(), False, read, _is_hidden(name))


def _is_hidden(path: str) -> bool:
    """Also the folder in which a Mac packs a second file for each. What leads out of it is no hidden file."""
    parts = PurePosixPath(path.replace("\\", "/")).parts
    return ".." not in parts and any(part.startswith(".") or part == "__MACOSX" for part in parts)


def _legible(name: str) -> str:
    """A name that is no UTF-8 as Latin-1, which has a character for each byte: other bytes, another name."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return name.encode("utf-8", "surrogateescape").decode("latin-1")
    return name


def _decompressed(data: bytes) -> _Readable:
    packed = io.BytesIO(data)
    if data.startswith(b"\x1f\x8b"):
        return gzip.GzipFile(fileobj=packed)
    if data.startswith(b"BZh"):
        return bz2.BZ2File(packed)
    return _Xz(packed) if data.startswith(b"\xfd7zXZ") else packed


def _why_not(member: _Member) -> DocumentRefused | None:
    """Why a member is not taken, as far as that can be told without unpacking it."""
    path = PurePosixPath(member.path)
    if path.is_absolute() or ".." in path.parts or "\\" in member.path or len(member.path) > PATH_CHARS_MAX:
        return DocumentOutside(
            "Its path in the archive leads out of it.", hint="Do not trust the archive; unpack it with care."
        )
    if not member.is_file:
        return DocumentUnsupported("It is a link or a device, not a file.", hint="Add what it leads to.")
    if member.is_encrypted:
        return DocumentEncrypted("It is behind a password.")
    if is_archive(member.path):
        return DocumentBinary(
            "An archive within an archive is not opened.", hint="Unpack the outer one, and add the folder."
        )
    return DocumentBinary(f"A {path.suffix.lower()} file is not read.") if is_media(member.path) else None
