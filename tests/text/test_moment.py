"""Times as they are written."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any

import pytest

from pi_rag.text.moment import seconds_of


def test_seconds_and_iso_8601_are_read() -> None:
    """A number is Unix seconds; a text has a zone, or is the time of this machine."""
    assert seconds_of(12) == 12.0
    assert seconds_of("1790000000") == 1_790_000_000.0
    assert seconds_of("1790000000.25") == 1_790_000_000.25
    assert seconds_of("20260331") == seconds_of("2026-03-31")
    assert seconds_of("1970-01-01T00:01+00:00") == 60.0
    assert seconds_of(" 2026-03-31T18:00 ") == datetime(2026, 3, 31, 18).timestamp()


def test_a_date_is_a_day() -> None:
    """It begins at its midnight, and ends at the next one."""
    assert seconds_of("2026-03-31") == datetime(2026, 3, 31).timestamp()
    assert seconds_of("2026-03-31", days_later=1) == datetime(2026, 4, 1).timestamp()
    assert seconds_of("2026-03-31T18:00", days_later=1) == seconds_of("2026-03-31T18:00")


@pytest.mark.parametrize(
    "given", ["", "soon", "31.3.2026", True, math.nan, math.inf, 10**400, [], {}, None, "9999-12-31"]
)
def test_what_is_no_moment_is_refused(given: Any) -> None:
    """With one kind of error, whatever it is: also the day after the last one that calendars know."""
    with pytest.raises(ValueError, match=r"."):
        seconds_of(given, days_later=1)
