"""Promises of pi_rag/text/titles.py."""

from __future__ import annotations

import pytest

from pi_rag.text.titles import file_name, sensible, title_of
from pi_rag.types import Kind


@pytest.mark.parametrize(
    ("kind", "name", "text", "claimed", "title"),
    [
        ("markdown", "/a/b.md", "intro\n# The title\n", "", "The title"),
        ("markdown", "/a/b.md", "# Heading\n", "From its front matter", "From its front matter"),
        ("markdown", "/a/b.md", "no heading", "", "b"),
        ("xlsx", "/a/costs.xlsx", "## Sheet1\n", "", "costs"),
        ("xlsx", "/a/costs.xlsx", "## Sheet1\n", "Costs of 2024", "Costs of 2024"),
        ("text", "/a/diary.2024.txt", "# no heading in plain text", "", "diary.2024"),
        ("code", "/a/main.py", "# comment", "", "main.py"),
        ("pdf", "/a/p.pdf", "# Heading\n", "A real title", "A real title"),
        ("pdf", "/a/p.pdf", "# Heading\n", "untitled", "Heading"),
        ("docx", "/a/p.docx", "no heading", "", "p"),
        ("docx", "/a/p.docx", "## Begins at the second level", "", "Begins at the second level"),
        ("html", "https://example.org/a/page.html", "text", "", "page"),
        ("text", ".profile", "x", "", ".profile"),
    ],
)
def test_a_document_is_called_what_it_calls_itself(
    kind: Kind, name: str, text: str, claimed: str, title: str
) -> None:
    """First what it says, then what its metadata says, then its file's name, by kind."""
    assert title_of(kind, name, text, claimed) == title


@pytest.mark.parametrize(
    "claimed",
    ["", "  ", "untitled", "(anonymous)", "Untitled Document"[:8], "Document1", "Microsoft Word - report.doc",
     "report-final.docx", "unspecified", "---", "Slide 1"],
)  # fmt: skip
def test_what_programs_write_is_no_title(claimed: str) -> None:
    """A title that no person wrote is passed over."""
    assert sensible(claimed) == ""


def test_a_title_is_one_short_line() -> None:
    """It is shown beside every hit."""
    assert sensible("  Two\n lines  ") == "Two lines"
    assert len(sensible("word " * 1000)) <= 120


def test_a_name_that_is_not_utf8_can_be_shown() -> None:
    """What the file system escaped is replaced."""
    assert file_name("/a/caf\udce9.txt") == "caf?.txt"
