"""`pi-rag undo`: take back a change of memory."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from pi_rag.cli import memories, printing
from pi_rag.cli.printing import one_line, styled, typed
from pi_rag.cli.reach import settings_of

DESCRIPTION = """\
Without a number it takes back the last change that was made from the command line. What was
superseded or forgotten is in force again. Only what was erased is gone. To undo is a change too,
and can be undone. All changes, with their numbers: pi-rag memory log
"""

EXAMPLES = """\
  pi-rag undo
  pi-rag undo 41
"""


def configure(parser: ArgumentParser) -> None:
    """Which change."""
    parser.add_argument(
        "change", metavar="CHANGE", type=memories.number, nargs="?", help="its number, from pi-rag memory log"
    )


def run(args: Namespace) -> int:
    """Ask and tell. Raises ChangeNotFound, ChangeFinal or ServiceDown."""
    change = memories.client_of(settings_of(args)).undo(args.change)
    if args.json:
        printing.as_json(change)
        return 0
    what = f"change {change['detail']['undoes']} ({one_line(change['detail']['operation'])})"
    whose = f"{memories.named(change['memory_ids'])} in {one_line(change.get('scope'))}"
    print(f"Taken back: {what} of {whose}.")
    print(styled(f"Take that back with: {typed('undo', change.get('id'))}", "dim"))
    return 0
