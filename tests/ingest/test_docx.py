"""Promises of pi_rag/ingest/docx.py."""

from __future__ import annotations

import io
import zipfile

import pytest

from pi_rag.errors import DocumentDamaged
from pi_rag.ingest.docx import margins, prepared
from pi_rag.ingest.reader_child import read

from .making import docx


def with_parts(made_of: bytes, /, **parts: str) -> bytes:
    """The document with more parts below `word/`, or with others in their place."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(made_of)) as packed, zipfile.ZipFile(made, "w") as out:
        named = {f"word/{name}.xml": text.encode() for name, text in parts.items()}
        for name, data in {**{name: packed.read(name) for name in packed.namelist()}, **named}.items():
            out.writestr(name, data)
    return made.getvalue()


def body(document: bytes) -> str:
    """The part with the text."""
    with zipfile.ZipFile(io.BytesIO(document)) as packed:
        return packed.read("word/document.xml").decode()


def test_a_tab_parts_words() -> None:
    """The library would write `Total42`; places of tabs are no tabs."""
    plain = docx("Total|42")
    places = '<w:p><w:pPr><w:tabs><w:tab w:val="left" w:pos="10"/></w:tabs></w:pPr>'
    text = body(plain).replace("|", "</w:t><w:tab/><w:t>").replace("<w:p>", places)
    tabbed = with_parts(plain, document=text)
    assert '<w:tab w:val="left" w:pos="10"/>' in body(prepared(tabbed))
    assert read("a.docx", "docx", tabbed, 1000).text.strip() == "Total 42"


def test_marks_that_xml_has_to_escape_are_kept() -> None:
    """The library drops every reference; the title, which is taken from the text, has them too."""
    wanted = "AT&T, R&D: 5 < 10 > 2, \"so\" 'it' is & café &amp; 😀 &"
    written = body(docx("# @", "@")).replace(
        "@",
        "AT&amp;T, R&#38;D: 5 &lt; 10 &gt; 2, &quot;so&quot; &apos;it&apos; is &#x26; caf&#233; &amp;amp; "
        "&#x1F600; &amp;",
    )
    reading = read("a.docx", "docx", with_parts(docx("x"), document=written), 1000)
    assert reading.text == f"## {wanted}\n\n{wanted}\n"
    assert reading.title == wanted


def test_heads_and_feet_of_pages_are_kept_once() -> None:
    """At the end of the text; page numbers alone, and what the text says itself, are left out."""
    line = "<w:hdr><w:p><w:r><w:t>{}</w:t></w:r></w:p></w:hdr>"
    document = with_parts(
        docx("They fly far."),
        header1=line.format("Birds &amp; bees, phone 555"),
        header2=line.format("Birds &amp; bees, phone 555"),
        footer1=line.format("12") + line.format("They fly far."),
    )
    assert margins(document) == ["They fly far.", "Birds & bees, phone 555"]
    assert read("a.docx", "docx", document, 1000).text == "They fly far.\n\nBirds & bees, phone 555\n"


def test_a_document_that_defines_entities_is_refused_for_that() -> None:
    """Wherever it does: its text would be none, and nobody would know why. A text about them is read."""
    written = body(docx("@"))
    trap = f'<!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/hostname">]>{written}'
    for parts in ({"document": trap}, {"settings": trap}):
        with pytest.raises(DocumentDamaged, match="defines entities"):
            read("a.docx", "docx", with_parts(docx("x"), **parts), 1000)
    told = with_parts(docx("x"), document=written.replace("@", "&lt;!ENTITY x SYSTEM"))
    assert "<!ENTITY x SYSTEM" in read("a.docx", "docx", told, 1000).text
