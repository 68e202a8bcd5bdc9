"""The filter for both processors, run by a small machine of our own; test_confinement.py has the real one."""

from __future__ import annotations

import errno
import mmap
import platform
import re
import struct
import termios
from pathlib import Path

import pytest

from pi_rag.processes import seccomp
from pi_rag.processes.seccomp import ALLOW, ERRNO, FORBIDDEN, KILL_PROCESS, MACHINES, Machine

PID = 4711
REFUSED = ERRNO | errno.EPERM

JUDGED = {
    "clone": seccomp.CLONE,
    "clone3": seccomp.CLONE3,
    "kill": seccomp.KILL,
    "tgkill": seccomp.TGKILL,
    "prlimit64": seccomp.PRLIMIT64,
    "ioctl": seccomp.IOCTL,
    "mmap": seccomp.MMAP,
}

NEWER = {"fchmodat2", "setxattrat", "removexattrat", "open_tree_attr", "file_setattr"}
"""Calls of kernels since 6.6, which the headers of a distribution may lack."""

HEADERS = {
    "x86_64": Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
    "aarch64": Path("/usr/include/asm-generic/unistd.h"),
}


def verdict(
    on: Machine, number: int, argument: int = 0, second: int = 0, fourth: int = 0, arch: int | None = None
) -> int:
    """What the kernel would make of a call; as much of classic BPF as is used."""
    code = seccomp.program(on, PID)
    data = struct.pack("=IIQQQQQ", number, arch or on.audit_arch, 0, argument, second, 0, fourth)
    at, held = 0, 0
    while True:
        what, if_so, if_not, value = struct.unpack_from("=HBBI", code, at * 8)
        at += 1
        match what:
            case seccomp.RETURN:
                return int(value)
            case seccomp.LOAD:
                (held,) = struct.unpack_from("=I", data, value)
            case seccomp.JUMP_EQUAL:
                at += if_so if held == value else if_not
            case seccomp.JUMP_GREATER_EQUAL:
                at += if_so if held >= value else if_not
            case seccomp.JUMP_SET:
                at += if_so if held & value else if_not
            case _:
                raise AssertionError(what)


@pytest.fixture(params=sorted(MACHINES))
def on(request: pytest.FixtureRequest) -> Machine:
    """Both processors, wherever the test runs."""
    return MACHINES[request.param]


def test_what_is_in_the_table_is_refused_and_nothing_beside_it(on: Machine) -> None:
    """Every number that a kernel may have, each judged."""
    forbidden = {numbers[on.column] for numbers in FORBIDDEN.values()} - {None}
    judged = {numbers[on.column] for numbers in JUDGED.values()}
    for number in range(600):
        if number in forbidden:
            assert verdict(on, number) == REFUSED
        elif number not in judged:
            assert verdict(on, number) == ALLOW


def test_clone_makes_threads_and_no_processes(on: Machine) -> None:
    """As the C library asks for a thread, and as fork and posix_spawn ask for a process."""
    assert verdict(on, seccomp.CLONE[on.column], 0x3D0F00) == ALLOW
    for flags in (0x1200011, 0x4111, 0x11, 0x10000000 | 0x11):
        assert verdict(on, seccomp.CLONE[on.column], flags) == REFUSED


def test_what_a_newer_call_makes_cannot_be_seen(on: Machine) -> None:
    """So there is no such call."""
    assert verdict(on, seccomp.CLONE3[on.column]) == ERRNO | errno.ENOSYS


def test_terminals_are_asked_and_not_typed_into(on: Machine) -> None:
    """As a file's device is asked for its size; not with rubbish in the upper half of the number either."""
    assert verdict(on, seccomp.IOCTL[on.column], 2, second=termios.TCGETS) == ALLOW
    for asked in (termios.TIOCSTI, seccomp.TIOCLINUX, 1 << 40 | termios.TIOCSTI):
        assert verdict(on, seccomp.IOCTL[on.column], 2, second=asked) == REFUSED


def test_memory_is_its_own_or_a_files(on: Machine) -> None:
    """What is shared with nobody, or grows as a stack, would not be counted against its limit."""
    private, shared, stack = mmap.MAP_PRIVATE, mmap.MAP_SHARED, 0x20000
    for flags in (private, shared, private | mmap.MAP_ANONYMOUS, private | mmap.MAP_ANONYMOUS | stack):
        assert verdict(on, seccomp.MMAP[on.column], fourth=flags) == ALLOW
    for flags in (shared | mmap.MAP_ANONYMOUS, private | mmap.MAP_ANONYMOUS | seccomp.MAP_GROWSDOWN):
        assert verdict(on, seccomp.MMAP[on.column], fourth=flags) == REFUSED


def test_signals_and_limits_are_for_itself(on: Machine) -> None:
    """Not for its parent, not for every process of its user (-1), not for its group (0)."""
    for numbers in (seccomp.KILL, seccomp.TGKILL):
        assert verdict(on, numbers[on.column], PID) == ALLOW
        for other in (1, 0, 0xFFFFFFFF, PID + 1):
            assert verdict(on, numbers[on.column], other) == REFUSED
    allowed = [verdict(on, seccomp.PRLIMIT64[on.column], pid) for pid in (0, PID, 1)]
    assert allowed == [ALLOW, ALLOW, REFUSED]


def test_calls_of_another_processor_end_the_process(on: Machine) -> None:
    """A 32-bit call, or one of x32, has other numbers and would get by."""
    assert verdict(on, 0, arch=0x40000003) == KILL_PROCESS
    assert verdict(on, 59 | seccomp.X32_BIT) == KILL_PROCESS


@pytest.mark.parametrize("name", sorted(MACHINES))
def test_the_numbers_are_the_kernels(name: str) -> None:
    """As its own headers have them, for the calls that the headers know."""
    if not HEADERS[name].exists():
        pytest.skip("the kernel's headers are not installed")
    found = re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)", HEADERS[name].read_text())
    known = {call: int(number) for call, number in found}
    ours = {call: numbers[MACHINES[name].column] for call, numbers in {**FORBIDDEN, **JUDGED}.items()}
    assert {call: ours[call] for call in ours if call in known} == {
        call: known[call] for call in ours if call in known
    }
    assert {call for call in ours if ours[call] is not None and call not in known} <= NEWER


def test_an_unknown_processor_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its numbers mean other calls, so nothing is forbidden rather than the wrong things."""
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    assert (seccomp.machine(), seccomp.is_there()) == (None, False)
