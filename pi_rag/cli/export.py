"""`pi-rag export`: all documents, as lines of JSON on standard output."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace

from pi_rag.cli.printing import counted
from pi_rag.cli.reach import client_of, settings_of
from pi_rag.client import EXPORT_MARK
from pi_rag.errors import DiskFull

DESCRIPTION = """\
One document a line, with its text, metadata and dates; with --vectors also its passages and
their vectors, so that another machine with the same model need not compute them. Each document
is whole, as it was in one moment; what is added or removed meanwhile may be in it or not.
docs/export.md tells what stands in a line. pi-rag import takes it.
"""

EXAMPLES = """\
  pi-rag export > memory.jsonl
  pi-rag export --vectors | gzip > memory.jsonl.gz
  pi-rag export --collection letters | jq -r .title
"""


def configure(parser: ArgumentParser) -> None:
    """Which documents, and how much of them."""
    parser.add_argument("--collection", metavar="C", help="only this collection")
    parser.add_argument("--vectors", action="store_true", help="with passages and their vectors")


def run(args: Namespace) -> int:
    """Write the lines as they come. Raises ServiceDown when it breaks off: then the output is not whole."""
    documents = 0
    for line in client_of(settings_of(args)).export(collection=args.collection, vectors=args.vectors):
        _write(line)
        documents += not line.startswith(EXPORT_MARK)
    _write(b"")
    print(counted(documents, "document"), file=sys.stderr)
    return 0


def _write(line: bytes) -> None:
    try:
        sys.stdout.buffer.write(line)
        if not line:
            sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise DiskFull(
            f"The export could not be written: {error.strerror}.", hint="Make room, and run it again."
        ) from error
