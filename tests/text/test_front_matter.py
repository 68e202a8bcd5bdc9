"""Promises of pi_rag/text/front_matter.py."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pi_rag.text.front_matter import VALUES_MAX, front_matter


@pytest.mark.parametrize(
    ("block", "said"),
    [
        ("title: On birds", {"title": "On birds"}),
        ("title: 'It: all'  # a note", {"title": "It: all"}),
        ("Title: On birds # a note", {"title": "On birds"}),
        ("date: 2024-05-01\nlastmod: 2024-06-01", {"date": "2024-05-01", "modified": "2024-06-01"}),
        ("tags: [birds, 'far away']", {"tags": ["birds", "far away"]}),
        ("tags:\n  - birds\n  - bees\nauthor: Ada", {"tags": ["birds", "bees"], "author": "Ada"}),
        ("keywords: birds, bees", {"tags": ["birds", "bees"]}),
        ("author:\n- Ada\n- Bob", {"author": "Ada, Bob"}),
        ("layout: post\nimage:\n  src: a.png\ndraft: true", {}),
        ("title:\ntags: []", {}),
        ("title: one\ntitle: two", {"title": "one"}),
    ],
)
def test_fields_are_read_as_people_write_them(block: str, said: dict[str, object]) -> None:
    """Quotes, comments, lists in brackets and in lines; what is not understood is left out."""
    assert front_matter(f"---\n{block}\n---\n# Heading\ntitle: not here\n") == said


@pytest.mark.parametrize("text", ["", "title: x", "---\n---\n", "---\ntitle: never closed\n", "# Heading"])
def test_a_text_without_front_matter_says_nothing(text: str) -> None:
    """A rule at the top, or a block without an end, is none."""
    assert front_matter(text) == {}


@given(st.text(alphabet=":-[]'\"#, \nabtgs", max_size=200))
def test_any_block_can_be_read(block: str) -> None:
    """Whatever stands in it, values are texts without line breaks, or lists of them."""
    for value in front_matter(f"---\ntags: {block}\n---\n").values():
        each = [value] if isinstance(value, str) else value
        assert each
        assert all("\n" not in one for one in each)
        assert len(each) <= max(VALUES_MAX, block.count(",") + 1)
