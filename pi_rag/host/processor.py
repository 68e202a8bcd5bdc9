"""What the processor can do. Only /proc is read."""

from __future__ import annotations

from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")


def features(cpuinfo: Path = CPUINFO) -> frozenset[str]:
    """Names as Linux gives them, such as `avx512_bf16` or `asimddp`; none where it does not say."""
    try:
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return frozenset()
    for line in lines:
        key, _, value = line.partition(":")
        if key.strip() in {"flags", "Features"}:
            return frozenset(value.split())
    return frozenset()
