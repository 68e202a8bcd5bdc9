"""One presentation of OpenDocument as Markdown, a slide a page. The library that reads the rest does not.

It parses what strangers wrote, so it is for the reading child alone.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from xml.etree import ElementTree

from pi_rag.errors import DocumentEncrypted, DocumentTooLarge
from pi_rag.ingest.structure import joined
from pi_rag.text.titles import title_of
from pi_rag.types import Reading

XML_BYTES_MAX = 32 * 1024 * 1024
"""A part of a presentation that unpacks to more is not meant to be read. Its tree takes ten times that."""

_DRAW = "{urn:oasis:names:tc:opendocument:xmlns:drawing:1.0}"
_TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
_TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
_CLASS = "{urn:oasis:names:tc:opendocument:xmlns:presentation:1.0}class"
_META = {
    "title": "{http://purl.org/dc/elements/1.1/}title",
    "author": "{http://purl.org/dc/elements/1.1/}creator",
    "modified": "{http://purl.org/dc/elements/1.1/}date",
    "created": "{urn:oasis:names:tc:opendocument:xmlns:meta:1.0}creation-date",
}


def read_odp(name: str, data: bytes) -> Reading:
    """The slides in order, their titles as headings.

    Raises DocumentTooLarge, DocumentEncrypted, and BadZipFile, KeyError and ParseError over what is damaged.
    """
    with zipfile.ZipFile(io.BytesIO(data)) as packed:
        if b"encryption-data" in _unpacked(packed, "META-INF/manifest.xml"):
            raise DocumentEncrypted("It is behind a password.")
        slides = ElementTree.fromstring(_unpacked(packed, "content.xml")).iter(f"{_DRAW}page")
        about = _about(_unpacked(packed, "meta.xml")) if "meta.xml" in packed.namelist() else {}
    text, starts = joined({number: list(_blocks(slide)) for number, slide in enumerate(slides, 1)})
    return Reading(text, title_of("odp", name, text, about.pop("title", "")), "odp", starts, about)


def _unpacked(packed: zipfile.ZipFile, part: str) -> bytes:
    with packed.open(part) as member:
        data = member.read(XML_BYTES_MAX + 1)
    if len(data) > XML_BYTES_MAX:
        raise DocumentTooLarge(f"Its {part} unpacks to more than {XML_BYTES_MAX // 1024 // 1024} MiB.")
    return data


def _about(meta: bytes) -> dict[str, str]:
    root = ElementTree.fromstring(meta)
    found = {key: next(root.iter(tag), None) for key, tag in _META.items()}
    return {key: each.text for key, each in found.items() if each is not None and each.text}


def _blocks(element: ElementTree.Element) -> Iterator[str]:
    """The words within an element, depth first: titles, tables, items of lists and paragraphs."""
    for child in element:
        if child.tag == f"{_DRAW}frame" and child.get(_CLASS) == "title":
            yield f"## {_words(child)}" if _words(child) else ""
        elif child.tag == f"{_TABLE}table":
            yield _table(child)
        elif child.tag == f"{_TEXT}list-item":
            yield f"- {_words(child)}" if _words(child) else ""
        elif child.tag in {f"{_TEXT}p", f"{_TEXT}h"}:
            yield _words(child)
        else:
            yield from _blocks(child)


def _table(table: ElementTree.Element) -> str:
    cells_of = (row.iter(f"{_TABLE}table-cell") for row in table.iter(f"{_TABLE}table-row"))
    rows = [found for cells in cells_of if (found := [_words(cell) for cell in cells])]
    lines = [f"| {' | '.join(cells)} |" for cells in rows]
    if rows:
        lines.insert(1, "|" + " --- |" * len(rows[0]))
    return "\n".join(lines)


def _words(element: ElementTree.Element) -> str:
    """All words on one line. Text parted by tags within a paragraph is one word."""
    parts = ("".join(each.itertext()) for each in element.iter() if each.tag in {f"{_TEXT}p", f"{_TEXT}h"})
    own = "".join(element.itertext()) if element.tag in {f"{_TEXT}p", f"{_TEXT}h"} else " ".join(parts)
    return " ".join(own.split())
