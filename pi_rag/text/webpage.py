"""What is done to a web page before and beside its conversion: its encoding, its title, its main part.

It finds these by their tags and parses no tree, so that no page can be too deep for it.
"""

from __future__ import annotations

import html
import re
from html.parser import HTMLParser

from pi_rag.text.decode import decode
from pi_rag.text.outline import label

_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset\s{0,9}=\s{0,9}[\"']?([\w.:-]{1,40})", re.IGNORECASE)
_TITLE = re.compile(r"<title\b[^>]{0,500}>([^<]{0,2000})", re.IGNORECASE)
_HEAD_END = re.compile(r"</head\s{0,9}>|<body\b", re.IGNORECASE)
_MAIN = re.compile(r"<main\b", re.IGNORECASE)
_MAIN_END = re.compile(r"</main\s{0,9}>", re.IGNORECASE)
_UNSEEN = frozenset({"script", "style", "template", "noscript", "title", "svg", "head"})


def page_of(data: bytes) -> str:
    """The page as text, by the encoding it names when it is not UTF-8. Raises DocumentBinary."""
    named = _CHARSET.search(data[:4096])
    return decode(data, named[1].decode("ascii", "replace") if named else None)


def title_of_page(page: str) -> str:
    """What stands in `<title>`; empty when there is none."""
    found = _TITLE.search(page)
    return label(html.unescape(found[1])) if found else ""


def main_part(page: str) -> str:
    """What the page marks as its main part, else all behind its head."""
    begin = _MAIN.search(page)
    if begin:
        end = _MAIN_END.search(page, begin.end())
        return page[begin.start() : end.end() if end else len(page)]
    head = _HEAD_END.search(page)
    return page[head.start() :] if head else page


def plain_text(page: str) -> str:
    """Only the words of a page, for one that a real converter gives up on."""
    words = _Words()
    words.feed(page)
    words.close()
    return "\n".join(words.lines)


class _Words(HTMLParser):
    """Collects what a reader would see, one line for each run of text."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.lines: list[str] = []
        self._unseen: str | None = None

    def handle_starttag(self, tag: str, _attributes: list[tuple[str, str | None]]) -> None:
        """Leave out what stands in tags that are not shown."""
        if self._unseen is None and tag in _UNSEEN:
            self._unseen = tag

    def handle_endtag(self, tag: str) -> None:
        """What follows is seen again."""
        if tag == self._unseen:
            self._unseen = None

    def handle_data(self, data: str) -> None:
        """Keep a run of text."""
        if self._unseen is None and data.strip():
            self.lines.append(" ".join(data.split()))
