"""Promises of pi_rag/text/tables.py."""

from __future__ import annotations

import pytest

from pi_rag.text.records import Record
from pi_rag.text.tables import markdown_rows, separated_rows

LONG = "with enough words in it for its row to stand by itself beside the others"
HEADER = f"date of payment,payee {LONG},amount\n"
ROWS = [f"2024-01-0{n},somebody {LONG} {n},{n}.50\n" for n in range(1, 6)]


def rows(text: str, found: list[Record]) -> list[str]:
    """What each record says."""
    return [text[each.start : each.end] for each in found]


@pytest.mark.parametrize("mark", list(",;\t|"))
def test_rows_stand_under_their_header(mark: str) -> None:
    """All of them know the names of the columns, but the header, which says them itself."""
    text = "".join([HEADER, *ROWS]).replace(",", mark)
    found = separated_rows(text)
    assert rows(text, found) == text.splitlines(keepends=True)
    assert found[0].context == ()
    assert {each.context for each in found[1:]} == {(f"date of payment | payee {LONG} | amount",)}
    assert {each.inner for each in found} == {(f"date of payment | payee {LONG} | amount",)}


def test_years_may_be_a_header() -> None:
    """Those that follow each other; others are values, as of somebody's life."""
    assert separated_rows("Country,2019,2020\n" + "Ghana,2,3\n" * 10)[0].inner == ("Country | 2019 | 2020",)
    assert separated_rows("Ann,1920,2001\n" + "Bob,1931,2002\n" * 10)[0].inner == ()


def test_short_rows_go_together() -> None:
    """A table of a million figures has no more pieces than as much prose."""
    text = "name,price\n" + "a pump,12\n" * 800
    found = separated_rows(text)
    assert len(found) <= 1 + len(text) / 80
    assert {each.context for each in found[1:]} == {("name | price",)}


def test_a_quoted_cell_may_have_line_breaks() -> None:
    """And marks, and quotes that are said twice."""
    cell = f'"first line,\nsecond ""line"", and\na third {LONG}"'
    text = HEADER + f"2024-01-01,{cell},5\n" + "".join(ROWS)
    assert rows(text, separated_rows(text))[1] == f"2024-01-01,{cell},5\n"


def test_a_quote_that_is_not_closed_takes_its_line_only() -> None:
    """A table with one broken row stays a table of rows."""
    text = HEADER + f'2024-01-01,"never closed {LONG},5\n' + "".join(ROWS * 12)
    assert len(separated_rows(text)) == 2 + 60


def test_values_are_no_header() -> None:
    """A table that begins with figures has no names to tell."""
    text = "1000,2000,3000\n" * 5 + "12345678,1,2\n"
    found = separated_rows(text)
    assert found and all(each.context == () for each in found)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n\n\n",
        "one,two\n",
        "I came, I saw\nHe went, she stayed\nThey ran, we flew\n",
        "A sentence; another.\nOne, two, three.\nNothing here.\n",
        "word\n" * 10,
        "a,b\n" + "c\n" * 9,
        ("x" * 30_000 + ",y\n") * 3,
    ],
)
def test_prose_is_no_table(text: str) -> None:
    """Commas in sentences, lines without, lines too long for a row."""
    assert separated_rows(text) == []


def test_tables_within_markdown_are_found() -> None:
    """With bars at the ends or not; the text around them is left out."""
    first = f"| name of it {LONG} | price of it |\n|:---|---:|\n"
    second = f" what | it weighs {LONG}\n ---- | -------\n"
    pumps = [f"| {name} {LONG} | 12 |\n" for name in ("a pump", "another pump")]
    iron = f" iron | heavy thing {LONG}\n"
    text = f"Prose | with a bar.\n\n{first}{''.join(pumps)}More.\n\n{second}{iron}"
    found = markdown_rows(text)
    assert rows(text, found) == [first, *pumps, second, iron]
    header, other = (f"name of it {LONG} | price of it",), (f"what | it weighs {LONG}",)
    assert [each.context for each in found] == [(), header, header, (), other]


def test_rows_between_bars_need_no_dashes() -> None:
    """So tables come out of PDF and Office files: the first row is the header."""
    text = f"| part {LONG} | costs |\n| the pump {LONG} | 120 |\n| the rest {LONG} | 7 |\n"
    found = markdown_rows(text)
    assert [each.context for each in found] == [(), *[(f"part {LONG} | costs",)] * 2]
    assert markdown_rows("| one bar line |\n| another |\n") == []


def test_lines_with_a_bar_are_no_table() -> None:
    """A shell's pipes are none."""
    assert markdown_rows("cat a | sort\ncat b | uniq\ncat c | wc\n") == []
