"""What was not taken and why, the same for `add`, `import` and `jobs`: lines about it, and the exit code."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

from pi_rag.cli.printing import counted, one_line
from pi_rag.errors import BadInput, PathNotFound, PiRagError


def not_taken(job: Mapping[str, Any]) -> int:
    """How many documents of a job were refused or given up, also those that it no longer lists."""
    return int(job.get("items_refused") or 0) + int(job.get("items_failed") or 0)


def exit_code(job: Mapping[str, Any]) -> int:
    """That of the worst that happened: a path that is not there, a file refused, one cancelled, nothing."""
    if any(refusal.get("code") == PathNotFound.code for refusal in job.get("refusals") or []):
        return PathNotFound.exit_code
    if not_taken(job):
        return BadInput.exit_code
    return PiRagError.exit_code if job.get("items_cancelled") else 0


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
