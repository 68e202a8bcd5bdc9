"""The real reading child, which takes 1 GiB at once over a document that says so: see faulty_service."""

from __future__ import annotations

import sys
import time

from pi_rag.ingest import reader_child
from pi_rag.types import Kind, Reading

GREEDY = b"a page that takes a gigabyte"
PIECE = 32 * 2**20
WANTED = 2**30 // PIECE
HOLDS_S = 3.0
"""So long it is at work on what it has got, be that less than it wanted."""

_read = reader_child.read


def greedy_read(name: str, kind: Kind, data: bytes, chars_max: int) -> Reading:
    """As the real one, but for that document."""
    if GREEDY in data:
        taken: list[bytes] = []
        try:
            taken += (b"x" * PIECE for _ in range(WANTED))
        finally:
            time.sleep(HOLDS_S)
    return _read(name, kind, data, chars_max)


if __name__ == "__main__":
    reader_child.read = greedy_read
    reader_child.main(sys.argv[1:])
