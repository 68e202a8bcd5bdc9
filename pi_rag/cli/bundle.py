"""The report of `pi-rag doctor --bundle`: one archive for a bug report, without private text.

What goes in is on a list: numbers, and words of closed vocabularies. Of a text that is on no list, such as
the name of a source, a folder or a model, nothing goes in. It is written here and sent to nobody.
"""

from __future__ import annotations

import io
import json
import os
import platform
import re
import sys
import tarfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

from pi_rag import __version__
from pi_rag.cli.checks.check import Check
from pi_rag.cli.metrics import latest
from pi_rag.config import Settings
from pi_rag.errors import BadInput, NotFound
from pi_rag.host import sysfs
from pi_rag.host.commands import said

LINES_MAX = 500
"""Of the metrics, more than eight hours; of the log, what led to most faults."""

LOG_COMMAND = ("journalctl", "--unit=pi-rag", f"--lines={LINES_MAX}", "--output=cat", "--no-pager", "--quiet")

CONTENTS = {
    "README.txt": "what this is",
    "doctor.json": "each check and its verdict; of those that name files or people, no detail",
    "status.json": "what the service says of itself: numbers and words of its own",
    "settings.json": "the settings; of texts and paths only whether they are set",
    "versions.json": "of pi_rag, Python, the system and the libraries",
    "metrics.jsonl": f"the last {LINES_MAX} lines of the metrics file: numbers",
    "log.txt": f"the last {LINES_MAX} lines of the log: times, events and numbers",
}
"""Every file of the report; those that there is nothing for are left out."""

LACKS = {
    "status.json": "the service does not answer",
    "settings.json": "they are not valid",
    "metrics.jsonl": "none were written yet, or only the service's user may read them",
    "log.txt": "no log: not run by systemd, or only root may read it",
}
"""Why a file may be missing."""

PRIVATE = "(left out)"

WORDS = frozenset(
    """
    alert_names alerts before cause circuit commit degraded event fattest ggml held_by kind lane level
    llama_cpp loop policy pooling quantisation role sqlite_vec_version sqlite_version stage state step
    timestamp time unit version waiting_for why
    """.split()
)
"""Fields whose texts are ours, and say nothing of what is stored."""

OUR_NAMES = frozenset({"alerts", ""})
"""Where a `name` is ours too: of an alert, and of what a line of the metrics file tells. Elsewhere it may be
a person's choice, as a model's is."""

OF_MODELS = frozenset({"index_model", "licence", "model", "name"})
"""Fields that tell of a model."""

KNOWN_MODELS = frozenset({"all-MiniLM-L6-v2", "Apache-2.0", "bge-small-en-v1.5", "MIT"})
"""Names and licences of the models that pi_rag itself can get (models/catalogue.py)."""

LOG_WORDS = frozenset({"timestamp", "level", "event", "room", "code"})

LOG_NUMBERS = frozenset(
    """
    after_s attempts available_mib batch_ms bound budget_mib count documents failures fattest_mib fattest_pid
    fd figure files flash_tokens_min folders for_s freed_bytes grown_mib hits item limit passages pid pressure
    pressure_percent private_mib problems query_workers seconds skipped texts threads_next_start took_ms
    took_s used_mib value wait_s workers workers_next_start
    """.split()
)
"""Fields of the log that are numbers. What looks like one in another may be a question, or a file's name."""

_FIELD = re.compile(r'(?:^|\s)([a-z_]+)=("(?:[^"\\]|\\.)*"|\S*)')
"""Of a line in logfmt."""

_FRAME = re.compile(r'File \\?"[^"]*?(\w+\.py)\\?", line (\d+),? in (\w+)')
"""Of a stack, as it stands in a line of ours or in several of Python's."""

_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")

_WORD = re.compile(r"[A-Za-z0-9_.:+°%/-]{1,40}")

_FEATURES = re.compile(r"[A-Z][A-Za-z0-9_ :=|]{0,600}")
"""llama.cpp's line about the processor."""

_LIBRARIES = (
    "apsw fastapi gguf httptools huggingface_hub kreuzberg llama-cpp-python numpy orjson prometheus-client "
    "pydantic sqlite-vec structlog turbovec usearch uvicorn uvloop watchfiles"
).split()


def write(
    name: str, checks: Iterable[Check], settings: Settings | None, status: dict[str, Any]
) -> tuple[Path, dict[str, str]]:
    """Write the report; (where it is, what is in it). Raises BadInput where it cannot be.

    Without a name it gets one, in this folder. What is there already is not written over.
    """
    path = Path(name or time.strftime("pi-rag-report-%Y%m%d-%H%M%S.tar.gz"))
    found = {name: text for name, text in _files(checks, settings, status) if text}
    files = {"README.txt": _readme(found), **found}
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                _pack(file, files)
        except OSError:
            path.unlink()  # half a report, on a disk that is full, tells nobody anything
            raise
    except OSError as error:
        said = f"The report {path} could not be written: {error.strerror}."
        raise BadInput(said, hint="Name another file: pi-rag doctor --bundle FILE") from error
    return path, {name: CONTENTS[name] for name in files}


def lacking(held: Iterable[str]) -> dict[str, str]:
    """Each file that such a report does not have, and why that may be."""
    return {name: why for name, why in LACKS.items() if name not in held}


def clean(value: Any, field: str = "") -> Any:
    """A value of JSON with all texts left out but those of our own vocabularies."""
    if isinstance(value, dict):
        return {
            key: each if key == "name" and field in OUR_NAMES and _is_word(each) else clean(each, key)
            for key, each in value.items()
        }
    if isinstance(value, list):
        return [clean(each, field) for each in value]
    if isinstance(value, str):
        return value if _is_ours(value, field) else PRIVATE
    return value


def _is_ours(text: str, field: str) -> bool:
    if field == "features":
        return _FEATURES.fullmatch(text) is not None
    return (field in WORDS and _is_word(text)) or (field in OF_MODELS and text in KNOWN_MODELS)


def _is_word(value: Any) -> bool:
    return isinstance(value, str) and _WORD.fullmatch(value) is not None


def checked(check: Check) -> dict[str, str]:
    """A line of the doctor, without paths."""
    detail = PRIVATE if check.is_private else without_paths(check.detail)
    return {"what": check.what, "verdict": check.verdict, "detail": detail}


def without_paths(text: str) -> str:
    """Every path of more than one part is left out, and what follows it: it may have blanks."""
    return re.sub(r"(?<![\w.])/[^\s/]+/[^,;:]*", "/…", text)


def settings_told(settings: Settings) -> dict[str, Any]:
    """Every setting. Numbers and choices as they are; of other texts, whether they are set."""
    told: dict[str, Any] = {}
    for group in fields(settings):
        for item in fields(getattr(settings, group.name)):
            value = getattr(getattr(settings, group.name), item.name)
            is_open = isinstance(value, str) and not item.metadata.get("choices")
            told[f"{group.name}.{item.name}"] = ("(set)" if value else "") if is_open else value
    return told


def log_line(line: str) -> str:
    """A line of the log: its time, level, event, and its numbers. Any other text is left out.

    Of a stack only where it was: `File "/opt/x/pi_rag/a.py", line 3, in f` becomes `a.py:3 f`.
    """
    frames = " ".join(":".join(each) for each in _FRAME.findall(line))
    if not line.startswith("timestamp="):
        return frames
    found = _FIELD.findall(line)
    kept = [f"{key}={value}" for key, value in found if key in LOG_WORDS and _is_word(value)]
    kept += [f"{key}={value}" for key, value in found if key in LOG_NUMBERS and _NUMBER.fullmatch(value)]
    return " ".join([*kept, frames]).rstrip()


def _files(
    checks: Iterable[Check], settings: Settings | None, status: dict[str, Any]
) -> Iterator[tuple[str, str]]:
    """All but README.txt; empty where there is nothing to tell."""
    yield "doctor.json", _json([checked(check) for check in checks])
    yield "status.json", _json(clean(status)) if status else ""
    yield "settings.json", _json(settings_told(settings)) if settings else ""
    yield "versions.json", _json(versions())
    yield "metrics.jsonl", _metrics(settings.metrics_path) if settings else ""
    yield "log.txt", "".join(f"{line}\n" for line in map(log_line, said(*LOG_COMMAND).splitlines()) if line)


def _readme(held: Iterable[str]) -> str:
    rows = {name: CONTENTS[name] for name in ("README.txt", *held)} | lacking(held)
    told = "".join(f"{name:<16}{content}\n" for name, content in rows.items())
    return f"A report of `pi-rag doctor --bundle`, without private text.\n\n{told}"


def versions(root: Path = sysfs.ROOT) -> dict[str, str]:
    """Of what pi_rag runs on and with."""
    from importlib import metadata  # only for a report: it takes longer than all else here

    system = {key: value.strip('"') for key, value in _assignments(root / "etc/os-release")}
    found = {
        "pi_rag": __version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "kernel": platform.release(),
        "system": system.get("PRETTY_NAME", ""),
        "systemd": said("systemctl", "--version").split("\n")[0],
        "virtual environment": str(sys.prefix != sys.base_prefix),
    }
    libraries = {each: list(metadata.distributions(name=each)) for each in _LIBRARIES}
    return found | {each: there[0].version for each, there in libraries.items() if there}


def _assignments(path: Path) -> Iterator[tuple[str, str]]:
    for line in sysfs.lines(path):
        key, _, value = line.partition("=")
        yield key, value


def _metrics(folder: Path) -> str:
    """The last lines of the metrics files, those that are none left out."""
    try:
        lines = latest(folder, LINES_MAX)
    except NotFound:
        return ""
    return "".join(f"{json.dumps(clean(line), separators=(',', ':'))}\n" for line in lines)


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def _pack(file: Any, files: dict[str, str]) -> None:
    """Nobody's name and number is in the archive: its files are root's, as far as it tells."""
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for name, text in files.items():
            data = text.encode("utf-8", "replace")
            member = tarfile.TarInfo(f"pi-rag-report/{name}")
            member.size, member.mtime = len(data), int(time.time())
            archive.addfile(member, io.BytesIO(data))
