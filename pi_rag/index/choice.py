"""Which kind of RAM index there should be: decided from the settings and the number of passages."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence, Set
from dataclasses import dataclass
from typing import Literal

from pi_rag.config import IndexSettings
from pi_rag.index.proposer import Proposer

Kind = Literal["exact", "turbo", "signs", "hnsw"]

BITS = (4, 2)
"""What turbovec looks at one bit of first, best first. Of 3 it always looks at all."""

STAGED = (frozenset({"asimd"}), frozenset({"avx512vbmi", "avx512_vnni"}))
"""With one of these, as /proc/cpuinfo calls them, turbovec looks at one bit of each number first, and 4 bits
take no longer than 2. Without, each bit costs time: 100,000 passages take 4.1 ms with 4, 2.4 with 2."""

GRAPH_BYTES = 470
"""RAM of a passage in the graph beside its int8 vector, measured (docs/decisions/0008-vectors.md)."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A kind of index, and how many bits of each number it keeps."""

    kind: Kind
    bits: int
    reason: str = ""
    """Why there is none, for `exact`."""

    @property
    def name(self) -> str:
        """As status and snapshots call it."""
        return f"{self.kind}-{self.bits}" if self.kind == "turbo" else self.kind


def wanted(settings: IndexSettings, count: int, dimensions: int, codes: Sequence[int]) -> Shape:
    """What suits `count` passages: as many bits as the RAM budget allows, of those in `codes`."""
    if settings.kind == "exact":
        return Shape("exact", 32, "index.kind is exact")
    if settings.kind == "hnsw" and importlib.util.find_spec("usearch") is None:
        return Shape("exact", 32, "index.kind is hnsw, and pi-rag[hnsw] is not installed")
    budget = settings.memory_mib_max * 2**20
    fitting = [shape for shape in _offers(settings, codes) if count * _bytes(shape, dimensions) <= budget]
    if fitting:
        return fitting[0]
    return Shape("exact", 32, f"{count} passages do not fit index.memory_mib_max")


def made(shape: Shape, dimensions: int, passages: int) -> Proposer | None:
    """An empty index of this shape, for so many passages; None for `exact`."""
    if shape.kind == "turbo":
        from pi_rag.index import turbo  # a machine without its wheel still has the others

        turbo.share_among_cores(passages)
        return turbo.Turbo(dimensions, shape.bits)
    if shape.kind == "hnsw":
        from pi_rag.index.graph import Graph

        return Graph(dimensions)
    if shape.kind == "signs":
        from pi_rag.index.signs import Signs

        return Signs(dimensions)
    return None


def codes(features: Set[str]) -> tuple[int, ...]:
    """The bits that turbovec should keep on a processor with these features, best first; none without it.

    Of a processor that tells nothing the worst is assumed.
    """
    if importlib.util.find_spec("turbovec") is None:
        return ()
    return BITS if any(each <= features for each in STAGED) else BITS[-1:]


def _offers(settings: IndexSettings, codes: Sequence[int]) -> list[Shape]:
    """In the order of preference."""
    if settings.kind == "hnsw":
        return [Shape("hnsw", 8)]
    if settings.kind == "signs" or not codes:
        return [Shape("signs", 1)]
    return [Shape("turbo", each) for each in ([settings.bits] if settings.bits else codes)]


def _bytes(shape: Shape, dimensions: int) -> float:
    """RAM of one passage: its bits, a scale, and its number with some reserve."""
    beside = {"turbo": 8.5, "signs": 4.5, "hnsw": GRAPH_BYTES, "exact": 0}[shape.kind]
    return dimensions * shape.bits / 8 + beside
