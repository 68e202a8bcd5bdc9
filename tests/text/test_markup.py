"""Promises of pi_rag/text/markup.py."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pi_rag.text.headings import markdown_sections
from pi_rag.text.markup import as_markdown


def headings(text: str) -> list[tuple[str, ...]]:
    """The path of each section that has one."""
    return [section.path for section in markdown_sections(text) if section.path]


def test_headings_of_restructured_text_have_the_levels_in_which_they_came() -> None:
    """A line below, or one above and below; a table's rule or a short line is none."""
    text = (
        "====\nBook\n====\n\nAll.\n\nBirds\n-----\n\nThey fly.\n\nWrens\n~~~~~\n\nSmall.\n\n"
        "Bees\n----\n\n+---+---+\n| a | b |\n+---+---+\n\nlonger than\n+++\n"
    )
    made, said = as_markdown("a.rst", text)
    assert headings(made) == [("Book",), ("Book", "Birds"), ("Book", "Birds", "Wrens"), ("Book", "Bees")]
    assert "| a | b |" in made
    assert said == {}


def test_headings_of_org_lose_their_marks() -> None:
    """State and tags are not part of a heading; what the file says of itself is told."""
    text = (
        "#+TITLE: On birds\n#+AUTHOR: Ada\n#+STARTUP: x\n* TODO Birds :wild:\nfly\n** Wrens\n*bold* small\n"
    )
    made, said = as_markdown("a.org", text)
    assert headings(made) == [("Birds",), ("Birds", "Wrens")]
    assert said == {"title": "On birds", "author": "Ada"}
    assert "*bold* small" in made


def test_headings_of_latex_are_found_within_a_line() -> None:
    """Chapters, sections and what is below; every other word stays as it is."""
    text = (
        r"\title{On \emph{birds}}\date{2024}\section{Birds} fly \textbf{far}. "
        r"\subsection*{The \LaTeX{} wren}small"
    )
    made, said = as_markdown("a.tex", text)
    assert headings(made) == [("Birds",), ("Birds", "The wren")]
    assert said == {"title": "On birds", "date": "2024"}
    assert r"fly \textbf{far}." in made


@given(st.text(), st.sampled_from(["a.rst", "a.org", "a.tex"]))
def test_no_word_is_lost(text: str, name: str) -> None:
    """Words between headings stay, whatever the text is."""
    marked = f"first words\n\n{text}\n\nlast words\n"
    made, _ = as_markdown(name, marked)
    assert "first words" in made
    assert "last words" in made


@pytest.mark.parametrize("name", ["a.rst", "a.org", "a.tex"])
@pytest.mark.parametrize(
    "text", ["=" * 300_000, "* " * 150_000, "a\n=\n" * 75_000, r"\section{" * 30_000, "{" * 300_000]
)
def test_no_text_takes_long(name: str, text: str) -> None:
    """Patterns that would go back over a hostile one again and again would never come to its last word."""
    assert as_markdown(name, f"{text}\n\nlast")[0].endswith("last")
