"""What age leaves of a score: exponential decay with a half-life. Pure; the time of now is an argument."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

DAY_S = 86_400.0

OWN_TIMES = ("date", "modified", "published", "created")
"""Fields of metadata that tell how old a document is, the most telling first: a person writes `date`, readers
of PDF and DOCX write `modified` and `created`."""


def left(age_s: float, half_life_days: float, weight: float) -> float:
    """What is left of a score at this age: from 1 down to 1 - `weight`, half-way at the half-life.

    What is dated in the future is as new as can be: the clock of a Pi may be wrong, and so may a date.
    """
    halvings = max(0.0, age_s) / (half_life_days * DAY_S)
    # Past a thousand halvings nothing is left that a float could tell from nothing.
    return 1.0 - weight + weight * math.exp2(-min(halvings, 1000.0))


def own_time(metadata: Mapping[str, Any], stored_at: float) -> float:
    """When a document says it is from, in Unix seconds; when it was stored, if it does not say so."""
    said = (moment(metadata.get(field)) for field in OWN_TIMES)
    return next((time for time in said if time is not None), stored_at)


def moment(value: object) -> float | None:
    """Unix seconds of a date: a number is that already, a text is ISO 8601, as short as a year.

    Without a zone it is UTC. None for what is no date.
    """
    try:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return float(value) if math.isfinite(value) else None
        if not isinstance(value, str):
            return None
        text = value.strip()
        # Python reads neither a year nor a month alone.
        text += {4: "-01-01", 7: "-01"}.get(len(text), "")
        time = datetime.fromisoformat(text)
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
