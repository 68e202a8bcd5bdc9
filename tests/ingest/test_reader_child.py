"""Promises of pi_rag/ingest/reader_child.py, called in this process."""

from __future__ import annotations

from pathlib import Path

import pytest

from pi_rag.errors import (
    DocumentDamaged,
    DocumentEmpty,
    DocumentEncrypted,
    DocumentNeedsOcr,
    DocumentTooLarge,
    PiRagError,
)
from pi_rag.ingest.reader_child import read, said_of
from pi_rag.ingest.reader_wire import request
from pi_rag.text.kinds import OLE_MAGIC
from pi_rag.types import Kind

from .making import docx, pdf

CHARS_MAX = 100_000
DATA = Path(__file__).parents[3] / "shared" / "data" / "docs"
needs_data = pytest.mark.skipif(not DATA.exists(), reason="needs ../shared/data beside the checkout")

PAGE = """<!doctype html><html><head><title>Birds &amp; bees</title><style>p { color: red }</style></head>
<body><nav><a href="/">Home</a></nav><script>var secret = 1</script><main><h1>Birds</h1>
<p>They <a href="https://example.org/fly">fly</a> far.</p><ul><li>tit</li><li>wren</li></ul>
<img src="bird.png" alt=""></main><footer>Imprint</footer></body></html>"""


def test_a_word_document_is_read() -> None:
    """Its headings become Markdown; title and author come from its metadata."""
    reading = read(
        "a.docx", "docx", docx("# Birds", "They fly far.", title="On birds", author="Ada"), CHARS_MAX
    )
    assert reading.text.lstrip("#") == " Birds\n\nThey fly far.\n"
    assert (reading.title, reading.kind, reading.metadata["author"]) == ("On birds", "docx", "Ada")


def test_a_pdf_is_read_with_its_pages() -> None:
    """Every page's text is found at the offset that is given for it."""
    reading = read("a.pdf", "pdf", pdf(["Birds fly far.", "", "Bees fly near."], "On flying"), CHARS_MAX)
    assert [(reading.text[at:].split("\n")[0], page) for at, page in reading.pages] == [
        ("Birds fly far.", 1),
        ("Bees fly near.", 3),
    ]
    assert (reading.title, reading.metadata) == ("On flying", {"author": "Ada"})


def test_a_page_of_the_web_is_read_without_its_menus() -> None:
    """Words, headings and lists of the main part; no scripts, styles, menus or addresses."""
    reading = read("a.html", "html", PAGE.encode(), CHARS_MAX)
    assert reading.text.split() == "# Birds They fly far. - tit - wren".split()
    assert reading.title == "Birds & bees"


def test_a_page_that_is_nested_too_deeply_keeps_its_words() -> None:
    """The converter gives up on it; its words are found all the same."""
    page = "<div>" * 5000 + "<p>deep words</p><script>no</script>" + "</div>" * 5000
    assert read("a.html", "html", page.encode(), CHARS_MAX).text == "deep words"


@pytest.mark.parametrize(
    ("kind", "data", "error"),
    [
        ("pdf", b"%PDF-1.7\n", DocumentDamaged),
        ("docx", b"PK\x03\x04 and no more", DocumentDamaged),
        ("docx", OLE_MAGIC + bytes(1000), DocumentEncrypted),
        ("docx", docx(), DocumentEmpty),
        ("html", b"<script>only()</script>", DocumentEmpty),
        ("pdf", pdf(["", ""]), DocumentNeedsOcr),
        ("docx", docx("word " * CHARS_MAX), DocumentTooLarge),
    ],
)
def test_what_cannot_be_read_has_one_reason(kind: Kind, data: bytes, error: type[PiRagError]) -> None:
    """Damaged, encrypted, empty, scanned or too long: each is said."""
    with pytest.raises(error):
        read(f"a.{kind}", kind, data, CHARS_MAX)
    assert isinstance(said_of(request(f"a.{kind}", kind, data), CHARS_MAX), error)


@pytest.mark.data
@needs_data
@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        ("office/test.docx", "docx", "AutoGen is an open-source framework"),
        ("office/test.pdf", "pdf", "Introduction"),
        ("office/test_wikipedia.html", "html", "Microsoft Corporation"),
        ("pdf/009-pdflatex-geotopo/GeoTopo-komprimiert.pdf", "pdf", "Topologie"),
        ("pdf/026-latex-multicolumn/multicolumn.pdf", "pdf", "consectetuer adipiscing"),
    ],
)
def test_real_documents_are_read(name: str, kind: Kind, words: str) -> None:
    """Files that office programs and LaTeX made."""
    reading = read(name, kind, (DATA / name).read_bytes(), 1_000_000)
    assert words in " ".join(reading.text.split())
    assert [offset for offset, _ in reading.pages] == sorted(offset for offset, _ in reading.pages)


@pytest.mark.data
@needs_data
@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("pdf/005-libreoffice-writer-password/libreoffice-writer-password.pdf", DocumentEncrypted),
        ("pdf/019-grayscale-image/grayscale-image.pdf", DocumentNeedsOcr),
        ("office/MEDRPT-2024-PAT-3847_medical_report_scan.pdf", DocumentNeedsOcr),
        ("pdf/017-unreadable-meta-data/unreadablemetadata.pdf", DocumentDamaged),
        ("hostile/synthetic/truncated.docx", DocumentDamaged),
        ("hostile/synthetic/xxe_file.docx", DocumentEmpty),
        ("hostile/synthetic/entity_expansion_10e8.docx", DocumentEmpty),
    ],
)
def test_real_documents_that_cannot_be_read_have_one_reason(name: str, error: type[PiRagError]) -> None:
    """A password, a scan, damage, and XML that tries to reach files or to explode."""
    with pytest.raises(error):
        read(name, "pdf" if name.endswith("pdf") else "docx", (DATA / name).read_bytes(), 1_000_000)
