"""What age leaves of a score."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pi_rag.rank.recency import DAY_S, left, moment, own_time

JULY_2024 = 1_719_792_000.0

ages = st.floats(-1e12, 1e12)
half_lives = st.floats(1e-6, 36_500)
weights = st.floats(0, 1)


def test_half_of_what_age_may_take_is_taken_at_the_half_life() -> None:
    """New keeps all, the half-life keeps half of the weight, and an endless age keeps the rest."""
    assert left(0, 30, 0.5) == 1.0
    assert left(30 * DAY_S, 30, 0.5) == pytest.approx(0.75)
    assert left(60 * DAY_S, 30, 1.0) == pytest.approx(0.25)
    assert left(1e15, 30, 0.5) == pytest.approx(0.5)


@given(ages, ages, half_lives, weights)
def test_older_never_keeps_more(one_s: float, other_s: float, half_life: float, weight: float) -> None:
    """Whatever the dates: what is left is a part of the whole, and falls with age."""
    kept = [left(age_s, half_life, weight) for age_s in sorted((one_s, other_s))]

    assert 1.0 >= kept[0] >= kept[1] >= 1.0 - weight - 1e-9


@given(ages, half_lives, weights)
def test_the_future_is_now(ahead_s: float, half_life: float, weight: float) -> None:
    """A date that is still to come gains nothing over one of today."""
    assert left(-abs(ahead_s), half_life, weight) == 1.0


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (JULY_2024, JULY_2024),
        (int(JULY_2024), JULY_2024),
        ("2024-07-01", JULY_2024),
        (" 2024-07-01T00:00:00Z ", JULY_2024),
        ("2024-07-01 02:00:00+02:00", JULY_2024),
        ("2024-07", JULY_2024),
        ("2024", 1_704_067_200.0),
        ("July 2024", None),
        ("abcd", None),
        ("2024-13-45", None),
        ("", None),
        (True, None),
        (float("nan"), None),
        (float("inf"), None),
        (10**400, None),
        (-(10**400), None),
        (None, None),
        (["2024-07-01"], None),
    ],
)
def test_a_date_is_read_as_people_and_programs_write_it(value: object, expected: float | None) -> None:
    """ISO 8601 as short as a year, or Unix seconds; what is no date is none, and no error."""
    assert moment(value) == expected


@given(st.text(max_size=30))
def test_no_text_is_an_error(text: str) -> None:
    """Metadata are whatever people wrote."""
    assert moment(text) is None or isinstance(moment(text), float)


def test_a_document_is_as_old_as_it_says() -> None:
    """Its own date goes before the time it was stored; of several, the most telling that can be read."""
    assert own_time({}, 5.0) == 5.0
    assert own_time({"created": "2024-07-01"}, 5.0) == JULY_2024
    assert own_time({"created": "2020", "date": "soon", "modified": "2024-07-01"}, 5.0) == JULY_2024
