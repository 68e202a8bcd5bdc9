"""`pi-rag forget`: take memories out of force, or erase them for good."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import Any

from pi_rag.cli import memories, printing
from pi_rag.cli.memories import number
from pi_rag.cli.printing import counted, styled, typed
from pi_rag.cli.reach import settings_of

DESCRIPTION = """\
By ID it is done at once. By anything else it first shows what would be forgotten, with the command
that does it. What is forgotten is recalled no more, and can be brought back with pi-rag undo. With
--hard what is forgotten already is erased for good: from words, vectors, the log and the file.
"""

EXAMPLES = """\
  pi-rag forget 12 13
  pi-rag forget --topic 'home/*'
  pi-rag forget --scope agent:claude-code --before 2026-01-01
  pi-rag forget --expired
  pi-rag forget 12 --hard
"""


def configure(parser: ArgumentParser) -> None:
    """Which ones, and how."""
    parser.add_argument("ids", metavar="ID", type=number, nargs="*", help="their numbers")
    memories.add_which(parser)
    parser.add_argument("--all", action="store_true", help="everything in the scope, or in every scope")
    parser.add_argument("--hard", action="store_true", help="erase for good what is forgotten already")
    parser.add_argument("--dry-run", action="store_true", help="only show what would be forgotten")
    parser.add_argument("--confirm", metavar="CODE", help="do what a dry run has shown")


def run(args: Namespace) -> int:
    """Forget, or show what would be. Raises ForgetAll, ForgetUnconfirmed, EraseFirstForget, NotFound."""
    wanted = memories.which(args) | ({"all": True} if args.all else {})
    by_ids = bool(args.ids) and not wanted
    # Nothing wide is done unseen: without the code of a dry run, this is one.
    dry_run = args.dry_run or not (by_ids or args.confirm)
    answer = memories.client_of(settings_of(args)).forget(
        wanted | ({"ids": args.ids} if args.ids else {}),
        dry_run=dry_run,
        hard=args.hard,
        confirm=None if dry_run else args.confirm,
    )
    if args.json:
        printing.as_json(answer)
    else:
        _tell(answer, args)
    return 0


def _tell(answer: dict[str, Any], args: Namespace) -> None:
    count = int(answer.get("count") or 0)
    shown = answer.get("memories") or []
    what = counted(count, "memory", "memories")
    if not count and not answer.get("dry_run"):
        print("Nothing was done: what was meant is out of force already.")
        return
    if not answer.get("dry_run"):
        print(f"{'Erased' if args.hard else 'Forgot'} {what}{' for good' if args.hard else ''}.")
        if answer.get("change_id") is not None and not args.hard:
            print(styled(f"Take it back with: {typed('undo', answer['change_id'])}", "dim"))
        return
    if not count:
        print("Nothing fits. What is forgotten already is erased with --hard.")
        return
    memories.table(shown)
    if count > len(shown):
        print(f"and {count - len(shown):,} more")
    print(f"Nothing was done yet. To {'erase' if args.hard else 'forget'} {what}: {_command(answer, args)}")


def _command(answer: dict[str, Any], args: Namespace) -> str:
    """The command that does what was shown."""
    flags = [flag for flag, given in (("--all", args.all), ("--hard", args.hard)) if given]
    confirm = ["--confirm", answer["confirm"]] if answer.get("confirm") else []
    return typed("forget", *args.ids, *memories.typed_flags(args), *flags, *confirm)
