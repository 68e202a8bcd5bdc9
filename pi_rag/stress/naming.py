"""One of several things by its name, for whoever may have mistyped it. It knows not what they are."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import TypeVar

from pi_rag.errors import RequestInvalid

T = TypeVar("T")


def named(things: Mapping[str, T], name: str, kind: str, more: str = "") -> T:
    """Raises RequestInvalid, with the names that there are, the one that may be meant, and `more`."""
    if name in things:
        return things[name]
    near = difflib.get_close_matches(name, things, 1)
    meant = f"Did you mean {near[0]!r}? " if near else ""
    hint = f"{meant}There are: {', '.join(things)}.{more}"
    raise RequestInvalid(f"There is no {kind} {name!r}.", hint=hint)
