"""What the library loses of a Word document: tabs, which part words, references, heads and feet of pages.

It changes and reads the parts of the file as text, without a tree, and is for the reading child alone, which
has checked how large they are.
"""

from __future__ import annotations

import html
import io
import re
import zipfile

from pi_rag.errors import DocumentDamaged

_TEXTS = re.compile(r"word/(?:document\d{0,4}|footnotes|endnotes)\.xml")
_TAB = re.compile(rb"<w:(?:tab|cr|ptab\b[^<>]{0,200})\s*/>")
_SPACE = b'<w:t xml:space="preserve"> </w:t>'
_REFERENCE = re.compile(rb"&(?:amp|lt|gt|quot|apos|#\d{1,7}|#x[0-9A-Fa-f]{1,6});")
_STAND_INS = {ord(mark): 0x10FF00 + number for number, mark in enumerate("&<>\"'")}
"""Characters that mean nothing, by those that would be markup if they were written out."""

_STOOD_FOR = {stand_in: mark for mark, stand_in in _STAND_INS.items()}
_MARGIN = re.compile(r"word/(?:header|footer)\d{0,4}\.xml")
_WORDS = re.compile(r"<w:t(?:\s[^<>]{0,200})?>([^<]*)</w:t>|(<w:(?:tab|ptab)\b)")


def prepared(data: bytes) -> bytes:
    """The document for the library, without its pictures: `restored` makes what it reads there whole.

    It drops `&amp;` and all other references (xberg-io/xberg#1242), so there are characters in their place.
    Raises DocumentDamaged for one that defines entities: the format has none.
    """
    prepared = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as packed, zipfile.ZipFile(prepared, "w") as out:
        for info in packed.infolist():
            if info.filename.endswith(("ml", ".rels")):
                out.writestr(info.filename, _prepared_part(info.filename, packed.read(info)))
    return prepared.getvalue()


def _prepared_part(name: str, part: bytes) -> bytes:
    if b"<!ENTITY" in part:
        raise DocumentDamaged(
            "It defines entities, which may grow without end or stand for other files; it is not opened.",
            hint="No office program writes any. Leave it out, or have whoever made it save it anew.",
        )
    return _REFERENCE.sub(_character, _TAB.sub(_SPACE, part)) if _TEXTS.fullmatch(name) else part


def restored(text: str) -> str:
    """What was read in a document that was `prepared`, with the characters that were meant."""
    return text.translate(_STOOD_FOR)


def _character(reference: re.Match[bytes]) -> bytes:
    return html.unescape(reference[0].decode("ascii")).translate(_STAND_INS).encode("utf-8", "replace")


def margins(data: bytes) -> list[str]:
    """The lines in the heads and feet of pages, each once: there may be the only place of an address."""
    lines: dict[str, None] = {}
    with zipfile.ZipFile(io.BytesIO(data)) as packed:
        for name in sorted(filter(_MARGIN.fullmatch, packed.namelist())):
            for paragraph in packed.read(name).decode("utf-8", "replace").split("</w:p>"):
                words = (" " if tab else html.unescape(text) for text, tab in _WORDS.findall(paragraph))
                lines[" ".join("".join(words).split())] = None
    return [line for line in lines if any(char.isalpha() for char in line)]
