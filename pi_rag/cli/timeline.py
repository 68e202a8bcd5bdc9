"""`pi-rag timeline`: what happened, in its order."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import Any

from pi_rag.cli import memories, printing
from pi_rag.cli.memories import line, number, short
from pi_rag.cli.printing import one_line, stamp, typed
from pi_rag.cli.reach import settings_of

DESCRIPTION = """\
It shows events and summaries around one of them, or from a moment on, the earliest first. The one
that was asked for is marked.
"""

EXAMPLES = """\
  pi-rag timeline 120
  pi-rag timeline --at 2026-03-31 --scope project:garden
  pi-rag timeline --session 7 --before 0 --after 50
"""


def configure(parser: ArgumentParser) -> None:
    """Around what, and how much."""
    parser.add_argument("id", metavar="ID", type=number, nargs="?", help="around this memory")
    parser.add_argument("--at", metavar="DATE", help="or from this moment on")
    parser.add_argument("--session", type=number, metavar="ID", help="only of this session")
    parser.add_argument("--scope", metavar="S", help="only of this scope")
    parser.add_argument(
        "--before", type=int, metavar="N", help="how many before it (5); with 0 and no place, the first"
    )
    parser.add_argument("--after", type=int, metavar="N", help="how many after it (5)")


def run(args: Namespace) -> int:
    """Ask and print. Raises MemoryNotFound, SessionNotFound, RequestInvalid or ServiceDown."""
    answer = memories.client_of(settings_of(args)).timeline(
        around=args.id,
        at=args.at,
        session_id=args.session,
        scope=args.scope,
        before=args.before,
        after=args.after,
    )
    if args.json:
        printing.as_json(answer)
    else:
        _show(answer, args)
    return 0


def _show(answer: dict[str, Any], args: Namespace) -> None:
    happened = answer.get("memories") or []
    earlier, later = bool(answer.get("earlier")), bool(answer.get("later"))
    if not happened:
        _show_none(earlier, later)
        return
    where = _where(answer, args)
    if earlier:
        flags = [*_count("--before", args.before), "--after", 0]
        print(f"There is more before: {typed('timeline', *_at(happened[0], where), *flags)}")
    printing.table([_row(each, answer.get("around")) for each in happened])
    if later:
        flags = ["--before", 0, *_count("--after", args.after)]
        print(f"There is more after: {typed('timeline', *_at(happened[-1], where), *flags)}")


def _show_none(earlier: bool, later: bool) -> None:
    if earlier:
        print("There is more before. Ask for it with: --before N")
    if later:
        print("There is more after. Ask for it with: --after N")
    if not (earlier or later):
        print("Nothing happened there. Log something with: pi-rag session log TEXT")


def _where(answer: dict[str, Any], args: Namespace) -> list[object]:
    """The flags that keep to what is shown: a memory of a session would else bring that session alone."""
    if args.scope is not None or args.session is not None:
        flags = {"--session": args.session, "--scope": args.scope}
        return [word for flag, value in flags.items() if value is not None for word in (flag, value)]
    around = [each for each in answer["memories"] if each.get("id") == answer.get("around")]
    if around and around[0].get("session_id") is not None:
        return ["--session", around[0]["session_id"]]
    return ["--scope", around[0].get("scope")] if around else []


def _at(memory: dict[str, Any], where: list[object]) -> list[object]:
    """Where to go on: at a memory within its session or scope, or among all scopes at its time."""
    return [memory.get("id"), *where] if where else ["--at", memory.get("at")]


def _count(flag: str, count: int | None) -> list[object]:
    """How many were asked for on this side; none is no way to go on."""
    return [flag, count] if count else []


def _row(memory: dict[str, Any], around: object) -> tuple[str, ...]:
    mark = ">" if memory.get("id") == around else " "
    kind = one_line(memory.get("kind") if memory.get("type") == "event" else memory.get("type"))
    return f"{mark} {stamp(memory.get('at'))}", str(memory.get("id")), kind, short(line(memory))
