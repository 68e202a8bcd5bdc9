"""How fast texts become vectors, and how true they are, beside the libraries that one would use instead.

    python -m benchmarks.embed [--seconds S] [--rounds N] [--only WORD] [--quality] [--model NAME]
                               [--root FOLDER] [--quick] [--json FILE]

Every row is a child process (or one a core) with the same texts and, as far as its format allows, the
same weights. First each is alone: its vectors are compared with a float32 forward pass, and its RAM is
weighed. Then all wait, and one at a time works. Ratios hold within one run; the rest is this machine's.
"""

from __future__ import annotations

import contextlib
import sys
from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.child import PeerFailed
from benchmarks.embedding import fidelity, promises, table
from benchmarks.embedding.children import Runner, Scale
from benchmarks.embedding.rounds import timed
from benchmarks.embedding.rows import AS_SHIPPED, DEFAULT, Row, rows
from benchmarks.embedding.texts import ABSTRACT_TOKENS, Texts, chosen, cut
from benchmarks.embedding.weights import weights
from benchmarks.report import Figures, arguments, publish
from benchmarks.sets import DEFAULT_ROOT, RetrievalSet, load
from pi_rag.embedder.llama import Model
from pi_rag.errors import PiRagError

if TYPE_CHECKING:
    from pi_rag.types import Vectors

COMPARED = 200
"""Texts of the fidelity."""


def main() -> int:
    """Measure and print."""
    parser = arguments(__doc__ or "")
    parser.add_argument("--seconds", type=float, default=1.5, help="shortest turn of a row")
    parser.add_argument(
        "--rounds", type=int, default=3, help="turns of each row with each list; 0: none is timed"
    )
    parser.add_argument("--only", action="append", help="rows with this word in their name; may be repeated")
    parser.add_argument("--quality", action="store_true", help="also nDCG@10 on SciFact: many minutes")
    parser.add_argument("--model", default="all-MiniLM-L6-v2", help="a name, bge-shape, or a BERT folder")
    parser.add_argument("--root", type=Path, default=DEFAULT_ROOT, help="folder of the retrieval sets")
    args = parser.parse_args()
    if not (args.root / "scifact").is_dir():
        print(f"There is no set 'scifact' in {args.root}.", file=sys.stderr)
        return 2
    try:
        publish(measure(args), args.json)
    except PiRagError as error:
        print(f"{error.message} {error.hint or ''}", file=sys.stderr)
        return error.exit_code
    return 0


def measure(args: Namespace) -> Figures:
    """The whole story."""
    model_weights, data = weights(args.model), load(args.root / "scifact")
    tokenizer = Model.load(model_weights.gguf(DEFAULT))
    texts = chosen(data, lambda text: len(tokenizer.tokens(text)), 20 if args.quick else COMPARED)
    truth = fidelity.reference(model_weights.folder, tokenizer, texts.compared)
    corpus = _corpus(data, tokenizer) if args.quality else []
    chosen_rows = _chosen(rows(model_weights), args)
    alone = {row.name: _alone(row, texts, truth, corpus, data) for row in chosen_rows}
    working = [row for row in chosen_rows if not alone[row.name].failed]
    rounds, seconds = (min(args.rounds, 1), 0.5) if args.quick else (args.rounds, args.seconds)
    with contextlib.ExitStack() as stack:
        runners = [stack.enter_context(Runner(row)) for row in working if rounds]
        figures = timed(runners, texts, rounds, seconds)
        promised = _promised(runners, texts, rounds, seconds)
    return table.figures(chosen_rows, alone, figures, promised, _notes(args, texts, tokenizer))


def _chosen(every: Sequence[Row], args: Namespace) -> list[Row]:
    """The rows that were asked for; in the quick form, ours and the two that matter most."""
    if args.quick and not args.only:
        return [row for row in every if row.name in table.QUICK]
    return [row for row in every if any(word in row.name for word in args.only or [""])]


def _alone(row: Row, texts: Texts, truth: Vectors, corpus: Sequence[str], data: RetrievalSet) -> table.Alone:
    """Fidelity and RAM of a row that has the machine to itself, or why there are none."""
    print(f"alone: {row.name}", file=sys.stderr)
    try:
        with Runner(row) as runner:
            with Scale(runner) as scale:
                found = runner.vectors(texts.compared)
                runner.rate(texts.full, 0)
            mean, least = fidelity.cosines(found, truth)
            ndcg10 = fidelity.ndcg10(runner, corpus, data) if corpus and not row.like else None
            if ndcg10 is not None:
                print(f"nDCG@10: {ndcg10:.4f}", file=sys.stderr)
            return table.Alone(mean, least, scale.peak_mib, ndcg10, runner.about)
    except PeerFailed as error:
        return table.Alone(failed=str(error))


def _corpus(data: RetrievalSet, model: Model) -> list[str]:
    return [
        cut(f"{title} {text}", lambda part: len(model.tokens(part)), ABSTRACT_TOKENS)
        for title, text in data.corpus.values()
    ]


def _promised(
    runners: Sequence[Runner], texts: Texts, rounds: int, seconds: float
) -> Mapping[str, Mapping[str, float]]:
    """What only our own rows can be asked, by the row's name."""
    found = {}
    for runner in runners:
        if runner.row.name in {f"pi_rag {DEFAULT}", AS_SHIPPED}:
            loaded = promises.under_load(runner, texts, rounds, seconds)
            found[runner.row.name] = {**loaded, **promises.overhead(runner, texts)}
    return found


def _notes(args: Namespace, texts: Texts, model: Model) -> dict[str, str]:
    tokens = {
        name: sum(len(model.tokens(text)) for text in each) / len(each)
        for name, each in texts.timed().items()
    }
    return {
        "model": args.model + (" (quick: a part of it, not comparable)" if args.quick else ""),
        "tokens_mean": ", ".join(f"{name} {count:.0f}" for name, count in tokens.items()),
        "compared": f"{len(texts.compared)} abstracts",
    }


if __name__ == "__main__":
    sys.exit(main())
