"""`pi-rag duplicates`: which documents repeat others, a page at a time."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from typing import Any

from pi_rag.cli import printing
from pi_rag.cli.parsing import PAGE_SIZE, add_limit
from pi_rag.cli.printing import one_line
from pi_rag.cli.reach import client_of, settings_of
from pi_rag.cli.repeats import placed

DESCRIPTION = """\
It shows pairs of documents of which the first repeats passages of the second, which were there
before: how much of the first that is, and how alike they are (1.000: the same). Nothing is removed;
pi-rag remove takes the numbers, and pi-rag search --unique leaves repeats out of its answer.
"""

EXAMPLES = """\
  pi-rag duplicates
  pi-rag duplicates --share 0.9
  pi-rag duplicates --after 12-7
  pi-rag duplicates --json
"""


def configure(parser: ArgumentParser) -> None:
    """How much must be shared, and how many pairs."""
    parser.add_argument(
        "--share",
        type=share,
        default=0.5,
        metavar="S",
        help="only documents that repeat so much, from 0 to 1 (0.5)",
    )
    add_limit(parser)
    parser.add_argument("--after", metavar="ID-ID", help="go on after this pair")


def share(text: str) -> float:
    """A part of a document, from 0 to 1."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise ArgumentTypeError(f"{text!r} is not a number from 0 to 1")
    return value


def run(args: Namespace) -> int:
    """Ask and print. Raises RequestInvalid or ServiceDown."""
    page = client_of(settings_of(args)).duplicates(share_min=args.share, limit=args.limit, after=args.after)
    if args.json:
        printing.as_json(page)
    else:
        _show(page, args)
    return 0


def _show(page: dict[str, Any], args: Namespace) -> None:
    pairs = page.get("duplicates") or []
    if not pairs:
        none = f"No document repeats {args.share:.0%} or more of another one's passages."
        print(printing.NO_MORE if args.after else none)
        return
    heads = ("ID", "OF", "PASSAGES", "SHARE", "ALIKE", "SOURCE")
    printing.table([heads, *(_row(pair) for pair in pairs)])
    if page.get("next") is not None:
        limit = [] if args.limit == PAGE_SIZE else ["--limit", args.limit]
        printing.more("duplicates", "--share", f"{args.share:g}", *limit, "--after", page["next"])


def _row(pair: dict[str, Any]) -> tuple[str, ...]:
    ours, theirs = pair.get("document") or {}, pair.get("of") or {}
    original = placed(theirs.get("source"), theirs.get("collection"), ours.get("collection"))
    return (
        str(ours.get("id")),
        str(theirs.get("id")),
        f"{pair.get('passages', 0):,}",
        f"{pair.get('share', 0):.0%}",
        f"{pair.get('similarity', 0):.3f}",
        f"{one_line(ours.get('source'))} of {original}",
    )
