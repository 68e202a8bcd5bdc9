"""Promises of pi_rag/processes/pages.py."""

from __future__ import annotations

import ctypes
import mmap
import os

from pi_rag.host.memory import private_mib
from pi_rag.processes.pages import give_back

MIB = 1024 * 1024


def address_of(memory: mmap.mmap) -> int:
    """Where it lies."""
    return ctypes.addressof(ctypes.c_char.from_buffer(memory))


def test_zeros_given_back_cost_nothing_and_are_zeros_still() -> None:
    """Memory that was touched counts; given back, it does not, and reads as before."""
    memory = mmap.mmap(-1, 64 * MIB, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    memory[:] = bytes(64 * MIB)
    before = private_mib(os.getpid())
    assert give_back(address_of(memory), 64 * MIB) == 64 * MIB
    after = private_mib(os.getpid())
    assert before is not None and after is not None
    assert after < before - 60
    assert memory[5 * MIB : 5 * MIB + 3] == bytes(3)


def test_only_whole_pages_are_given_back() -> None:
    """What shares its page with something else stays."""
    memory = mmap.mmap(-1, 4 * mmap.PAGESIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    memory[:] = b"x" * len(memory)
    start = address_of(memory)
    assert give_back(start + 1, 3 * mmap.PAGESIZE) == 2 * mmap.PAGESIZE
    assert memory[: mmap.PAGESIZE] == b"x" * mmap.PAGESIZE
    assert memory[mmap.PAGESIZE] == 0
    assert memory[3 * mmap.PAGESIZE :] == b"x" * mmap.PAGESIZE
    assert give_back(start, mmap.PAGESIZE - 1) == 0


def test_what_is_no_memory_is_left_alone() -> None:
    """The kernel refuses, and that is no error."""
    assert give_back(mmap.PAGESIZE, mmap.PAGESIZE) == 0
