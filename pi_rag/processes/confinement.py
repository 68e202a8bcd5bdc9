"""What a child that opens files of strangers gives up before it does: files, calls of the kernel, privileges.

Each is given up where the kernel lets it be, and `lacking` says, in any process, which is not. It stands
beside the limits of `limits.py`, which bound what is left. It does not know what the child reads.
"""

from __future__ import annotations

import ctypes
import os
import site
import sys
from collections.abc import Sequence
from pathlib import Path

from pi_rag.processes import landlock, seccomp

PR_SET_NO_NEW_PRIVS = 38

NEEDED = (
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/usr/local/lib",
    "/usr/share",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/dev/null",
    "/dev/urandom",
    "/sys/devices/system/cpu",
)
"""What libraries read while they work: other libraries, fonts, time zones, how many processors there are."""

PACKAGE = Path(__file__).resolve().parents[1]


def confine_files(writable: Sequence[str] = ()) -> None:
    """Keep this process, for good, to reading what Python and its libraries are made of.

    In the folders of `writable` it may make and remove files too. Call it before any
    thread is started: one that is there already would keep its rights. Nothing is done where the kernel has
    no Landlock. Raises OSError.
    """
    _gain_nothing()
    if version := landlock.abi():
        landlock.restrict(_rights(writable), version)


def confine_calls() -> None:
    """Begin no program, no process and no socket any more, signal nobody else, and change no file's rights.

    It holds for all threads. Nothing is done where the kernel has no seccomp, or on a processor whose numbers
    we do not know. Raises OSError.
    """
    _gain_nothing()
    if seccomp.is_there() and (on := seccomp.machine()):
        seccomp.forbid(on)


def _gain_nothing() -> None:
    """No program that is begun has more rights than this one. Both ask for it, and it bounds them."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_NO_NEW_PRIVS) failed")


def lacking() -> list[str]:
    """What this machine's kernel does not let a process give up, in words."""
    lacks = [] if landlock.abi() else ["Landlock, which keeps it from files"]
    return lacks if seccomp.is_there() else [*lacks, "seccomp, which keeps it from calls of the kernel"]


def _rights(writable: Sequence[str]) -> dict[str, int]:
    """Each path and what may be done with it and below."""
    rights = dict.fromkeys([*_of_python(), str(PACKAGE), *NEEDED], landlock.READ)
    return rights | dict.fromkeys(writable, landlock.WRITE)


def _of_python() -> list[str]:
    """Where Python and its libraries lie. Not `sys.path`: a person may have put any folder there."""
    own = [site.getusersitepackages()] if site.ENABLE_USER_SITE else []
    standard = str(Path(os.__file__).parent)
    return [*site.getsitepackages(), *own, standard, f"{sys.base_prefix}/lib"]
