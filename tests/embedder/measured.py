"""Made-up measurements, for those who decide by them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pi_rag.embedder.tuned import Measured, Sharing, Speed

PI = Measured(
    plain=((16, 20.0), (64, 75.0), (96, 120.0), (256, 420.0)),
    flash=((16, 22.0), (64, 76.0), (96, 110.0), (256, 320.0)),
    frame_ms=0.5,
    speeds=(Speed(1, 1, 3.0), Speed(4, 1, 11.1), Speed(2, 1, 5.9), Speed(2, 2, 9.0), Speed(1, 4, 7.0)),
    sharing=(Sharing(16, 4, 80.0, 76.0), Sharing(16, 8, 160.0, 128.0)),
    rounds=5,
    got=0.98,
    took_s=21.4,
    skipped=(),
)
"""What a Raspberry Pi 5 might give."""


def measured(**other: Any) -> Measured:
    """The same with some figures changed."""
    return replace(PI, **other)
