"""Which backups stay: the newest always, one a day and one a week, and never more than that."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pi_rag.store.retention import kept

DAY = 86400.0


def test_a_year_of_nights_leaves_a_week_and_a_month() -> None:
    """The last seven nights, and the newest of each of the last four weeks."""
    first = 1_767_225_600.0  # 2026-01-01, a Thursday, midnight UTC
    nights = [first + DAY * number + 9000 for number in range(365)]

    stay = kept(nights, days=7, weeks=4)

    assert set(nights[-7:]) <= stay
    # 2026-12-31 is a Thursday: the Sundays before it are the last of their weeks.
    assert stay - set(nights[-7:]) == {nights[-1] - DAY * before for before in (11, 18)}


def test_of_one_day_the_newest_stays() -> None:
    """However many there were."""
    assert kept([1.0, 5.0, 3.0], days=7, weeks=4) == {5.0}


@given(st.lists(st.floats(0, 4e9), max_size=60), st.integers(1, 9), st.integers(0, 9))
def test_it_keeps_enough_and_not_more(moments: list[float], days: int, weeks: int) -> None:
    """The newest stays, whatever the clock said; twice is as once; the order is nothing."""
    stay = kept(moments, days=days, weeks=weeks)

    assert stay <= set(moments) and len(stay) <= days + weeks
    assert not moments or max(moments) in stay
    assert kept(stay, days=days, weeks=weeks) == stay
    assert kept(reversed(moments), days=days, weeks=weeks) == stay
