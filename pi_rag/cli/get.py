"""`pi-rag get`: one document, as facts or as the text that was read from it."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, Namespace
from typing import Any

from pi_rag.cli import printing
from pi_rag.cli.printing import counted, one_line, plain, stamp
from pi_rag.cli.reach import client_of, settings_of

DESCRIPTION = """\
It shows where a document comes from, when it was stored and how much of it there is. With --text
it prints the text, to see what was read from a PDF, or to hand it to another program.
"""

EXAMPLES = """\
  pi-rag get 12
  pi-rag get 12 --text | less
  pi-rag get 12 --json
"""


def configure(parser: ArgumentParser) -> None:
    """Which document, and how much of it."""
    parser.add_argument("id", metavar="ID", type=int, help="its number, from pi-rag list or a search")
    parser.add_argument("--text", action="store_true", help="print its text and nothing else")


def run(args: Namespace) -> int:
    """Ask and print. Raises DocumentNotFound or ServiceDown."""
    document = client_of(settings_of(args)).document(args.id)
    if args.json:
        printing.as_json(document)
    elif args.text:
        _print_text(document.get("text") or "")
    else:
        printing.table(_lines(document))
    return 0


def _print_text(text: str) -> None:
    """For a person's terminal without what it would obey; for a file or a program as it was read."""
    if _is_terminal():
        print(plain(text))
    else:
        # Line by line: of one long write a reader who leaves early is noticed too late.
        sys.stdout.writelines(text.splitlines(keepends=True))


def _is_terminal() -> bool:
    return sys.stdout.isatty()


def _lines(document: dict[str, Any]) -> list[tuple[str, str]]:
    chars, passages = int(document.get("char_count") or 0), int(document.get("chunk_count") or 0)
    size = f"{counted(chars, 'character')}, {counted(passages, 'passage')}"
    lines = [
        (name, one_line(document.get(name, ""))) for name in ("id", "title", "source", "collection", "kind")
    ]
    lines += [("size", size), ("stored", stamp(document.get("created_at")))]
    if document.get("updated_at") != document.get("created_at"):
        lines.append(("replaced", stamp(document.get("updated_at"))))
    if document.get("metadata"):
        lines.append(("metadata", one_line(json.dumps(document["metadata"], ensure_ascii=False))))
    return lines
