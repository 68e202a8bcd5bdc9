"""The table and its two numbers, from what the runs gave."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from benchmarks.embedding.rounds import Timed
from benchmarks.embedding.rows import (
    AS_SHIPPED,
    CORES,
    DEFAULT,
    LLAMA_DEFAULT,
    LLAMA_ONE_BY_ONE,
    ONE_WORKER,
    ONNX_FLOAT,
    ONNX_FUSED,
    ONNX_INT8,
    Row,
)
from benchmarks.report import Figures

OURS = f"pi_rag {DEFAULT}"
ONNX_BEST = f"{ONNX_INT8}, 1 text a call, {CORES} processes"
ONNX_FUSED_BEST = f"{ONNX_FUSED}, 1 text a call, {CORES} processes"
ONNX_FLOAT_BEST = f"{ONNX_FLOAT}, 1 text a call, {CORES} processes"
BEATEN = {
    "llama_default": LLAMA_DEFAULT,
    "llama_one_by_one": LLAMA_ONE_BY_ONE,
    "onnx_int8": ONNX_BEST,
    "onnx_int8_fused": ONNX_FUSED_BEST,
    "onnx_float32": ONNX_FLOAT_BEST,
}
"""Whose speed ours is divided by, by the label of the ratio."""
COMPARED = (DEFAULT, "BF16")
"""The two that are true to three digits; which one is faster is for the processor to say."""
QUICK = (OURS, ONE_WORKER, LLAMA_DEFAULT, ONNX_BEST)
"""The rows of the quick form."""


@dataclass(frozen=True)
class Alone:
    """What a row gave when it had the machine to itself."""

    cosine_mean: float = 0.0
    cosine_min: float = 0.0
    pss_mib: float = 0.0
    ndcg10: float | None = None
    about: str = ""
    failed: str = ""
    """Why the row could not be measured; empty when it could."""


def figures(
    rows: Sequence[Row],
    alone: Mapping[str, Alone],
    timed: Mapping[str, Timed],
    promised: Mapping[str, Mapping[str, float]],
    notes: Mapping[str, Any],
) -> Figures:
    """Everything that is printed."""
    alone = {name: replace(each, failed=each.failed or _late(timed, name)) for name, each in alone.items()}
    timed = {name: each for name, each in timed.items() if not each.failed}
    quality = any(each.ndcg10 is not None for each in alone.values())
    ours = timed.get(OURS)
    versions = sorted({each.about for name, each in alone.items() if each.about and "pi_rag" not in name})
    return Figures(
        headline={}
        if ours is None
        else {
            "full_passages_per_s": round(ours.rate("full"), 1),
            "query_p95_ms": round(statistics.median(ours.p95_ms), 2),
        },
        rows=[_line(row, alone, timed.get(row.name), quality) for row in rows],
        notes={**ratios(timed), **_flat(promised), **notes, "cores": CORES, "peers": ", ".join(versions)},
    )


def _late(timed: Mapping[str, Timed], name: str) -> str:
    """Why a row that worked alone did not get to the end of its turns."""
    return timed[name].failed if name in timed else ""


def _line(row: Row, alone: Mapping[str, Alone], timed: Timed | None, quality: bool) -> dict[str, Any]:
    """One row; what could not be measured is a dash, with the reason at the end."""
    each = alone[row.name]
    line: dict[str, Any] = {"row": row.name}
    for name in ("abstracts", "full", "queries", "mix"):
        line[f"{name}/s"] = f"{timed.rate(name):.1f}" if timed else "-"
    line["full/core s"] = f"{timed.core_rate('full'):.1f}" if timed else "-"
    line["query p50 ms"] = f"{statistics.median(timed.p50_ms):.2f}" if timed else "-"
    line["query p95 ms"] = f"{statistics.median(timed.p95_ms):.2f}" if timed else "-"
    line["cosine mean"] = "-" if each.failed else f"{each.cosine_mean:.5f}"
    line["min"] = "-" if each.failed else f"{each.cosine_min:.5f}"
    line["PSS MiB"] = "-" if each.failed else f"{each.pss_mib:.0f}"
    if quality:
        shared = alone.get(row.like, each).ndcg10 if row.like else each.ndcg10
        line["nDCG@10"] = "-" if shared is None else f"{shared:.4f}"
    line["why not"] = each.failed
    return line


def ratios(timed: Mapping[str, Timed]) -> dict[str, float]:
    """Ours beside what it must beat; what did not run is left out.

    Each is there twice: by the clock, and by processor time, which says the same when the machine is quiet.
    """
    found: dict[str, float] = {}
    for kind in COMPARED:
        for label, other in BEATEN.items():
            for name in ("abstracts", "full"):
                found |= _ratio(f"{kind}_{name}_to_{label}", timed, f"pi_rag {kind}", other, name)
    return found | _scaling(timed)


def _ratio(label: str, timed: Mapping[str, Timed], ours: str, theirs: str, name: str) -> dict[str, float]:
    if ours not in timed or theirs not in timed:
        return {}
    by_clock = timed[ours].rate(name) / timed[theirs].rate(name)
    by_core = timed[ours].core_rate(name) / timed[theirs].core_rate(name)
    return {label: round(by_clock, 2), f"{label}_by_core_time": round(by_core, 2)}


def _scaling(timed: Mapping[str, Timed]) -> dict[str, float]:
    """All workers beside as many times one; 1 is no loss at all."""
    label = f"{DEFAULT}_full_scaling_of_{CORES}_workers"
    found = _ratio(label, timed, OURS, ONE_WORKER, "full")
    return found | ({label: round(found[label] / CORES, 2)} if found else {})


def _flat(promised: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    found = {}
    for name, values in promised.items():
        label = "shipped" if name == AS_SHIPPED else "all_cores"
        for key, value in values.items():
            found[f"{label}_{key}"] = round(value, 2)
        for each in ("p50", "p95"):
            ratio = values[f"loaded_{each}_ms"] / values[f"idle_{each}_ms"]
            found[f"{label}_loaded_to_idle_{each}"] = round(ratio, 2)
    return found
