"""Promises of pi_rag/text/shape.py."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pi_rag.text.shape import shape_of
from pi_rag.types import Kind

from .shapes import SHAPED

KINDS: tuple[Kind, ...] = ("text", "markdown", "code")
LONG = "with enough words in it for its row to stand by itself beside the others"
CSV = f"name of it {LONG},price\nthe first one {LONG},12\nthe second one {LONG},13\n"
CHAT = "Ann: a question of mine\nBob: an answer to it\nAnn: I see\nBob: ok\n"
TABLE = f"# Prices\n\n| what it is | it costs |\n|---|---|\n| a pump {LONG} | 12 |\n| another {LONG} | 13 |\n"
JSON = json.dumps([{"a": f"one thing {LONG}"}, {"a": f"another {LONG}"}])


@given(SHAPED, st.sampled_from(KINDS))
@settings(max_examples=200)
def test_sections_and_records_are_in_order(text: str, kind: Kind) -> None:
    """Sections begin with the text; records lie within it, ascending, and none is empty."""
    shape = shape_of(text, kind)
    assert shape.sections[0].start == 0
    assert all(one.start < other.start for one, other in pairwise(shape.sections))
    assert all(0 <= each.start < each.end <= len(text) for each in shape.records)
    assert all(one.end <= other.start for one, other in pairwise(shape.records))


@pytest.mark.parametrize(
    ("kind", "text", "records"),
    [
        ("text", CSV, 3),
        ("text", CHAT, 3),
        ("text", JSON[1:-1].replace("}, ", "}\n"), 2),
        ("text", "Nothing but prose. It goes on, and on.\n", 0),
        ("mail", CHAT, 3),
        ("markdown", CHAT, 3),
        ("markdown", TABLE, 2),
        ("markdown", CSV, 0),
        ("pdf", TABLE, 2),
        ("code", JSON, 2),
        ("code", "def f():\n    return 1\n", 0),
    ],
)
def test_the_kind_says_who_looks(kind: Kind, text: str, records: int) -> None:
    """A table in a text file is one of separated values, in Markdown and PDF one between bars."""
    assert len(shape_of(text, kind).records) == records


SENSOR = "time,temperature\n" + "".join(f"2024-01-01 10:{n}:00,21.{n}\n" for n in range(10, 60))


def test_a_table_whose_first_column_is_the_time_is_no_log() -> None:
    """Its rows know their columns, as sensors write them."""
    assert shape_of(SENSOR, "text").records[-1].context == ("time | temperature",)


@pytest.mark.parametrize("stamp", ["2024-01-01 10:{}:00,123 ", "2024-01-01T10:{}:00Z,", "Jan 12 10:{}:00\t"])
def test_a_log_with_a_mark_on_each_line_is_no_table(stamp: str) -> None:
    """Its first line is an entry as the others are."""
    text = "".join(f"{stamp.format(n)}INFO it works\n  as it should and does\n" for n in range(10, 60))
    lines = text.replace("\n  ", " ")
    assert {each.context for each in shape_of(lines, "text").records} == {()}
    assert len(shape_of(text, "text").records) == 50
