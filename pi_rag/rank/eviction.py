"""What a memory is worth beside others, when not all can be kept. Pure.

It is what its author gave it, importance times confidence; more for what was recalled or said again, by the
logarithm, since the tenth time says less than the second; and at most half taken by age, since a fact that
nobody has used for long may still be the only one.
"""

from __future__ import annotations

import math


def worth(
    *, importance: float, confidence: float, uses: int, repeats: int, idle_s: float, half_life_s: float
) -> float:
    """From 0 on, without a unit. `idle_s`: since it was said or recalled; a half life of 0 never fades."""
    fade = 0.5 ** (max(idle_s, 0.0) / half_life_s) if half_life_s > 0 else 1.0
    return importance * confidence * (1 + math.log2(1 + uses + repeats)) * (0.5 + 0.5 * fade)
