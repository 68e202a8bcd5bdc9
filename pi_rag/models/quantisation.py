"""In which numbers the weights of a converted model are kept. Pure.

The table behind it is in docs/decisions/0007: Q8_0 is the fastest on a Raspberry Pi, and everywhere but on
processors that multiply BF16 by themselves. There BF16 is half as fast again, and nearer to the original.
"""

from __future__ import annotations

from collections.abc import Set

from pi_rag.types import Quantisation

BF16_FEATURE = "avx512_bf16"
"""As /proc/cpuinfo calls it. A processor without it takes twenty times as long over BF16 as over Q8_0."""


def fastest(features: Set[str]) -> Quantisation:
    """For a processor with these features, at a cosine of 0.999 or more to the original."""
    return "BF16" if BF16_FEATURE in features else "Q8_0"
