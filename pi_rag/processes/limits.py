"""Hard limits that a child puts on itself before it touches what strangers wrote.

The child sets them, not its parent: code between fork and exec is unsafe in a parent with threads. It does
not know what the child reads.
"""

from __future__ import annotations

import contextlib
import ctypes
import resource
from dataclasses import dataclass
from pathlib import Path

CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """What a child may use. None leaves a limit as it is."""

    memory_mib_max: int | None = None
    """Address space, which is more than what is resident: libraries count whole."""
    data_mib_max: int | None = None
    """Memory of its own that it may write to: near to what only its end would give back."""
    file_mib_max: int | None = None
    """Size of any file it writes. 0 forbids writing."""
    files_open_max: int | None = None
    network: bool = False
    """False: no network at all, where the kernel lets an ordinary process give it up."""


def apply(limits: Limits) -> None:
    """Put the limits on this process, for good. No limit is ever raised. Never leaves a core file."""
    if not limits.network:
        _drop_network()
    _limit(resource.RLIMIT_CORE, 0)
    if limits.memory_mib_max is not None:
        _limit(resource.RLIMIT_AS, limits.memory_mib_max * MIB)
    if limits.data_mib_max is not None:
        _limit(resource.RLIMIT_DATA, limits.data_mib_max * MIB)
    if limits.file_mib_max is not None:
        _limit(resource.RLIMIT_FSIZE, limits.file_mib_max * MIB)
    if limits.files_open_max is not None:
        _limit(resource.RLIMIT_NOFILE, limits.files_open_max)


def allow_cpu(more_s: int) -> None:
    """Let the kernel end this process with SIGXCPU after so many further seconds of processor time.

    The limit counts from the start of the process, so it is moved on for each piece of work.
    """
    used = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime) + more_s + 1, hard))


def yield_to_oom(score_adj: int) -> None:
    """Ask the kernel to take this process before its parent when memory runs out; -1000 to 1000."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(str(score_adj), encoding="ascii")


def _drop_network() -> None:
    """Move into a network namespace without interfaces, where the kernel permits it.

    Call it before any thread is started: the kernel refuses a process with more than one.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    # A user namespace is what lets an ordinary user do it; root may do without.
    if libc.unshare(CLONE_NEWNET) != 0:
        libc.unshare(CLONE_NEWUSER | CLONE_NEWNET)


def _limit(which: int, value: int) -> None:
    """Lower one limit; a hard limit that is lower already stays."""
    _, hard = resource.getrlimit(which)
    ceiling = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(which, (ceiling, ceiling))
