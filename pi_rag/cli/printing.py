"""What the command line shows: JSON, errors, tables, sizes and marked words.

Documents are written by strangers and are shown on a terminal that obeys control characters, so every text
of theirs goes through `plain` first. It knows nothing of commands, and needs no library.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Iterable, Sequence
from typing import Any, TextIO

from pi_rag.errors import PiRagError

# C0 without tab and newline, DEL and C1, and the marks that reorder the letters after them.
_OBEYED = (*range(9), *range(11, 32), *range(127, 160), *range(0x202A, 0x202F), *range(0x2066, 0x206A))
_HARMLESS = dict.fromkeys(_OBEYED, "\N{REPLACEMENT CHARACTER}")
_BOLD, _DIM, _RED, _YELLOW, _GREEN, _OFF = "\x1b[1m", "\x1b[2m", "\x1b[31m", "\x1b[33m", "\x1b[32m", "\x1b[0m"
NO_MORE = "No more."
"""What an empty page after another one says: the last may have been full to the brim."""

STYLES = {"bold": _BOLD, "dim": _DIM, "red": _RED, "yellow": _YELLOW, "green": _GREEN}


def plain(text: object) -> str:
    """A stranger's text without anything that a terminal would obey. Line ends of other systems are ours."""
    return str(text).replace("\r\n", "\n").translate(_HARMLESS)


def one_line(text: object) -> str:
    """`plain`, and on one line."""
    return " ".join(plain(text).split())


def styled(text: str, style: str, stream: TextIO | None = None) -> str:
    """The text in a style where a person looks at it, and unchanged where a program reads it."""
    out = stream or sys.stdout
    return f"{STYLES[style]}{text}{_OFF}" if out.isatty() else text


def marked(text: str, words: Iterable[str]) -> str:
    """The text with every one of these words in bold, whatever its case."""
    wanted = sorted({re.escape(word) for word in words if word}, key=len, reverse=True)
    if not wanted or not sys.stdout.isatty():
        return text
    pattern = rf"(?i)(?<!\w)(?:{'|'.join(wanted)})(?!\w)"
    return re.sub(pattern, lambda found: f"{_BOLD}{found.group()}{_OFF}", text)


def as_json(answer: object) -> None:
    """Print an object of the service as it is: one JSON text, indented, in UTF-8."""
    print(json.dumps(answer, indent=2, ensure_ascii=False))


def failure(error: PiRagError, *, as_object: bool) -> None:
    """Print an error: for people on standard error, for programs on standard output as well."""
    if as_object:
        as_json({"error": error.to_wire()})
    print(f"pi-rag: {plain(error.message)}", file=sys.stderr)
    for line in error.hint.splitlines():
        print(f"  hint: {plain(line)}", file=sys.stderr)


def table(rows: Sequence[Sequence[str]]) -> None:
    """Print rows in columns as wide as they need; the last column may be of any length."""
    if not rows:
        return
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        print("  ".join([*cells, row[-1]]).rstrip())


def more(*command: object) -> None:
    """Say that there are more, with the command that shows them as a shell takes it."""
    print(f"There are more: {typed(*command)}")


def typed(*command: object) -> str:
    """A command of ours as a shell takes it: what is typed is what was meant, also of a stranger's name."""
    return f"pi-rag {quoted(*command)}"


def quoted(*words: object) -> str:
    """Words of a command as a shell takes them."""
    return " ".join(_word(str(word)) for word in words)


def _word(word: str) -> str:
    import shlex  # only where a command is shown: light ones should not pay for it

    if word == plain(word) and "\n" not in word and "\t" not in word:
        return shlex.quote(word)
    # $'...' of bash, zsh and POSIX 2024 has a way to type what a terminal would obey.
    return f"$'{''.join(map(_escaped, word))}'"


def _escaped(letter: str) -> str:
    if letter in "'\\":
        return f"\\{letter}"
    if letter in "\n\t" or letter != plain(letter):
        # The bytes of UTF-8 in octal, three digits each, so that no digit after them is taken for theirs.
        return "".join(f"\\{byte:03o}" for byte in letter.encode(errors="surrogateescape"))
    return letter


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """'1 file', '1,234 files'."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def size(bytes_count: float) -> str:
    """Bytes for people: '87 MiB'."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if bytes_count < 1024 or unit == "GiB":
            break
        bytes_count /= 1024
    return f"{bytes_count:.1f} {unit}" if unit != "B" and bytes_count < 10 else f"{bytes_count:.0f} {unit}"


def span(seconds: float) -> str:
    """Seconds for people: '3.2 s', '4 min 10 s', '2 h 5 min', '3 d 4 h'."""
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    whole = int(seconds)
    for big, small, per_big, per_small in (
        ("d", "h", 86400, 3600),
        ("h", "min", 3600, 60),
        ("min", "s", 60, 1),
    ):
        if whole >= per_big:
            return f"{whole // per_big} {big} {whole % per_big // per_small} {small}"
    return f"{whole} s"


def stamp(wall_s: Any) -> str:
    """A wall clock time for people, in their own zone; '-' when there is none."""
    if not isinstance(wall_s, (int, float)):
        return "-"
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(wall_s))
