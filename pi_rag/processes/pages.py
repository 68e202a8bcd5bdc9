"""Giving memory back to the kernel, page by page. It does not know what the memory was for."""

from __future__ import annotations

import ctypes
import mmap

MADV_DONTNEED = 4


def give_back(address: int, length: int) -> int:
    """Drop the whole pages within a range of private anonymous memory; bytes that were given back.

    They read as zero afterwards: the caller must know that zeros are what is there, and that nobody else
    writes to it. Where the kernel refuses, nothing changes and 0 is returned.
    """
    page = mmap.PAGESIZE
    first = -(-address // page) * page
    size = (address + length) // page * page - first
    if size <= 0:
        return 0
    libc = ctypes.CDLL(None, use_errno=True)
    given = libc.madvise(ctypes.c_void_p(first), ctypes.c_size_t(size), MADV_DONTNEED) == 0
    return size if given else 0
