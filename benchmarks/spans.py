"""How much of what answers a question is in the passages that are found, and how much else.

    python -m benchmarks.quality --set chroma_chunking

Questions with the exact places of their answers in five long texts (Smith and Troynikov, "Evaluating chunking
strategies for retrieval", Chroma, 2024). Our cutter stands beside two that others use: cuts every so many
characters, and the recursive splitter, which prefers paragraphs, lines, sentences and words, in this order;
and beside chonkie and semchunk where they are installed (see `benchmarks/cutters.py`).
All go through the same service and model; the five passages nearest to a question are held against the
places. "bare" has ours without the title and headings before each passage.
"""

from __future__ import annotations

import csv
import json
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from benchmarks.cutters import TOKENS, Cut, Span, Words, ours, peers
from benchmarks.model import benchmark_model
from benchmarks.report import Figures
from pi_rag.embedder.llama import Model
from pi_rag.stress.running import RunningService

SET = "chroma_chunking"
PASSAGES = 5
CHARS = 800
"""About as long as our own passages are at the model's window, so that the number of them is alike."""

SEPARATORS = ("\n\n", "\n", ". ", " ", "")
BATCH = 200
ELSEWHERE = 10**9
"""Where a passage of another text is put: beyond the end of every text."""

BARE = "bare"
MIB = 2**20
WARM_CHARS = 10_000


@dataclass(frozen=True)
class Asked:
    """A question and where its answer stands."""

    question: str
    text: str
    """The name of the text."""
    spans: Sequence[Span]


def fixed(text: str) -> list[Span]:
    """Every so many characters."""
    return [(start, min(start + CHARS, len(text))) for start in range(0, len(text), CHARS)]


def recursive(text: str) -> list[Span]:
    """At the coarsest separator that makes pieces short enough, small neighbours joined."""
    return list(_recursive(text, 0, SEPARATORS))


def measure(folder: Path, *, quick: bool) -> Figures:
    """Ask every question of the passages of every cutter."""
    questions = _questions(folder)[: 30 if quick else None]
    texts = {path.stem: _text(path) for path in sorted((folder / "corpora").glob("*.md"))}
    card = benchmark_model()
    model = Model.load(card.path)
    words = Words(model)
    cutters = {"ours": ours(words), "recursive": recursive, "fixed": fixed, **peers(words, model)}
    pieces = {name: _timed(cut, texts) for name, cut in cutters.items()}
    rows = []
    for names, settings in ((list(cutters), {}), ([BARE], {"PI_RAG_INGEST_HEADING_TOKENS_MAX": "0"})):
        with (
            tempfile.TemporaryDirectory() as place,
            RunningService(Path(place), {"PI_RAG_MODEL": card.path, **settings}) as service,
        ):
            rows += [_row(service, name, texts, questions, pieces.get(name)) for name in names]
    return Figures(
        headline={f"{row['cutter']} recall": float(row["recall"]) for row in rows[:2]},
        rows=rows,
        notes={
            "set": SET + (" (a part of its questions)" if quick else ""),
            "model": f"{card.name} {card.quantisation}",
            "questions": len(questions),
            "passages a question": PASSAGES,
            "recursive and fixed": f"pieces of at most {CHARS} characters; the others: of {TOKENS} tokens",
            "ms_per_mib": "of cutting alone, tokens counted in Python alike for all",
        },
    )


def scores(wanted: Sequence[Span], found: Sequence[Span]) -> tuple[float, float, float]:
    """Recall, precision and intersection over union, in characters.

    What is found twice counts twice among what is found, and once among what was wanted.
    """
    hit = sum(len(_covered(span, found)) for span in wanted)
    retrieved = sum(end - start for start, end in found)
    asked = sum(end - start for start, end in wanted)
    return hit / asked, hit / retrieved if retrieved else 0.0, hit / (asked + retrieved - hit)


def _covered(span: Span, found: Sequence[Span]) -> set[int]:
    return {at for start, end in found for at in range(max(start, span[0]), min(end, span[1]))}


@dataclass(frozen=True)
class _Pieces:
    """What a cutter makes of each text, by the names of the texts, and how long it took."""

    spans: Mapping[str, Sequence[Span]]
    ms_per_mib: float


def _timed(cut: Cut, texts: Mapping[str, str]) -> _Pieces:
    """The beginning of each is cut before, so that nobody pays for what is done once."""
    for text in texts.values():
        cut(text[:WARM_CHARS])
    begun_s = time.monotonic()
    spans = {name: cut(text) for name, text in texts.items()}
    took_ms = 1000 * (time.monotonic() - begun_s)
    return _Pieces(spans, took_ms * MIB / sum(map(len, texts.values())))


def _row(
    service: RunningService,
    name: str,
    texts: Mapping[str, str],
    questions: Sequence[Asked],
    pieces: _Pieces | None,
) -> Mapping[str, Any]:
    whole = {text: [(0, len(texts[text]))] for text in texts}
    by_us = pieces is None or name == "ours"
    passages = _added(service, name, texts, whole if by_us or pieces is None else pieces.spans)
    measured = [scores(each.spans, _found(service, name, each)) for each in questions]
    return {
        "cutter": name,
        "passages": passages,
        "recall": fmean(each[0] for each in measured),
        "precision": fmean(each[1] for each in measured),
        "iou": fmean(each[2] for each in measured),
        "ms_per_mib": round(pieces.ms_per_mib) if pieces else "",
    }


def _added(
    service: RunningService,
    collection: str,
    texts: Mapping[str, str],
    spans: Mapping[str, Sequence[Span]],
) -> int:
    """Put the texts in, whole or in pieces that know where they begin; how many passages they are."""
    before = int(service.client.status()["counts"]["chunks"])
    pieces = [
        {
            "source": f"{name}@{start}.md",
            "title": name,
            "text": texts[name][start:end],
            "metadata": {"text": name, "start": start},
        }
        for name, of_text in spans.items()
        for start, end in of_text
        if texts[name][start:end].strip()
    ]
    for first in range(0, len(pieces), BATCH):
        service.client.add_documents(pieces[first : first + BATCH], collection=collection)
    while service.client.status()["counts"]["jobs_open"]:
        time.sleep(0.5)
    return int(service.client.status()["counts"]["chunks"]) - before


def _found(service: RunningService, collection: str, asked: Asked) -> list[Span]:
    """Where the nearest passages stand. One of another text is as long as it is, and hits nothing."""
    answer = service.client.search(
        asked.question, k=PASSAGES, mode="vector", collection=collection, join=False
    )
    found = []
    for hit in answer["hits"]:
        begin = hit["metadata"]["start"] if hit["metadata"]["text"] == asked.text else ELSEWHERE
        found.append((begin + hit["start"], begin + hit["end"]))
    return found


def _questions(folder: Path) -> list[Asked]:
    with (folder / "questions_df.csv").open(encoding="utf-8", newline="") as lines:
        return [
            Asked(
                row["question"],
                row["corpus_id"],
                [(each["start_index"], each["end_index"]) for each in json.loads(row["references"])],
            )
            for row in csv.DictReader(lines)
        ]


def _text(path: Path) -> str:
    """As it is on the disk, so that the offsets hold."""
    with path.open(encoding="utf-8", newline="") as file:
        return file.read()


def _recursive(text: str, offset: int, separators: Sequence[str]) -> Iterator[Span]:
    if len(text) <= CHARS:
        yield offset, offset + len(text)
        return
    separator, *finer = separators
    start = end = 0
    for piece in _pieces(text, separator):
        if end > start and end + len(piece) - start > CHARS:
            yield from _recursive(text[start:end], offset + start, finer)
            start = end
        end += len(piece)
    yield from _recursive(text[start:end], offset + start, finer)


def _pieces(text: str, separator: str) -> Iterator[str]:
    """The parts, each with the separator that ends it; characters where there is none."""
    if not separator:
        yield from text
        return
    parts = text.split(separator)
    yield from (part + separator for part in parts[:-1])
    yield parts[-1]
