"""`pi-rag remove`: forget a document, with its passages, words and vectors."""

from __future__ import annotations

import os
from argparse import ArgumentParser, Namespace
from pathlib import Path

from pi_rag.cli import printing
from pi_rag.cli.printing import counted
from pi_rag.cli.reach import client_of, settings_of
from pi_rag.client import Client
from pi_rag.errors import DocumentNotFound, RequestInvalid

DESCRIPTION = """\
It takes documents out of the memory; the files they came from are not touched. Name them by their
numbers, or one by its source as pi-rag list shows it. A source may be in several collections.
--under FOLDER takes out all that came from below a folder.
"""

EXAMPLES = """\
  pi-rag remove 12 13 14
  pi-rag remove --source /home/pi/letters/2019.pdf
  pi-rag remove --source notes --collection diary
  pi-rag remove --under ~/Downloads
"""


PAGE_ROWS = 1000
"""The largest page of the listing that the service gives."""


def configure(parser: ArgumentParser) -> None:
    """Which documents."""
    parser.add_argument("ids", metavar="ID", type=int, nargs="*", help="their numbers, from pi-rag list")
    parser.add_argument("--source", metavar="S", help="a source instead: a path or the name it was given")
    parser.add_argument("--under", metavar="FOLDER", help="all whose source lies below this folder")
    parser.add_argument("--collection", metavar="C", help="with --source or --under: only in this one")


def run(args: Namespace) -> int:
    """Remove and say how much. Raises DocumentNotFound, RequestInvalid or ServiceDown."""
    if sum(map(bool, (args.ids, args.source, args.under))) != 1:
        raise RequestInvalid("Name documents by ID, by --source or by --under.", hint="Run: pi-rag list")
    if args.collection is not None and args.ids:
        raise RequestInvalid("--collection goes with --source or --under; an ID is in one collection anyway.")
    removed = _removed(client_of(settings_of(args)), args)
    if args.json:
        printing.as_json({"removed": removed})
    else:
        print(f"Removed {counted(removed, 'document')}.")
    return 0


def _removed(client: Client, args: Namespace) -> int:
    if args.source:
        return _by_source(client, args.source, args.collection)
    return sum(client.remove(each)["removed"] for each in args.ids or _under(client, args))


def _by_source(client: Client, source: str, collection: str | None) -> int:
    removed = client.remove_source(source, collection=collection)["removed"]
    # Sources of files are whole paths; a person may have typed one from where they are.
    whole = str(Path(source).absolute())
    if not removed and whole != source:
        removed = client.remove_source(whole, collection=collection)["removed"]
    if not removed:
        raise DocumentNotFound(f"No document has the source {source!r}.")
    return int(removed)


def _under(client: Client, args: Namespace) -> list[int]:
    """The documents whose source lies below the folder, from all pages of the listing."""
    folder = os.path.normpath(Path(args.under).absolute()) + os.sep
    found: list[int] = []
    after: int | None = 0
    while after is not None:
        page = client.documents(collection=args.collection, limit=PAGE_ROWS, after=after)
        found += [row["id"] for row in page["documents"] if row["source"].startswith(folder)]
        after = page["next"]
    if not found:
        raise DocumentNotFound(f"No document lies under {folder}.")
    return found
