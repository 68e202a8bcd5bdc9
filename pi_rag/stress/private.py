"""A report is meant to be shown to strangers: what names a person, a house or a folder is taken out of it.

Absolute paths keep their last part alone, and this machine's name goes. It knows nothing of reports.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping, Sequence
from typing import Any

# Two parts or more: "1/2" and "p50/p95" are no paths, and "/dev" says nothing of anybody.
_PATH = re.compile(
    r"(?<![\w.~:/-])(?:~|file://)?(?:/[^\s/'\"`,;:()<>\[\]{}|\0]+)+/(?P<last>[^\s/'\"`,;:()<>\[\]{}|\0]*)"
)

NAME_CHARS_MIN = 3
"""A machine with a shorter name has one that is in every text."""


def without_names(text: str, host: str | None = None) -> str:
    """The text as strangers may read it."""
    plain = _PATH.sub(lambda found: f".../{found['last']}", text)
    name = (socket.gethostname() if host is None else host).split(".")[0]
    if len(name) < NAME_CHARS_MIN or name in ("localhost", "pi-rag"):
        return plain
    return re.sub(
        rf"(?<![\w-]){re.escape(name)}(?![\w-])(?:\.[\w.-]+\w)?", "HOST", plain, flags=re.IGNORECASE
    )


def cleaned(told: Any) -> Any:
    """The same of all texts in plain objects, keys too."""
    if isinstance(told, str):
        return without_names(told)
    if isinstance(told, Mapping):
        return {cleaned(key): cleaned(value) for key, value in told.items()}
    if isinstance(told, Sequence):
        return [cleaned(each) for each in told]
    return told
