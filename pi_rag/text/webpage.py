"""What is done to a web page before and beside its conversion: its encoding, its title, its main part.

Menus are what the page marks as such, and long lists of short links.

It finds these by their tags and parses no tree, so that no page can be too deep for it.
"""

from __future__ import annotations

import html
import re
from collections import Counter
from dataclasses import dataclass
from html.entities import html5
from html.parser import HTMLParser

from pi_rag.text.decode import decode
from pi_rag.text.outline import label

_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset\s{0,9}=\s{0,9}[\"']?([\w.:-]{1,40})", re.IGNORECASE)
_TITLE = re.compile(r"<title\b[^>]{0,500}>([^<]{0,2000})", re.IGNORECASE)
_HEAD_END = re.compile(r"</head\s{0,9}>|<body\b", re.IGNORECASE)
_MAIN = re.compile(r"<main\b", re.IGNORECASE)
_MAIN_END = re.compile(r"</main\s{0,9}>", re.IGNORECASE)
_NAME = re.compile(r"&([A-Za-z]\w{0,40})(?![\w;])", re.ASCII)
"""What the parser takes for the name of a character and would write again with its semicolon: `AT&T;`."""

_UNSEEN = frozenset({"script", "style", "template", "noscript", "title", "svg", "head"})
_MENU_TAGS = frozenset({"nav", "footer", "dialog"})
_MENU_ROLES = frozenset(
    {"navigation", "banner", "contentinfo", "search", "menu", "menubar", "dialog", "toolbar"}
)
_BOXES = _MENU_TAGS | {"div", "section", "header", "table", "ul", "ol"}
"""What a menu may be made of. Other tags are not followed."""

MENU_ITEMS_MIN = 12
"""A shorter list of links may be a part of what is told."""

MENU_LABEL_CHARS_MEAN_MAX = 40
"""Menus have short labels; titles of books and papers are longer."""

MAIN_SHARE = 4
"""A page of which less than one part in so many is left without its menus is itself a list of links."""


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
    head = _HEAD_END.search(page)
    begin = _MAIN.search(page, head.start() if head else 0)
    if begin:
        ends = [end.end() for end in _MAIN_END.finditer(page, begin.end())]
        return page[begin.start() : max(ends, default=len(page))]
    return page[head.start() :] if head else page


def without_menus(page: str) -> str:
    """The page without what leads elsewhere in it; as it was when that would leave little of it."""
    pruned = _Pruned()
    pruned.feed(_NAME.sub(lambda found: found[0] if found[1] in html5 else f"&amp;{found[1]}", page))
    pruned.close()
    left = "".join(pruned.pieces)
    return left if len(plain_text(left)) * MAIN_SHARE >= len(plain_text(page)) else page


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


@dataclass(slots=True)
class _Box:
    """An element that is open: where it began, and what is in it so far."""

    tag: str
    begin: int
    is_menu: bool
    items: int = 0
    chars: int = 0
    link_chars: int = 0

    def leads_elsewhere(self) -> bool:
        """Whether it is a list of short links, or said to be a menu."""
        if self.tag not in {"ul", "ol"} or self.items < MENU_ITEMS_MIN:
            return self.is_menu
        short = self.link_chars <= self.items * MENU_LABEL_CHARS_MEAN_MAX
        return self.is_menu or (short and self.link_chars * 10 >= self.chars * 9)


class _Pruned(HTMLParser):
    """Writes the page again without its menus. One that is never closed is none."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.pieces: list[str] = []
        self._open: list[_Box] = []
        self._counts: Counter[str] = Counter()
        self._in_link = False

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Note where a box begins, and whether it is said to be a menu."""
        said = {name: value or "" for name, value in attributes if name in {"role", "hidden", "aria-hidden"}}
        is_tab = said.get("role") == "tabpanel"  # hidden until somebody asks for it, and then the text
        if tag in _BOXES:
            hidden = "hidden" in said or said.get("aria-hidden") == "true"
            is_menu = tag in _MENU_TAGS or said.get("role") in _MENU_ROLES or (hidden and not is_tab)
            self._open.append(_Box(tag, len(self.pieces), is_menu))
            self._counts[tag] += 1
        elif tag == "li" and self._open:
            self._open[-1].items += 1
        self._in_link = tag == "a" or self._in_link
        self.pieces.append(f"<{tag}>" if is_tab else self.get_starttag_text() or "")

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """One that closes itself holds nothing."""
        self.pieces.append(self.get_starttag_text() or "")

    def handle_endtag(self, tag: str) -> None:
        """Take back what turned out to be a menu."""
        self._in_link = self._in_link and tag != "a"
        self.pieces.append(f"</{tag}>")
        while self._counts[tag]:
            box = self._open.pop()
            self._counts[box.tag] -= 1
            if box.tag == tag:
                self._close(box)
                return

    def handle_data(self, data: str) -> None:
        """Keep it, and count whose words they are."""
        self.pieces.append(data)
        if self._open:
            chars = len(data.strip())
            self._open[-1].chars += chars
            self._open[-1].link_chars += chars if self._in_link else 0

    def handle_entityref(self, name: str) -> None:
        """As it was."""
        self.pieces.append(f"&{name};")

    def handle_charref(self, name: str) -> None:
        """As it was."""
        self.pieces.append(f"&#{name};")

    def _close(self, box: _Box) -> None:
        if box.leads_elsewhere():
            del self.pieces[box.begin :]
        elif self._open:
            above = self._open[-1]
            above.items += box.items if box.tag in {"ul", "ol"} and above.tag in {"ul", "ol"} else 0
            above.chars += box.chars
            above.link_chars += box.link_chars
