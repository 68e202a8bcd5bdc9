"""One line of the doctor: what was looked at, how it is, and the command that mends it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pi_rag.cli.printing import counted
from pi_rag.errors import PiRagError

Verdict = Literal["ok", "warn", "wrong"]

SUBJECTS = {
    "python": "whether it is new enough",
    "settings": "whether they can be read and agree with each other",
    "data folder": "whether it is there, whose it is, and who may look into it",
    "free space": "how much is left where the data folder is",
    "storage": "what the data folder is on: card, drive, memory, another machine; whether it can be written",
    "disk health": "how much of the disk's life is used up, and the errors it counts",
    "kernel log": "what the kernel complained of since the start: card, disk, power",
    "swap": "whether the machine swaps, and to what",
    "socket": "whether it is there, and who may use it",
    "service": "whether it answers, and from everything",
    "alert": "each alert that fires now",
    "memory budget": "whether the service keeps the budget and the settings that were made",
    "model": "whether its file is what was installed, by its checksum",
    "engine": "which llama.cpp is loaded, and whether it uses the processor's dot products (`DOTPROD = 1`)",
    "database": "the versions of the SQLite and the sqlite-vec that are loaded, and the size",
    "database check": "whether all of it is whole: pages, references, words, vectors, nothing left over",
    "backup": "when the newest in the folder of the settings was made",
    "inotify": "whether the kernel has room for the watched folders",
    "watched folder": "each watched folder that is not as it should be",
    "board": "which it is, its cores and its memory",
    "temperature": "how hot the processor is",
    "power": "whether the supply gives enough, now and since the start",
    "throttling": "whether the firmware slows the processor, now and since the start",
    "memory limits": "whether systemd can hold the service to its limit (the memory cgroup)",
    "memory pressure": "whether the kernel tells when memory is short (PSI)",
    "memory pages": "how large a page of the kernel is",
    "reading child": "whether the kernel can confine the child that opens strangers' files",
    "board watchdog": "whether a machine that hangs is started anew",
    "journal": "whether the system's log outlives a restart",
    "clock": "whether it is right, was set back, and goes on while the machine is off",
}
"""Everything that is looked at, in the order of the lines. docs/doctor.md has the same table."""


@dataclass(frozen=True)
class Check:
    """One line."""

    what: str
    verdict: Verdict
    detail: str
    mend: str = ""
    """A command to type; what is in brackets behind it is for the person."""
    is_private: bool = False
    """The detail may name a person, a file or a folder: a report for others leaves it out."""

    def __post_init__(self) -> None:
        assert self.what in SUBJECTS, self.what


def failed(what: str, error: PiRagError) -> Check:
    """An error of ours as a line: its hint is what mends it."""
    return Check(what, "wrong", error.message, error.hint, is_private=True)


def summary(checks: list[Check]) -> str:
    """'All is well.' or how much is wrong."""
    wrong = sum(check.verdict == "wrong" for check in checks)
    warned = sum(check.verdict == "warn" for check in checks)
    if wrong:
        return f"{counted(wrong, 'thing')} wrong, {warned} to look at."
    return f"Nothing wrong, {warned} to look at." if warned else "All is well."
