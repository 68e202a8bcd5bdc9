"""Metadata comes back as it went in."""

from __future__ import annotations

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
    """Even half of a character; what is stored is ASCII."""
    stored = to_json(metadata)
    assert stored.isascii()
    assert read_at(("before", stored, "after"), 1) == ["before", metadata, "after"]


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
