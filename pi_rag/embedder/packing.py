"""Which texts share one model call. Pure.

Attention costs grow with the square of all tokens in a call, so long texts go alone; short ones share, since
each call has a fixed cost. Sorting by length puts like with like.
"""

from __future__ import annotations

from collections.abc import Sequence


def packed(lengths: Sequence[int], tokens_max: int, texts_max: int) -> list[list[int]]:
    """Indices of the texts of each call, longest first: every index once, no call over either bound.

    `lengths` are tokens, none over `tokens_max`.
    """
    calls: list[list[int]] = []
    tokens = 0
    for index in sorted(range(len(lengths)), key=lengths.__getitem__, reverse=True):
        if calls and len(calls[-1]) < texts_max and tokens + lengths[index] <= tokens_max:
            calls[-1].append(index)
            tokens += lengths[index]
        else:
            calls.append([index])
            tokens = lengths[index]
    return calls
