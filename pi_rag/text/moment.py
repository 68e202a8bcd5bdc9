"""A time as people and programs write it, as Unix seconds. It knows no field, and no error of ours."""

from __future__ import annotations

import math
import re
from datetime import date, datetime, time, timedelta
from typing import Any

HINT = "Write a date such as 2026-03-31 or 2026-03-31T18:00."
"""What to say to who wrote no moment."""

_SECONDS = re.compile(r"-?[0-9]{9,}(?:\.[0-9]*)?")
"""Too long for a date without hyphens: seconds that came as text, as all does in an address."""


def seconds_of(given: Any, *, days_later: int = 0) -> float:
    """Unix seconds of what may be seconds or ISO 8601; without a zone it is the time of this machine.

    A date alone is the midnight it begins with, or one of some days later. Raises ValueError for what is no
    moment.
    """
    try:
        if isinstance(given, str):
            if _SECONDS.fullmatch(given):
                return float(given)
            return _clock_time(given.strip(), days_later).timestamp()
        if isinstance(given, (int, float)) and not isinstance(given, bool) and math.isfinite(given):
            return float(given)
    except (OverflowError, OSError) as error:
        raise ValueError(str(error)) from None
    raise ValueError(f"{given!r} is no moment")


def _clock_time(text: str, days_later: int) -> datetime:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return datetime.fromisoformat(text)
    return datetime.combine(day + timedelta(days=days_later), time())
