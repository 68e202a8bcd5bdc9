"""Structured log lines, one event a line, to standard error, which systemd hands to the journal.

Callers pass fields, never sentences with values in them. Only fields of `FIELDS` get through, so that no text
of a document or a question can slip in; what a question was is told only when a setting asks for it. Of an
exception the frames and kinds are told, not its message, which may quote what it choked on.

`aside` has a thread write the lines, so that a journal that stands still holds nobody up. It knows nothing of
who logs. Only the service imports it: light commands print.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import sys
import threading
import time
import traceback
from collections.abc import Iterator, MutableMapping
from typing import Any, TextIO, cast

import structlog

LINES_MAX = 512
"""Lines that wait for the journal. One more is dropped and counted; at 300 bytes each it is 150 KiB."""

VALUE_CHARS_MAX = 1000
"""A longer value is cut; an exception's frames may be `FRAMES_CHARS_MAX` long."""

FRAMES_CHARS_MAX = 8000

END_S_MAX = 1.0
"""How long the end of the service waits for the last lines to be taken."""

FIELDS = frozenset(
    """
    after_s attempts available_mib batch_ms before bound budget_mib cause cgroup code count degraded
    document documents done doubt event exception failures fattest fattest_mib fattest_pid fd figure files
    flash_tokens_min folders for_s freed_bytes given group grown_mib hits item kind lacked lacks level
    library limit loops model name passages path pid pressure pressure_percent private_mib problems
    query_workers reason room said seconds skipped state status step texts threads_next_start timestamp
    took_ms took_s undervoltage unit used used_mib value wait_s wanted watch why workers workers_next_start
    """.split()
)
"""The fields that may be told: numbers, codes, words of a closed vocabulary, reasons in our own words. One
that is not here is dropped and counted."""

TEXTS = frozenset({"query"})
"""What guests say. Told only when `service.log_texts` asks for it."""

_KEY_ORDER = ("timestamp", "level", "event")
_render = structlog.processors.LogfmtRenderer(key_order=_KEY_ORDER, bool_as_flag=False)


class _Lossy:
    """Standard error, but for its faults: a line that a full disk does not take is no reason to end."""

    def write(self, text: str) -> None:
        with contextlib.suppress(OSError):
            sys.stderr.write(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            sys.stderr.flush()


class _Aside:
    """A stream that never waits: a thread writes, a bounded number of lines wait, what is over is dropped."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lines: queue.Queue[str | None] = queue.Queue(LINES_MAX)
        self._told = 0
        self._thread = threading.Thread(target=self._work, name="log", daemon=True)
        self._thread.start()

    def write(self, text: str) -> None:
        try:
            self._lines.put_nowait(text)
        except queue.Full:
            _dropped["lines"] += 1

    def flush(self) -> None:
        """Nobody waits for that."""

    def end(self, seconds: float) -> None:
        """Write what waits, and no more after it; give up after `seconds`. Twice is harmless."""
        until_s = time.monotonic() + seconds
        with contextlib.suppress(queue.Full):
            self._lines.put(None, timeout=seconds)
        self._thread.join(max(0.0, until_s - time.monotonic()))

    def _work(self) -> None:
        while (line := self._lines.get()) is not None:
            if self._is_taken(line) and (missed := _dropped["lines"] - self._told):
                self._told += missed
                self._is_taken(_line("warning", "log_lines_dropped", count=missed))

    def _is_taken(self, line: str) -> bool:
        data = line.encode(errors="replace")
        try:
            while data:
                data = data[os.write(self._descriptor, data) :]
        except OSError:
            _dropped["lines"] += 1
            return False
        return True


_dropped = {"lines": 0, "fields": 0}
_stream: _Lossy | _Aside = _Lossy()
_texts = False


def configure(level: str, *, texts: bool = False) -> None:
    """Set how much is logged. Called at start, and again when the settings are reloaded."""
    global _texts  # noqa: PLW0603 - as structlog's own configuration, which this is a part of
    _texts = texts
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            _with_frames,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _allowed,
            _render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(file=cast("TextIO", _stream)),
        cache_logger_on_first_use=False,
    )


def logger(room: str) -> Any:
    """A logger whose lines carry the name of the room that speaks."""
    return structlog.get_logger(room=room)


@contextlib.contextmanager
def aside(descriptor: int = 2) -> Iterator[None]:
    """Inside it a thread writes to the file descriptor, and what libraries log is told here too."""
    libraries = _Libraries(logging.WARNING)
    stream = _Aside(descriptor)
    _write_to(stream)
    logging.getLogger().addHandler(libraries)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(libraries)
        stream.end(END_S_MAX)
        _write_to(_Lossy())


def end(seconds: float = END_S_MAX) -> None:
    """Have the last lines written before a process that ends at once. What comes later may be lost."""
    if isinstance(_stream, _Aside):
        _stream.end(seconds)


def dropped() -> dict[str, int]:
    """How many lines the journal did not take in time, and how many fields are not on the list."""
    return {f"{what}_dropped": count for what, count in _dropped.items()}


def _write_to(stream: _Lossy | _Aside) -> None:
    global _stream  # noqa: PLW0603 - there is one standard error
    _stream = stream
    structlog.configure(
        **structlog.get_config()
        | {"logger_factory": structlog.WriteLoggerFactory(file=cast("TextIO", stream))}
    )


def _line(level: str, event: str, **fields: object) -> str:
    """A line of our own, from where no logger may be asked."""
    said = {"level": level, "event": event, "room": "log", **fields}
    return (
        f"{_render(None, level, structlog.processors.TimeStamper(fmt='iso', utc=True)(None, level, said))}\n"
    )


def _allowed(_: Any, __: str, fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Without what is not on the list, and no value longer than it may be."""
    for name in list(fields):
        if name in FIELDS or (_texts and name in TEXTS):
            chars_max = FRAMES_CHARS_MAX if name == "exception" else VALUE_CHARS_MAX
            if isinstance(fields[name], str):
                fields[name] = fields[name][:chars_max]
        else:
            del fields[name]
            _dropped["fields"] += name not in TEXTS
    return fields


def _with_frames(_: Any, __: str, fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """`exc_info` becomes `exception`."""
    given = fields.pop("exc_info", None)
    error = given if isinstance(given, BaseException) else sys.exc_info()[1] if given else None
    if error is not None:
        fields["exception"] = "".join(_frames(error))
    return fields


def _frames(error: BaseException) -> Iterator[str]:
    """Where it was raised and what it is, with what led to it; not what it says."""
    seen: set[int] = set()
    found: list[BaseException | None] = [error]
    while found:
        each = found.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        yield from traceback.format_tb(each.__traceback__)
        said = f": {os.strerror(each.errno)}" if isinstance(each, OSError) and each.errno else ""
        yield f"{type(each).__qualname__}{said}\n"
        found += [each.__cause__ or (None if each.__suppress_context__ else each.__context__)]
        found += each.exceptions if isinstance(each, BaseExceptionGroup) else ()


class _Libraries(logging.Handler):
    """What libraries say on their own, such as asyncio of a task that failed: the first line, unfilled."""

    def emit(self, record: logging.LogRecord) -> None:
        """The template without its values, which may be anything."""
        # A library may have levels of its own; here there are two that matter.
        level = logging.ERROR if record.levelno >= logging.ERROR else logging.WARNING
        logger("library").log(
            level,
            "library_said",
            library=record.name,
            said=str(record.msg).partition("\n")[0],
            exc_info=record.exc_info[1] if record.exc_info else None,
        )


# Until somebody says otherwise: the library's own default would print the values of local variables, and with
# them the texts of documents.
configure("info")
