"""Metadata comes back as it went in."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pi_rag.errors import RequestInvalid
from pi_rag.store.metadata import DEPTH_MAX, read_at, to_json

_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), _JSON, max_size=4))
def test_any_json_object_comes_back(metadata: dict[str, Any]) -> None:
    """What is stored is ASCII; half of a character comes back as what an answer can hold."""
    stored = to_json(metadata)
    assert stored.isascii()
    before, given, after = read_at(("before", stored, "after"), 1)
    assert (before, after) == ("before", "after")
    assert given == metadata or _has_half(metadata)
    json.dumps(given, ensure_ascii=False).encode()


def _has_half(metadata: dict[str, Any]) -> bool:
    told = json.dumps(metadata, ensure_ascii=False)
    return any("\ud800" <= letter <= "\udfff" for letter in told)


def test_half_of_a_character_comes_back_as_one_that_can_be_written() -> None:
    """In a value and in a name; a whole one beyond the first plane stays."""
    stored = to_json({"odd\ud800": ["x\udfff"], "whole": "🙂\0"})
    assert read_at((stored,), 0) == [{"odd\ufffd": ["x\ufffd"], "whole": "🙂\ufffd"}]
    assert read_at((to_json({"whole": "🙂\0"}),), 0) == [{"whole": "🙂\0"}]


@pytest.mark.parametrize("value", [float("inf"), float("nan"), b"bytes", object()])
def test_what_json_cannot_say_is_refused(value: object) -> None:
    """It could not be given back."""
    with pytest.raises(RequestInvalid):
        to_json({"x": value})


def _nested(depth: int) -> dict[str, Any]:
    deep: Any = "bottom"
    for level in range(depth):
        deep = [deep] if level % 2 else {"x": deep}
    return {"x": deep}


@pytest.mark.parametrize("depth", [DEPTH_MAX, 500, 10_000])
def test_a_bottomless_object_is_refused(depth: int) -> None:
    """Neither Python nor SQLite gets to its end, so it is refused before either tries."""
    to_json(_nested(DEPTH_MAX - 1))
    with pytest.raises(RequestInvalid, match="nested"):
        to_json(_nested(depth))
