"""The table and its two numbers, and who was both faster and smaller than ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.report import Figures
from benchmarks.searching.rows import OURS, Row
from benchmarks.searching.turns import Found

RECALL_MIN = 0.98
"""Below it a peer is not compared with ours: any index is fast that does not find."""


def line(size: int, row: Row, found: Found) -> dict[str, Any]:
    """One row; what could not be measured is a dash, with the reason at the end."""
    shown: dict[str, Any] = {"vectors": size, "row": row.name}
    if found.failed:
        return shown | dict.fromkeys(COLUMNS, "-") | {"why not": found.failed}
    p50, p95 = found.latencies_ms
    insert = "-" if found.inserted_per_s is None else f"{found.inserted_per_s:.0f}"
    cells = (
        f"{p50:.3f}",
        f"{p95:.3f}",
        f"{found.recall:.4f}",
        f"{found.private_mib:.0f}",
        f"{found.mapped_mib:.0f}",
        f"{found.disk_mib:.0f}",
        f"{found.build_s:.1f}",
        f"{size / found.build_s:.0f}",
        f"{found.load_s:.2f}",
        insert if row.durable or insert == "-" else f"{insert} (RAM)",
    )
    return shown | dict(zip(COLUMNS, cells, strict=True)) | {"why not": ""}


COLUMNS = (
    "p50 ms",
    "p95 ms",
    "recall@10",
    "private MiB",
    "mapped MiB",
    "disk MiB",
    "build s",
    "built/s",
    "load s",
    "inserted/s",
)


def headline(size: int, found: Mapping[str, Found]) -> dict[str, float]:
    """The two numbers of our own row; none when it was not measured."""
    ours = found.get(OURS)
    if ours is None or ours.failed:
        return {}
    return {f"p50_ms_at_{size}": round(ours.latencies_ms[0], 3), f"recall10_at_{size}": round(ours.recall, 4)}


def ahead(rows: Sequence[Row], found: Mapping[str, Found]) -> dict[str, str]:
    """The peers that find enough and are both faster and smaller than ours, by what counts as RAM.

    Mapped pages are RAM as long as searches want them, and the kernel may take them back.
    """
    ours = found.get(OURS)
    if ours is None or ours.failed:
        return {}
    peers = [row.name for row in rows if not row.own and not found[row.name].failed]
    good = [name for name in peers if found[name].recall >= RECALL_MIN]
    faster = [name for name in good if found[name].latencies_ms[0] < ours.latencies_ms[0]]
    private = [name for name in faster if found[name].private_mib < ours.private_mib]
    whole = [name for name in faster if _resident_mib(found[name]) < _resident_mib(ours)]
    return {
        "faster and smaller, private and mapped": ", ".join(whole) or "none",
        "faster and smaller, private alone": ", ".join(private) or "none",
    }


def _resident_mib(found: Found) -> float:
    return found.private_mib + found.mapped_mib


def figures(
    lines: Sequence[Mapping[str, Any]], head: Mapping[str, float], notes: Mapping[str, Any]
) -> Figures:
    """Everything that is printed."""
    return Figures(headline=head, rows=lines, notes=notes)
