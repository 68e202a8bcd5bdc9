"""What a folder's own `.gitignore` and `.piragignore` leave out, by git's rules (gitignore(5)).

The last line that matches decides, and a file deeper down goes before one further up. Nothing below a folder
that is left out can come back, since nobody looks into it. It knows names only; `walk.py` asks it.

No pattern can be slow: stars give nothing back once the text behind them has matched, which for globs loses
no match.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pi_rag.errors import DocumentUnreadable, PiRagError
from pi_rag.ingest.file import read_file

IGNORE_FILES = (".gitignore", ".piragignore")
"""In the order they are read: of two lines that say different things, the later file's counts."""

PATTERNS_MAX = 1000
"""Lines of one file that count. Every name is held against every line, so more would make a walk slow."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """One line of an ignore file."""

    expression: re.Pattern[str]
    negated: bool
    only_folders: bool


@dataclass(frozen=True, slots=True)
class Patterns:
    """Lines of one ignore file, or of a choice; paths are relative to the root, as is `base`, its folder."""

    base: str
    lines: Sequence[Pattern]
    said: str = ""
    """What a person knows them by: the ignore file that they stand in, or the lines as they were given."""

    def verdict(self, path: str, *, is_folder: bool) -> bool | None:
        """Whether the path is left out; None when no line says anything about it."""
        own = path[len(self.base) + 1 :] if self.base else path
        for line in reversed(self.lines):
            if (is_folder or not line.only_folders) and line.expression.fullmatch(own):
                return not line.negated
        return None


@dataclass(frozen=True, slots=True)
class Rules:
    """What counts in a folder: its own files, and those of the folders above it, outermost first."""

    layers: tuple[Patterns, ...] = ()

    def ignores(self, path: str, *, is_folder: bool) -> bool:
        """Whether a path, relative to the root, is left out."""
        return self.ignored_by(path, is_folder=is_folder) is not None

    def ignored_by(self, path: str, *, is_folder: bool) -> str | None:
        """The ignore file that leaves a path out, relative to the root; None when none does."""
        for layer in reversed(self.layers):
            verdict = layer.verdict(path, is_folder=is_folder)
            if verdict is not None:
                return layer.said if verdict else None
        return None

    def within(self, folder: str, base: str) -> Rules:
        """The rules in `folder`, which is `base` seen from the root. What is no ignore file says nothing.

        Raises DocumentUnreadable for one that is there and cannot be read, since it may hide anything, and
        for a folder of which nobody knows whether one is there.
        """
        files = {str(path): _lines_of(path) for path in (Path(folder) / name for name in IGNORE_FILES)}
        layers = [Patterns(base, lines, path) for path, lines in files.items() if lines]
        return Rules((*self.layers, *layers)) if layers else self


@dataclass(frozen=True, slots=True)
class Choice:
    """What a person has chosen of a folder, in the words of ignore files."""

    include: Patterns | None = None
    exclude: Patterns | None = None
    ours: Patterns | None = None
    """Where pi-rag's own data lie, which nobody had to exclude."""

    @classmethod
    def of(cls, include: Sequence[str], exclude: Sequence[str], ours: Sequence[str] = ()) -> Choice:
        """From patterns; without any to include, all are."""
        given = (include, exclude, ours)
        return cls(*(Patterns("", parsed(each), ", ".join(each)) if each else None for each in given))

    def takes(self, path: str, *, is_folder: bool) -> bool:
        """Whether a path is looked at. Folders are, unless excluded: what is included may lie in them."""
        return self.why_not(path, is_folder=is_folder) is None

    def why_not(self, path: str, *, is_folder: bool) -> str | None:
        """Why a path is not looked at, in words; None when it is."""
        exclude, include = self.exclude, self.include
        if self.ours and self.ours.verdict(path, is_folder=is_folder):
            return "it is pi-rag's own data folder"
        if exclude and exclude.verdict(path, is_folder=is_folder):
            return f"--exclude leaves out {exclude.said}"
        if is_folder or include is None or include.verdict(path, is_folder=False):
            return None
        if any(include.verdict(folder, is_folder=True) for folder in folders_of(path)):
            return None
        return f"--include takes only {include.said}"


ALL = Choice()
"""Nothing was chosen: everything is looked at."""


def folders_of(path: str) -> Iterator[str]:
    """The folders that a relative path lies in, outermost first: 'a/b/c' lies in 'a' and 'a/b'."""
    at = path.find("/")
    while at >= 0:
        yield path[:at]
        at = path.find("/", at + 1)


def parsed(lines: Iterable[str]) -> list[Pattern]:
    """The patterns in the lines of an ignore file, as many as count."""
    found: list[Pattern] = []
    for line in lines:
        pattern = _pattern(line)
        if pattern is not None:
            found.append(pattern)
        if len(found) == PATTERNS_MAX:
            break
    return found


def _lines_of(path: Path) -> list[Pattern]:
    """The patterns of an ignore file. A link is none, as for git: it could lead anywhere."""
    try:
        if not stat.S_ISREG(os.lstat(path).st_mode):
            return []
        text = read_file(path, 1).decode("utf-8-sig", "surrogateescape")
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:  # of an open folder one is told at least what is not there
        reason = f"The folder cannot be looked into: {os.strerror(error.errno or 0)}."
        raise DocumentUnreadable(reason) from error
    except DocumentUnreadable as error:
        raise DocumentUnreadable(
            f"Its {path.name} cannot be read, so nobody knows what to leave out."
        ) from error
    except PiRagError:
        return []
    return parsed(line.removesuffix("\r") for line in text.split("\n"))


def _pattern(line: str) -> Pattern | None:
    """One line; None for a comment, an empty line, and what can match nothing."""
    text = _without_trailing_spaces(line)
    if not text or text.startswith("#"):
        return None
    negated = text.startswith("!")
    text = text[negated:]
    only_folders = text.endswith("/")
    body = text[:-1] if only_folders else text
    if not body:
        return None
    # A slash at the beginning or in the middle ties the pattern to its folder.
    anchored = "/" in body
    segments = body.removeprefix("/").split("/") if anchored else ["**", body]
    try:
        return Pattern(re.compile(_expression(segments), re.DOTALL), negated, only_folders)
    except (re.error, ValueError):
        return None


def _without_trailing_spaces(line: str) -> str:
    """Spaces at the end do not count, unless a backslash stands before them."""
    text = line.rstrip(" ")
    escapes = len(text) - len(text.rstrip("\\"))
    return f"{text} " if escapes % 2 and len(text) < len(line) else text


def _expression(segments: Sequence[str]) -> str:
    """The regular expression of a path's segments, where '**' stands for any number of folders."""
    chunks: list[list[str]] = [[]]
    for before, segment in zip(["", *segments], segments, strict=False):
        if segment != "**":
            chunks[-1].append(_segment(segment))
        elif before != "**":
            chunks.append([])
    first, *others = ["/".join(chunk) for chunk in chunks]
    if not others:
        return first
    *middle, last = others
    start = f"{first}/" if first else ""
    # The nearest place for what stands between two '**' is as good as any later one, so it is final.
    between = "".join(f"(?>(?:[^/]+/)*?{chunk}/)" for chunk in middle)
    return start + between + (f"(?:[^/]+/)*{last}" if last else ".+")


def _segment(glob: str) -> str:
    """The regular expression of a name with stars, question marks and classes."""
    fixed = _fixed(glob)
    first, *others = fixed
    if not others:
        return first
    *middle, last = others
    return first + "".join(f"(?>[^/]*?{part})" for part in middle) + f"[^/]*{last}"


def _fixed(glob: str) -> list[str]:
    """What stands between the stars, as regular expressions. Raises ValueError for what matches nothing."""
    parts = [""]
    at = 0
    while at < len(glob):
        char = glob[at]
        at += 1
        if char == "*":
            # Several stars in a row are as good as one.
            if len(parts) == 1 or parts[-1] or glob[at - 2] != "*":
                parts.append("")
        elif char == "?":
            parts[-1] += "[^/]"
        elif char == "[":
            expression, at = _class(glob, at)
            parts[-1] += expression
        elif char == "\\":
            if at == len(glob):
                raise ValueError("a backslash at the end")
            parts[-1] += re.escape(glob[at])
            at += 1
        else:
            parts[-1] += re.escape(char)
    return parts


def _class(glob: str, at: int) -> tuple[str, int]:
    """A class of characters, of which the bracket is read: its expression, and where the rest begins."""
    negated = glob[at : at + 1] in ("!", "^")
    at += negated
    members: list[str] = []
    first = True
    while first or glob[at : at + 1] != "]":
        first = False
        low, at = _member(glob, at)
        high = low
        if glob[at : at + 1] == "-" and glob[at + 1 : at + 2] not in ("", "]"):
            high, at = _member(glob, at + 1)
        # Of a range that runs backwards its beginning counts, as for git.
        members.append(f"{re.escape(low)}-{re.escape(max(low, high))}")
    inside = "".join(members)
    if negated:
        return f"[^/{inside}]", at + 1
    return f"(?!/)[{inside}]", at + 1


def _member(glob: str, at: int) -> tuple[str, int]:
    """One character of a class; a backslash takes the next one as it is. Raises ValueError at the end."""
    if glob[at : at + 1] == "\\":
        at += 1
    if at >= len(glob):
        raise ValueError("a class without an end")
    return glob[at], at + 1
