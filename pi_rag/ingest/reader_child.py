"""The reading child: it opens what strangers wrote, so that nothing else has to.

It is spawned by `ingest/reading.py`, puts hard limits on itself, and then answers one document after
another until its socket closes. It knows which reader is for which kind, and gives their failures the names
of our own errors. It writes no file and reaches no network.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from pi_rag.errors import DocumentDamaged, DocumentEmpty, DocumentEncrypted, PiRagError
from pi_rag.ingest import parser
from pi_rag.ingest.archive import unpack
from pi_rag.ingest.charts import charts_by_slide
from pi_rag.ingest.docx import margins, prepared, restored
from pi_rag.ingest.mail import page_in, read_mail
from pi_rag.ingest.notebook import read_notebook
from pi_rag.ingest.odp import read_odp
from pi_rag.ingest.reader_wire import READY, Request, Terms, Unpacked, answer
from pi_rag.ingest.structure import as_markdown, by_marks
from pi_rag.processes.child import attach
from pi_rag.processes.confinement import confine_calls, confine_files
from pi_rag.processes.frames import recv_frame, send_frame
from pi_rag.processes.limits import Limits, allow_cpu, apply, yield_to_oom
from pi_rag.text.kinds import OLE_MAGIC
from pi_rag.text.layout import without_layout
from pi_rag.text.titles import title_of
from pi_rag.text.webpage import main_part, page_of, plain_text, title_of_page, without_menus
from pi_rag.types import Kind, Reading

FILES_OPEN_MAX = 32
"""Its socket, the three standard ones and the libraries it loads; it opens no document itself."""

LIBRARIES_MIB = 512
"""Addresses beside those of its own memory: libraries, and what an allocator sets aside and does not use."""

OOM_SCORE_ADJ = 900
"""When memory runs out, this process is the first to go: a file can be read again."""

PLAIN_SHARE = 5
"""Below one part in so many of its words, a page's conversion has lost most of it: too many nested tags."""

STAMP_CHARS_MAX = 100
"""What is the same on every page of a document, and no longer than this, is what the scanner put there."""

FIGURES_MIN = 10
"""So many digits are a table of numbers, and no page without text that was numbered by a scanner."""

OLE_KINDS: frozenset[Kind] = frozenset({"doc", "ppt", "xls", "mail"})
"""Which have that mark when they are sound; on any newer kind it means a password."""

_PDF_PICTURE = re.compile(rb"/Subtype\s{0,9}/Image\b")
"""Streams are never packed within others, so what they are can be seen from outside."""

Said = TypeVar("Said", Reading, Unpacked)

_LETTERS = re.compile(r"[^\W\d_]")


def main(argv: Sequence[str]) -> None:
    """Answer documents until the parent closes the socket."""
    sock, (given, folder) = attach(argv)
    terms = Terms.from_argument(given)
    yield_to_oom(OOM_SCORE_ADJ)
    own = terms.memory_mib_max
    apply(Limits(memory_mib_max=own + LIBRARIES_MIB, data_mib_max=own, files_open_max=FILES_OPEN_MAX))
    confine_files(writable=[folder])
    parser.prepare(folder)
    apply(Limits(file_mib_max=0, network=True))  # the network is gone already
    confine_calls()
    with sock:
        send_frame(sock, READY, len(READY))
        while (frame := recv_frame(sock, terms.request_bytes_max)) is not None:
            allow_cpu(terms.cpu_s_max)
            send_frame(sock, answer(said_of(frame, terms)), terms.answer_bytes_max)


def said_of(frame: bytes, terms: Terms) -> Reading | Unpacked | PiRagError:
    """One request to its reading, or to the error that says why there is none."""
    asked = Request.from_frame(frame)
    try:
        if asked.unpack:
            return _guarded("archive", lambda: unpack(asked.name, asked.data, terms.archive))
        if asked.page:
            return _guarded(asked.kind, lambda: _recognised(asked, terms.ocr_languages))
        return read(asked.name, asked.kind, asked.data, terms.chars_max)
    except PiRagError as error:
        return error


def read(name: str, kind: Kind, data: bytes, chars_max: int) -> Reading:
    """The text of one document. Raises DocumentRefused kinds, and nothing else."""
    if data.startswith(OLE_MAGIC) and kind not in OLE_KINDS:
        raise DocumentEncrypted("It is behind a password, or in an office format of before 2007.")
    reading = _guarded(kind, lambda: _READERS.get(kind, _read_office)(name, kind, data, chars_max))
    parser.check_size(reading.text, chars_max)
    if not reading.text.strip() and not reading.unread:
        raise DocumentEmpty("There is no text in it.")
    return reading


def _guarded(kind: str, do: Callable[[], Said]) -> Said:
    """The one place where failures of parsers become ours."""
    try:
        return do()
    except PiRagError:
        raise
    except MemoryError as error:
        raise DocumentDamaged("It takes more memory to read than ingest.reader_memory_mib_max.") from error
    except Exception as error:  # whatever a parser raises over a file of a stranger's is about that file
        if "password" in str(error).lower() or "encrypted" in str(error).lower():
            raise DocumentEncrypted("It is behind a password.") from error
        raise DocumentDamaged(f"It cannot be read as {kind.upper()}: {_reason(error)}") from error


def _recognised(asked: Request, languages: str) -> Reading:
    return Reading(parser.recognise(asked.data, asked.page, languages), "", asked.kind)


def _read_pdf(name: str, kind: Kind, data: bytes, chars_max: int) -> Reading:
    result = parser.extract(kind, data, chars_max)
    plain = {int(page["page_number"]): str(page["content"]) for page in result.pages or []}
    unread = _without_text(plain, bool(_PDF_PICTURE.search(data)))
    nodes = result.document["nodes"] if result.document else []
    text, starts = as_markdown(nodes, plain) if len(unread) < len(plain) else ("", ())
    title = title_of(kind, name, text, _claimed(result.metadata))
    return Reading(text, title, kind, starts, parser.about(result.metadata), unread)


def _without_text(plain: Mapping[int, str], pictures: bool) -> tuple[int, ...]:
    """Pages with no word, and of one with pictures that has the same few words on all its pages, all."""
    words = {page: "".join(_LETTERS.findall(text)) for page, text in plain.items()}
    stamps = set(words.values())
    if pictures and len(words) > 1 and len(stamps) == 1 and 0 < len(stamps.pop()) <= STAMP_CHARS_MAX:
        return tuple(words)
    figures = {page for page, text in plain.items() if sum(map(str.isdigit, text)) >= FIGURES_MIN}
    return tuple(page for page, text in words.items() if not text and page not in figures)


def _read_slides(name: str, kind: Kind, data: bytes, chars_max: int) -> Reading:
    result = parser.extract(kind, data, chars_max)
    nodes = [parser.without_marks(node) for node in result.document["nodes"]] if result.document else []
    of_slides = by_marks(nodes, parser.PAGE_MARK_FOUND)
    for slide, charts in charts_by_slide(data).items():
        content = {"node_type": "paragraph", "text": "\n".join(f"Chart: {words}" for words in charts)}
        of_slides.append({"page": slide, "content": content})
    text, starts = as_markdown(sorted(of_slides, key=lambda node: int(node["page"])), {})
    title = title_of(kind, name, text, _claimed(result.metadata))
    return Reading(text, title, kind, starts, parser.about(result.metadata))


def _read_office(name: str, kind: Kind, data: bytes, chars_max: int) -> Reading:
    result = parser.extract(kind, data, chars_max)
    text = parser.words_of_links(result.content)
    title = title_of(kind, name, text, _claimed(result.metadata))
    return Reading(text, title, kind, (), parser.about(result.metadata))


def _read_docx(name: str, kind: Kind, data: bytes, chars_max: int) -> Reading:
    parser.check_parts(data, chars_max)
    reading = _read_office(name, kind, prepared(data), chars_max)
    text = restored(reading.text)
    if margins_of := "\n".join(line for line in margins(data) if line not in text):
        text = f"{text.rstrip()}\n\n{margins_of}\n"
    return replace(reading, text=text, title=restored(reading.title))


def _read_html(name: str, kind: Kind, data: bytes, chars_max: int) -> Reading:
    page = page_of(page_in(data) if name.lower().endswith((".mhtml", ".mht")) else data)
    text = _text_of_page(page, chars_max)
    return Reading(text, title_of(kind, name, text, title_of_page(page)), kind)


def _text_of_page(page: str, chars_max: int) -> str:
    main = without_layout(without_menus(main_part(page)))
    text = parser.tight_tables(parser.extract("html", main.encode("utf-8", "replace"), chars_max).content)
    plain = plain_text(main)
    return plain if len(text.split()) * PLAIN_SHARE < len(plain.split()) else text


def _read_mail(name: str, kind: Kind, data: bytes, chars_max: int) -> Reading:
    if data.startswith(OLE_MAGIC):
        return _read_office(name, kind, data, chars_max)
    mail = read_mail(data, lambda page: _text_of_page(page_of(page), chars_max))
    return Reading(mail.text, title_of(kind, name, "", mail.title), kind, (), mail.metadata)


_READERS: Mapping[Kind, Callable[[str, Kind, bytes, int], Reading]] = {
    "pdf": _read_pdf,
    "html": _read_html,
    "docx": _read_docx,
    "pptx": _read_slides,
    "odp": lambda name, _, data, __: read_odp(name, data),
    "mail": _read_mail,
    "notebook": lambda name, _, data, __: read_notebook(name, data),
}


def _claimed(metadata: Mapping[str, object]) -> str:
    return str(metadata.get("title") or metadata.get("subject") or "")


def _reason(error: Exception) -> str:
    """The last part of a chain of messages, which is the one about the file."""
    return str(error).rsplit(": ", 1)[-1][:200] or type(error).__name__


if __name__ == "__main__":
    main(sys.argv[1:])
