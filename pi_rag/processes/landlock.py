"""Landlock: a process gives up the files it does not need, for itself and all it starts (landlock(7)).

It needs no rights, and cannot be undone. What each kernel can take away is its ABI, which is asked for. Calls
are made by number, since no C library has names for them; they have the same numbers on all processors. It
does not know who gives up what.
"""

from __future__ import annotations

import ctypes
import os
import stat
from collections.abc import Mapping

SYS_CREATE_RULESET, SYS_ADD_RULE, SYS_RESTRICT_SELF = 444, 445, 446
ASK_VERSION, RULE_PATH_BENEATH = 1, 1

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
REMOVE_DIR, REMOVE_FILE, MAKE_DIR, MAKE_REG = 1 << 4, 1 << 5, 1 << 7, 1 << 8
TRUNCATE, IOCTL_DEV = 1 << 14, 1 << 15

READ = READ_FILE | READ_DIR
WRITE = READ | WRITE_FILE | TRUNCATE | MAKE_REG | MAKE_DIR | REMOVE_FILE | REMOVE_DIR

OF_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV
"""Rights that a single file can have; the others are those of folders."""

FILE_RIGHTS_OF_ABI = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
"""How many rights over files each ABI knows, from the lowest bit on; later ones have added none."""

ABI_NET, ABI_SCOPE = 4, 6
NET_TCP_ALL = 0b11
SCOPE_ALL = 0b11
"""Abstract Unix sockets of others, and signals to them."""


class _Ruleset(ctypes.Structure):
    """`struct landlock_ruleset_attr` of linux/landlock.h; older kernels take it if what they lack is 0."""

    _fields_ = (("fs", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _PathBeneath(ctypes.Structure):
    """`struct landlock_path_beneath_attr`."""

    _pack_ = 1
    _fields_ = (("rights", ctypes.c_uint64), ("parent_fd", ctypes.c_int32))


def abi() -> int:
    """What this kernel can take away; 0: nothing, since it is too old, built without, or in a sandbox."""
    try:
        return _call(SYS_CREATE_RULESET, None, 0, ASK_VERSION)
    except OSError:
        return 0


def handled(version: int) -> tuple[int, int, int]:
    """What an ABI can take away: rights over files, of TCP, and scopes, each as bits."""
    files = (1 << FILE_RIGHTS_OF_ABI.get(version, 16)) - 1
    return files, NET_TCP_ALL if version >= ABI_NET else 0, SCOPE_ALL if version >= ABI_SCOPE else 0


def restrict(rights: Mapping[str, int], version: int) -> None:
    """Leave this thread, and those it starts, only these rights to these paths and below. What is not there
    is left out.

    Before it the process must have given up new privileges. No TCP port can be used afterwards, whatever is
    named. Raises OSError.
    """
    files, net, scoped = handled(version)
    attributes = _Ruleset(files, net, scoped)
    ruleset = _call(SYS_CREATE_RULESET, ctypes.byref(attributes), ctypes.sizeof(attributes), 0)
    try:
        for path, granted in rights.items():
            _grant(ruleset, path, granted & files)
        _call(SYS_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


def _grant(ruleset: int, path: str, granted: int) -> None:
    try:
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if not stat.S_ISDIR(os.fstat(fd).st_mode):
            granted &= OF_FILES
        rule = _PathBeneath(granted, fd)
        _call(SYS_ADD_RULE, ruleset, RULE_PATH_BENEATH, ctypes.byref(rule), 0)
    finally:
        os.close(fd)


def _call(number: int, *arguments: object) -> int:
    """A call of the kernel by its number. Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    given = [ctypes.c_long(each) if isinstance(each, int) else each for each in arguments]
    answer = int(libc.syscall(ctypes.c_long(number), *given))
    if answer < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return answer
