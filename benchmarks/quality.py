"""How often the right document comes first: nDCG@10, recall@10 and MRR through the whole service.

    python -m benchmarks.quality [--set scifact] [--root FOLDER] [--quick] [--json FILE]

The corpus is written as Markdown files, added by the command line, and asked over the socket, so that
reading, cutting, embedding, storing and fusing are all in the figure. A document ranks where its best
passage does.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from statistics import fmean

from benchmarks.measures import ndcg, recall, reciprocal
from benchmarks.model import benchmark_model
from benchmarks.report import Figures, arguments, publish
from benchmarks.running import RunningService
from benchmarks.sets import DEFAULT_ROOT, RetrievalSet, load

MODES = ("hybrid", "vector", "text")
PASSAGES = 60
"""Passages asked for: several of them may belong to one document."""


def main() -> int:
    """Measure one set and print it."""
    parser = arguments(__doc__ or "")
    parser.add_argument("--set", default="scifact", help="which set of the folder (scifact)")
    parser.add_argument("--root", type=Path, default=DEFAULT_ROOT, help="folder of the sets")
    args = parser.parse_args()
    if not (args.root / args.set).is_dir():
        print(f"There is no set {args.set!r} in {args.root}.", file=sys.stderr)
        return 2
    data = load(args.root / args.set)
    publish(measure(_smaller(data) if args.quick else data, args.set, quick=args.quick), args.json)
    return 0


def measure(data: RetrievalSet, name: str, *, quick: bool) -> Figures:
    """Ingest the corpus into a fresh service and ask every query in every mode."""
    card = benchmark_model()
    with tempfile.TemporaryDirectory() as folder:
        written(data, Path(folder) / "corpus")
        with RunningService(Path(folder), {"PI_RAG_MODEL": card.path}) as service:
            begun_s = time.monotonic()
            added = service.run("add", str(Path(folder) / "corpus"), timeout_s=7200)
            ingest_s = time.monotonic() - begun_s
            if added.returncode:
                raise RuntimeError(added.stdout + added.stderr)
            counts = service.client.status()["counts"]
            rows = [_row(service, data, mode) for mode in MODES]
    return Figures(
        headline={f"{row['mode']}_ndcg10": float(row["ndcg10"]) for row in rows[:2]},
        rows=rows,
        notes={
            "set": name + (" (quick: a part of it, not comparable)" if quick else ""),
            "model": f"{card.name} {card.quantisation}",
            "documents": f"{counts['documents']} of {len(data.corpus)}",
            "passages": counts["chunks"],
            "ingest_s": round(ingest_s, 1),
        },
    )


def written(data: RetrievalSet, folder: Path) -> None:
    """The corpus as a folder of Markdown files named by their ids."""
    folder.mkdir()
    for key, (title, text) in data.corpus.items():
        head = f"# {title}\n\n" if title else ""
        (folder / f"{key}.md").write_text(head + text + "\n", encoding="utf-8", newline="")


def _row(service: RunningService, data: RetrievalSet, mode: str) -> Mapping[str, str | float]:
    ranked = {key: _documents(service, query, mode) for key, query in data.queries.items()}
    pairs = [(ranked[key], grades) for key, grades in data.judged.items()]
    return {
        "mode": mode,
        "ndcg10": round(fmean(ndcg(found, grades, 10) for found, grades in pairs), 4),
        "recall10": round(fmean(recall(found, grades, 10) for found, grades in pairs), 4),
        "mrr": round(fmean(reciprocal(found, grades) for found, grades in pairs), 4),
        "queries": len(pairs),
    }


def _documents(service: RunningService, query: str, mode: str) -> list[str]:
    answer = service.client.search(query, k=PASSAGES, mode=mode)
    if answer["degraded"]:
        raise RuntimeError(f"The answer was degraded: {answer['degraded']}")
    return list(dict.fromkeys(Path(hit["source"]).stem for hit in answer["hits"]))


def _smaller(data: RetrievalSet) -> RetrievalSet:
    """Twenty queries, what they ask for, and as many others again."""
    judged = dict(list(data.judged.items())[:20])
    wanted = {key for grades in judged.values() for key in grades}
    others = [key for key in data.corpus if key not in wanted][: len(wanted) * 4]
    corpus = {key: data.corpus[key] for key in (*wanted, *others)}
    return RetrievalSet(corpus, {key: data.queries[key] for key in judged}, judged)


if __name__ == "__main__":
    sys.exit(main())
