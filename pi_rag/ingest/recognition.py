"""Pages that are pictures of text: whether they can be read here, and where what was read on them belongs.

Recognition itself is the reading child's, one page at a time. It is done only when `ingest.ocr` is on, with
the languages of Debian's Tesseract; a text that is merely guessed would be worse than none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from pi_rag.errors import DocumentEmpty, DocumentNeedsOcr
from pi_rag.ingest.structure import joined
from pi_rag.types import Reading

TESSDATA = ("/usr/share/tesseract-ocr/*/tessdata", "/usr/share/tessdata")
"""Where Debian and others put the languages."""


def languages_missing(languages: str, folders: Sequence[str] = TESSDATA) -> list[str]:
    """Those of `languages` ("eng+deu") that are not installed."""
    there = {
        each.name.removesuffix(".traineddata")
        for folder in folders
        for each in Path("/").glob(f"{folder.lstrip('/')}/*.traineddata")
    }
    return [language for language in languages.split("+") if language not in there]


def needs_ocr(pages: int, missing: Sequence[str] | None) -> DocumentNeedsOcr:
    """Why a scan is not read: OCR is off (`missing` is None), or these languages are not installed."""
    message = f"There is no text on its {pages} page{'s' * (pages > 1)}: it is a scan, or all pictures."
    if missing is None:
        return DocumentNeedsOcr(message)
    return DocumentNeedsOcr(
        f"{message} ingest.ocr is on, but Tesseract is not installed, or not its language {missing[0]}.",
        hint=f"sudo apt install {_package(missing[0])}   (then add it again)",
    )


def with_pages(reading: Reading, read: Mapping[int, str]) -> Reading:
    """The reading with the words that were recognised on some of its pages, each in its place.

    Raises DocumentEmpty when there are no words on any page.
    """
    ends = (*(offset for offset, _ in reading.pages[1:]), len(reading.text))
    blocks = {
        number: [reading.text[start:end].rstrip("\n")]
        for (start, number), end in zip(reading.pages, ends, strict=False)
    }
    for number, text in read.items():
        blocks.setdefault(number, []).append(text.strip())
    text, pages = joined(blocks)
    if not text.strip():
        raise DocumentEmpty("There is no text on its pages, nor did OCR find any in their pictures.")
    unread = tuple(number for number in reading.unread if number not in read)
    metadata = {**reading.metadata, "pages_by_ocr": str(len(read))} if read else reading.metadata
    return replace(reading, text=text, pages=pages, unread=unread, metadata=metadata)


def counted(reading: Reading) -> Reading:
    """The reading with how many of its pages gave no text, in its metadata, if any."""
    if not reading.unread:
        return reading
    return replace(reading, metadata={**reading.metadata, "pages_without_text": str(len(reading.unread))})


def _package(language: str) -> str:
    """Debian's package with a language; English comes with the engine."""
    return f"tesseract-ocr-{language.replace('_', '-')}" if language != "eng" else "tesseract-ocr"
