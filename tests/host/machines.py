"""Machines that tell of their memory, or do not: the files of /proc and /sys that say so, in a folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

PRESSURE = (
    "some avg10=1.25 avg60=0.00 avg300=0.00 total=71\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=56\n"
)
MEMINFO = "MemTotal:        4000000 kB\nMemFree:          500000 kB\nMemAvailable:    2000000 kB\n"
GROUP: Mapping[str, str] = {
    "memory.current": f"{300 * 2**20}\n",
    "memory.max": f"{800 * 2**20}\n",
    "memory.high": "max\n",
    "memory.stat": f"anon {200 * 2**20}\nfile {90 * 2**20}\n",
    "memory.events": "low 0\nhigh 3\nmax 0\noom 1\noom_kill 1\n",
}
PID = 7
"""Of the one process that these machines have."""

ROLLUP = """563c765f8000-7fffaf932000 ---p 00000000 00:00 0                          [rollup]
Rss:                9216 kB
Pss:                5120 kB
Private_Clean:      1024 kB
Private_Dirty:      2048 kB
Private_Hugetlb:    1024 kB
"""
FOLDER = "sys/fs/cgroup/system.slice/pi-rag.service"


def written(root: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


def measured(root: Path) -> Path:
    """With that process."""
    return written(root, {f"proc/{PID}/smaps_rollup": ROLLUP})


def absent(root: Path) -> Path:
    """As Raspberry Pi OS boots: a cgroup without memory, and no pressure."""
    return written(root, {"proc/self/cgroup": "0::/system.slice/pi-rag.service\n", "proc/meminfo": MEMINFO})


def present(root: Path) -> Path:
    """With both, as after `cgroup_enable=memory psi=1`."""
    group = {f"{FOLDER}/{name}": text for name, text in GROUP.items()}
    return written(absent(root), {"proc/pressure/memory": PRESSURE, **group})


def unreadable(root: Path) -> Path:
    """Everything is there and says nothing: a folder in its place fails as a file that cannot be read."""
    for name in ("proc/pressure/memory", *(f"{FOLDER}/{name}" for name in GROUP)):
        (absent(root) / name).mkdir(parents=True)
    return root


TELLING: Mapping[str, Callable[[Path], Path]] = {
    "absent": absent,
    "present": present,
    "unreadable": unreadable,
}
