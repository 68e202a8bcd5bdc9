"""`pi-rag search`: a question in, cited passages out."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import Any, get_args

from pi_rag.cli import conditions, printing
from pi_rag.cli.explaining import decisions, reasons
from pi_rag.cli.printing import counted, one_line, styled
from pi_rag.cli.reach import client_of, settings_of
from pi_rag.cli.repeats import said_of
from pi_rag.cli.snippet import ending, snippet, whole, words
from pi_rag.types import Match

DESCRIPTION = """\
It looks by meaning and by words at once, and prints the best passages with the file, the page, the
heading and the place in the text they come from. The fields of metadata that --filter can ask for
are shown by: pi-rag get ID
"""

EXAMPLES = """\
  pi-rag search "when was the boiler serviced"
  pi-rag search power cut -k 3
  pi-rag search invoice --collection letters --filter year=2024
  pi-rag search invoice --filter 'date>=2024-07' --filter status!=paid
  pi-rag search boiler --under ~/Documents/house --since 2026-01-01
  pi-rag search "E-104" --mode text
  pi-rag search "power cut" --newer-first 90 --neighbours 1
  pi-rag search "read the config" --kind code -k 1 --full
  pi-rag search "power cut" --explain
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
    parser.add_argument(
        "--match",
        choices=get_args(Match),
        help="any of the words (so by default), all of them, the exact phrase, or with the last one as a "
        "beginning; not with --mode vector, which looks at no words",
    )
    conditions.configure(parser)
    _configure_answer(parser)


def _configure_answer(parser: ArgumentParser) -> None:
    group = parser.add_argument_group("what is shown")
    group.add_argument(
        "--neighbours", type=int, metavar="N", help="also what stands before and after, N passages each way"
    )
    group.add_argument(
        "--no-join",
        dest="join",
        action="store_const",
        const=False,
        help="each passage by itself, also where passages of one document touch",
    )
    group.add_argument(
        "--per-document",
        dest="per_document_max",
        type=int,
        metavar="N",
        help="no more than N passages of one document",
    )
    group.add_argument(
        "--unique",
        action="store_const",
        const=True,
        help="of passages that say nearly the same only the best; see pi-rag duplicates",
    )
    group.add_argument(
        "--diversity",
        type=float,
        metavar="SHARE",
        help="from 0 to 1: how much a passage loses for being like one above it; 0.2 decides between equally "
        "good ones, 0.6 shows one of several copies",
    )
    group.add_argument(
        "--newer-first",
        dest="recency_half_life_days",
        type=float,
        metavar="DAYS",
        help="of equally good ones the newer first: after DAYS half is lost of what age may take",
    )
    group.add_argument(
        "--full", action="store_true", help="each passage whole, with its lines as they stand in the document"
    )
    group.add_argument("--explain", action="store_true", help="say why each one stands where it stands")


WISHES = ("match", "neighbours", "join", "per_document_max", "unique", "diversity", "recency_half_life_days")
"""Fields of a search that go as they are given. What is not given is left to the service."""


def run(args: Namespace) -> int:
    """Ask and print. Raises BadInput, TryLater or ServiceDown."""
    query = " ".join(args.query)
    answer = client_of(settings_of(args)).search(
        query,
        k=args.k,
        mode=args.mode,
        explain=args.explain,
        **conditions.fields(args),
        **{name: getattr(args, name) for name in WISHES},
    )
    if args.json:
        printing.as_json(answer)
    else:
        _show(answer, query, args)
    return 0


def _show(answer: dict[str, Any], query: str, args: Namespace) -> None:
    for reason in answer.get("degraded") or []:
        print(styled(f"This answer is made from less than everything: {one_line(reason)}.", "yellow"))
    hits = answer.get("hits") or []
    if hits:
        for said in _unknown(answer):
            print(styled(f"Beware: {said}", "yellow"))
    wordless = (answer.get("candidates") or {}).get("text") == 0
    if hits and wordless:
        print("No passage has these words. The nearest by meaning, by their cosine:\n")
    for number, hit in enumerate(hits, 1):
        _show_hit(number, hit, words(query), args, wordless=wordless)
    if not hits:
        _show_advice(args, query, answer)
    _show_end(answer, len(hits), explain=args.explain)


def _show_hit(
    number: int, hit: dict[str, Any], wanted: list[str], args: Namespace, *, wordless: bool
) -> None:
    title = one_line(hit.get("title") or hit.get("source") or "untitled")
    page = [f"p. {hit['page']}"] if hit.get("page") is not None else []
    heading = one_line(hit.get("heading") or "").removeprefix(title).removeprefix(" > ")
    place = [title, *page, *([heading] if heading else [])]
    head = f"{number:>2}. {styled(place[0], 'bold')}"
    # A score of 1 is the best there is; of passages that share no word with the query that would boast.
    score = (hit.get("scores") or {}).get("vector") if wordless else hit.get("score")
    print("  ".join([head, *place[1:], styled(f"{float(score or 0):.3f}", "dim")]))
    _show_text(hit, wanted, full=args.full)
    where = f"{one_line(hit.get('source'))}:{hit.get('start')}-{hit.get('end')}"
    print(styled(f"    {where}  (document {hit.get('document_id')})", "dim"))
    if said := said_of(hit):
        print(styled(f"    {said}", "dim"))
    if args.explain:
        print(f"    why: {reasons(hit)}")
    print()


def _show_text(hit: dict[str, Any], wanted: list[str], *, full: bool) -> None:
    """The passage, and dim what stands around it; without `full` a few lines of each, those that are near."""
    before, text, after = (str(hit.get(name) or "") for name in ("before", "text", "after"))
    for line in (whole(before) if full else ending(before)) if before else []:
        print(styled(f"    {line}", "dim"))
    for line in whole(text) if full else snippet(text, wanted):
        print(f"    {printing.marked(line, wanted)}".rstrip())
    for line in (whole(after) if full else snippet(after, [])) if after else []:
        print(styled(f"    {line}", "dim"))


def _unknown(answer: dict[str, Any]) -> list[str]:
    """A line for each field of the filter that is in no document."""
    fields = answer.get("unknown_fields") or {}
    return [
        f"no document has the field {one_line(field)!r}" + (f"; is it {meant!r}?" if meant else "")
        for field, meant in fields.items()
    ]


def _fitting_none(args: Namespace, answer: dict[str, Any]) -> list[str]:
    """A line for each flag that leaves nothing to search in, even alone."""
    given, lines = conditions.fields(args), []
    for name in map(one_line, answer.get("fitting_none") or []):
        value = given.get(name)
        asked = " or ".join([value] if isinstance(value, str) else value or [])
        lines.append(f"no document fits --{name} {one_line(asked)}".rstrip())
    return lines


def _required(args: Namespace, query: str) -> list[str]:
    """What to leave out when all of the words had to be there."""
    if args.match in ("all", "phrase"):
        return [f"search without --match {args.match}: no passage has the words so"]
    if len(query) > 2 and query[0] == query[-1] == '"':
        return ["search without the quotes: no passage has the words in this order"]
    return []


def _show_advice(args: Namespace, query: str, answer: dict[str, Any]) -> None:
    print("Nothing found. What may help:")
    for said in [*_unknown(answer), *_fitting_none(args, answer), *_required(args, query)]:
        print(f"  - {said}")
    if narrowed := conditions.fields(args):
        flags = " and ".join(f"--{name.removesuffix('s')}" for name in narrowed)
        print(f"  - search without {flags}")
    if args.mode != "hybrid":
        print("  - search with --mode hybrid")
    print("  - use other words for the same thing")
    print("  - see what is remembered: pi-rag list")


def _show_end(answer: dict[str, Any], found: int, *, explain: bool) -> None:
    took = answer.get("took_ms") or {}
    parts = ", ".join(f"{one_line(name)} {took[name]:.1f}" for name in sorted(took) if name != "total")
    total = took.get("total", sum(took.values()))
    print(styled(f"{counted(found, 'hit')} in {total:.0f} ms" + (f" ({parts})" if parts else ""), "dim"))
    if explain and answer.get("explain"):
        print("\nHow it came about:")
        printing.table([(f"  {name}", said) for name, said in decisions(answer["explain"])])
