"""The cutters that ours is held against, and the measures."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.spans import CHARS, fixed, recursive, scores

texts = st.text(alphabet="ab. \n", max_size=4 * CHARS)


@pytest.mark.parametrize("cut", [fixed, recursive])
@given(text=texts)
def test_a_cutter_leaves_nothing_out_and_makes_nothing_long(cut: object, text: str) -> None:
    """Pieces follow one another without a gap, and each is short enough."""
    spans = cut(text)  # type: ignore[operator]
    assert "".join(text[start:end] for start, end in spans) == text
    assert all(end - start <= CHARS for start, end in spans)


def test_the_recursive_cutter_prefers_paragraphs() -> None:
    """Before sentences and words."""
    text = "one sentence. another.\n\n" * 60
    assert all(text[start:end].endswith("\n\n") for start, end in recursive(text))


def test_scores_are_of_characters() -> None:
    """Half of what was wanted, a quarter of what was found; what is found twice counts twice."""
    assert scores([(0, 100)], [(50, 250)]) == (0.5, 0.25, 50 / 250)
    assert scores([(0, 100)], [(50, 150), (50, 150)]) == (0.5, 0.25, 50 / 250)
    assert scores([(0, 100)], []) == (0.0, 0.0, 0.0)
