"""`pi-rag remove`: forget a document, with its passages, words and vectors."""

from __future__ import annotations

import os
from argparse import ArgumentParser, Namespace
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from pi_rag.cli import printing
from pi_rag.cli.parsing import a_path
from pi_rag.cli.printing import counted, typed
from pi_rag.cli.reach import client_of, settings_of
from pi_rag.client import Client
from pi_rag.errors import DocumentNotFound, PiRagError, RequestInvalid

DESCRIPTION = """\
It takes documents out of the memory; the files they came from are not touched. Name them by their
numbers, or one by its source as pi-rag list shows it. A source may be in several collections.
--under FOLDER takes out all that came from below a folder. When one of the numbers is of no
document, nothing is removed. With a source goes what pi-rag sources says of why it was not taken.
"""

EXAMPLES = """\
  pi-rag remove 12 13 14
  pi-rag remove --source /home/pi/letters/2019.pdf
  pi-rag remove --source notes --collection diary
  pi-rag remove --under ~/Downloads
"""


PAGE_ROWS = 1000
"""The largest page of the listing that the service gives."""

NUMBER_MAX = 2**63 - 1
"""The largest that the database can give."""


def configure(parser: ArgumentParser) -> None:
    """Which documents."""
    parser.add_argument("ids", metavar="ID", type=_number, nargs="*", help="their numbers, from pi-rag list")
    parser.add_argument(
        "--source", metavar="S", type=a_path, help="a source instead: a path or the name it was given"
    )
    parser.add_argument(
        "--under", metavar="FOLDER", type=a_path, help="all whose source lies below this folder"
    )
    parser.add_argument("--collection", metavar="C", help="with --source or --under: only in this one")


def _number(text: str) -> int:
    if text.isascii() and text.isdigit() and len(text) < 20 and 0 < int(text) <= NUMBER_MAX:
        return int(text)
    raise RequestInvalid(
        f"{text!r} is no number of a document.",
        hint="Its number is in pi-rag list. By where it came from: "
        + typed("remove", "--source", Path(text).absolute()),
    )


def run(args: Namespace) -> int:
    """Remove and say how much. Raises DocumentNotFound, RequestInvalid or ServiceDown."""
    if sum(map(bool, (args.ids, args.source, args.under))) != 1:
        raise RequestInvalid("Name documents by ID, by --source or by --under.", hint="Run: pi-rag list")
    if args.collection is not None and args.ids:
        raise RequestInvalid("--collection goes with --source or --under; an ID is in one collection anyway.")
    gone = _gone(client_of(settings_of(args)), args)
    if args.json:
        printing.as_json(gone)
    else:
        print(f"Removed {counted(gone['removed'], 'document')}.{_waited(gone['withdrawn'])}{_why(gone)}")
    return 0


def _waited(count: int) -> str:
    return f" {counted(count, 'document')} that waited to be stored will not be." if count else ""


def _why(gone: Counter[str]) -> str:
    count = gone["reasons"]
    return f" Why {counted(count, 'source')} could not be taken is forgotten." if count else ""


def _gone(client: Client, args: Namespace) -> Counter[str]:
    if args.source:
        return _by_source(client, args.source, args.collection)
    return _by_number(client, _there(client, args.ids)) if args.ids else _by_folder(client, args)


def _there(client: Client, ids: Iterable[int]) -> list[int]:
    """These, each once. All are looked up before any is removed. Raises DocumentNotFound."""
    each_once = list(dict.fromkeys(ids))
    none = [each for each in each_once if not _is_there(client, each)]
    if none:
        whole = "" if len(each_once) == 1 else " Nothing was removed."
        raise DocumentNotFound(f"There is no document {', '.join(map(str, none))}.{whole}")
    return each_once


def _is_there(client: Client, number: int) -> bool:
    """Its row of the listing says so, without its text."""
    rows = client.documents(limit=1, after=number - 1)["documents"]
    return bool(rows) and rows[0]["id"] == number


def _by_number(client: Client, ids: list[int]) -> Counter[str]:
    gone: Counter[str] = Counter(removed=0, withdrawn=0)
    for each in ids:
        try:
            gone.update(client.remove(each))
        except DocumentNotFound:
            continue  # it went since it was looked up
        except PiRagError as error:
            error.message += f" Removed before that: {counted(gone['removed'], 'document')} of {len(ids):,}."
            raise
    return gone


def _by_source(client: Client, source: str, collection: str | None) -> Counter[str]:
    gone = Counter(client.remove_source(source, collection=collection))
    # Sources of files are whole paths; a person may have typed one from where they are.
    whole = str(Path(source).absolute())
    if not gone.total() and whole != source:
        gone = Counter(client.remove_source(whole, collection=collection))
    if not gone.total():
        raise DocumentNotFound(f"No document has the source {source!r}.")
    return gone


def _by_folder(client: Client, args: Namespace) -> Counter[str]:
    folder = os.path.normpath(Path(args.under).absolute())
    # What waits goes first, lest it be stored while its neighbours are removed.
    gone = Counter(client.forget_below(folder, collection=args.collection))
    gone.update(_by_number(client, _under(client, folder + os.sep, args.collection)))
    if not gone.total():
        raise DocumentNotFound(f"No document lies under {folder}{os.sep}.")
    return gone


def _under(client: Client, folder: str, collection: str | None) -> list[int]:
    """The documents whose source lies below the folder, from all pages of the listing."""
    found: list[int] = []
    after: int | None = 0
    while after is not None:
        page = client.documents(collection=collection, limit=PAGE_ROWS, after=after)
        found += [row["id"] for row in page["documents"] if row["source"].startswith(folder)]
        after = page["next"]
    return found
