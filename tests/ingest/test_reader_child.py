"""Promises of pi_rag/ingest/reader_child.py, called in this process."""

from __future__ import annotations

from email.message import EmailMessage
from pathlib import Path
from typing import NoReturn

import pytest

from pi_rag.config import IngestSettings
from pi_rag.errors import (
    DocumentDamaged,
    DocumentEmpty,
    DocumentEncrypted,
    DocumentTooLarge,
    PiRagError,
)
from pi_rag.ingest import reader_child
from pi_rag.ingest.reader_child import read, said_of
from pi_rag.ingest.reader_wire import Request, Terms
from pi_rag.stress.making import pdf
from pi_rag.text.kinds import OLE_MAGIC
from pi_rag.types import Kind

from .making import docx, open_document, pptx

CHARS_MAX = 100_000
TERMS = Terms.of(IngestSettings(document_chars_max=CHARS_MAX))
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


def test_a_page_that_a_browser_saved_with_its_pictures_is_read() -> None:
    """As the page itself; one that is no such file is taken for the page."""
    saved = EmailMessage()
    saved["From"] = "<Saved by Blink>"
    saved.set_content(PAGE.replace("far", "für"), subtype="html", charset="latin-1", cte="quoted-printable")
    saved.make_related()
    saved.add_related(b"p { color: red }", "text", "css")
    for data in (bytes(saved), PAGE.replace("far", "für").encode()):
        reading = read("a.MHTML", "html", data, CHARS_MAX)
        assert reading.text.split() == "# Birds They fly für. - tit - wren".split()
        assert (reading.title, reading.kind, reading.metadata) == ("Birds & bees", "html", {})


def test_a_page_that_is_laid_out_by_a_table_keeps_its_paragraphs() -> None:
    """As those of newsletters and old pages are."""
    page = b"<body><table><tr><td><img src=x><td><h2>Birds</h2>They fly.<br><br>They sing.</table>"
    assert read("a.html", "html", page, CHARS_MAX).text.strip() == "## Birds\n\nThey fly.\n\nThey sing."


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
        ("doc", OLE_MAGIC + bytes(1000), DocumentDamaged),
        ("odp", b"PK\x03\x04 and no more", DocumentDamaged),
        ("notebook", b"[" * 100_000, DocumentDamaged),
        ("epub", open_document("text", ""), DocumentDamaged),
        ("docx", docx("word " * CHARS_MAX), DocumentTooLarge),
    ],
)
def test_what_cannot_be_read_has_one_reason(kind: Kind, data: bytes, error: type[PiRagError]) -> None:
    """Damaged, encrypted, empty, scanned or too long: each is said."""
    with pytest.raises(error):
        read(f"a.{kind}", kind, data, CHARS_MAX)
    assert isinstance(said_of(Request(f"a.{kind}", kind, data).to_frame(), TERMS), error)


@pytest.mark.parametrize(
    ("pages", "unread"),
    [
        (["", ""], (1, 2)),
        (["12", "13"], (1, 2)),
        (["Birds fly far.", "", "3"], (2, 3)),
        (["Birds fly far.", "Bees fly near."], ()),
        (["The same words.", "The same words."], ()),
        (["0123 456 789 12.50", "12"], (2,)),
    ],
)
def test_pages_without_text_are_told(pages: list[str], unread: tuple[int, ...]) -> None:
    """The number of a page is no text, a table of numbers is. Without any, who knows of OCR decides."""
    reading = read("a.pdf", "pdf", pdf(pages), CHARS_MAX)
    assert reading.unread == unread
    assert bool(reading.text) == (len(unread) < len(pages))


def test_what_a_scanner_puts_on_every_page_is_no_text() -> None:
    """The same few words on each page of a document that has pictures."""
    scan = pdf(["Made by Scanner, page 1", "Made by Scanner, page 2"]) + b"\n% /Subtype /Image\n"
    assert read("a.pdf", "pdf", scan, CHARS_MAX).unread == (1, 2)
    table = pdf(["0123 456 789", "0123 456 789"]) + b"\n% /Subtype /Image\n"
    assert read("a.pdf", "pdf", table, CHARS_MAX).unread == ()


def test_hidden_tabs_of_a_page_are_read() -> None:
    """The library would leave them out; of most manuals they are the half."""
    tabs = "<div role=tabpanel hidden>On Debian: apt.</div><div role=tabpanel>On Fedora: dnf.</div>"
    text = read("a.html", "html", f"<body><p>How to install it.</p>{tabs}</body>".encode(), CHARS_MAX).text
    assert [line for line in text.splitlines() if line] == [
        "How to install it.",
        "On Debian: apt.",
        "On Fedora: dnf.",
    ]


def test_slides_are_pages() -> None:
    """A hit can say which slide it is on; titles of slides are headings."""
    reading = read(
        "a.pptx", "pptx", pptx(("Birds", "They fly [far]."), ("Bees", "They fly near.")), CHARS_MAX
    )
    assert reading.text == "## Birds\n\nThey fly [far].\n\n## Bees\n\nThey fly near.\n\n"
    assert reading.pages == ((0, 1), (27, 2))


def test_texts_and_tables_of_open_document_are_read() -> None:
    """Headings and tables become Markdown, names of sheets are headings."""
    text = '<text:h text:outline-level="1">Birds</text:h><text:p>They fly<text:tab/>&lt;far&gt;.</text:p>'
    reading = read("a.odt", "odt", open_document("text", text, "On birds"), CHARS_MAX)
    assert reading.text.split() == "# Birds They fly <far>.".split()
    assert (reading.title, reading.metadata) == ("On birds", {"created": "2024-01-02T03:04:05"})
    cell = '<table:table-cell office:value-type="string"><text:p>{}</text:p></table:table-cell>'
    rows = "".join(f"<table:table-row>{cell.format(text)}</table:table-row>" for text in ("bird", "wren"))
    sheet = open_document("spreadsheet", f'<table:table table:name="Seen">{rows}</table:table>')
    reading = read("birds.ods", "ods", sheet, CHARS_MAX)
    assert reading.text.split("\n")[:5] == ["## Seen", "", "| bird |", "| --- |", "| wren |"]
    assert reading.title == "birds"


def test_rich_text_is_read() -> None:
    """Its words without its commands."""
    data = rb"{\rtf1\ansi{\info{\title On birds}}{\b Birds} fly far.\par Bees fly near.\par}"
    assert read("a.rtf", "rtf", data, CHARS_MAX).text.split() == "**Birds** fly far. Bees fly near.".split()


def test_a_mail_that_is_a_page_is_read_as_one() -> None:
    """Its subject is its title."""
    data = b"Subject: On birds\nContent-Type: text/html\n\n<p>They <b>fly</b> far.</p>"
    reading = read("a.eml", "mail", data, CHARS_MAX)
    assert reading.text.endswith("They **fly** far.\n")
    assert reading.title == "On birds"


def test_a_notebook_is_read() -> None:
    """By its cells."""
    data = b'{"cells": [{"cell_type": "markdown", "source": "# Birds"}]}'
    assert read("a.ipynb", "notebook", data, CHARS_MAX).title == "Birds"


def test_a_parser_that_wants_too_much_memory_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the document's refusal, and not the end of the child."""

    def greedy(name: str, data: bytes) -> NoReturn:
        raise MemoryError

    monkeypatch.setattr(reader_child, "read_odp", greedy)
    with pytest.raises(DocumentDamaged, match="memory"):
        read("a.odp", "odp", b"", CHARS_MAX)


@pytest.mark.data
@needs_data
@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        ("office/test.docx", "docx", "AutoGen is an open-source framework"),
        ("office/test.pdf", "pdf", "Introduction"),
        ("office/test.pptx", "pptx", "1b92870d-e3b5-4e65-8153-919f4ff45592"),
        ("office/test.xlsx", "xlsx", "| 7 | 69 | 10 | 17 |"),
        ("office/test.xls", "xls", "6ff4173b-42a5-4784-9b19-f49caff4d93d"),
        ("office/test.rtf", "rtf", "This is a Sample RTF File"),
        ("office/test.epub", "epub", "Here's a second chapter"),
        ("office/test_outlook_msg.msg", "mail", "This is the body of the test email message"),
        ("office/test_notebook.ipynb", "notebook", 'print("markitdown")'),
        ("pdf/002-trivial-libre-office-writer/source.odt", "odt", "Lorem ipsum dolor sit amet"),
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
        ("pdf/017-unreadable-meta-data/unreadablemetadata.pdf", DocumentDamaged),
        ("hostile/synthetic/truncated.docx", DocumentDamaged),
        ("hostile/synthetic/xxe_file.docx", DocumentDamaged),
        ("hostile/synthetic/entity_expansion_10e8.docx", DocumentDamaged),
    ],
)
def test_real_documents_that_cannot_be_read_have_one_reason(name: str, error: type[PiRagError]) -> None:
    """A password, a scan, damage, and XML that tries to reach files or to explode."""
    with pytest.raises(error):
        read(name, "pdf" if name.endswith("pdf") else "docx", (DATA / name).read_bytes(), 1_000_000)
