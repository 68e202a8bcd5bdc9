"""The bytes of one file on disk, taken safely.

It opens nothing that is not a regular file, waits for nothing, follows nothing that was put in the way
(`beneath.py`), and holds no more than it was allowed. It does not know what the bytes mean.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

from pi_rag.errors import (
    DocumentLinkLoop,
    DocumentOutside,
    DocumentTooLarge,
    DocumentUnreadable,
    DocumentUnsupported,
    PathNotFound,
    PiRagError,
)
from pi_rag.ingest.beneath import EVERYWHERE, Roots

MIB = 1024 * 1024

READ_BYTES = MIB
"""A file is read in pieces of this, so that one that grows under our hands is noticed."""


def read_file(path: Path, mib_max: int, roots: Roots = EVERYWHERE, *, links: bool = True) -> bytes:
    """The bytes of a regular file of at most `mib_max` MiB that lies beneath one of `roots`.

    A link that was named is followed; one that is put in its place meanwhile is not. Without `links` none is
    followed at all, wherever in the path. Raises PathNotFound, DocumentOutside, DocumentTooLarge,
    DocumentUnsupported, DocumentUnreadable, DocumentLinkLoop.
    """
    try:
        fd = roots.open(path, links=links)
        try:
            return _read(fd, mib_max * MIB)
        finally:
            os.close(fd)
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the path
        if not links and getattr(error, "errno", None) == errno.ELOOP:
            reason = "A link was put in its way since it was found."
            raise DocumentUnsupported(reason, hint="Add its folder again, by its real path.") from error
        raise _of_path(error, path) from error


def _read(fd: int, bytes_max: int) -> bytes:
    if os.fstat(fd).st_size > bytes_max:
        raise _too_large(bytes_max)
    parts: list[bytes] = []
    total = 0
    while part := os.read(fd, READ_BYTES):
        parts.append(part)
        total += len(part)
        if total > bytes_max:
            raise _too_large(bytes_max)
    return b"".join(parts)


def _too_large(bytes_max: int) -> DocumentTooLarge:
    return DocumentTooLarge(f"It is larger than {bytes_max // MIB} MiB.")


def _of_path(error: OSError | ValueError, path: Path) -> PiRagError:
    """What the operating system says about a path, in our words."""
    number = getattr(error, "errno", None)
    if number == errno.ELOOP:
        return DocumentLinkLoop("It is a link that leads back to itself, or through too many others.")
    if number == errno.ENOENT and path.is_symlink():
        return PathNotFound("It is a link that leads nowhere.", hint="Mend the link, or name another file.")
    if number in (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, None):
        return PathNotFound("There is no such file or folder.")
    if number == errno.EXDEV:
        return DocumentOutside("A link was put in its way that leads out of ingest.roots.")
    if number == errno.ENXIO:
        return DocumentUnsupported("It is a device, a pipe or a socket, not a file.")
    return DocumentUnreadable(f"It cannot be read: {os.strerror(number)}.")
