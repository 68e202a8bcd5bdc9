"""A folder for a child that may write nowhere else: it puts a library there and loads it.

The parent makes it and takes it away, so that the child needs no right to anything around it. It does not
know which library.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator


@contextlib.contextmanager
def scratch(bytes_max: int) -> Iterator[str]:
    """A folder with room for so much that nobody else can write to, in RAM where possible, gone afterwards.

    Raises OSError.
    """
    where = next(_folders(bytes_max), None)
    with tempfile.TemporaryDirectory(
        prefix="pi-rag-reader-", dir=where, ignore_cleanup_errors=True
    ) as folder:
        yield folder


def _folders(bytes_max: int) -> Iterator[str]:
    """Folders in which a library can be written and run, the best first."""
    for folder in ("/dev/shm", tempfile.gettempdir()):
        with contextlib.suppress(OSError):
            about = os.statvfs(folder)
            roomy = about.f_bavail * about.f_frsize >= bytes_max
            if roomy and os.access(folder, os.W_OK) and not about.f_flag & os.ST_NOEXEC:
                yield folder
