"""How many passages hold the words that many hold, remembered so that no question counts them again.

A rare word is counted every time: that is cheap, and there a passage more or less decides. What is remembered
is forgotten when the passages have become noticeably more or fewer.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from pi_rag.store import Connection
from pi_rag.store.rows import columns
from pi_rag.store.word_index import PASSAGES, WordIndex

REMEMBERED_MIN = 256
"""A word of fewer passages is counted in microseconds."""

WORDS_MAX = 4096
"""Common words of a language are some thousands; beyond that all are forgotten, and counted once more."""

GROWTH = 1.05
NEW_MAX = 512
"""All is forgotten when there are a twentieth more passages, or so many. A word that is in all of these is
ranked in so many more than was thought. What is removed is not noticed."""


class CommonWords:
    """One for each index. Several readers may ask at once; what one counts, all remember."""

    def __init__(self, index: WordIndex = PASSAGES) -> None:
        self._index = index
        self._counts: dict[tuple[str, int], int] = {}
        self._passages = 0
        """The highest number of a passage when counting began."""

    def counts(self, db: Connection, wanted: Sequence[str], most: int) -> list[tuple[str, int]]:
        """How many passages hold each word; `most` for all that are more, so that the cost is bounded."""
        self._forget_old(db)
        remembered = self._counts
        known = {word: remembered.get((word, most)) for word in wanted}
        found = self._counted(db, [word for word, count in known.items() if count is None], most)
        remembered.update({(word, most): count for word, count in found.items() if count >= REMEMBERED_MIN})
        known |= found
        return [(word, known[word] or 0) for word in wanted]

    def _counted(self, db: Connection, unknown: Sequence[str], most: int) -> dict[str, int]:
        if not unknown:
            return {}
        words = self._index.words
        sql = f"""
            SELECT (
                SELECT count(*) FROM (SELECT 1 FROM {words} WHERE {words} MATCH word.value LIMIT ?)
            ) AS passages, word.key AS place FROM json_each(?) AS word
        """
        counts, places = columns(db, ("passages", "place"), sql, (most, json.dumps(unknown)))
        return {unknown[place]: count for count, place in zip(counts, places, strict=True)}

    def _forget_old(self, db: Connection) -> None:
        passages = self._index.reach(db)
        most = min(self._passages * GROWTH, self._passages + NEW_MAX)
        grown = not self._passages / GROWTH <= passages <= most
        if grown or len(self._counts) >= WORDS_MAX:
            self._counts, self._passages = {}, passages
