"""Who is measured: each row of the table, and how its index is opened."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

OURS = "pi_rag, 2 bits"
"""The row whose two numbers are the headline."""
NUMPY = "numpy, all rows"
USEARCH = "usearch HNSW f32"
QUICK = (OURS, NUMPY, USEARCH)


@dataclass(frozen=True)
class Row:
    """One way of keeping and searching vectors."""

    name: str
    kind: str
    options: Mapping[str, Any] = field(default_factory=dict)
    own: bool = False
    durable: bool = True
    """Whether an inserted batch is on the disk when the call returns."""


def rows(vectors: int) -> list[Row]:
    """All rows, in the order of the table, for so many vectors."""
    return [*own_rows(), *exact_rows(), *graph_rows(), *faiss_rows(vectors), *database_rows()]


def own_rows() -> list[Row]:
    """The service's own store, with each kind of index that a setting chooses."""
    room = {"memory_mib_max": 4096}
    return [
        Row(OURS, "store", {"kind": "auto", "bits": 2, **room}, own=True),
        Row("pi_rag, 4 bits", "store", {"kind": "auto", "bits": 4, **room}, own=True),
        Row("pi_rag, sign bits", "store", {"kind": "signs", **room}, own=True),
        Row("pi_rag, HNSW", "store", {"kind": "hnsw", **room}, own=True),
        Row("pi_rag, exact only", "store", {"kind": "exact"}, own=True),
    ]


def exact_rows() -> list[Row]:
    """Every row is compared: recall is 1 by itself."""
    faiss = {"factory": "Flat", "lists": 0, "mapped": False}
    return [
        Row(NUMPY, "numpy", durable=False),
        Row("sqlite-vec, plain vec0", "vec0"),
        Row("faiss flat", "faiss", faiss, durable=False),
    ]


def graph_rows() -> list[Row]:
    """Graphs of usearch; what is inserted is in RAM until the whole index is saved."""
    return [
        Row(USEARCH, "usearch", {"dtype": "f32", "mapped": False}, durable=False),
        Row("usearch HNSW f32, mapped", "usearch", {"dtype": "f32", "mapped": True}, durable=False),
        Row("usearch HNSW i8", "usearch", {"dtype": "i8", "mapped": False}, durable=False),
    ]


def faiss_rows(vectors: int) -> list[Row]:
    """A graph, and product quantisation with the candidates compared in RAM or in a mapped file.

    As many lists as faiss's guidelines want for so many vectors, a quarter of which are looked at.
    """
    lists = 2 ** max(4, round(4 * vectors**0.5).bit_length() - 1)
    codes = f"IVF{lists},PQ96x4fs"
    ram = {"factory": f"{codes},RFlat", "lists": lists // 4, "mapped": False}
    mapped = {"factory": codes, "lists": lists // 4, "mapped": True}
    return [
        Row("faiss HNSW", "faiss", {"factory": "HNSW16", "lists": 0, "mapped": False}, durable=False),
        Row(f"faiss IVF{lists},PQ96x4fs,RFlat", "faiss", ram, durable=False),
        Row(f"faiss IVF{lists},PQ96x4fs, rows mapped", "faiss", mapped, durable=False),
    ]


def database_rows() -> list[Row]:
    """Databases of vectors that run inside the process."""
    return [
        Row("chromadb, persistent", "chromadb"),
        Row("lancedb IVF_HNSW_SQ", "lancedb"),
        Row("qdrant-edge HNSW", "qdrant", {"small": False}),
        Row("qdrant-edge HNSW, 2-bit codes, rows on disk", "qdrant", {"small": True}),
    ]


def chosen(every: Sequence[Row], words: Sequence[str], *, quick: bool) -> list[Row]:
    """The rows with one of the words in their name; in the quick form without words, ours and two more."""
    if quick and not words:
        return [row for row in every if row.name in QUICK]
    return [row for row in every if not words or any(word in row.name for word in words)]


def command(row: Row, peers: str) -> list[str]:
    """The program that answers orders for a row; `peers` is the peers' own Python."""
    return [sys.executable, "-m", "benchmarks.searching.own"] if row.own else [peers, "-m", PEERS]


PEERS = "benchmarks.searching.peers"
