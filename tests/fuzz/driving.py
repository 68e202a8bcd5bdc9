"""So many wrong inputs into one reader, and what became of each. It knows no reader.

A target says with which errors its reader may refuse. Anything else that comes out of it is a finding, and so
are an input that takes too long, and memory that does not come back.
"""

from __future__ import annotations

import gc
import hashlib
import os
import random
import signal
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from pi_rag.host import memory

CORPUS = Path(__file__).parent / "corpus"
"""What once found something, by target; our own, small, and replayed by the tests beside this file."""

INPUT_S_MAX = 20
"""Longest any one input may take. All take milliseconds; a machine may be busy."""

GROWN_MIB_MAX = 12.0
"""How much private memory a reader's process may gain between the first tenth of the inputs and the last one.
The allocator's own noise at these sizes was measured at up to 4 MiB."""

FINDINGS_MAX = 20
"""After so many a target is given up: they will be one and the same."""

Check = Callable[[bytes], str]
"""Reads an input: what became of it in one word. Raises what nobody may see."""

Source = Callable[[random.Random], bytes]
"""Makes the next input."""


@dataclass(frozen=True)
class Target:
    """One reader of bytes."""

    name: str
    about: str
    source: Source
    check: Check
    weight: int = 100
    """Its share of a run: the cheap ones get more."""


@dataclass(frozen=True, slots=True)
class Finding:
    """An input that did what none may do."""

    target: str
    data: bytes
    why: str

    @property
    def file_name(self) -> str:
        """The name under which it is kept."""
        return hashlib.sha256(self.data).hexdigest()[:16]


@dataclass
class Outcome:
    """What became of all inputs of one target."""

    target: str
    count: int = 0
    seconds: float = 0.0
    became: Counter[str] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)
    before_mib: float = 0.0
    """Private memory after the first tenth."""
    after_mib: float = 0.0

    @property
    def grown_mib(self) -> float:
        """What the reader kept, as far as the kernel can tell."""
        return round(self.after_mib - self.before_mib, 1)


class TooSlow(Exception):
    """An input took longer than any may."""


@contextmanager
def bounded(seconds: float) -> Iterator[None]:
    """Raises TooSlow in the middle of whatever is done inside for so long. For the first thread alone."""

    def late(_: int, __: FrameType | None) -> None:
        raise TooSlow(f"It took more than {seconds:g} s.")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def fuzz(target: Target, count: int, seed: int) -> Outcome:
    """So many inputs of a target, the same ones for the same seed."""
    dice = random.Random(f"{target.name} {seed}")
    outcome = Outcome(target.name)
    begun_s = time.monotonic()
    while outcome.count < count and len(outcome.findings) < FINDINGS_MAX:
        if outcome.count == count // 10:
            outcome.before_mib = own_mib()
        data = target.source(dice)
        outcome.count += 1
        finding = tried(target, data, outcome.became)
        if finding is not None:
            outcome.findings.append(finding)
    outcome.after_mib = own_mib()
    outcome.seconds = round(time.monotonic() - begun_s, 1)
    return outcome


def tried(target: Target, data: bytes, became: Counter[str]) -> Finding | None:
    """One input."""
    try:
        with bounded(INPUT_S_MAX):
            became[target.check(data)] += 1
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException:  # a panic of a library in Rust is no Exception
        return Finding(target.name, data, traceback.format_exc(limit=-6))
    return None


def own_mib() -> float:
    """Private memory of this process in MiB, what is free in it given back first."""
    gc.collect()
    memory.trim()
    return private_mib(os.getpid())


def private_mib(pid: int) -> float:
    """Of a process. Where the kernel hides it, nothing could be said of what grows: from nothing to nothing
    is flat.
    """
    found = memory.private_mib(pid)
    assert found, f"the kernel does not tell the private memory of process {pid}"
    return found


def kept(finding: Finding, corpus: Path = CORPUS) -> Path:
    """Write a finding where it is replayed from."""
    folder = corpus / finding.target
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / finding.file_name
    path.write_bytes(finding.data)
    return path


def corpus_of(name: str, corpus: Path = CORPUS) -> list[bytes]:
    """What was kept of a target."""
    return (
        [path.read_bytes() for path in sorted((corpus / name).glob("*"))] if (corpus / name).is_dir() else []
    )
