"""How often the right document comes first: nDCG@10, recall@10 and MRR through the whole service.

    python -m benchmarks.quality [--set scifact|all] [--root FOLDER] [--kept FOLDER] [--quick] [--json FILE]

Each corpus is written as Markdown files, added by the command line, and asked over the socket, so that
reading, cutting, embedding, storing and fusing are all in the figure. A document ranks where its best passage
does. "held out" are the queries on which nothing was tuned: all of SciFact's test split, and of other sets
those whose id has an odd CRC-32. `--kept` keeps the databases there, so that a later run embeds nothing anew.
"""

from __future__ import annotations

import sys
import tempfile
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import fmean
from typing import Any

from benchmarks import spans
from benchmarks.measures import ndcg, recall, reciprocal
from benchmarks.model import benchmark_model
from benchmarks.report import Figures, arguments, publish
from benchmarks.sets import DEFAULT_ROOT, RetrievalSet, load, names
from pi_rag.stress.running import RunningService

WAYS = {
    "hybrid": ("hybrid", "calibrated"),
    "vector": ("vector", "calibrated"),
    "text": ("text", "calibrated"),
    "reciprocal rank": ("hybrid", "reciprocal_rank"),
}
"""What is measured: the mode of the search, and the fusion of the service."""

PASSAGES = 60
"""Passages asked for: several of them may belong to one document."""

PUBLISHED = {
    "scifact": {"BM25 (README of the data)": 0.664, "all-MiniLM-L6-v2 (MTEB)": 0.645},
    "lihua_world": {"BM25 (README of the data)": 0.762},
    "cosqa_dev": {"BM25 (README of the data)": 0.311},
}
"""nDCG@10 of others, over whole documents."""

NEVER_TUNED = ("scifact",)

Ranked = Mapping[str, Sequence[str]]
"""Query id to the documents found, best first."""


def main() -> int:
    """Measure one set or all, and print them."""
    parser = arguments(__doc__ or "")
    parser.add_argument("--set", default="scifact", help="which set of the folder (scifact), or all")
    parser.add_argument("--root", type=Path, default=DEFAULT_ROOT, help="folder of the sets")
    parser.add_argument("--kept", type=Path, help="folder in which the databases stay")
    args = parser.parse_args()
    if args.set == spans.SET:
        publish(spans.measure(args.root / spans.SET, quick=args.quick), args.json)
        return 0
    found = names(args.root) if args.set == "all" else [args.set]
    if not all((args.root / name / "corpus.jsonl").is_file() for name in found):
        print(f"There is no set {args.set!r} in {args.root}.", file=sys.stderr)
        return 2
    measured = [measure(args.root / name, args.kept, quick=args.quick) for name in found]
    publish(_joined(measured), args.json)
    if args.set == "all" and (args.root / spans.SET).is_dir():
        publish(spans.measure(args.root / spans.SET, quick=args.quick), None)
    return 0


def measure(folder: Path, kept: Path | None, *, quick: bool) -> Figures:
    """Ingest a corpus into a service of its own, unless it is there already; ask every query every way."""
    data = _smaller(load(folder)) if quick else load(folder)
    card = benchmark_model()
    name = folder.name + (" (a part)" if quick else "")
    with _place(kept, folder.name) as place:
        ranked: dict[str, Ranked] = {}
        for fusion in ("calibrated", "reciprocal_rank"):
            settings = {"PI_RAG_MODEL": card.path, "PI_RAG_QUERY_FUSION": fusion}
            with RunningService(place, settings) as service:
                counts = _ingested(service, data, place / "corpus")
                for way, (mode, needed) in WAYS.items():
                    if needed == fusion:
                        ranked[way] = _asked(service, data, mode, place / "corpus")
    rows = [row for way, found in ranked.items() for row in _rows(name, folder.name, way, found, data)]
    return Figures(
        headline={
            f"{name} {row['way']} nDCG@10": float(row["ndcg10"]) for row in rows if row["queries"] == "all"
        },
        rows=[*rows, *_others(name, folder.name)],
        notes={
            "model": f"{card.name} {card.quantisation}",
            **{f"{name} {key}": counts[key] for key in counts},
        },
    )


def written(data: RetrievalSet, folder: Path) -> None:
    """The corpus as Markdown files named by their ids."""
    for key, (title, text) in data.corpus.items():
        head = f"# {title}\n\n" if title else ""
        path = folder / f"{key}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(head + text + "\n", encoding="utf-8", newline="")


def held_out(name: str, query: str) -> bool:
    """Whether nothing was tuned on this query."""
    return name in NEVER_TUNED or zlib.crc32(query.encode()) % 2 == 1


@contextmanager
def _place(kept: Path | None, name: str) -> Iterator[Path]:
    if kept is not None:
        place = kept.resolve() / name
        place.mkdir(parents=True, exist_ok=True)
        yield place
        return
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def _ingested(service: RunningService, data: RetrievalSet, corpus: Path) -> Mapping[str, Any]:
    """Add the corpus unless all of it is there; what is there then, and the seconds it took."""
    begun_s = time.monotonic()
    if service.client.status()["counts"]["documents"] != len(data.corpus):
        written(data, corpus)
        added = service.run("add", str(corpus), timeout_s=7200)
        if added.returncode:
            raise RuntimeError(added.stdout + added.stderr)
    counts = service.client.status()["counts"]
    return {
        "documents": f"{counts['documents']} of {len(data.corpus)}",
        "passages": counts["chunks"],
        "ingest_s": round(time.monotonic() - begun_s, 1),
    }


def _asked(service: RunningService, data: RetrievalSet, mode: str, corpus: Path) -> Ranked:
    return {key: _documents(service, query, mode, corpus.resolve()) for key, query in data.queries.items()}


def _documents(service: RunningService, query: str, mode: str, corpus: Path) -> list[str]:
    answer = service.client.search(query, k=PASSAGES, mode=mode)
    if answer["degraded"]:
        raise RuntimeError(f"The answer was degraded: {answer['degraded']}")
    found = (Path(hit["source"]).relative_to(corpus).with_suffix("") for hit in answer["hits"])
    return list(dict.fromkeys(map(str, found)))


def _rows(shown: str, name: str, way: str, ranked: Ranked, data: RetrievalSet) -> list[Mapping[str, Any]]:
    """Over all queries, and over those that were held out."""
    halves = {"all": list(data.judged), "held out": [key for key in data.judged if held_out(name, key)]}
    return [
        {
            "set": shown,
            "way": way,
            "queries": half,
            "number": len(keys),
            "ndcg10": fmean(ndcg(ranked[key], data.judged[key], 10) for key in keys),
            "recall10": fmean(recall(ranked[key], data.judged[key], 10) for key in keys),
            "mrr": fmean(reciprocal(ranked[key], data.judged[key]) for key in keys),
        }
        for half, keys in halves.items()
        if keys
    ]


def _others(shown: str, name: str) -> list[Mapping[str, Any]]:
    return [
        {
            "set": shown,
            "way": way,
            "queries": "all",
            "number": "",
            "ndcg10": figure,
            "recall10": "",
            "mrr": "",
        }
        for way, figure in PUBLISHED.get(name, {}).items()
    ]


def _joined(measured: Sequence[Figures]) -> Figures:
    """One table of all sets, headed by the hybrid figure of each."""
    return Figures(
        headline=dict(next(iter(each.headline.items())) for each in measured),
        rows=[row for each in measured for row in each.rows],
        notes={key: value for each in measured for key, value in each.notes.items()},
    )


def _smaller(data: RetrievalSet) -> RetrievalSet:
    """Twenty queries, what they ask for, and as many others again."""
    judged = dict(list(data.judged.items())[:20])
    wanted = {key for grades in judged.values() for key in grades}
    others = [key for key in data.corpus if key not in wanted][: len(wanted) * 4]
    corpus = {key: data.corpus[key] for key in (*wanted, *others)}
    return RetrievalSet(corpus, {key: data.queries[key] for key in judged}, judged)


if __name__ == "__main__":
    sys.exit(main())
