"""What the library loses of a Word document: tabs, which part words, and the heads and feet of its pages.

It changes and reads the parts of the file as text, without a tree, and is for the reading child alone, which
has checked how large they are.
"""

from __future__ import annotations

import html
import io
import re
import zipfile

_TAB = re.compile(rb"<w:(?:tab|cr|ptab\b[^<>]{0,200})\s*/>")
_SPACE = b'<w:t xml:space="preserve"> </w:t>'
_MARGIN = re.compile(r"word/(?:header|footer)\d{0,4}\.xml")
_WORDS = re.compile(r"<w:t(?:\s[^<>]{0,200})?>([^<]*)</w:t>|(<w:(?:tab|ptab)\b)")


def with_spaces(data: bytes) -> bytes:
    """The document with a space for each tab in its text; without its pictures, when there was a tab."""
    with zipfile.ZipFile(io.BytesIO(data)) as packed:
        body = packed.read("word/document.xml")
        if not _TAB.search(body):
            return data
        mended = io.BytesIO()
        with zipfile.ZipFile(mended, "w") as out:
            for info in packed.infolist():
                if info.filename == "word/document.xml":
                    out.writestr(info.filename, _TAB.sub(_SPACE, body))
                elif info.filename.endswith(("ml", ".rels")):
                    out.writestr(info.filename, packed.read(info))
    return mended.getvalue()


def margins(data: bytes) -> list[str]:
    """The lines in the heads and feet of pages, each once: there may be the only place of an address."""
    lines: dict[str, None] = {}
    with zipfile.ZipFile(io.BytesIO(data)) as packed:
        for name in sorted(filter(_MARGIN.fullmatch, packed.namelist())):
            for paragraph in packed.read(name).decode("utf-8", "replace").split("</w:p>"):
                words = (" " if tab else html.unescape(text) for text, tab in _WORDS.findall(paragraph))
                lines[" ".join("".join(words).split())] = None
    return [line for line in lines if any(char.isalpha() for char in line)]
