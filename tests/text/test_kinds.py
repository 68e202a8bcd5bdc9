"""Promises of pi_rag/text/kinds.py."""

from __future__ import annotations

import io
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pi_rag.errors import DocumentBinary
from pi_rag.text.kinds import OLE_MAGIC, is_archive, is_media, kind_of
from pi_rag.types import Kind

ZIP = b"PK\x03\x04\x14\0\0\0\x08\0"


def said_first(mimetype: str) -> bytes:
    """The beginning of an archive whose first member says what it is."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("mimetype", mimetype)
        archive.writestr("content.xml", "<a/>")
    return packed.getvalue()


@pytest.mark.parametrize(
    ("name", "head", "kind"),
    [
        ("notes.md", b"# Notes", "markdown"),
        ("NOTES.MARKDOWN", b"# Notes", "markdown"),
        ("page.html", b"<p>hello", "html"),
        ("page.htm", b"<p>hello", "html"),
        ("saved.mhtml", b"From: <Saved by Blink>\n", "html"),
        ("paper.pdf", b"%PDF-1.7\n", "pdf"),
        ("letter.docx", ZIP, "docx"),
        ("main.py", b"import os", "code"),
        ("lib.rs", b"fn main() {}", "code"),
        ("config.yaml", b"a: 1", "code"),
        ("Makefile", b"all:\n", "code"),
        ("Dockerfile", b"FROM scratch\n", "code"),
        ("run", b"#!/bin/sh\n", "code"),
        ("paper.rst", b"Paper\n=====", "markup"),
        ("todo.org", b"* Buy milk", "markup"),
        ("thesis.tex", b"\\documentclass{book}", "markup"),
        ("slides.pptx", ZIP, "pptx"),
        ("table.xlsx", ZIP, "xlsx"),
        ("letter.odt", ZIP, "odt"),
        ("slides.odp", ZIP, "odp"),
        ("table.ods", ZIP, "ods"),
        ("book.epub", ZIP, "epub"),
        ("old.doc", OLE_MAGIC, "doc"),
        ("old.xls", OLE_MAGIC, "xls"),
        ("old.ppt", OLE_MAGIC, "ppt"),
        ("note.msg", OLE_MAGIC, "mail"),
        ("note.eml", b"From: a@example.org\n\nHello", "mail"),
        ("work.ipynb", b'\n{"cells": []}', "notebook"),
        ("letter.rtf", b"{\\rtf1\\ansi", "rtf"),
        ("table.csv", b"a,b\n1,2\n", "text"),
        ("rows.jsonl", b'{"a": 1}', "code"),
        ("diary.txt", b"Dear diary", "text"),
        ("README", b"Read me", "text"),
        ("notes.2024-05-01", b"Read me", "text"),
        ("empty", b"", "text"),
    ],
)
def test_a_name_and_a_beginning_tell_the_kind(name: str, head: bytes, kind: Kind) -> None:
    """The usual names give the usual kinds; what has no known extension is looked at."""
    assert kind_of(name, head) == kind
    assert kind_of(f"/some/folder.pdf/{name}", head) == kind


@pytest.mark.parametrize(
    ("name", "head", "kind"),
    [
        ("saved.pdf", b"<html><body>", "html"),
        ("saved", b"\n<!DOCTYPE html>\n<html>", "html"),
        ("https://example.org", b"<html>", "html"),
        ("https://example.org", b"only words", "text"),
        ("https://example.org/README.md", b"<html>", "html"),
        ("https://example.org/README.md?raw=1", b"# Notes", "markdown"),
        ("https://example.org/?file=a.md", b"only words", "text"),
        ("https://example.org/index.php", b"<!doctype html>", "html"),
        ("https://example.org/index.php", b"<?php", "code"),
        ("report.bin", b"%PDF-1.4", "pdf"),
        ("report.pdf", b"\xef\xbb\xbf%PDF-1.4", "pdf"),
        ("formats.md", b"The mark of a PDF is `%PDF-1.4`.", "markdown"),
        ("notes.png", b"only words", "text"),
        ("paper.pdf", b"only words", "text"),
        ("page.js", b"<html> in a template", "code"),
        ("letter.doc", b"{\\rtf1\\ansi", "rtf"),
        ("letter.doc", ZIP, "docx"),
        ("export.xls", b"<html><table>", "html"),
        ("export.xls", b"a\tb\n", "text"),
        ("book.zip", said_first("application/epub+zip"), "epub"),
        ("letter.ott", said_first("application/vnd.oasis.opendocument.text-template"), "odt"),
        ("work.ipynb", b"only words", "text"),
    ],
)
def test_content_is_believed_before_the_name(name: str, head: bytes, kind: Kind) -> None:
    """A file that is named for what it is not is read as what it is."""
    assert kind_of(name, head) == kind


@given(
    st.sampled_from(["", "\ufeff"]),
    st.lists(st.sampled_from([" ", "\n", "\t", '<?xml version="1.0"?>', "<!-- <p> -> -->", "<!---->"])),
    st.sampled_from(["<!doctype html>", "<!DOCTYPE  HTML PUBLIC>", "<html>", "<head >", "<body\nclass=a>"]),
    st.text(st.characters(exclude_categories=("Cc", "Cs")), max_size=20),
    st.booleans(),
    st.sampled_from(["utf-8", "utf-16-le", "utf-16-be"]),
)
def test_what_begins_with_a_tag_of_a_page_is_one(
    mark: str, before: list[str], tag: str, rest: str, shout: bool, encoding: str
) -> None:
    """After marks, spaces, declarations and comments, in any case, whatever it is sent as."""
    page = mark + "".join(before) + (tag.upper() if shout else tag) + rest
    head = page.encode(encoding if mark else "utf-8")
    for name in ("saved", "page.txt", "saved.pdf", "https://example.org", "https://example.org/notes.md"):
        assert kind_of(name, head) == "html"


@given(
    st.sampled_from(["", "\ufeff"]),
    st.sampled_from(
        ["Of ", "# ", "`", "> ", "1", "<p>", "<header>", "<htmlx>", "<!--", "\\", "<!doctype x>"]
    ),
    st.sampled_from(["<!doctype html>", "<html>", "<head>", "<body>"]),
    st.text("abc `<>\n", max_size=20),
)
def test_what_only_speaks_of_tags_is_no_page(mark: str, before: str, tag: str, rest: str) -> None:
    """Words or another tag before it, or a comment that never ends: it stays what its name says."""
    head = f"{mark}{before}{tag}{rest}".encode()
    assert kind_of("notes.md", head) == "markdown"
    assert {kind_of(name, head) for name in ("notes.txt", "notes", "https://example.org")} == {"text"}


def test_a_beginning_of_comments_alone_is_looked_at_in_one_go() -> None:
    """A file that a stranger made to be slow: opened comments, and declarations without an end."""
    for piece in (b"<!--", b"<?xml", b"<!-- -->", b" ", b"<?xml ?> "):
        assert kind_of("page", piece * 100_000) == "text"


@pytest.mark.parametrize(
    ("name", "head"),
    [
        ("photo.jpg", b"\xff\xd8\xff\xe0\0\x10JFIF"),
        ("photo.txt", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"),
        ("program", b"\x7fELF\x02\x01\x01\0\0\0\0\0"),
        ("slides.key", ZIP),
        ("archive.zip", ZIP),
        ("thumbs.db", OLE_MAGIC),
        ("paper.pdf", bytes(range(256))),
    ],
)
def test_what_is_not_read_is_refused(name: str, head: bytes) -> None:
    """Pictures, programs, archives and formats that nobody reads yet."""
    with pytest.raises(DocumentBinary):
        kind_of(name, head)


def test_a_word_file_behind_a_password_is_still_one() -> None:
    """It is an OLE container with a DOCX name; its reader says that it is encrypted."""
    assert kind_of("letter.docx", OLE_MAGIC + bytes(100)) == "docx"


@pytest.mark.parametrize("name", ["a.JPG", "film.mp4", "backup.7z", "lib.so", "model.gguf"])
def test_media_are_known_by_name_alone(name: str) -> None:
    """A walk need not open a thousand photographs to say that they are not read."""
    assert is_media(name)


@pytest.mark.parametrize(
    "name", ["a.md", "a.txt", "a.pdf", "a.docx", "a.html", "a.py", "a", ".env", "a.csv", "a.xlsx", "a.zip"]
)
def test_what_may_be_read_is_no_media(name: str) -> None:
    """What can be read is never left out by its name."""
    assert not is_media(name)


@pytest.mark.parametrize(
    ("name", "head", "is_one"),
    [
        ("a.zip", ZIP, True),
        ("A.ZIP", b"PK\x05\x06", True),
        ("a.tar.gz", b"\x1f\x8b\x08", True),
        ("log.gz", b"\x1f\x8b\x08", True),
        ("a.tgz", b"\x1f\x8b\x08", True),
        ("a.tar", b"name" + bytes(253) + b"ustar", True),
        ("a.txz", b"\xfd7zXZ\0", True),
        ("a.docx", ZIP, False),
        ("a.jar", ZIP, False),
        ("a", ZIP, False),
        ("a.zip", b"only words", False),
        ("book.zip", said_first("application/epub+zip"), False),
    ],
)
def test_archives_are_known_by_name_and_content(name: str, head: bytes, is_one: bool) -> None:
    """A program or an office file is an archive too, and is none to open."""
    assert is_archive(name, head) == is_one
    assert is_one <= is_archive(name)
