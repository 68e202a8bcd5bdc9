"""Promises of pi_rag/text/clean.py."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pi_rag.text.clean import clean, clean_tree, is_blank

ANY_TEXT = st.text(st.characters(codec=None, categories=None))


def test_what_cannot_be_stored_is_replaced() -> None:
    """A zero byte and a lone surrogate become the replacement character; all else stays."""
    assert clean("a\0b\ud800c\udfffd\n\x01é🙂") == "a�b�c�d\n\x01é🙂"


def test_every_text_of_a_tree_is_cleaned_and_no_deeper_than_wanted() -> None:
    """Keys too; numbers stay what they are."""
    assert clean_tree({"a\0": ["\ud800", {"b": 1.5}]}, 3) == {"a\ufffd": ["\ufffd", {"b": 1.5}]}
    with pytest.raises(ValueError, match="deep"):
        clean_tree([[[]]], 1)


@given(ANY_TEXT)
def test_a_clean_text_can_be_encoded_and_keeps_its_offsets(text: str) -> None:
    """Any text becomes one that UTF-8 can hold, as long as before; a clean one stays as it is."""
    cleaned = clean(text)
    assert cleaned.encode("utf-8").decode() == cleaned
    assert len(cleaned) == len(text)
    assert "\0" not in cleaned
    assert clean(cleaned) == cleaned


@given(
    st.text("\ufeff\u200b\u2060\u200e\u00ad\u00a0 \t\n"),
    st.text(st.characters(categories=["L", "N", "P", "S"])),
)
def test_a_text_is_blank_when_nobody_could_see_anything(shapeless: str, seen: str) -> None:
    """Spaces and characters without a shape are nothing to remember; one sign is."""
    assert is_blank(shapeless)
    assert is_blank(shapeless + seen) == (not seen)
