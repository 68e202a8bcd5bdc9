"""A person's words as a query of FTS5, such that no text whatever is a syntax error.

Only letters and digits get through, each word in quotes; so `OR`, `*`, `NEAR(` and `multi-agent` are words
like others. It knows no database.
"""

from __future__ import annotations

import re

WORDS_MAX = 64
"""Words of one query. Each costs a look into the index, and the later ones of a long text decide little."""

_STOP_WORDS = """
    a an and are as at be but by can do does for from had has have how i if in into is it its of on or our so
    than that the their them then there these they this to was we were what when where which who why will with
    you your
"""
STOP_WORDS = frozenset(_STOP_WORDS.split())
"""Words of nearly every English passage: they cost time and say nothing."""

_WORD = re.compile(r"(?:[^\W_]|[\u0300-\u036f])+")
"""Letters and digits, with accents that follow their letter, much as FTS5's unicode61 cuts them."""


def match_expression(query: str) -> str | None:
    """The MATCH argument that finds passages with any of the words; None when there is no word at all.

    Stop words are left out unless there is nothing else.
    """
    found = list(dict.fromkeys(_WORD.findall(query.casefold())))
    telling = [word for word in found if word not in STOP_WORDS]
    chosen = (telling or found)[:WORDS_MAX]
    return " OR ".join(f'"{word}"' for word in chosen) or None
