"""The reading child as it is, but for what it does with a document: it attempts what the name says."""

from __future__ import annotations

import sys

from pi_rag.ingest import reader_child
from pi_rag.types import Kind, Reading
from tests.processes import attempts


def attempted(name: str, kind: Kind, data: bytes, chars_max: int) -> Reading:
    """Instead of reading."""
    what, _, path = name.removesuffix(".html").partition(":")
    return Reading(attempts.made(what, path), name, kind)


if __name__ == "__main__":
    reader_child.read = attempted
    reader_child.main(sys.argv[1:])
