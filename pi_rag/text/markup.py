r"""Texts with another markup than Markdown: reStructuredText, Org and LaTeX.

Only their headings are written as Markdown has them, since that is what tells where a part begins and what
it is about. Every other word stays where it is and as it is: they are meant to be read by people.
"""

from __future__ import annotations

import re
from pathlib import PurePath

_RST = re.compile(
    r"^(?P<over>(?P<bar>[=\-~^\"'`#*+.:_])(?P=bar){2,200}\n)?(?P<title>[^\s.][^\n]{0,200})\n"
    r"(?P<under>[=\-~^\"'`#*+.:_])(?P=under){2,200}[ \t]*$",
    re.MULTILINE,
)
_ORG = re.compile(
    r"^(\*{1,6})[ \t]+(?:(?:TODO|DONE)[ \t]+)?([^\n]{1,400}?)(?:[ \t]+:[\w:@]{1,200}:)?[ \t]*$", re.M
)
_ORG_FIELD = re.compile(r"^#\+(\w{1,40}):[ \t]*([^\n]{1,400})$", re.MULTILINE)
_LATEX = re.compile(
    r"\\(part|chapter|section|subsection|subsubsection|paragraph)\*?[ \t]*"
    r"(?:\[[^\[\]]{0,400}\])?\{((?:[^{}]|\{[^{}]{0,400}\}){1,400})\}"
)
_LATEX_FIELD = re.compile(r"\\(title|author|date)[ \t]*\{((?:[^{}]|\{[^{}]{0,400}\}){1,400})\}")
_LATEX_LEVELS = {"part": 1, "chapter": 1, "section": 2, "subsection": 3, "subsubsection": 4, "paragraph": 5}
_COMMAND = re.compile(r"\\[A-Za-z]+\*?[ \t]*|[{}]|\\\\")


def as_markdown(name: str, text: str) -> tuple[str, dict[str, str]]:
    """The text with Markdown's headings, and what it says of itself: title, author, date."""
    suffix = PurePath(name).suffix.lower()
    if suffix == ".rst":
        return _from_rst(text), {}
    if suffix == ".org":
        return _from_org(text)
    return _from_latex(text)


def _from_rst(text: str) -> str:
    """An underlined line is a heading; its level is the order in which its kind of line came up first."""
    levels: dict[tuple[bool, str], int] = {}

    def heading(found: re.Match[str]) -> str:
        title = found["title"].strip()
        short = len(found[0].rsplit("\n", 1)[-1].strip()) < len(title)
        if short or (found["over"] and found["bar"] != found["under"]):
            return found[0]
        level = levels.setdefault((bool(found["over"]), found["under"]), len(levels) + 1)
        return f"{'#' * min(level, 6)} {title}"

    return _RST.sub(heading, text)


def _from_org(text: str) -> tuple[str, dict[str, str]]:
    said = {found[1].lower(): found[2].strip() for found in _ORG_FIELD.finditer(text)}
    return _ORG.sub(lambda found: f"{'#' * len(found[1])} {found[2]}", text), _of_use(said)


def _from_latex(text: str) -> tuple[str, dict[str, str]]:
    said = {found[1]: _bare(found[2]) for found in _LATEX_FIELD.finditer(text)}

    def heading(found: re.Match[str]) -> str:
        return f"\n{'#' * _LATEX_LEVELS[found[1]]} {_bare(found[2])}\n"

    return _LATEX.sub(heading, text), _of_use(said)


def _bare(latex: str) -> str:
    return " ".join(_COMMAND.sub(" ", latex).split())


def _of_use(said: dict[str, str]) -> dict[str, str]:
    return {key: said[key] for key in ("title", "author", "date") if said.get(key)}
