"""Structured log lines, one event a line, to standard error, which systemd hands to the journal.

Callers pass fields, never sentences with values in them, and never the text of a document or a query.
It knows nothing of who logs. Only the service imports it: light commands print.
"""

from __future__ import annotations

import contextlib
import logging
import sys
from typing import Any, TextIO, cast

import structlog


class _Lossy:
    """Standard error, but for its faults: a line that a full disk does not take is no reason to end."""

    def write(self, text: str) -> None:
        with contextlib.suppress(OSError):
            sys.stderr.write(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            sys.stderr.flush()


def configure(level: str) -> None:
    """Set how much is logged. Called at start, and again when the settings are reloaded."""
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.LogfmtRenderer(
                key_order=["timestamp", "level", "event"], bool_as_flag=False
            ),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(file=cast("TextIO", _Lossy())),
        cache_logger_on_first_use=False,
    )


def logger(room: str) -> Any:
    """A logger whose lines carry the name of the room that speaks."""
    return structlog.get_logger(room=room)


# Until somebody says otherwise: the library's own default would print the values of local variables, and with
# them the texts of documents.
configure("info")
