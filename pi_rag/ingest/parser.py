"""The one door to kreuzberg, which parses what strangers wrote: for the reading child alone.

It knows what the library is asked for each kind, and what is odd about its answers. It writes no file,
reaches no network, and reads pictures of text only when it is told to.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

import kreuzberg

from pi_rag.errors import DocumentTooLarge
from pi_rag.text.kinds import ZIP_MAGIC
from pi_rag.types import Kind

PAGE_MARK = "pi-rag-page-{page_num}"
"""Put before each page where the library does not tell in another way where one begins."""

PAGE_MARK_FOUND = re.compile(PAGE_MARK.format(page_num=r"(\d{1,9})"))

_OFFICE = "application/vnd.openxmlformats-officedocument."
_OPEN = "application/vnd.oasis.opendocument."
MIME: Mapping[Kind, str] = {
    "html": "text/html",
    "pdf": "application/pdf",
    "docx": f"{_OFFICE}wordprocessingml.document",
    "pptx": f"{_OFFICE}presentationml.presentation",
    "xlsx": f"{_OFFICE}spreadsheetml.sheet",
    "doc": "application/msword",
    "ppt": "application/vnd.ms-powerpoint",
    "xls": "application/vnd.ms-excel",
    "odt": f"{_OPEN}text",
    "ods": f"{_OPEN}spreadsheet",
    "epub": "application/epub+zip",
    "rtf": "application/rtf",
    "mail": "application/vnd.ms-outlook",
}
PART_BYTES_PER_CHAR_MAX = 4
"""Office programs write some three bytes of XML for each character of a long text."""

_TINY_PDF = (
    b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj 2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj "
    b"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>endobj\ntrailer<</Root 1 0 R>>"
)
_PAGED = {"pdf", "pptx"}
_PLAIN = {"doc", "ppt", "mail"}
"""Of old formats it finds the words and no structure; as Markdown it would run lines together."""

_HTML_OPTIONS = {
    # Only the words of links and pictures: addresses cost tokens and answer nothing.
    "strip_tags": ["a", "img", "svg"],
    "preprocessing": {
        "enabled": True,
        "preset": "aggressive",
        "remove_navigation": True,
        "remove_forms": True,
    },
}
_ROW = re.compile(r"^\|[^\n]*\|[ \t]*$", re.MULTILINE)
_PADDING = re.compile(r"[^\S\n]{2,}")
_RULE = re.compile(r"-{4,}")
_PICTURE = re.compile(r"\\?!\[([^\[\]\n]{0,1000})\]\([^()\n]{0,4000}\)")
_LINK = re.compile(r"(?<!\\)\[([^\[\]\n]{1,1000})(?<!\\)\]\((?=[^()\s]{0,4000}[:/.#])[^()\s]{0,4000}\)")
"""An address has one of these marks: `array[index](argument)` has none."""

_TAB = re.compile(r"(?<!\\)&#9;")
"""As the library writes a tab in Markdown; what somebody typed so has an escape before it."""

_ESCAPE = re.compile(r"(?<=[^\s\\])\\([&#`<>!\[\]*_~])|(?<=[^\S\n])\\([&#`<>!\[\]*_~])")
"""Within a line. At its beginning a mark that is not escaped would make something else of the line."""


def prepare(folder: str) -> None:
    """Have the library load its part for PDF, which it first writes to a file in `folder`.

    Left to itself, it would use /tmp, and load what it finds there under that name, whoever put it there.
    It starts threads, so what a thread is to have given up has to be given up before.
    """
    os.environ["TMPDIR"] = folder
    with contextlib.suppress(Exception):  # without it, PDF is refused with this reason and all else is read
        extract("pdf", _TINY_PDF, len(_TINY_PDF))


def extract(kind: Kind, data: bytes, chars_max: int) -> kreuzberg.ExtractionResult:
    """What the library makes of a document. Raises DocumentTooLarge, and whatever the library raises."""
    if data.startswith(ZIP_MAGIC):
        check_parts(data, chars_max)
    config = kreuzberg.ExtractionConfig(**_options(kind))
    result = kreuzberg.extract_bytes_sync(data, MIME[kind], config=config)
    check_size(result.content, chars_max)
    return result


def check_size(text: str, chars_max: int) -> None:
    """Raise DocumentTooLarge for a text that is longer, before more is done with it, which takes copies."""
    if len(text) > chars_max:
        raise DocumentTooLarge(
            f"It unpacks to {len(text)} characters; at most {chars_max} are taken.",
            hint="Split it, or raise ingest.document_chars_max.",
        )


def check_parts(data: bytes, chars_max: int) -> None:
    """Raise DocumentTooLarge when the texts in an office file or book unpack to more than one could hold.

    The library would unpack them first. One that lies about its sizes ends within the memory it may have.
    """
    with zipfile.ZipFile(io.BytesIO(data)) as packed:
        texts = [info.file_size for info in packed.infolist() if info.filename.endswith(("ml", ".rels"))]
    if sum(texts) > chars_max * PART_BYTES_PER_CHAR_MAX:
        raise DocumentTooLarge(
            f"Its parts unpack to {sum(texts)} bytes; texts of at most {chars_max} characters are taken.",
            hint="Split it, or raise ingest.document_chars_max.",
        )


def recognise(data: bytes, page: int, languages: str) -> str:
    """The words in the picture of one page of a PDF, by Tesseract. Raises whatever the library raises.

    The engine is within the library; the languages are read from the files that Debian's package installs.
    One page a call: several at once would all be held as pictures.
    """
    tesseract = kreuzberg.TesseractConfig(
        language=languages, output_format="text", enable_table_detection=False, use_cache=False
    )
    options = _options("pdf") | {
        "disable_ocr": False,
        "force_ocr_pages": [page],
        "ocr": kreuzberg.OcrConfig(backend="tesseract", language=languages, tesseract_config=tesseract),
        "output_format": "plain",
        "include_document_structure": False,
        "pages": _pages_marked(),
    }
    config = kreuzberg.ExtractionConfig(**options)
    content = kreuzberg.extract_bytes_sync(data, MIME["pdf"], config=config).content
    parts = PAGE_MARK_FOUND.split(content)
    return dict(zip(parts[1::2], parts[2::2], strict=True)).get(str(page), "")


def words_of_links(text: str) -> str:
    """Markdown without the addresses of its links and pictures, and without escapes within its lines."""
    return _ESCAPE.sub(r"\1\2", _LINK.sub(r"\1", _PICTURE.sub(r"\1", _TAB.sub("\t", text))))


def tight_tables(text: str) -> str:
    """Markdown whose tables are not padded to the width of their longest cell: spaces cost tokens too."""
    return _ROW.sub(lambda row: _RULE.sub("---", _PADDING.sub(" ", row[0])), text)


def without_marks(node: Mapping[str, Any]) -> Mapping[str, Any]:
    """A node of a presentation without the Markdown that the library leaves in its words."""
    content = node.get("content") or {}
    text = words_of_links(str(content.get("text") or "")).replace("**", "")
    return {**node, "content": {**content, "text": text}}


def about(claimed: Mapping[str, Any]) -> dict[str, str]:
    """Of all that a document claims about itself, what one would search or sort by."""
    authors: Sequence[Any] = claimed.get("authors") or ()
    known = {
        "author": ", ".join(str(author) for author in authors if not _NOBODY.search(str(author))),
        "created": claimed.get("created_at"),
        "modified": claimed.get("modified_at"),
    }
    return {key: str(value) for key, value in known.items() if value and not str(value).startswith("0000")}


_NOBODY = re.compile(r"anonymous|unknown author", re.IGNORECASE)


def _options(kind: Kind) -> dict[str, Any]:
    """As a mapping, since the library's own types do not know all of them."""
    return {
        "use_cache": False,  # the cache would be a folder in the current one
        "disable_ocr": True,
        "enable_quality_processing": False,
        "output_format": "plain" if kind in _PLAIN else "markdown",
        "include_document_structure": kind in _PAGED,
        "pages": _pages_marked() if kind == "pptx" else kreuzberg.PageConfig(extract_pages=kind == "pdf"),
        "postprocessor": kreuzberg.PostProcessorConfig(enabled=False),
        "concurrency": kreuzberg.ConcurrencyConfig(max_threads=1),
        "html_options": _HTML_OPTIONS,
    }


def _pages_marked() -> kreuzberg.PageConfig:
    return kreuzberg.PageConfig(
        extract_pages=True, insert_page_markers=True, marker_format=f"\n\n{PAGE_MARK}\n\n"
    )
