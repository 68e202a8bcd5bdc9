"""Promises of pi_rag/text/layout.py."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pi_rag.text.layout import BETWEEN, without_layout

DATA = "<table><tr><th>Month<th>Work<tr><td>March<td>prune<br>and water</table>"
PIECES = [
    *("<table>", "</table>", "<TABLE width='>'>", "<tr>", "</tr>", "<td>", "</td>", "<td class=a>", ">"),
    *("<p>", "<br/>", "words ", "</p>", "<!--", "-->", "<script>", "</script>", "<table role=none>", "<"),
]


def shown(page: str) -> list[str]:
    """The words between the tags."""
    return re.sub(r"<[^<>]*>", " ", page).split()


@pytest.mark.parametrize(
    "page",
    [
        "<table><tr><td>Menu</td><td><p>One<p>Two</td></tr></table>",
        "<table><tr><td>One<br>more<tr><td>Two</table>",
        "<TABLE WIDTH='100%' title='a > b'><TBODY><TR><TD><H1>One</H1></TD></TR></TBODY></TABLE>",
        "<table role=presentation><tr><td>One<td>Two<tr><td>Three<td>Four</table>",
        "<table><tr><td><table><tr><td>One<td>Two</table></table>".replace("One", "<p>One"),
    ],
    ids=["a row", "a column", "one cell", "as it says", "one within another"],
)
def test_a_table_that_lays_out_is_broken_into_its_cells(page: str) -> None:
    """No tag of it is left, and all else is, in its order."""
    left = without_layout(page)
    assert not re.search(r"</?t(?:able|r|d|body)\b", left, re.IGNORECASE)
    assert BETWEEN in left
    assert shown(left) == shown(page.replace("a > b", ""))


@pytest.mark.parametrize(
    "page",
    [
        DATA,
        "<table><tr><td>curlew<td>3</table>",
        "<table><tr><td>curlew<tr><td>knot</table>",
        "<table><tr><td><p>never closed",
        "<!-- <table><tr><td><p>x</table> -->",
        "<script>s = '<table><tr><td><p>x</table>'</script>",
        "</table><p>no table</p>",
    ],
    ids=["data", "a row of words", "a column of words", "open", "a comment", "a script", "none"],
)
def test_all_else_stays_as_it_is(page: str) -> None:
    """What has rows and columns, and what is no table."""
    assert without_layout(page) == page


def test_a_table_of_data_in_a_cell_stays_one() -> None:
    """The page around it was laid out, which says nothing of it."""
    assert DATA in without_layout(f"<table><tr><td>Menu<td><p>Text{DATA}</table>")


@given(st.lists(st.sampled_from(PIECES), max_size=40).map("".join))
def test_nothing_but_tags_of_tables_is_taken_out(page: str) -> None:
    """However broken the page is."""
    left = without_layout(page)
    assert left.count("words") == page.count("words")
    assert left.count("<p>") == page.count("<p>")


def test_a_page_made_to_be_slow_is_not() -> None:
    """Opened tables, comments and scripts without an end: one look at each."""
    for piece in ("<table><tr><td>", "<!--", "<script ", "<table '", '<td "'):
        assert without_layout(piece * 50_000) == piece * 50_000
