"""Checks of what was set up: Python, the data folder, the socket and who may use it."""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from pi_rag.cli.checks.check import Check, Verdict
from pi_rag.cli.printing import size
from pi_rag.config import Settings, doubts
from pi_rag.host import sysfs

PYTHON_MIN = (3, 11)
"""Raspberry Pi OS bookworm has 3.11; older ones lack what the code uses."""

FREE_BYTES_WARN = 1 << 30
"""Room for some ten thousand documents with their vectors."""

FREE_BYTES_WRONG = 100 << 20
"""Less, and the write-ahead log alone may fill the disk."""

SYSTEMDS = Path("/run/pi-rag")
"""Where systemd listens for the service; elsewhere whoever runs `pi-rag serve` does."""

EDIT = "sudo systemctl edit pi-rag.socket"


def python(version: tuple[int, ...] = tuple(sys.version_info[:3])) -> Check:
    """Whether this Python is new enough."""
    text = ".".join(map(str, version))
    if version < PYTHON_MIN:
        return Check("python", "wrong", f"{text} is older than 3.11", "sudo apt install python3.11-venv")
    return Check("python", "ok", text)


def agreement(settings: Settings) -> Iterator[Check]:
    """What is strange in settings that are valid: some that cannot hold, and roots that are not there."""
    found = doubts(settings)
    missing = [root for root in settings.ingest.roots.split(":") if root and not sysfs.exists(Path(root))]
    for said in found:
        yield Check("settings", "warn", said, "change one of them in the settings file")
    for root in missing:
        detail = f"ingest.roots has {root}, which is not there: no file below it is read"
        yield Check("settings", "warn", detail, f"correct ingest.roots, or: ls -d {root}", is_private=True)
    if not found and not missing:
        yield Check("settings", "ok", "valid")


def data_folder(path: Path, free_bytes: Callable[[Path], int] | None = None) -> Iterator[Check]:
    """Whether the data folder is there, whose it is, and how much room is left."""
    try:
        facts = path.stat()
        free = (free_bytes or _free_bytes)(path)
    except FileNotFoundError:
        yield _folder("warn", f"{path} is not there yet", "pi-rag serve   (makes it)")
        return
    except OSError as error:
        yield _folder("warn", f"{path}: {error.strerror}", f"sudo ls -ld {path}")
        return
    yield _rights(path, facts)
    yield _room(free)


def socket(path: Path, admin_group: str = "", mode: str = "") -> Check:
    """Whether the socket is there, is one, and may be used by this user and not by everyone.

    `admin_group` is whose members may also remove and pause; "": all who may use it. `mode` are the rights of
    the settings, which systemd's socket need not have.
    """
    try:
        facts = path.stat()
    except FileNotFoundError:
        return _socket("wrong", f"{path} is not there", _begin(path))
    except OSError as error:
        return _socket("wrong", f"{path}: {error.strerror}", f"sudo ls -ld {path.parent}")
    if not stat.S_ISSOCK(facts.st_mode):
        return _socket("wrong", f"{path} is not a socket", "choose another one with --socket")
    if not os.access(path, os.W_OK):
        return _socket("wrong", f"you may not use {path}", _admission(path, facts))
    return _admits(path, facts, admin_group, mode)


def _admits(path: Path, facts: os.stat_result, admin_group: str, mode: str) -> Check:
    """Whom the socket lets in, and whether that is as the settings have it."""
    group = _group_name(facts.st_gid)
    rights = f"{path}, mode {stat.S_IMODE(facts.st_mode):o}, group {group}{_administers(admin_group)}"
    if facts.st_mode & stat.S_IWOTH:
        detail = f"{rights}: every user of this machine may read all that is remembered"
        return _socket("warn", detail, f"sudo chmod o-rw {path}   (and see {_whose(path)})")
    if mode and path.parent == SYSTEMDS and stat.S_IMODE(facts.st_mode) != int(mode, 8):
        detail = f"{rights}: service.socket_mode is {mode}, but the socket is systemd's"
        return _socket("warn", detail, f"{EDIT}   (SocketMode=0{mode})")
    return _socket("ok", rights)


def _begin(path: Path) -> str:
    """What brings a socket that is not there; or where systemd's lies, when the settings name another."""
    if path.parent == SYSTEMDS:
        return "sudo systemctl start pi-rag.socket"
    if sysfs.exists(SYSTEMDS / "pi-rag.sock"):
        return f"{EDIT}   (ListenStream= with {path}), or set service.socket to {SYSTEMDS}/pi-rag.sock"
    return "pi-rag serve"


def _whose(path: Path) -> str:
    """Where the rights of a socket stand."""
    return EDIT if path.parent == SYSTEMDS else "service.socket_mode"


def _administers(group: str) -> str:
    if not group:
        return ""
    try:
        member = os.getuid() == 0 or grp.getgrnam(group).gr_gid in os.getgroups()
    except KeyError:
        return f"; there is no group {group}: only root may administer"
    return f"; you may {'' if member else 'not '}administer (group {group})"


def _folder(verdict: Verdict, detail: str, mend: str = "") -> Check:
    return Check("data folder", verdict, detail, mend, is_private=True)


def _socket(verdict: Verdict, detail: str, mend: str = "") -> Check:
    return Check("socket", verdict, detail, mend, is_private=True)


def _free_bytes(path: Path) -> int:
    return shutil.disk_usage(path).free


def _rights(path: Path, facts: os.stat_result) -> Check:
    if not stat.S_ISDIR(facts.st_mode):
        return _folder("wrong", f"{path} is not a folder", "choose another one with --data")
    if facts.st_mode & stat.S_IRWXO:
        return _folder("warn", f"every user may look into {path}", f"sudo chmod o-rwx {path}")
    return _folder("ok", f"{path}, of {_user_name(facts.st_uid)}")


def _room(free: int) -> Check:
    mend = "df -h   (then free some space)"
    if free < FREE_BYTES_WRONG:
        return Check("free space", "wrong", f"{size(free)}: too little for many more documents", mend)
    if free < FREE_BYTES_WARN:
        return Check("free space", "warn", f"{size(free)}: room for a few more documents", mend)
    return Check("free space", "ok", size(free))


def _admission(path: Path, facts: os.stat_result) -> str:
    """By the group, where it is open to that. Who was made a member after they logged in is none yet."""
    group, user = _group_name(facts.st_gid), _user_name(os.getuid())
    if not facts.st_mode & stat.S_IWGRP:
        owner = _user_name(facts.st_uid)
        return f"sudo -u {owner} pi-rag status   (it is {owner}'s alone: see {_whose(path)})"
    try:
        listed = user in grp.getgrnam(group).gr_mem
    except KeyError:
        listed = False
    if listed:
        return f"newgrp {group}   (you are a member since after you logged in: log out and in again)"
    return f"sudo usermod -aG {group} {user}   (then log out and in again)"


def _user_name(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"user {number}"


def _group_name(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return f"{number}"
