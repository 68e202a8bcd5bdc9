"""Checks of what only the service can know: the model in use, what is linked, the database, the watches."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pi_rag.cli import advice
from pi_rag.cli.checks.check import Check, failed
from pi_rag.client import Client
from pi_rag.config import Settings
from pi_rag.errors import AdministratorsOnly, DeadlineExceeded, PiRagError
from pi_rag.host import kernel, sysfs
from pi_rag.host.processor import features

DOT_PRODUCTS = "asimddp"
"""Linux's word for what a Cortex-A76 and later can do, and a Cortex-A72 (Pi 4) cannot."""

FLAGS = (
    "CFLAGS='-fno-math-errno -fno-trapping-math' "
    "CXXFLAGS='-D__ARM_NEON__=1 -fno-math-errno -fno-trapping-math'"
)
"""What install.sh tells the compiler on such a processor: an eighth faster (docs/decisions/0007)."""

RAISE_WATCHES = (
    "echo fs.inotify.max_user_watches={count} | sudo tee /etc/sysctl.d/60-pi-rag.conf && sudo sysctl --system"
)
"""Each folder that is looked into takes one watch, about 1 KiB of the kernel's memory."""


def asked(client: Client) -> tuple[Check, dict[str, Any]]:
    """Whether the service answers and is ready; its answer, empty when there is none."""
    try:
        status = client.status()
    except PiRagError as error:
        return failed("service", error), {}
    state = str(status.get("state"))
    reasons = [str(reason) for reason in status.get("degraded") or []]
    if status.get("ready") is True and not reasons:
        return Check("service", "ok", f"ready, version {status.get('version')}"), status
    # About the model the advice is to run the doctor, who is at it; the status has the service's own reason.
    known = (
        advice.degraded(reason, status)
        for reason in reasons
        if reason in advice.DEGRADED and reason != "embedder_unavailable"
    )
    mend = next(known, "pi-rag status")
    return Check("service", "warn", ": ".join([state, ", ".join(reasons)]).rstrip(": "), mend), status


def alerts(status: dict[str, Any]) -> Iterator[Check]:
    """Each alert that fires now, as the service tells it."""
    for alert in status.get("alerts") or []:
        name = str(alert.get("name"))
        yield Check("alert", "warn", advice.alert(alert), advice.ALERTS.get(name, "pi-rag status"))


def budget(status: dict[str, Any]) -> Iterator[Check]:
    """Whether the service goes by the budget and the settings that a person made."""
    memory = status.get("memory") or {}
    told, mib = advice.budget(memory), memory.get("budget_mib")
    if told:
        possible = f"set memory.budget_mib to {mib} or less"
        more = "raise memory.budget_mib (0: a quarter of the board's memory), or lower what does not fit"
        mend = possible if str(memory.get("budget_why")).startswith("more") else more
        yield Check("memory budget", "warn", told, f"{mend}; then restart the service")
    elif mib:
        yield Check("memory budget", "ok", f"{mib} MiB")


def model(settings: Settings, status: dict[str, Any]) -> Check:
    """Whether the model in use is there and is what was installed. It reads the whole file.

    For one that the settings name by its path nobody has kept a checksum.
    """
    from pi_rag.models.shelf import Shelf, own_file

    if _is_hidden(settings.models_path):
        return _model_loaded(status)
    shelf = Shelf(settings.models_path)
    try:
        card = shelf.current(settings.embedder.model)
        if own := own_file(settings.embedder.model):
            told = f"{own}, whole; there is no checksum to compare it with"
        else:
            shelf.verify(card)
            told = "checksum right"
    except PiRagError as error:
        return failed("model", error)
    return Check("model", "ok", f"{card.name}, {card.quantisation}, {told}", is_private=True)


def engine(status: dict[str, Any], root: Path = sysfs.ROOT) -> Iterator[Check]:
    """Which llama.cpp the service has loaded, and whether it was built for this processor."""
    told = (status.get("embedder") or {}).get("engine") or {}
    if not told:
        return
    names = {"llama_cpp": "llama.cpp", "ggml": "ggml", "commit": "commit"}
    linked = ", ".join(f"{name} {told[key]}" for key, name in names.items() if told.get(key))
    used = {part.strip() for part in str(told.get("features")).replace(":", "|").split("|")}
    if DOT_PRODUCTS not in features(root / "proc/cpuinfo"):
        yield Check("engine", "ok", linked)
    elif "DOTPROD = 1" in used:
        yield Check("engine", "ok", f"{linked}, DOTPROD = 1")
    else:
        detail = f"{linked}, built without DOTPROD = 1: embedding takes twice as long or more"
        yield Check("engine", "warn", detail, rebuild())


def rebuild() -> str:
    """The command that builds the engine anew, for this processor, where this pi_rag is installed."""
    from importlib import metadata  # only where it is needed: it takes as long as all else together

    version = next((each.version for each in metadata.distributions(name="llama-cpp-python")), "")
    package = f"llama-cpp-python=={version}" if version else "llama-cpp-python"
    sudo = "" if os.access(sys.prefix, os.W_OK) else "sudo "
    flags = f"CMAKE_ARGS='-DGGML_NATIVE=ON -DLLAVA_BUILD=OFF' {FLAGS}"
    pip = f"{sys.executable} -m pip install --force-reinstall --no-deps --no-cache-dir"
    return f"{sudo}env {flags} {pip} --no-binary llama-cpp-python {package}   (some minutes; then restart it)"


def store(status: dict[str, Any]) -> Iterator[Check]:
    """What the service says of its database: the linked libraries and the size."""
    told = status.get("store") or {}
    if not told:
        return
    names = {"sqlite_version": "SQLite", "sqlite_vec_version": "sqlite-vec", "schema_version": "schema"}
    linked = ", ".join(f"{name} {told[key]}" for key, name in names.items() if told.get(key) is not None)
    free = (told.get("upkeep") or {}).get("free_mib")
    size_mib = f"{told.get('size_mib', '?')} MiB" + (f", {free} of them free" if free is not None else "")
    yield Check("database", "ok", ", ".join(filter(None, [linked, size_mib])))


def whole(client: Client) -> Check:
    """Whether the database is whole, for which the service reads all of it: a request may be over before."""
    what = "database check"
    try:
        problems = (client.status(check=True).get("store") or {}).get("problems")
    except DeadlineExceeded:
        return Check(what, "warn", "not finished in the time of one request", "sudo pi-rag upkeep")
    except PiRagError as error:
        return failed(what, error)
    if problems is None:
        return Check(what, "warn", "the service has not checked it", "pi-rag doctor   (once it is ready)")
    if problems:
        mend = "pi-rag verify   (and what to type then: docs/backup.md)"
        return Check(what, "wrong", "; ".join(map(str, problems[:3])), mend)
    return Check(what, "ok", "whole")


BACKUP_DAYS_MAX = 8
"""A timer makes one every night. After a week without one somebody should look."""


def backup(client: Client, now_s: float) -> Check:
    """How the last one into the folder of the settings went, and how old the newest there is."""
    try:
        told = client.backup_status()
    except AdministratorsOnly:
        return Check("backup", "ok", "not looked at: only administrators may ask", "sudo pi-rag doctor")
    except PiRagError as error:
        return failed("backup", error)
    newest_at, error_told = told.get("newest_at"), told.get("folder_error")
    if error_told:
        mend = f"{error_told.get('hint') or ''}   (then: sudo pi-rag backup)".strip()
        return Check("backup", "warn", f"the last one failed: {error_told.get('message')}", mend)
    if newest_at is None:
        detail = "there is none in the folder of the settings (backup.folder)"
        return Check("backup", "warn", detail, "sudo pi-rag backup   (docs/backup.md)")
    days = (now_s - float(newest_at)) / 86400
    if days > BACKUP_DAYS_MAX:
        mend = "systemctl status pi-rag-backup   (says why; at once: sudo pi-rag backup)"
        return Check("backup", "warn", f"the newest is {days:.0f} days old", mend)
    return Check("backup", "ok", f"the newest is {max(0.0, days):.1f} days old")


def watches(settings: Settings, status: dict[str, Any], root: Path = sysfs.ROOT) -> Iterator[Check]:
    """Whether the kernel has watches for the folders that are to be kept right, and what they miss."""
    told = status.get("watching") or {}
    limit = kernel.inotify_watches_max(root)
    if told.get("blind"):
        every = f"only a sweep each {settings.watch.sweep_blind_s:g} s finds changes"
        detail = f"the kernel's limit of {limit or '?'} folders for this user is reached: {every}"
        yield Check("inotify", "warn", detail, RAISE_WATCHES.format(count=max(2 * (limit or 0), 524_288)))
    else:
        beginnings = kernel.inotify_instances_max(root)
        yield Check("inotify", "ok", f"enough; at most {limit or '?'} folders, {beginnings or '?'} watchers")
    for each in told.get("problems") or []:
        detail = f"{each.get('folder')}: {each.get('problem')}"
        yield Check("watched folder", "warn", detail, "pi-rag watch list", is_private=True)


def _model_loaded(status: dict[str, Any]) -> Check:
    """The models belong to the service's user; the service has checked the one it loaded."""
    card = status.get("model") or {}
    if not card:
        why = "and it has none" if status else "and it does not answer"
        return Check("model", "warn", f"only the service may read it, {why}", "sudo pi-rag doctor")
    detail = f"{card.get('name')}, as the service says; only it may read the file"
    return Check("model", "ok", detail, is_private=True)


def _is_hidden(folder: Path) -> bool:
    """Whether this user may not look into a folder that is, or may be, there."""
    try:
        folder.stat()
    except PermissionError:
        return True
    except OSError:
        return False
    return not os.access(folder, os.R_OK | os.X_OK)
