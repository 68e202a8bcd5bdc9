"""`pi-rag remember`: a fact in, and what became of it out."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import Any, get_args

from pi_rag.cli import memories, printing
from pi_rag.cli.memories import line, name_of, number
from pi_rag.cli.printing import counted, one_line, styled, typed
from pi_rag.cli.reach import settings_of
from pi_rag.memory_types import FactKind

DESCRIPTION = """\
A fact is a statement that is kept as it was said. A newer fact on the same topic takes the older
one's place; what was known already counts once more; what stands against something is stored
beside it, and said. Nothing is overwritten: see pi-rag history and pi-rag undo.
"""

EXAMPLES = """\
  pi-rag remember "The spare key is with the neighbours"
  pi-rag remember --topic home/wifi "The network is called larch"
  pi-rag remember --scope project:garden --kind decision "We plant the pear tree by the shed"
  pi-rag remember --kind state --expires 2026-12-01 "The boiler is off"
  fortune | pi-rag remember -
"""

FIELDS = {
    "scope": "scope",
    "topic": "topic",
    "kind": "kind",
    "importance": "importance",
    "confidence": "confidence",
    "tags": "tags",
    "valid_from": "valid_from",
    "valid_to": "valid_to",
    "expires": "expires_at",
    "pinned": "pinned",
    "document": "document_id",
    "session": "session_id",
    "supersedes": "supersedes",
    "key": "key",
}
"""Each flag by the name it has among the arguments, and the field of a request that it is."""


def configure(parser: ArgumentParser) -> None:
    """The text and what belongs to it."""
    parser.add_argument("text", metavar="TEXT", nargs="+", help="the fact, or - for standard input")
    parser.add_argument("--scope", metavar="S", help=f"in {memories.SCOPES} (user)")
    parser.add_argument("--topic", metavar="T", help="a key in its scope, such as home/wifi")
    parser.add_argument("--kind", choices=get_args(FactKind), help="what sort of fact it is (note)")
    parser.add_argument("--tag", dest="tags", metavar="T", action="append", help="may be given several times")
    parser.add_argument("--importance", type=float, metavar="N", help="from 0 to 1 (0.5)")
    parser.add_argument("--confidence", type=float, metavar="N", help="from 0 to 1 (1)")
    parser.add_argument("--from", dest="valid_from", metavar="DATE", help="from when on it is true (now)")
    parser.add_argument("--until", dest="valid_to", metavar="DATE", help="until when it is true")
    parser.add_argument("--expires", metavar="DATE", help="from when on it is recalled no more")
    parser.add_argument(
        "--pin",
        dest="pinned",
        action="store_const",
        const=True,
        help="never evict it; sessions begin with it",
    )
    parser.add_argument("--document", type=number, metavar="ID", help="the document it was taken from")
    parser.add_argument("--session", type=number, metavar="ID", help="the session in which it was learnt")
    parser.add_argument("--supersedes", type=number, metavar="ID", help="the memory whose place it takes")
    parser.add_argument("--key", metavar="KEY", help="done once, however often it is sent with this key")


def run(args: Namespace) -> int:
    """Send and tell. Raises BadInput, TryLater or ServiceDown."""
    fact = {field: getattr(args, name) for name, field in FIELDS.items()}
    answer = memories.client_of(settings_of(args)).remember(memories.text_of(args.text), **fact)
    if args.json:
        printing.as_json(answer)
    else:
        _tell(answer)
    return 0


def _tell(answer: dict[str, Any]) -> None:
    memory = answer["memory"]
    print(_outcome(answer, memory))
    if answer.get("candidates") and answer.get("outcome") != "conflict":
        print("Near it, or on its topic:")
    for each in answer.get("candidates") or []:
        other = each["memory"]
        print(f"  {name_of(other)} ({one_line(each.get('why'))}): {line(other)}")
    memories.show_notes(answer)
    if answer.get("outcome") == "conflict":
        print(f"If one of them holds no more: {typed('forget', 'ID')}")
    if answer.get("change_id") is not None:
        print(styled(f"Take it back with: {typed('undo', answer['change_id'])}", "dim"))


def _outcome(answer: dict[str, Any], memory: dict[str, Any]) -> str:
    place = f"{name_of(memory)} in {one_line(memory.get('scope'))}"
    outcome, previous = answer.get("outcome"), answer.get("previous")
    if outcome == "merged":
        return f"Known already as {place}: {line(memory)}"
    if outcome == "superseded" and previous:
        return f"Remembered as {place}, in the place of {name_of(previous)}: {line(previous)}"
    if outcome == "conflict":
        others = counted(len(answer.get("candidates") or []), "other that says", "others that say")
        return f"Remembered as {place}, beside {others} something else:"
    return f"Remembered as {place}."
