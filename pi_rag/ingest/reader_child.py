"""The reading child: it opens what strangers wrote, so that nothing else has to.

It is spawned by `ingest/reading.py`, puts hard limits on itself, and then answers one document after
another until its socket closes. It is the one place that knows kreuzberg, and the one where its failures get
the names of our own errors. It never runs OCR, writes no file and reaches no network.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import kreuzberg

from pi_rag.errors import (
    DocumentDamaged,
    DocumentEmpty,
    DocumentEncrypted,
    DocumentNeedsOcr,
    DocumentTooLarge,
    PiRagError,
)
from pi_rag.ingest.reader_wire import Terms, answer, request_parts
from pi_rag.ingest.structure import as_markdown
from pi_rag.processes.child import attach
from pi_rag.processes.frames import recv_frame, send_frame
from pi_rag.processes.limits import Limits, allow_cpu, apply, yield_to_oom
from pi_rag.text.kinds import OLE_MAGIC
from pi_rag.text.titles import title_of
from pi_rag.text.webpage import main_part, page_of, plain_text, title_of_page
from pi_rag.types import Kind, Reading

FILES_OPEN_MAX = 32
"""Its socket, the three standard ones and the libraries it loads; it opens no document itself."""

OOM_SCORE_ADJ = 900
"""When memory runs out, this process is the first to go: a file can be read again."""

PLAIN_SHARE = 5
"""Below one part in so many of its words, a page's conversion has lost most of it: too many nested tags."""

_MIME = {
    "pdf": "application/pdf",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "html": "text/html",
}
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
_PICTURE = re.compile(r"!\[([^\[\]\n]{0,1000})\]\([^()\n]{0,4000}\)")
_LINK = re.compile(r"\[([^\[\]\n]{1,1000})\]\([^()\s]{0,4000}\)")


def main(argv: Sequence[str]) -> None:
    """Answer documents until the parent closes the socket."""
    sock, (given,) = attach(argv)
    terms = Terms.from_argument(given)
    apply(Limits(memory_mib_max=terms.memory_mib_max, file_mib_max=0, files_open_max=FILES_OPEN_MAX))
    yield_to_oom(OOM_SCORE_ADJ)
    with sock:
        while (frame := recv_frame(sock, terms.request_bytes_max)) is not None:
            allow_cpu(terms.cpu_s_max)
            send_frame(sock, answer(said_of(frame, terms.chars_max)), terms.answer_bytes_max)


def said_of(frame: bytes, chars_max: int) -> Reading | PiRagError:
    """One request to its reading, or to the error that says why there is none."""
    name, kind, data = request_parts(frame)
    try:
        return read(name, kind, data, chars_max)
    except PiRagError as error:
        return error


def read(name: str, kind: Kind, data: bytes, chars_max: int) -> Reading:
    """The text of one document. Raises DocumentRefused kinds, and nothing else."""
    if data.startswith(OLE_MAGIC):
        raise DocumentEncrypted("It is behind a password, or in Word's format of before 2007.")
    reading = {"pdf": _read_pdf, "docx": _read_docx, "html": _read_html}[kind](name, data)
    if len(reading.text) > chars_max:
        raise DocumentTooLarge(
            f"It unpacks to {len(reading.text)} characters; at most {chars_max} are taken.",
            hint="Split it, or raise ingest.document_chars_max.",
        )
    if not reading.text.strip():
        raise DocumentEmpty("There is no text in it.")
    return reading


def _read_pdf(name: str, data: bytes) -> Reading:
    result = _extract("pdf", data)
    pages = result.pages or []
    plain = {int(page["page_number"]): str(page["content"]) for page in pages}
    text, starts = as_markdown(result.document["nodes"] if result.document else [], plain)
    if not any(page["content"].strip() for page in pages):
        raise DocumentNeedsOcr("There is no text on its pages: it is a scan, or all pictures.")
    return Reading(text, _title("pdf", name, text, result), "pdf", starts, _metadata(result.metadata))


def _read_docx(name: str, data: bytes) -> Reading:
    result = _extract("docx", data)
    text = _LINK.sub(r"\1", _PICTURE.sub(r"\1", result.content))
    return Reading(text, _title("docx", name, text, result), "docx", (), _metadata(result.metadata))


def _read_html(name: str, data: bytes) -> Reading:
    page = page_of(data)
    main = main_part(page)
    text = _extract("html", main.encode("utf-8", "replace")).content
    plain = plain_text(main)
    if len(text.split()) * PLAIN_SHARE < len(plain.split()):
        text = plain
    return Reading(text, title_of("html", name, text, title_of_page(page)), "html")


def _extract(kind: str, data: bytes) -> kreuzberg.ExtractionResult:
    """The one call into the library, and the one place where its failures become ours."""
    try:
        return kreuzberg.extract_bytes_sync(data, _MIME[kind], config=_config(kind))
    except Exception as error:  # whatever a parser raises over a file of a stranger's is about that file
        if "password" in str(error).lower():
            raise DocumentEncrypted("It is behind a password.") from error
        raise DocumentDamaged(f"It cannot be read as {kind.upper()}: {_reason(error)}") from error


def _config(kind: str) -> kreuzberg.ExtractionConfig:
    options: dict[str, Any] = {  # as a mapping, since the library's own types do not know all of them
        "use_cache": False,  # the cache would be a folder in the current one
        "disable_ocr": True,
        "enable_quality_processing": False,
        "output_format": "markdown",
        "include_document_structure": kind == "pdf",
        "pages": kreuzberg.PageConfig(extract_pages=kind == "pdf"),
        "postprocessor": kreuzberg.PostProcessorConfig(enabled=False),
        "concurrency": kreuzberg.ConcurrencyConfig(max_threads=1),
        "html_options": _HTML_OPTIONS,
    }
    return kreuzberg.ExtractionConfig(**options)


def _title(kind: Kind, name: str, text: str, result: kreuzberg.ExtractionResult) -> str:
    return title_of(kind, name, text, str(result.metadata.get("title") or ""))


def _metadata(claimed: Mapping[str, Any]) -> dict[str, Any]:
    """Of all that the document claims about itself, what one would search or sort by."""
    authors = [str(author) for author in claimed.get("authors") or ()]
    known = {
        "author": ", ".join(author for author in authors if "anonymous" not in author.lower()),
        "created": claimed.get("created_at"),
        "modified": claimed.get("modified_at"),
    }
    return {key: str(value) for key, value in known.items() if value}


def _reason(error: Exception) -> str:
    """The last part of a chain of messages, which is the one about the file."""
    return str(error).rsplit(": ", 1)[-1][:200] or type(error).__name__


if __name__ == "__main__":
    main(sys.argv[1:])
