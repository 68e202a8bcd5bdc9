"""`pi-rag sources`: is this file in, since when, and if not, why not."""

from __future__ import annotations

import os
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from pi_rag.cli import printing
from pi_rag.cli.parsing import PAGE_SIZE, a_path, add_limit, is_url
from pi_rag.cli.printing import counted, one_line, stamp
from pi_rag.cli.reach import client_of, settings_of
from pi_rag.client import Client
from pi_rag.errors import NotFound

DESCRIPTION = """\
It shows what became of every file, address or text that was ever added, by pi-rag add or in a
watched folder: when it was last seen, when it was stored and in how many passages, whether it
still waits, and why it is not taken. A PATH keeps to one file, or to what lies in a folder.
"""

EXAMPLES = """\
  pi-rag sources ~/Documents/letter.pdf
  pi-rag sources ~/Documents --skipped
  pi-rag sources --collection letters
"""


def configure(parser: ArgumentParser) -> None:
    """Which sources."""
    parser.add_argument("path", metavar="PATH", type=a_path, nargs="?", help="one source, or a folder")
    parser.add_argument("--skipped", action="store_true", help="only what was not taken")
    parser.add_argument("--collection", metavar="C", help="only this collection")
    add_limit(parser)
    parser.add_argument(
        "--after", metavar="SOURCE@COLLECTION", help="go on after this one, as the last line says"
    )


def run(args: Namespace) -> int:
    """Ask and print. Exit 3 when nothing is known of PATH, or there is no such collection.

    Raises RequestInvalid or ServiceDown.
    """
    client = client_of(settings_of(args))
    page = _asked(client, args, skipped=args.skipped)
    # Of what is not taken and not known only the page of all says why.
    whole = _asked(client, args, skipped=False) if args.skipped and not page.get("sources") else page
    is_known = bool(whole.get("sources")) or _is_anything(args)
    if args.json:
        printing.as_json(page)
    elif page.get("sources"):
        _show(page, args)
    else:
        print(_nothing(args) if is_known else _unknown(whole, args))
    return 0 if is_known else NotFound.exit_code


def _asked(client: Client, args: Namespace, *, skipped: bool) -> dict[str, Any]:
    """The whole path is asked for first; what is no file may be called as it was typed, and what lies in a
    folder is called by its real path."""
    pages: list[dict[str, Any]] = []
    names: list[str | None] = [None]
    if args.path is not None:
        names = [os.path.normpath(Path(args.path).absolute()), args.path, os.path.realpath(args.path)]
    for under in dict.fromkeys(names):
        page = client.sources(
            under=under,
            collection=args.collection,
            skipped=skipped,
            limit=args.limit,
            after=args.after,
        )
        if page.get("sources"):
            return page
        pages.append(page)
    return pages[0]


def _is_anything(args: Namespace) -> bool:
    """Whether nothing was named, or only the last page of it is empty."""
    return bool(args.after) or (args.path is None and args.collection is None)


def _show(page: dict[str, Any], args: Namespace) -> None:
    heads = ("SEEN", "STORED", "COLLECTION", "SOURCE")
    printing.table([heads, *(_row(row) for row in page["sources"])])
    if page.get("next") is not None:
        path = [] if args.path is None else [args.path]
        skipped = ["--skipped"] if args.skipped else []
        collection = [] if args.collection is None else ["--collection", args.collection]
        limit = [] if args.limit == PAGE_SIZE else ["--limit", args.limit]
        printing.more("sources", *path, *skipped, *collection, *limit, "--after", page["next"])
    if page.get("left_out"):
        print(f"{one_line(page['left_out'])} What is stored of it stays until it is added again, or removed.")


def _nothing(args: Namespace) -> str:
    if args.after:
        return printing.NO_MORE
    return "Nothing was refused." if args.skipped else "Nothing was ever added. Begin with: pi-rag add PATH"


def _unknown(page: dict[str, Any], args: Namespace) -> str:
    """What to say of a path or a collection of which nothing is known."""
    if args.path is None:
        return f"There is no collection {one_line(args.collection)}. See: pi-rag list"
    nothing = f"Nothing is known of {one_line(args.path)}"
    if not (os.path.lexists(args.path) or is_url(args.path)):
        document = f" Document {args.path}: pi-rag get {args.path}" if args.path.isdecimal() else ""
        return f"{nothing}, and there is no such file here.{document}"
    collection = [] if args.collection is None else ["--collection", args.collection]
    add = printing.typed("add", args.path, *collection)
    if page.get("left_out"):
        return f"{nothing}. {one_line(page['left_out'])} To take it all the same: {add}"
    return f"{nothing}. Add it: {add}"


def _row(row: dict[str, Any]) -> tuple[str, ...]:
    stored = "waiting" if row.get("waiting") else stamp(row.get("indexed_at"))
    source, collection = one_line(row.get("source")), one_line(row.get("collection"))
    return stamp(row.get("seen_at")), stored, collection, f"{source}: {_fate(row)}"


def _fate(row: dict[str, Any]) -> str:
    """'12 passages', 'not taken: It needs OCR. (What to do.)', or both when a file that was in is not taken
    as it is now."""
    passages, skipped = int(row.get("passages") or 0), row.get("skipped")
    if not skipped:
        return "not read yet" if row.get("waiting") and not passages else counted(passages, "passage")
    hint = f" ({one_line(skipped['hint'])})" if skipped.get("hint") else ""
    before = f"{counted(passages, 'passage')} of before; " if passages else ""
    return f"{before}not taken: {one_line(skipped.get('message'))}{hint}"
