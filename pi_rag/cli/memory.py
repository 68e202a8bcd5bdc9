"""`pi-rag memory`: what is remembered, how it is put in order, and what was done to it."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import Any

from pi_rag.cli import memories, memory_files, printing
from pi_rag.cli.memories import name_of, number
from pi_rag.cli.parsing import PAGE_SIZE, Parser, add_common, add_limit
from pi_rag.cli.printing import counted, one_line, styled, typed
from pi_rag.cli.reach import settings_of
from pi_rag.errors import RequestInvalid
from pi_rag.memory_client import MemoryClient

DESCRIPTION = """\
Facts, events and summaries that agents and people have left. Nothing is put in order by itself:
review lists what has expired, repeats or contradicts something, and what somebody accepts is done.
"""

EXAMPLES = """\
  pi-rag memory list --scope project:garden --type fact
  pi-rag memory list --gone
  pi-rag memory change 12 --pin --expires never
  pi-rag memory review
  pi-rag memory accept expired-12
  pi-rag memory export --scope user > user.jsonl
  pi-rag memory import user.jsonl
  pi-rag memory import --markdown --scope project:garden notes.md
  pi-rag memory use
  pi-rag memory log
"""

ACTIONS = {
    "list": "show what is remembered, the newest first",
    "change": "pin one, weigh it, or give it an end; its words never change",
    "review": "show what may be put in order",
    "accept": "do what a suggestion proposes",
    "dismiss": "suggest it no more",
    "export": "write everything that is remembered to standard output",
    "import": "take what export has written, or facts from a Markdown list",
    "use": "show how full each scope is",
    "log": "show who changed what, the newest first",
}

NEVER = "never"
"""Takes an end away."""


def configure(parser: ArgumentParser) -> None:
    """An action each, with its own flags."""
    actions = parser.add_subparsers(
        dest="action", metavar="ACTION", required=True, title="actions", prog=parser.prog, parser_class=Parser
    )
    made = {name: actions.add_parser(name, help=text, description=text) for name, text in ACTIONS.items()}
    memories.add_which(made["list"])
    made["list"].add_argument("--gone", action="store_true", help="what is no more in force, instead")
    _configure_change(made["change"])
    made["review"].add_argument("--scope", metavar="S", help="only of this scope")
    made["review"].add_argument("--limit", type=int, metavar="N", help="how many at most (20)")
    for name in ("accept", "dismiss"):
        made[name].add_argument("ids", metavar="SUGGESTION", nargs="+", help="from pi-rag memory review")
    memory_files.configure(made["export"], made["import"])
    for name in ("list", "log"):
        add_limit(made[name])
        made[name].add_argument("--after", type=number, metavar="ID", help="go on after this one")
    for each in made.values():
        add_common(each)


def _configure_change(parser: ArgumentParser) -> None:
    parser.add_argument("id", metavar="ID", type=number, help="its number")
    pins = parser.add_mutually_exclusive_group()
    pins.add_argument("--pin", dest="pinned", action="store_const", const=True, help="never evict it")
    pins.add_argument("--no-pin", dest="pinned", action="store_const", const=False, help="as any other")
    parser.add_argument("--importance", type=float, metavar="N", help="from 0 to 1")
    parser.add_argument(
        "--until",
        dest="valid_to",
        metavar="DATE",
        help=f"until when it is true, or {NEVER} to take that away",
    )
    parser.add_argument(
        "--expires",
        dest="expires_at",
        metavar="DATE",
        help=f"from when on it is recalled no more, or {NEVER}",
    )


def run(args: Namespace) -> int:
    """Do one action. Raises BadInput, NotFound, TryLater or ServiceDown."""
    client = memories.client_of(settings_of(args))
    if args.action == "export":
        memory_files.export(client, args)
        return 0
    asked, show = {
        "list": (_list, _show_list),
        "change": (_change, _show_changed),
        "review": (_review, _show_suggestions),
        "accept": (_accept, _show_accepted),
        "dismiss": (_dismiss, _show_dismissed),
        "import": (memory_files.take, memory_files.show_taken),
        "use": (_use, _show_use),
        "log": (_log, _show_log),
    }[args.action]
    answer = asked(client, args)
    if args.json:
        printing.as_json(answer)
    else:
        show(answer, args)
    return memory_files.exit_code(answer)


def _list(client: MemoryClient, args: Namespace) -> dict[str, Any]:
    return client.memories(**memories.which(args), gone=args.gone, limit=args.limit, after=args.after)


def _show_list(answer: dict[str, Any], args: Namespace) -> None:
    found = answer.get("memories") or []
    if not found:
        nothing = "Nothing of that is remembered. Begin with: pi-rag remember TEXT"
        print(printing.NO_MORE if args.after else nothing)
        return
    memories.table(found)
    if answer.get("next") is not None:
        gone = ["--gone"] if args.gone else []
        printing.more(
            "memory", "list", *memories.typed_flags(args), *gone, *_limit(args), "--after", answer["next"]
        )


def _limit(args: Namespace) -> list[object]:
    return [] if args.limit == PAGE_SIZE else ["--limit", args.limit]


def _change(client: MemoryClient, args: Namespace) -> dict[str, Any]:
    given = {name: getattr(args, name) for name in ("pinned", "importance", "valid_to", "expires_at")}
    values = {name: value for name, value in given.items() if value is not None}
    if not values:
        raise RequestInvalid("What is to be changed?", hint="Run: pi-rag memory change --help")
    return client.change_memory(
        args.id, {name: None if values[name] == NEVER else values[name] for name in values}
    )


def _show_changed(answer: dict[str, Any], _: Namespace) -> None:
    memories.show(answer["memory"])
    memories.show_notes(answer)
    if answer.get("change_id") is not None:
        print(styled(f"Take it back with: {typed('undo', answer['change_id'])}", "dim"))


def _review(client: MemoryClient, args: Namespace) -> dict[str, Any]:
    return client.suggestions(scope=args.scope, limit=args.limit)


def _show_suggestions(answer: dict[str, Any], _: Namespace) -> None:
    suggestions = answer.get("suggestions") or []
    if not suggestions:
        print("Nothing to put in order.")
        return
    for each in suggestions:
        print(f"{styled(one_line(each.get('id')), 'bold')}  {one_line(each.get('reason'))}")
        for memory in each.get("memories") or []:
            print(f"    {name_of(memory)}: {memories.short(memories.line(memory))}")
        print(f"    proposed: {one_line(each.get('proposal'))}")
    print("\nDo one with: pi-rag memory accept SUGGESTION   (or dismiss it)")


def _accept(client: MemoryClient, args: Namespace) -> dict[str, Any]:
    return {"changes": [client.accept(each) for each in args.ids]}


def _show_accepted(answer: dict[str, Any], _: Namespace) -> None:
    for change in answer["changes"]:
        print(f"Done: {one_line(change.get('operation'))} of {memories.named(change['memory_ids'])}.")
        print(styled(f"Take it back with: {typed('undo', change['id'])}", "dim"))


def _dismiss(client: MemoryClient, args: Namespace) -> dict[str, Any]:
    return {"dismissed": sum(int(client.dismiss(each)["dismissed"]) for each in args.ids)}


def _show_dismissed(answer: dict[str, Any], _: Namespace) -> None:
    print(f"{counted(answer['dismissed'], 'suggestion')} will not be made again.")


def _use(client: MemoryClient, _: Namespace) -> dict[str, Any]:
    return client.scopes()


def _show_use(answer: dict[str, Any], _: Namespace) -> None:
    scopes = answer.get("scopes") or []
    if not scopes:
        print("Nothing is remembered yet. Begin with: pi-rag remember TEXT")
        return
    printing.table([("SCOPE", "FACTS", "EVENTS", "GONE", "SESSIONS", "WAITING"), *map(_use_row, scopes)])


def _use_row(scope: dict[str, Any]) -> tuple[str, ...]:
    bounded = ("facts", "events", "gone")
    full = (f"{scope.get(name, 0):,} of {scope.get(f'{name}_max', 0):,}" for name in bounded)
    counts = (f"{scope.get(name, 0):,}" for name in ("sessions", "pending"))
    return (one_line(scope.get("scope")), *full, *counts)


def _log(client: MemoryClient, args: Namespace) -> dict[str, Any]:
    return client.changes(limit=args.limit, after=args.after)


def _show_log(answer: dict[str, Any], args: Namespace) -> None:
    changes = answer.get("changes") or []
    if not changes:
        print(printing.NO_MORE if args.after else "Nothing was changed yet.")
        return
    memories.changes_table(changes)
    if answer.get("next") is not None:
        printing.more("memory", "log", *_limit(args), "--after", answer["next"])
