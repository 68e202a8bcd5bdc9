"""`pi-rag search`: a question in, cited passages out."""

from __future__ import annotations

import json
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from typing import Any

from pi_rag.cli import printing
from pi_rag.cli.printing import counted, one_line, styled
from pi_rag.cli.reach import client_of, settings_of
from pi_rag.cli.snippet import snippet, words

DESCRIPTION = """\
It looks by meaning and by words at once, and prints the best passages with the file, the page, the
heading and the place in the text they come from. A filter keeps documents whose metadata match.
"""

EXAMPLES = """\
  pi-rag search "when was the boiler serviced"
  pi-rag search power cut -k 3
  pi-rag search invoice --collection letters --filter year=2024
  pi-rag search "E-104" --mode text
  pi-rag search "power cut" --explain --json
"""


def configure(parser: ArgumentParser) -> None:
    """The flags of a search."""
    parser.add_argument("query", metavar="QUERY", nargs="+", help="what you look for, in plain words")
    parser.add_argument("-k", type=int, default=8, metavar="N", help="how many passages at most (8)")
    parser.add_argument(
        "--mode",
        choices=("hybrid", "vector", "text"),
        default="hybrid",
        help="meaning and words, or one of them",
    )
    parser.add_argument("--collection", metavar="C", help="only in this collection")
    parser.add_argument(
        "--filter",
        metavar="FIELD=VALUE",
        action="append",
        default=[],
        type=condition,
        help="only documents whose metadata match; may be given several times",
    )
    parser.add_argument("--explain", action="store_true", help="show the scores behind each rank")


def condition(text: str) -> tuple[str, Any]:
    """'year=2024' as ('year', 2024): a value that reads as JSON is one, anything else is text."""
    field, equals, value = text.partition("=")
    if not equals or not field.strip():
        raise ArgumentTypeError(f"{text!r} is not FIELD=VALUE")
    try:
        return field.strip(), json.loads(value)
    except ValueError:
        return field.strip(), value


def run(args: Namespace) -> int:
    """Ask and print. Raises BadInput, TryLater or ServiceDown."""
    query = " ".join(args.query)
    answer = client_of(settings_of(args)).search(
        query,
        k=args.k,
        mode=args.mode,
        collection=args.collection,
        filters=_conditions(args.filter),
        explain=args.explain,
    )
    if args.json:
        printing.as_json(answer)
    else:
        _show(answer, query, args)
    return 0


def _conditions(given: list[tuple[str, Any]]) -> dict[str, Any] | None:
    """A field named once must equal its value; one named several times may be any of them."""
    values: dict[str, list[Any]] = {}
    for field, value in given:
        values.setdefault(field, []).append(value)
    return {field: each[0] if len(each) == 1 else {"in": each} for field, each in values.items()} or None


def _show(answer: dict[str, Any], query: str, args: Namespace) -> None:
    for reason in answer.get("degraded") or []:
        print(styled(f"This answer is made from less than everything: {one_line(reason)}.", "yellow"))
    hits = answer.get("hits") or []
    if args.mode == "hybrid" and hits and not any("text" in hit.get("scores", {}) for hit in hits):
        print("No passage has these words. The nearest by meaning:\n")
    for number, hit in enumerate(hits, 1):
        _show_hit(number, hit, words(query), explain=args.explain)
    if not hits:
        _show_advice(args)
    _show_end(answer, len(hits), explain=args.explain)


def _show_hit(number: int, hit: dict[str, Any], wanted: list[str], *, explain: bool) -> None:
    title = one_line(hit.get("title") or hit.get("source") or "untitled")
    page = [f"p. {hit['page']}"] if hit.get("page") is not None else []
    heading = one_line(hit.get("heading") or "").removeprefix(title).removeprefix(" > ")
    place = [title, *page, *([heading] if heading else [])]
    head = f"{number:>2}. {styled(place[0], 'bold')}"
    print("  ".join([head, *place[1:], styled(f"{float(hit.get('score') or 0):.3f}", "dim")]))
    for line in snippet(str(hit.get("text") or ""), wanted):
        print(f"    {printing.marked(line, wanted)}")
    where = f"{one_line(hit.get('source'))}:{hit.get('start')}-{hit.get('end')}"
    print(styled(f"    {where}  (document {hit.get('document_id')})", "dim"))
    if explain:
        scores = hit.get("scores") or {}
        print("    " + "  ".join(f"{one_line(name)} {scores[name]:g}" for name in sorted(scores)))
    print()


def _show_advice(args: Namespace) -> None:
    print("Nothing found. What may help:")
    if args.collection or args.filter:
        print("  - search without --collection and --filter")
    if args.mode != "hybrid":
        print("  - search with --mode hybrid")
    print("  - use other words for the same thing")
    print("  - see what is remembered: pi-rag list")


def _show_end(answer: dict[str, Any], found: int, *, explain: bool) -> None:
    took = answer.get("took_ms") or {}
    parts = ", ".join(f"{one_line(name)} {took[name]:.1f}" for name in sorted(took) if name != "total")
    total = took.get("total", sum(took.values()))
    print(styled(f"{counted(found, 'passage')} in {total:.0f} ms" + (f" ({parts})" if parts else ""), "dim"))
    if explain and answer.get("explain"):
        print(json.dumps(answer["explain"], indent=2))
