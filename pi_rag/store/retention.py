"""Which backups are kept: the newest of each of the last days that have one, and of each of the last weeks.

Pure: it knows moments and no files. Days and weeks are those of UTC, so that a change of summer time neither
makes nor loses one, and weeks are those of ISO 8601.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime


def kept(made_at: Iterable[float], *, days: int, weeks: int) -> set[float]:
    """Of these moments (wall clock, seconds) those whose backups stay. The newest always does."""
    newest_first = sorted(set(made_at), reverse=True)
    by_day: dict[object, float] = {}
    by_week: dict[object, float] = {}
    for moment in newest_first:
        date = datetime.fromtimestamp(moment, UTC).date()
        by_day.setdefault(date, moment)
        by_week.setdefault(date.isocalendar()[:2], moment)
    return {*newest_first[:1], *list(by_day.values())[:days], *list(by_week.values())[:weeks]}
