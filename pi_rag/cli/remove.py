"""`pi-rag remove`: forget a document, with its passages, words and vectors."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from pi_rag.cli import printing
from pi_rag.cli.printing import counted
from pi_rag.cli.reach import client_of, settings_of
from pi_rag.client import Client
from pi_rag.errors import DocumentNotFound, RequestInvalid

DESCRIPTION = """\
It takes a document out of the memory; the file it came from is not touched. Name it by its number,
or by its source as pi-rag list shows it. A source may be in several collections.
"""

EXAMPLES = """\
  pi-rag remove 12
  pi-rag remove --source /home/pi/letters/2019.pdf
  pi-rag remove --source notes --collection diary
"""


def configure(parser: ArgumentParser) -> None:
    """Which document."""
    parser.add_argument("id", metavar="ID", type=int, nargs="?", help="its number, from pi-rag list")
    parser.add_argument("--source", metavar="S", help="its source instead: a path or the name it was given")
    parser.add_argument("--collection", metavar="C", help="with --source: only in this collection")


def run(args: Namespace) -> int:
    """Remove and say how much. Raises DocumentNotFound, RequestInvalid or ServiceDown."""
    if (args.id is None) == (args.source is None):
        raise RequestInvalid("Name a document by its ID or by --source.", hint="Run: pi-rag list")
    if args.collection is not None and args.source is None:
        raise RequestInvalid("--collection goes with --source; an ID is in one collection anyway.")
    answer = _removed(client_of(settings_of(args)), args)
    if args.json:
        printing.as_json(answer)
    else:
        print(f"Removed {counted(int(answer['removed']), 'document')}.")
    return 0


def _removed(client: Client, args: Namespace) -> dict[str, Any]:
    if args.id is not None:
        return client.remove(args.id)
    answer = client.remove_source(args.source, collection=args.collection)
    # Sources of files are whole paths; a person may have typed one from where they are.
    whole = str(Path(args.source).absolute())
    if not answer.get("removed") and whole != args.source:
        answer = client.remove_source(whole, collection=args.collection)
    if not answer.get("removed"):
        raise DocumentNotFound(f"No document has the source {args.source!r}.")
    return answer
