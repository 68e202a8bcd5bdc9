"""What the processor can do. Only /proc is read."""

from __future__ import annotations

from pathlib import Path

from pi_rag.host import sysfs

CPUINFO = Path("/proc/cpuinfo")


def features(cpuinfo: Path = CPUINFO) -> frozenset[str]:
    """Names as Linux gives them, such as `avx512_bf16` or `asimddp`; none where it does not say."""
    told = sysfs.facts(cpuinfo)
    return frozenset((told.get("flags") or told.get("Features") or "").split())
