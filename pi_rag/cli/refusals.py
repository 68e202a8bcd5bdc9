"""The lines about what was not taken and why, the same for `add` and `jobs`."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

from pi_rag.cli.printing import counted, one_line


def show_refusals(
    refusals: Sequence[Mapping[str, Any]], refused: int, *, stream: TextIO | None = None
) -> None:
    """A line each: source, message, hint. `refused` counts also those that the service no longer lists."""
    out = stream or sys.stdout
    for refusal in refusals:
        source, message, hint = (one_line(refusal.get(name) or "") for name in ("source", "message", "hint"))
        print(f"not taken: {source}: {message}" + (f" ({hint})" if hint else ""), file=out)
    if refused > len(refusals):
        print(f"not taken: {counted(refused - len(refusals), 'more file')}", file=out)
