"""Where the system's log is kept: on the disk, or in memory until the next start.

Raspberry Pi OS keeps it in memory, to spare the card; after a crash it is gone.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pi_rag.host import sysfs

Kept = Literal["persistent", "volatile", "none"]

_FOLDERS = ("usr/lib/systemd", "usr/local/lib/systemd", "run/systemd", "etc/systemd")
"""Later ones replace a file of the same name in earlier ones (systemd.unit(5))."""


def kept(root: Path = sysfs.ROOT) -> Kept | None:
    """Where it is kept now; None where there is no journal. What is there counts more than what is set."""
    if sysfs.exists(root / "var/log/journal") and setting(root) in {"auto", "persistent"}:
        return "persistent"
    if sysfs.exists(root / "run/log/journal"):
        return "volatile"
    return "none" if setting(root) == "none" and sysfs.exists(root / "run/systemd/journal") else None


def setting(root: Path = sysfs.ROOT) -> str:
    """`Storage=` as journald reads it: its own file first, then the drop-ins in the order of their names."""
    found = "auto"
    for path in [root / "etc/systemd/journald.conf", *_drop_ins(root)]:
        for line in sysfs.lines(path):
            key, _, value = line.partition("=")
            if key.strip() == "Storage":
                found = value.strip().lower() or "auto"
    return found


def _drop_ins(root: Path) -> list[Path]:
    by_name: dict[str, Path] = {}
    for folder in _FOLDERS:
        for path in sysfs.below(root / folder / "journald.conf.d", "*.conf"):
            by_name[path.name] = path
    return [by_name[name] for name in sorted(by_name)]
