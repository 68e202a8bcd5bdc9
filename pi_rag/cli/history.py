"""`pi-rag history`: how a memory, or a topic, came to be what it is."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from pi_rag.cli import memories, printing
from pi_rag.cli.reach import settings_of
from pi_rag.errors import RequestInvalid

DESCRIPTION = """\
It shows all that stood in a memory's place, the oldest first, and below that every change: when,
by whom, and the number that pi-rag undo takes.
"""

EXAMPLES = """\
  pi-rag history 12
  pi-rag history --topic home/wifi
  pi-rag history --topic deploy/command --scope project:garden
"""


def configure(parser: ArgumentParser) -> None:
    """Of what."""
    parser.add_argument("id", metavar="ID", type=memories.number, nargs="?", help="the number of a memory")
    parser.add_argument("--topic", metavar="T", help="a topic instead")
    parser.add_argument("--scope", metavar="S", help="with --topic: the scope it is in (user)")


def run(args: Namespace) -> int:
    """Ask and print. Raises MemoryNotFound, RequestInvalid or ServiceDown."""
    if (args.id is None) == (args.topic is None):
        raise RequestInvalid("Name a memory by its ID, or a --topic.", hint="Run: pi-rag memory list")
    if args.scope is not None and args.topic is None:
        raise RequestInvalid("--scope goes with --topic; a memory is in one scope anyway.")
    client = memories.client_of(settings_of(args))
    if args.topic is None:
        answer = client.memory_history(args.id)
    else:
        answer = client.topic_history(args.topic, scope=args.scope)
    if args.json:
        printing.as_json(answer)
        return 0
    if not answer.get("memories"):
        print("Nothing was ever remembered on this topic.")
        return 0
    for memory in answer["memories"]:
        memories.show(memory)
    print()
    memories.changes_table(answer.get("changes") or [])
    return 0
