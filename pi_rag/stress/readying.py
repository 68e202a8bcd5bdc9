"""What must be so before a run: a model, room on the disk, and no other service that it would disturb.

It asks the command line, the running service if there is one, and the kernel; it opens nothing of a memory.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pi_rag import __version__
from pi_rag.client import Client
from pi_rag.config import Settings
from pi_rag.errors import DiskFull, ModelMissing, PiRagError, ServiceBeside, from_wire
from pi_rag.host import memory
from pi_rag.host.board import board
from pi_rag.host.storage import storage
from pi_rag.stress import family
from pi_rag.stress.running import COMMAND

ASK_S_MAX = 60.0


@dataclass(frozen=True)
class Model:
    """The model of every service of the run."""

    name: str
    path: Path


def model(settings: Settings, flags: Sequence[str] = ()) -> Model:
    """The model that the person's service uses: a path that is set, else one of the shelf, else what the
    running service says. `flags` are those of the command line that choose settings. Raises ModelMissing.
    """
    choice = settings.embedder.model
    if "/" in choice or choice.endswith(".gguf"):
        return _there(Path(choice).expanduser().absolute())
    found = [each for each in _installed(flags) if (each["name"] == choice if choice else each["in_use"])]
    found = found or _of_service(settings.socket_path)
    if not found:
        named = f"The model {choice!r} is not installed." if choice else "No model is installed."
        raise ModelMissing(
            named,
            hint="Get one with: pi-rag model pull\nThat of the installed service: "
            "sudo -u pi-rag pi-rag stress --data /var/lib/pi-rag --out FOLDER",
        )
    return _there(Path(found[0]["path"]), str(found[0]["name"]))


def _there(path: Path, name: str = "") -> Model:
    if not path.is_file() or not os.access(path, os.R_OK):
        raise ModelMissing(f"The model file {path} cannot be read.")
    return Model(name or path.stem, path)


def _installed(flags: Sequence[str]) -> list[Mapping[str, Any]]:
    """As `pi-rag model list` tells it. Raises what that says."""
    command = [*COMMAND, "model", "list", "--json", *flags]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=ASK_S_MAX, check=False, stdin=subprocess.DEVNULL
    )
    told = json.loads(done.stdout or "{}")
    if "error" in told:
        raise from_wire(told["error"])
    return list(told["models"])


def _of_service(socket_path: Path) -> list[Mapping[str, Any]]:
    with suppress(PiRagError):
        found = Client(socket_path, answer_s_max=5.0).status()["model"]
        return [found] if found else []
    return []


def beside(*, is_allowed: bool) -> tuple[str, ...]:
    """What is to be noted of other services that run here. Raises ServiceBeside, unless it is allowed."""
    pids = family.services()
    if not pids:
        return ()
    named = ", ".join(map(str, pids))
    if not is_allowed:
        raise ServiceBeside(f"A pi-rag service runs on this machine (process {named}).")
    return (f"Beside it {len(pids)} other pi-rag service(s) ran: they shared processor, memory and disk.",)


def room(folder: Path, wanted_mib: int) -> None:
    """Raises DiskFull when there is less room than that where the folder is, or will be."""
    there = next(each for each in (folder, *folder.parents) if each.exists())
    free_mib = shutil.disk_usage(there).free >> 20
    if free_mib < wanted_mib:
        raise DiskFull(
            f"The run needs {wanted_mib} MiB of disk for its own data, and {there} has {free_mib} MiB.",
            hint="Choose a folder on another disk with --out, or fewer scenarios; see: pi-rag stress --list",
        )


def machine(folder: Path, used: Model) -> dict[str, str]:
    """What the figures were measured on, in words that name nobody."""
    here, lies = board(), storage(folder)
    return {
        "board": here.name or here.machine,
        "cores": str(here.cores),
        "memory": f"{memory.total_mib() or 0:.0f} MiB",
        "disk": f"{lies.kind}, {lies.filesystem}",
        "kernel": f"{platform.system()} {platform.release()} {here.machine}",
        "python": platform.python_version(),
        "pi_rag": __version__,
        "model": used.name,
    }
