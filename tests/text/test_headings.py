"""Promises of pi_rag/text/headings.py."""

from __future__ import annotations

import pytest

from pi_rag.text.headings import first_heading, front_matter_end, markdown_sections


def outline(text: str) -> list[tuple[str, ...]]:
    """The heading paths of a text's sections."""
    return [section.path for section in markdown_sections(text)]


def test_headings_nest_by_their_level() -> None:
    """A path has the headings above, outermost first; a heading ends those of its own level and below."""
    text = "intro\n# A\na\n## B\nb\n### C\nc\n## D\nd\n# E\ne\n"
    assert outline(text) == [(), ("A",), ("A", "B"), ("A", "B", "C"), ("A", "D"), ("E",)]


def test_sections_begin_at_their_heading() -> None:
    """The heading's own line belongs to its section."""
    text = "intro\n\n# A\ntext\n"
    assert [text[section.start :][:3] for section in markdown_sections(text)] == ["int", "# A"]


def test_underlined_lines_are_headings() -> None:
    """`===` is the first level, `---` the second."""
    assert outline("Title\n=====\ntext\n\nPart\n----\nmore\n") == [("Title",), ("Title", "Part")]


@pytest.mark.parametrize(
    "text",
    [
        "one\ntwo\n---\nthree\n",  # a paragraph of two lines and a rule
        "- item\n---\ntext\n",
        "> quote\n---\ntext\n",
        "| a |\n---\ntext\n",
        "    code\n---\ntext\n",
        "\n---\ntext\n",
        "---\ntext\n",
    ],
)
def test_a_rule_makes_no_heading(text: str) -> None:
    """`---` is a heading only under a paragraph of one line."""
    assert outline(text) == [()]


@pytest.mark.parametrize(
    "text",
    [
        "```\n# a comment\n```\n",
        "~~~ python\n# a comment\n```\n# still\n~~~\n",
        "````\n```\n# a comment\n```\n````\n",
        "```\n# never closed\n",
        "    # indented code\n",
        "#hashtag\n",
        "####### seven\n",
        "<!-- written by a program\n# not this -->\n",
        "---\ntitle: x\n# a comment\n---\n",
        "text # not at the beginning\n",
    ],
)
def test_what_looks_like_a_heading_and_is_none(text: str) -> None:
    """Fenced and indented code, comments and front matter have no headings."""
    assert outline(text) == [()]


def test_headings_after_fences_and_comments_are_found() -> None:
    """What is closed is over."""
    text = "```\n# no\n```\n# A\na\n<!-- # no -->\n## B\n`` `x` ``\n# C\nc\n"
    assert outline(text)[1:] == [("A",), ("A", "B"), ("C",)]


def test_a_bare_heading_goes_with_the_next_section() -> None:
    """A heading with nothing under it is no section, but its text is part of the next one."""
    text = "# Guide\n\n## Install\nsteps\n"
    assert outline(text) == [("Guide", "Install")]
    assert markdown_sections(text)[0].start == 0


def test_a_bare_heading_at_the_end_is_kept() -> None:
    """Nothing follows that could take it in."""
    assert outline("# A\ntext\n# B\n") == [("A",), ("B",)]


@pytest.mark.parametrize(
    ("line", "title"),
    [
        ("# **Bold** and `code` ##", "Bold and code"),
        ("# [A link](https://example.org/x) here", "A link here"),
        ("# Anchor {#anchor}", "Anchor"),
        ("# 5 \\# and \\*star\\*", "5 # and *star*"),
        ("#\ttab", "tab"),
        ("# C#", "C#"),
        ("# snake_case", "snake_case"),
    ],
)
def test_a_heading_reads_as_words(line: str, title: str) -> None:
    """Markup is no part of a heading's name."""
    assert outline(f"{line}\ntext\n") == [(title,)]


def test_a_long_heading_is_shortened() -> None:
    """A path is shown beside every hit."""
    assert len(outline("# " + "long " * 1000 + "\ntext")[0][0]) <= 120


def test_windows_line_ends_are_fine() -> None:
    """A heading does not keep the carriage return."""
    assert outline("# A\r\ntext\r\nB\r\n---\r\ntext") == [("A",)]
    assert outline("# A\r\n\r\nB\r\n---\r\ntext") == [("A", "B")]


def test_the_first_heading_is_one_of_the_first_level() -> None:
    """It is what a document without other title is called."""
    assert first_heading("## Not this\n# This\n# Nor this") == "This"
    assert first_heading("## Only a second") == ""
    assert first_heading("## Only a second", level_max=6) == "Only a second"


def test_front_matter_ends_where_it_is_closed() -> None:
    """An unclosed one, or a rule at the top, is none."""
    closed = "---\ntitle: x\n---\ntext"
    assert closed[front_matter_end(closed) :] == "\ntext"
    assert front_matter_end("---\ntitle: x\n" + "key: value\n" * 10_000) == 0
    assert front_matter_end("---\n\ntext\n\n---\n") == 0


def test_many_headings_are_bounded() -> None:
    """A megabyte of headings gives an outline that is no larger than the text deserves."""
    text = "# a\nb\n" * 200_000
    assert len(markdown_sections(text)) <= len(text) // 64 + 1
