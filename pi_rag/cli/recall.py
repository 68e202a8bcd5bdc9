"""`pi-rag recall`: a question in; facts, events, summaries and passages of documents out, in one ranking."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import Any, get_args

from pi_rag.cli import memories, printing
from pi_rag.cli.explaining import decisions, reasons
from pi_rag.cli.memories import about, name_of
from pi_rag.cli.printing import counted, one_line, styled
from pi_rag.cli.reach import settings_of
from pi_rag.cli.snippet import words
from pi_rag.memory_types import MemoryType

DESCRIPTION = """\
It looks by meaning and by words in what was remembered and in the documents, and prints the best
with whose word each is. What is newer, more important or used more often goes before what is not,
where they fit equally well; --explain shows by how much.
"""

EXAMPLES = """\
  pi-rag recall "where is the spare key"
  pi-rag recall wifi --type fact
  pi-rag recall "why the pear tree" --scope project:garden --scope user
  pi-rag recall "who looks after the boiler" --as-of 2026-01-01
  pi-rag recall "deploy" --scope agent:claude-code --tokens 500 --explain
"""

FIELDS = ("k", "since", "until", "as_of", "kind", "topic", "tag", "mode", "scopes", "types", "token_budget")
"""Fields of a recall that go as they are given. What is not given is left to the service."""


def configure(parser: ArgumentParser) -> None:
    """The question and its flags."""
    parser.add_argument("query", metavar="QUERY", nargs="+", help="what you look for, in plain words")
    parser.add_argument("-k", type=int, metavar="N", help="how many at most (8)")
    parser.add_argument(
        "--tokens", dest="token_budget", type=int, metavar="N", help="at most about so many tokens of text"
    )
    parser.add_argument(
        "--mode", choices=("hybrid", "vector", "text"), help="meaning and words, or one of them"
    )
    _configure_where(parser)
    parser.add_argument(
        "--walk", action="store_true", help="also what shares a name, a file or an address with the best"
    )
    parser.add_argument("--full", action="store_true", help="each text whole")
    parser.add_argument("--explain", action="store_true", help="say why each one stands where it stands")


def _configure_where(parser: ArgumentParser) -> None:
    group = parser.add_argument_group("where; the first three may be given several times")
    group.add_argument(
        "--scope", dest="scopes", metavar="S", action="append", help=f"in {memories.SCOPES} (user)"
    )
    group.add_argument(
        "--type",
        dest="types",
        choices=(*get_args(MemoryType), "document"),
        action="append",
        help="only this; else all four",
    )
    group.add_argument(
        "--collection", metavar="C", action="append", help="of documents: only this collection"
    )
    group.add_argument("--as-of", metavar="DATE", help="as it was known and true then")
    group.add_argument("--since", metavar="DATE", help="only what happened on this day or later")
    group.add_argument("--until", metavar="DATE", help="the same, on this day or earlier")
    group.add_argument("--kind", metavar="K", help="only of this kind: preference, state, message ...")
    group.add_argument(
        "--topic", metavar="T", help="only on this topic, or with /* at its end all beneath it"
    )
    group.add_argument("--tag", metavar="T", help="only with this tag")


def run(args: Namespace) -> int:
    """Ask and print. Raises BadInput, TryLater or ServiceDown."""
    query = " ".join(args.query)
    answer = memories.client_of(settings_of(args)).recall(
        query,
        collection=args.collection,
        walk=args.walk or None,
        explain=args.explain or None,
        **{name: getattr(args, name) for name in FIELDS},
    )
    if args.json:
        printing.as_json(answer)
    else:
        _show(answer, words(query), args)
    return 0


def _show(answer: dict[str, Any], wanted: list[str], args: Namespace) -> None:
    for reason in answer.get("degraded") or []:
        print(styled(f"This answer is made from less than everything: {one_line(reason)}.", "yellow"))
    hits = answer.get("hits") or []
    for place, hit in enumerate(hits, 1):
        _show_hit(place, hit, wanted, args)
    if not hits:
        print("Nothing found. See what is remembered: pi-rag memory list")
    _show_end(answer, len(hits))
    if args.explain and answer.get("explain"):
        print("\nHow it came about:")
        printing.table([(f"  {name}", said) for name, said in decisions(answer["explain"])])


def _show_hit(place: int, hit: dict[str, Any], wanted: list[str], args: Namespace) -> None:
    memory = hit.get("memory")
    name = name_of(memory) if memory else one_line(hit.get("title") or hit.get("source") or "untitled")
    topic = [one_line(memory["topic"])] if memory and memory.get("topic") else []
    score = styled(f"{float(hit.get('score') or 0):.3f}", "dim")
    print("  ".join([f"{place:>2}. {styled(name, 'bold')}", *topic, score]))
    memories.show_text(hit.get("text") or "", wanted, full=args.full)
    print(styled(f"    {about(memory) if memory else _of_document(hit)}", "dim"))
    for shared in hit.get("linked_by") or []:
        print(styled(f"    shares {one_line(shared)} with one above", "dim"))
    if hit.get("cut"):
        print(styled("    cut short for the budget of tokens", "dim"))
    if args.explain:
        print(f"    why: {reasons(hit)}")
    print()


def _of_document(hit: dict[str, Any]) -> str:
    word = f"a {one_line(hit.get('trust'))}'s word"
    return f"{one_line(hit.get('source'))}  (document {hit.get('document_id')}, {word})"


def _show_end(answer: dict[str, Any], found: int) -> None:
    parts = [f"{counted(found, 'hit')} in {float((answer.get('took_ms') or {}).get('total', 0)):.0f} ms"]
    parts += [f"about {int(answer['tokens']):,} tokens"] if answer.get("tokens") else []
    parts += [f"{answer['left_out']:,} more left out for the budget"] if answer.get("left_out") else []
    parts += [f"{answer['pending']:,} found by words alone so far"] if answer.get("pending") else []
    print(styled(", ".join(parts), "dim"))
