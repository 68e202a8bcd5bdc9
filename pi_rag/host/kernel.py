"""What this kernel offers for keeping things in bounds, and the size of its pages."""

from __future__ import annotations

import os
from pathlib import Path

from pi_rag.host import sysfs


def page_kib() -> int:
    """A page of memory: 4 KiB on most machines, 16 on a Pi 5."""
    return os.sysconf("SC_PAGE_SIZE") // 1024


def has_memory_cgroup(root: Path = sysfs.ROOT) -> bool:
    """Whether systemd can hold a service to a limit of memory."""
    controllers = sysfs.text(root / "sys/fs/cgroup/cgroup.controllers")
    return "memory" in controllers.split() or sysfs.exists(
        root / "sys/fs/cgroup/memory/memory.limit_in_bytes"
    )


def inotify_watches_max(root: Path = sysfs.ROOT) -> int | None:
    """How many folders all programs of one user may watch."""
    return sysfs.number(root / "proc/sys/fs/inotify/max_user_watches")


def inotify_instances_max(root: Path = sysfs.ROOT) -> int | None:
    """How many times all programs of one user may begin to watch; each of ours takes a few."""
    return sysfs.number(root / "proc/sys/fs/inotify/max_user_instances")
