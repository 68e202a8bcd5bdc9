"""Ways to damage a file."""

from __future__ import annotations

import random
from pathlib import Path

PAGE_BYTES = 16384
BITS_MAX = 8

HEAD_BYTES = 120
"""Where a page says what it holds: a third of the bits are flipped there, which does more."""


def overwrite(path: Path, page: int, content: bytes) -> None:
    """Another content for a page."""
    with path.open("r+b") as file:
        file.seek((page - 1) * PAGE_BYTES)
        file.write(content)


def read(path: Path, page: int) -> bytes:
    """What a page has."""
    with path.open("rb") as file:
        file.seek((page - 1) * PAGE_BYTES)
        return file.read(PAGE_BYTES)


def flip(files: list[Path], dice: random.Random) -> str:
    """Flip 1 to 8 bits of one page of one of these files; where that was."""
    path = dice.choice([each for each in files if each.exists() and each.stat().st_size])
    data = bytearray(path.read_bytes())
    page = dice.randrange(-(-len(data) // PAGE_BYTES)) * PAGE_BYTES
    bits = dice.randint(1, BITS_MAX)
    for _ in range(bits):
        reach = HEAD_BYTES if dice.random() < 1 / 3 else PAGE_BYTES
        data[min(page + dice.randrange(reach), len(data) - 1)] ^= 1 << dice.randrange(8)
    path.write_bytes(data)
    return f"{bits} bits of page {page // PAGE_BYTES + 1} of {path.name}"
