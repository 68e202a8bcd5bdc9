"""Which memory of a suggestion is kept, and the suggestion in words for who reads it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, Literal

from pi_rag.memory_types import TRUSTS, Memory
from pi_rag.text.contrast import contrasts

What = Literal["contradiction", "duplicates", "expired", "ended", "unused"]
"""In the order in which they are shown."""

REPLACING: Final = frozenset({"contradiction", "duplicates"})
"""Those in which one memory is kept and takes the place of the others."""


def keeper(what: What, found: Sequence[Memory]) -> Memory:
    """The one that is kept: of the most trusted, then a pinned one; then the newest of those that contradict
    each other, and of those that say the same the one that has a topic and was said and used most."""
    if what == "contradiction":
        return max(found, key=lambda each: (TRUSTS.index(each.trust), each.pinned, each.id))
    return max(
        found,
        key=lambda each: (
            TRUSTS.index(each.trust),
            each.pinned,
            each.topic is not None,
            each.repeats + each.uses,
            -each.id,
        ),
    )


def losers(what: What, found: Sequence[Memory]) -> list[Memory]:
    """Those whose place is taken. What is pinned stays, whatever it says."""
    kept = keeper(what, found)
    return [each for each in found if each.id != kept.id and not each.pinned]


def reason_of(what: What, found: Sequence[Memory]) -> str:
    """Why it is suggested."""
    first = found[0]
    if what == "expired":
        return f"It expired on {_day(first.expires_at)}."
    if what == "ended":
        return f"It was true until {_day(first.valid_to)}."
    if what == "unused":
        return f"{first.scope} is nearly full, and these are worth least: they would be evicted first."
    if what == "duplicates":
        return f"These {len(found)} say the same, or nearly so."
    return _contradiction(found)


def proposal_of(what: What, found: Sequence[Memory]) -> str:
    """What accepting it does."""
    if what not in REPLACING:
        return f"Forget {_listed(found)}."
    gone = losers(what, found)
    verb = "is" if len(gone) == 1 else "are"
    return f"Keep {keeper(what, found).id}; {_listed(gone)} {verb} superseded by it."


def _contradiction(found: Sequence[Memory]) -> str:
    one, other = found[0], found[-1]
    differing = contrasts(one.text, other.text)
    if one.topic is not None and one.topic == other.topic:
        return f"Both are on the topic {one.topic}."
    return "They differ in a number." if "numbers" in differing else "One denies what the other says."


def _listed(found: Sequence[Memory]) -> str:
    return ", ".join(str(each.id) for each in found)


def _day(at: float | None) -> str:
    return datetime.fromtimestamp(at or 0.0, UTC).date().isoformat()
