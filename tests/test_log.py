"""What a line may tell, and that nobody waits for whoever reads it."""

from __future__ import annotations

import ast
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pi_rag import log

PACKAGE = Path(log.__file__).parent
LEVELS = {"debug", "info", "warning", "error", "exception", "critical", "log"}


@pytest.fixture(autouse=True)
def as_at_start() -> Iterator[None]:
    """Nothing is set for the tests after this one."""
    log.configure("info")
    yield
    log.configure("info")


def fields_of(path: Path) -> Iterator[str]:
    """The fields of every log line that a module can write, as far as they are written out."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in LEVELS:
            speaker = node.func.value
            name = getattr(speaker, "id", getattr(speaker, "attr", ""))
            if name == "_log":
                yield from (each.arg for each in node.keywords if each.arg not in {None, "exc_info"})


def test_every_field_that_is_logged_is_on_the_list() -> None:
    """Else the line would come without it. Is it nothing of a document or a question? Then put it there."""
    found = {field: path.name for path in PACKAGE.rglob("*.py") for field in fields_of(path)}
    assert {field: found[field] for field in found.keys() - log.FIELDS - log.TEXTS} == {}


def test_a_field_that_is_not_on_the_list_is_dropped_and_counted(capsys: pytest.CaptureFixture[str]) -> None:
    """A text cannot slip in under a name that nobody thought of."""
    before = log.dropped()["fields_dropped"]
    log.logger("here").info("said", pid=7, passage="a canary", chunk="another canary")
    line = capsys.readouterr().err
    assert "event=said room=here pid=7" in line
    assert "canary" not in line
    assert log.dropped()["fields_dropped"] == before + 2


def test_a_question_is_told_only_when_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    """By the setting, which can be taken back while the service runs."""
    for texts in (False, True, False):
        log.configure("debug", texts=texts)
        log.logger("query").debug("searched", query="a canary", hits=3)
    assert ["canary" in line for line in capsys.readouterr().err.splitlines()] == [False, True, False]


def test_an_exception_is_told_without_its_message(capsys: pytest.CaptureFixture[str]) -> None:
    """Where it came from and what it is, and so of what led to it; a message may quote a document."""
    text = "".join(["can", "ary"])  # not as it would stand in a line of this file
    try:
        try:
            int(text)
        except ValueError as error:
            raise ExceptionGroup(text, [KeyError(text), OSError(28, text, text)]) from error
    except ExceptionGroup:
        log.logger("here").exception("failed")
    line = capsys.readouterr().err
    assert text not in line
    for word in ("ExceptionGroup", "KeyError", "OSError: No space left on device", "ValueError", "int(text)"):
        assert word in line


def test_a_long_value_is_cut(capsys: pytest.CaptureFixture[str]) -> None:
    """A reason may quote; a line stays a line."""
    log.logger("here").info("said", reason="x" * 100_000)
    assert len(capsys.readouterr().err) < 2 * log.VALUE_CHARS_MAX


def test_nobody_waits_for_a_pipe_that_nobody_reads() -> None:
    """Many times what a pipe holds is logged; once it is read again, what is missing is told."""
    reads, writes = os.pipe()
    lines = 20_000
    with log.aside(writes):
        logged = threading.Thread(target=_log_lines, args=[lines], daemon=True)
        logged.start()
        logged.join(60)
        assert not logged.is_alive()
        dropped = log.dropped()["lines_dropped"]
        assert dropped > lines / 2
        read: list[bytes] = []
        reader = threading.Thread(target=_read_all, args=[reads, read])
        reader.start()
    os.close(writes)
    reader.join(60)
    os.close(reads)

    told = b"".join(read).decode().splitlines()
    counts = [int(line.rpartition("count=")[2]) for line in told if "event=log_lines_dropped" in line]
    written = [line for line in told if "event=said" in line]
    assert sum(counts) == dropped
    assert len(written) + dropped >= lines
    assert {line.rpartition(" ")[2] for line in written} == {"state=whole"}


def _log_lines(count: int) -> None:
    for _ in range(count):
        log.logger("here").info("said", state="whole")


def _read_all(descriptor: int, into: list[bytes]) -> None:
    while data := os.read(descriptor, 65536):
        into.append(data)


def test_a_pipe_that_nobody_reads_does_not_hold_up_the_end() -> None:
    """The service stops in time, whatever becomes of its last lines."""
    code = f"""
from pi_rag import log
with log.aside():
    for _ in range(10 * {log.LINES_MAX}):
        log.logger("here").info("said")
print("ended")
"""
    reads, writes = os.pipe()
    ended = subprocess.run(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=writes, timeout=60, check=True
    )
    os.close(reads)
    os.close(writes)
    assert ended.stdout == b"ended\n"


def test_what_libraries_say_is_told_without_values() -> None:
    """asyncio quotes the exception of a task that nobody waited for, with all that is in it."""
    reads, writes = os.pipe()
    with log.aside(writes):
        logging.getLogger("asyncio").error("Task exception was never retrieved\nfuture: canary")
        logging.getLogger("a.library").log(35, "of %s", "canary")
        logging.getLogger("a.library").info("canary")
    os.close(writes)
    told = os.read(reads, 65536).decode()
    os.close(reads)
    assert 'said="Task exception was never retrieved"' in told
    assert 'said="of %s"' in told
    assert "canary" not in told
