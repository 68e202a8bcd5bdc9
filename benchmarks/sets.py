"""Retrieval sets in BEIR's shape: a corpus, queries, and judgements. Read from a folder, never shipped."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

DEFAULT_ROOT = Path(__file__).resolve().parents[2] / "shared" / "data" / "retrieval"
"""Where the project's own machines keep them, beside the checkout."""


@dataclass(frozen=True)
class RetrievalSet:
    """One set, whole in memory."""

    corpus: Mapping[str, tuple[str, str]]
    """Document id to (title, text)."""
    queries: Mapping[str, str]
    judged: Mapping[str, Mapping[str, int]]
    """Query id to document id to grade."""


def names(root: Path) -> list[str]:
    """The sets of a folder that have a corpus of their own."""
    return sorted(path.parent.name for path in root.glob("*/corpus.jsonl"))


def load(folder: Path) -> RetrievalSet:
    """Read `corpus.jsonl`, `queries.jsonl` and `qrels.tsv`. Raises FileNotFoundError."""
    corpus = {row["_id"]: (row.get("title", ""), row["text"]) for row in _rows(folder / "corpus.jsonl")}
    queries = {row["_id"]: row["text"] for row in _rows(folder / "queries.jsonl")}
    judged: dict[str, dict[str, int]] = {}
    with (folder / "qrels.tsv").open(encoding="utf-8") as lines:
        for query, document, grade in list(csv.reader(lines, delimiter="\t"))[1:]:
            judged.setdefault(query, {})[document] = int(grade)
    return RetrievalSet(corpus, {key: queries[key] for key in judged}, judged)


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]
