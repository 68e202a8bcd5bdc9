"""Promises of pi_rag/embedder/curve.py."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pi_rag.embedder.curve import GUESS, Curve

CURVE = Curve(
    plain=((10, 5.0), (60, 40.0), (110, 100.0)), flash=((10, 8.0), (60, 40.0), (110, 70.0)), frame_ms=0.4
)


def test_a_point_costs_what_was_measured() -> None:
    """By the way of attention that is the faster there."""
    assert CURVE.text_ms(10) == 5.0
    assert CURVE.text_ms(110) == 70.0


def test_between_points_the_line_is_straight() -> None:
    """And before the first it comes from nothing, after the last it goes on."""
    assert CURVE.text_ms(35) == pytest.approx(22.5)
    assert CURVE.text_ms(5) == pytest.approx(2.5)
    assert CURVE.text_ms(160) == pytest.approx(100.0)


def test_flash_begins_where_it_is_faster_for_good() -> None:
    """Not at a point where both are even; never, where it is never faster; always, where it always is."""
    assert CURVE.flash_tokens_min == 110
    assert Curve(CURVE.plain, CURVE.plain, 0.4).flash_tokens_min == 111
    assert Curve(CURVE.plain, ((10, 1.0), (110, 2.0)), 0.4).flash_tokens_min == 10


def test_a_batch_is_worth_its_way() -> None:
    """The way takes two hundredths of it."""
    assert CURVE.batch_ms == pytest.approx(20.0)


@given(st.integers(2, 512))
def test_the_guess_never_gives_a_longer_text_for_less(tokens: int) -> None:
    """A curve that fell would pack without end; the step between the two ways is allowed for."""
    assert 0 < GUESS.text_ms(tokens) <= GUESS.text_ms(tokens + 8) * 1.05
