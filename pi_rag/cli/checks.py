"""What `pi-rag doctor` looks at: each check is a function that looks once and gives its verdict.

Nothing here changes anything, and the database is never opened: what is known of it comes from the service.
"""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pi_rag.cli.printing import counted, size
from pi_rag.cli.status import ADVICE
from pi_rag.client import Client
from pi_rag.config import Settings
from pi_rag.errors import PiRagError
from pi_rag.host import heat
from pi_rag.processes import confinement

Verdict = Literal["ok", "warn", "wrong"]

PYTHON_MIN = (3, 11)
"""Raspberry Pi OS bookworm has 3.11; older ones lack what the code uses."""

FREE_BYTES_WARN = 1 << 30
"""Room for some ten thousand documents with their vectors."""

FREE_BYTES_WRONG = 100 << 20
"""Less, and the write-ahead log alone may fill the disk."""

BOOT_LINE = "sudo sed -i '1 s/$/ {word}/' /boot/firmware/cmdline.txt && sudo reboot"
"""Raspberry Pi OS keeps the kernel's command line in this file, as one line."""


RAISE_WATCHES = (
    "echo fs.inotify.max_user_watches={count} | sudo tee /etc/sysctl.d/60-pi-rag.conf && sudo sysctl --system"
)
"""Each folder that is looked into takes one watch, about 1 KiB of the kernel's memory."""


@dataclass(frozen=True)
class Check:
    """One line: what was looked at, how it is, and the command that mends it."""

    what: str
    verdict: Verdict
    detail: str
    mend: str = ""


def failed(what: str, error: PiRagError) -> Check:
    """An error of ours as a line: its hint is what mends it."""
    return Check(what, "wrong", error.message, error.hint)


def python(version: tuple[int, ...] = tuple(sys.version_info[:3])) -> Check:
    """Whether this Python is new enough."""
    text = ".".join(map(str, version))
    if version < PYTHON_MIN:
        return Check("python", "wrong", f"{text} is older than 3.11", "sudo apt install python3.11-venv")
    return Check("python", "ok", text)


def data_folder(path: Path, free_bytes: Callable[[Path], int] | None = None) -> Iterator[Check]:
    """Whether the data folder is there, whose it is, and how much room is left."""
    try:
        facts = path.stat()
        free = (free_bytes or _free_bytes)(path)
    except FileNotFoundError:
        yield Check("data folder", "warn", f"{path} is not there yet", "pi-rag serve   (makes it)")
        return
    except OSError as error:
        yield Check("data folder", "warn", f"{path}: {error.strerror}", f"sudo ls -ld {path}")
        return
    yield _rights(path, facts)
    yield _room(free)


def _free_bytes(path: Path) -> int:
    return shutil.disk_usage(path).free


def _rights(path: Path, facts: os.stat_result) -> Check:
    owner = _user(facts.st_uid)
    if not stat.S_ISDIR(facts.st_mode):
        return Check("data folder", "wrong", f"{path} is not a folder", "choose another one with --data")
    if facts.st_mode & stat.S_IRWXO:
        return Check("data folder", "warn", f"every user may look into {path}", f"chmod o-rwx {path}")
    return Check("data folder", "ok", f"{path}, of {owner}")


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"user {number}"


def _room(free: int) -> Check:
    mend = "df -h   (then free some space)"
    if free < FREE_BYTES_WRONG:
        return Check("free space", "wrong", f"{size(free)}: too little to add anything", mend)
    if free < FREE_BYTES_WARN:
        return Check("free space", "warn", f"{size(free)}: room for a few more documents", mend)
    return Check("free space", "ok", size(free))


def socket(path: Path) -> Check:
    """Whether the socket is there, is one, and may be used by this user."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return Check(
            "socket", "wrong", f"{path} is not there", "pi-rag serve   (or: sudo systemctl start pi-rag)"
        )
    except OSError as error:
        return Check("socket", "wrong", f"{path}: {error.strerror}", "sudo usermod -aG pi-rag-clients $USER")
    if not stat.S_ISSOCK(mode):
        return Check("socket", "wrong", f"{path} is not a socket", "choose another one with --socket")
    if not os.access(path, os.W_OK):
        return Check("socket", "wrong", f"you may not use {path}", "sudo usermod -aG pi-rag-clients $USER")
    return Check("socket", "ok", f"{path}, mode {stat.S_IMODE(mode):o}")


def asked(client: Client) -> tuple[Check, dict[str, Any]]:
    """Whether the service answers and is ready; its answer, empty when there is none."""
    try:
        status = client.status(check=True)
    except PiRagError as error:
        return failed("service", error), {}
    state = str(status.get("state"))
    reasons = [str(reason) for reason in status.get("degraded") or []]
    if status.get("ready") is True:
        return Check("service", "ok", f"ready, version {status.get('version')}"), status
    advice = next((ADVICE[reason] for reason in reasons if reason in ADVICE), "pi-rag status")
    return Check("service", "warn", ": ".join([state, ", ".join(reasons)]).rstrip(": "), advice), status


def model(settings: Settings, status: dict[str, Any]) -> Check:
    """Whether the model in use is there and is what was installed. It reads the whole file."""
    from pi_rag.models.shelf import Shelf

    if _is_hidden(settings.models_path):
        return _model_loaded(status.get("model") or {})
    shelf = Shelf(settings.models_path)
    try:
        card = shelf.current(settings.embedder.model)
        shelf.verify(card)
    except PiRagError as error:
        return failed("model", error)
    return Check("model", "ok", f"{card.name}, {card.quantisation}, checksum right")


def _model_loaded(card: dict[str, Any]) -> Check:
    """The models belong to the service's user; the service has checked the one it loaded."""
    if not card:
        return Check("model", "warn", "only the service may read it, and it has none", "sudo pi-rag doctor")
    return Check("model", "ok", f"{card.get('name')}, as the service says; only it may read the file")


def _is_hidden(folder: Path) -> bool:
    """Whether this user may not look into a folder that is, or may be, there."""
    try:
        folder.stat()
    except PermissionError:
        return True
    except OSError:
        return False
    return not os.access(folder, os.R_OK | os.X_OK)


def store(status: dict[str, Any]) -> Iterator[Check]:
    """What the service says of its database: the linked libraries, the size, and whether it is whole."""
    told = status.get("store") or {}
    if not told:
        return
    names = {"sqlite_version": "SQLite", "sqlite_vec_version": "sqlite-vec", "schema_version": "schema"}
    linked = ", ".join(f"{name} {told[key]}" for key, name in names.items() if told.get(key) is not None)
    free = (told.get("upkeep") or {}).get("free_mib")
    size_mib = f"{told.get('size_mib', '?')} MiB" + (f", {free} of them free" if free is not None else "")
    yield Check("database", "ok", ", ".join(filter(None, [linked, size_mib])))
    problems = told.get("problems")
    if problems is None:
        yield Check(
            "database check", "warn", "the service has not checked it", "pi-rag doctor   (once it is ready)"
        )
    elif problems:
        mend = "stop the service, copy the data folder, then see docs/data.md"
        yield Check("database check", "wrong", "; ".join(map(str, problems[:3])), mend)
    else:
        yield Check("database check", "ok", "whole")


def watches(settings: Settings, status: dict[str, Any], root: Path = Path("/")) -> Iterator[Check]:
    """Whether the kernel has watches for the folders that are to be kept right, and what they miss."""
    told = status.get("watching") or {}
    limit = _number(root / "proc/sys/fs/inotify/max_user_watches")
    if told.get("blind"):
        every = f"only a sweep each {settings.watch.sweep_blind_s:g} s finds changes"
        detail = f"the kernel's limit of {limit or '?'} folders for this user is reached: {every}"
        yield Check("inotify", "warn", detail, RAISE_WATCHES.format(count=max(2 * (limit or 0), 524_288)))
    elif told.get("folders"):
        yield Check("inotify", "ok", f"enough; the kernel's limit is {limit or '?'} folders")
    for each in told.get("problems") or []:
        yield Check(
            "watched folder", "warn", f"{each.get('folder')}: {each.get('problem')}", "pi-rag watch list"
        )


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def machine(root: Path = Path("/"), page_bytes: int | None = None) -> Iterator[Check]:
    """What the kernel offers for keeping things in bounds. Nothing here is needed; all of it helps."""
    yield from _board(root)
    yield _memory_group(root)
    pressure = (root / "proc/pressure/memory").exists()
    told = "the kernel tells" if pressure else "the kernel does not tell"
    mend = "" if pressure else BOOT_LINE.format(word="psi=1")
    yield Check("memory pressure", "ok" if pressure else "warn", f"{told} when memory is short", mend)
    yield _confinement(confinement.lacking())
    pages = (page_bytes or os.sysconf("SC_PAGE_SIZE")) // 1024
    yield Check("memory pages", "ok", f"{pages} KiB")


def _board(root: Path) -> Iterator[Check]:
    """How hot it is and whether it gets enough power, where the board tells."""
    celsius, too_little = heat.temperature_c(root), heat.undervoltage(root)
    if celsius is not None and celsius >= heat.SLOWED_C:
        detail = f"{celsius:.0f} °C: the processor is slowed, and adding takes less on"
        yield Check("temperature", "warn", detail, "put a fan on the board: the Active Cooler of the Pi 5")
    elif celsius is not None:
        yield Check("temperature", "ok", f"{celsius:.0f} °C")
    if too_little:
        detail = "the supply gives too little: the board is slowed, and a write to the card may be lost"
        yield Check("power", "warn", detail, heat.SUPPLY)
    elif too_little is not None:
        yield Check("power", "ok", "the supply gives enough")


def _confinement(lacking: list[str]) -> Check:
    """Whether the child that opens files of strangers can give up all that it does not need."""
    if not lacking:
        return Check("reading child", "ok", "the kernel keeps it from files, programs and the network")
    detail = f"it reads strangers' files under limits, but the kernel has no {', and no '.join(lacking)}"
    return Check("reading child", "warn", detail, "sudo apt full-upgrade   (for a newer kernel)")


def _memory_group(root: Path) -> Check:
    unified = root / "sys/fs/cgroup/cgroup.controllers"
    try:
        there = "memory" in unified.read_text(encoding="ascii").split()
    except OSError:
        there = (root / "sys/fs/cgroup/memory").is_dir()
    if there:
        return Check("memory limits", "ok", "systemd can hold the service to its limit")
    detail = "off in the kernel: MemoryMax of the unit does nothing, the service's own limits still do"
    return Check("memory limits", "warn", detail, BOOT_LINE.format(word="cgroup_enable=memory"))


def summary(checks: list[Check]) -> str:
    """'All is well.' or how much is wrong."""
    wrong = sum(check.verdict == "wrong" for check in checks)
    warned = sum(check.verdict == "warn" for check in checks)
    if wrong:
        return f"{counted(wrong, 'thing')} wrong, {warned} to look at."
    return f"Nothing wrong, {warned} to look at." if warned else "All is well."
