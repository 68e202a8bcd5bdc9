"""Whose a file is that this user may not touch, and what to type then.

It looks at owners, groups and modes only, and knows nothing of what is in the file.
"""

from __future__ import annotations

import grp
import os
import pwd
import stat
from pathlib import Path

SAME = "...   (the same command)"


def advice(path: Path, command: str = SAME) -> str:
    """The next step where the kernel forbids `path`: whose it is, and the command as that user."""
    place, facts = _seen(path)
    if facts.st_uid == os.geteuid():
        return f"It is yours, but its mode or its disk forbids it. See: ls -ld {place}"
    try:
        entry = pwd.getpwuid(facts.st_uid)
    except KeyError:
        return f"{place} belongs to user {facts.st_uid}. Type: sudo -u '#{facts.st_uid}' pi-rag {command}"
    if facts.st_uid == 0:
        return f"{place} belongs to root. Type: sudo pi-rag {command}"
    as_them = f"sudo -u {entry.pw_name} env HOME={entry.pw_dir} pi-rag {command}"
    return f"{place} belongs to {entry.pw_name}. Type: {as_them}"


def admission(socket: Path) -> str:
    """The next step where `socket` may not be used: the group it is open to or, where to none, its owner."""
    place, facts = _seen(socket)
    # Nobody is told to join root's group: that opens more than a socket.
    if not facts.st_mode & stat.S_IRWXG or facts.st_gid == 0:
        return f"It is its owner's alone (service.socket_mode). {advice(place)}"
    try:
        group = grp.getgrgid(facts.st_gid).gr_name
    except KeyError:
        group = str(facts.st_gid)
    return f"Join the group: sudo usermod -aG {group} $USER   (then log in again)"


def _seen(path: Path) -> tuple[Path, os.stat_result]:
    """The nearest place at or above `path` that can be looked at: it, or a folder that bars the way."""
    for place in (path, *path.absolute().parents):
        try:
            return place, place.stat()
        except OSError:
            continue
    return Path("/"), Path("/").stat()
