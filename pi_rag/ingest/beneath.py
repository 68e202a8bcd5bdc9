"""Opening a file beneath a folder, and nowhere else, whatever becomes of the path meanwhile.

A path is resolved once, and what it then names must lie beneath one of the roots. From the root's own folder
it is walked without following any link, so that one put in the way afterwards leads nowhere. The kernel does
this in one step (openat2, Linux 5.6); where it has not got that, or a sandbox forbids it, the same is done
name by name. The file is looked at before it is opened for reading, since to open a device may do something.

It knows no documents; `file.py` reads, and says in our words what went wrong.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path

from pi_rag.errors import DocumentOutside, DocumentUnsupported

SYS_OPENAT2 = 437
"""On every architecture of Linux since 5.6."""

RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS, RESOLVE_BENEATH = 0x02, 0x04, 0x08

SEPARATOR = ":"
"""Between the folders of a setting, as in PATH."""

Open = Callable[[int, str], int]
"""From a folder's descriptor and a path within it to a descriptor that can only be looked at (O_PATH)."""


class _How(ctypes.Structure):
    """`struct open_how` of linux/openat2.h."""

    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


class Roots:
    """The folders beneath which paths may be read; none means everywhere."""

    def __init__(self, folders: Sequence[str] = ()) -> None:
        self._folders = tuple(folders) or ("/",)

    @classmethod
    def of(cls, setting: str) -> Roots:
        """Those of a setting: absolute paths with colons between."""
        return cls([folder for folder in setting.split(SEPARATOR) if folder])

    def placed(self, path: Path) -> tuple[str, str]:
        """(root, path within it), both without links. Raises DocumentOutside, or OSError for a loop."""
        return self._within(Path(os.path.realpath(path)))

    def _within(self, real: Path) -> tuple[str, str]:
        """(root, path within it) of an absolute path; only the roots' own links are followed."""
        for folder in self._folders:
            root = os.path.realpath(folder)
            if real.is_relative_to(root):
                return root, str(real.relative_to(root))
        raise DocumentOutside("It does not lie beneath a folder of ingest.roots.")

    def open(self, path: Path, *, links: bool = True) -> int:
        """A descriptor of a regular file, for reading; it never blocks.

        Without `links` the path is taken as it is: one that was found has none. Raises DocumentOutside,
        DocumentUnsupported, and OSError: ELOOP where a link was put in the way.
        """
        root, within = self.placed(path) if links else self._within(path)
        folder = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            seen = opener()(folder, within)
        finally:
            os.close(folder)
        try:
            check_regular(os.fstat(seen))
            # The descriptor itself is opened again, not its path: it is the very file that was looked at.
            return os.open(f"/proc/self/fd/{seen}", os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        finally:
            os.close(seen)


EVERYWHERE = Roots()


def check_regular(status: os.stat_result) -> None:
    """Raise DocumentUnsupported for what is no regular file."""
    if not stat.S_ISREG(status.st_mode):
        what = "a folder" if stat.S_ISDIR(status.st_mode) else "a device, a pipe or a socket"
        raise DocumentUnsupported(f"It is {what}, not a file.")


@cache
def opener() -> Open:
    """The kernel's own way, or the one by names where the kernel, or a sandbox, does not have it."""
    libc = ctypes.CDLL(None, use_errno=True)
    by_kernel = partial(_open_at_once, libc)
    folder = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.close(by_kernel(folder, "."))
    except OSError as error:
        if error.errno not in (errno.ENOSYS, errno.EPERM):
            raise
        return open_by_names
    finally:
        os.close(folder)
    return by_kernel


def _open_at_once(libc: ctypes.CDLL, folder: int, within: str) -> int:
    """openat2(2), which refuses a link on the way with ELOOP and a way out with EXDEV."""
    resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS
    how = _How(os.O_PATH | os.O_CLOEXEC, 0, resolve)
    name = ctypes.c_char_p(os.fsencode(within))
    found = int(libc.syscall(SYS_OPENAT2, folder, name, ctypes.byref(how), ctypes.sizeof(how)))
    if found < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return found


def open_by_names(folder: int, within: str) -> int:
    """The same, one name after another: none may be a link, and none leads up."""
    here = os.dup(folder)
    for name in within.split("/"):
        if name == "..":
            os.close(here)
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
        try:
            below = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=here)
        finally:
            os.close(here)
        here = below
        if stat.S_ISLNK(os.fstat(here).st_mode):
            os.close(here)
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    return here
