"""What a model call costs on this machine, as it was measured. Pure.

`tune` measures a curve, the lanes compose batches with it. Until one has been measured, a guess stands in,
whose shape is right and whose size is that of a Raspberry Pi 5.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

OVERHEAD_SHARE = 0.02
"""How much of a batch's time the way to the worker and back may take; batches are made so large."""

Points = tuple[tuple[int, float], ...]
"""(tokens, milliseconds), ascending in tokens."""


@dataclass(frozen=True)
class Curve:
    """Milliseconds for one text alone, by its tokens, [CLS] and [SEP] included."""

    plain: Points
    """With plain attention."""
    flash: Points
    """With flash attention."""
    frame_ms: float
    """The way to a worker and back, apart from what is computed there."""

    @cached_property
    def flash_tokens_min(self) -> int:
        """The length from which flash attention is the faster, and stays so."""
        slower = [tokens for tokens, ms in self.flash if ms >= _at(self.plain, tokens)]
        longer = [tokens for tokens, _ in self.flash if tokens > max(slower, default=0)]
        return min(longer, default=self.flash[-1][0] + 1)

    @property
    def batch_ms(self) -> float:
        """How long a batch should take: short enough to let a query in, long enough to be worth its way."""
        return self.frame_ms / OVERHEAD_SHARE

    def text_ms(self, tokens: int) -> float:
        """What one text costs."""
        return _at(self.flash if tokens >= self.flash_tokens_min else self.plain, tokens)


def _at(points: Sequence[tuple[int, float]], tokens: int) -> float:
    """On straight lines between the points, and on beyond the last; from nothing before the first."""
    last = min(bisect_left(points, tokens, key=lambda point: point[0]), len(points) - 1)
    (left, left_ms), (right, right_ms) = points[last - 1] if last else (0, 0.0), points[last]
    return left_ms + (right_ms - left_ms) * (tokens - left) / (right - left)


GUESS = Curve(
    plain=((16, 20.0), (64, 75.0), (128, 170.0), (256, 420.0)),
    flash=((16, 21.0), (64, 72.0), (128, 145.0), (256, 300.0)),
    frame_ms=0.5,
)
"""Estimated for a model of BGE-small's size (12 layers) on a Cortex-A76, not measured. Only ratios matter."""
