"""`pi-rag list`: what is remembered, a page at a time."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import Any

from pi_rag.cli import printing
from pi_rag.cli.parsing import PAGE_SIZE, add_limit
from pi_rag.cli.printing import one_line, stamp
from pi_rag.cli.reach import client_of, settings_of

DESCRIPTION = """\
It shows the documents by their number, oldest first: number, collection, when stored, how many
passages, title and source. The number is what pi-rag get and pi-rag remove take.
"""

EXAMPLES = """\
  pi-rag list
  pi-rag list --collection letters --limit 20
  pi-rag list --after 100
  pi-rag list --json
"""


def configure(parser: ArgumentParser) -> None:
    """Which documents, and how many."""
    parser.add_argument("--collection", metavar="C", help="only this collection")
    add_limit(parser)
    parser.add_argument("--after", type=int, metavar="ID", help="go on after this document")


def run(args: Namespace) -> int:
    """Ask and print. Raises RequestInvalid or ServiceDown."""
    page = client_of(settings_of(args)).documents(
        collection=args.collection, limit=args.limit, after=args.after
    )
    if args.json:
        printing.as_json(page)
    else:
        _show(page, args)
    return 0


def _show(page: dict[str, Any], args: Namespace) -> None:
    documents = page.get("documents") or []
    if not documents:
        print(printing.NO_MORE if args.after else "No documents here. Add some with: pi-rag add PATH")
        return
    heads = ("ID", "COLLECTION", "STORED", "PASSAGES", "TITLE", "SOURCE")
    printing.table([heads, *(_row(document) for document in documents)])
    if page.get("next") is not None:
        collection = [] if args.collection is None else ["--collection", args.collection]
        limit = [] if args.limit == PAGE_SIZE else ["--limit", args.limit]
        printing.more("list", *collection, *limit, "--after", page["next"])


def _row(document: dict[str, Any]) -> tuple[str, ...]:
    return (
        str(document.get("id")),
        one_line(document.get("collection")),
        stamp(document.get("updated_at")),
        f"{document.get('chunk_count', 0):,}",
        _short(one_line(document.get("title") or "-")),
        one_line(document.get("source")),
    )


def _short(title: str) -> str:
    return title if len(title) <= 40 else title[:39] + "…"
