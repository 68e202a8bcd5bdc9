"""Reads the pages for people: their links, their blocks of code, the commands in them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent

PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *ROOT.glob("docs/**/*.md")])
"""Every page, the generated ones too."""

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block of a page."""

    language: str
    text: str


def blocks(page: str) -> list[Block]:
    """The fenced blocks of a page, in order."""
    return [Block(language, text) for language, text in _FENCE.findall(page)]


def links(page: str) -> list[str]:
    """The targets of a page's links, in order; those inside of code are none."""
    return _LINK.findall(_FENCE.sub("", page))


def anchors(page: str) -> set[str]:
    """The names that a page's headings can be linked by."""
    heads = re.findall(r"^#+ (.+)$", _FENCE.sub("", page), re.M)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def examples(page: str) -> list[str]:
    """The commands that a reader is to type and that work as they stand: `$ ` lines of console blocks."""
    lines = [
        line for block in blocks(page) if block.language == "console" for line in block.text.splitlines()
    ]
    return [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]


def commands(page: str) -> Iterator[list[str]]:
    """Every pi-rag command in a page, in blocks and in running text, as words: ['search', 'power cut']."""
    inline = re.findall(r"`(pi-rag [^`]+)`", _FENCE.sub("", page))
    block = [
        line for each in blocks(page) if each.language in {"console", "sh"} for line in each.text.splitlines()
    ]
    for line in [*inline, *block]:
        found = re.search(r"(?:^|.*[\s|])pi-rag ([a-z-].*)$", line)
        if found:
            yield shlex.split(re.split(r" [|>] ", found[1])[0], comments=True)
