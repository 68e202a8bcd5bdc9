"""Which collections a commit has touched: what was answered from them before is then known to be old.

SQLite tells of each row as it changes. What is here is never too little: a table that nobody has named counts
as touching everything, and what a write touched and then took back counts with the next commit.
"""

from __future__ import annotations

from collections.abc import Sequence

import apsw

from pi_rag.store import Connection
from pi_rag.store.rows import Row, all_rows

_OF_THE_QUEUE = ("job", "item_payloads", "dead_", "watch", "skip")
"""Beginnings of tables: the queue with what was given up, watched folders, why sources are not taken."""

_CHANGES_NO_ANSWER = (*_OF_THE_QUEUE, "query_", "sqlite_", "removed_chunks", "memor")
"""Beginnings of tables that decide no answer from documents: also vectors of queries, the planner's
statistics, the RAM index's journal, and what agents keep."""

_GOES_WITH_ITS_DOCUMENT = ("chunks", "hashes_", "vectors", "document_")
"""Beginnings of tables whose rows change only with a row of `documents`, which tells of the collection."""

_QUIET = _CHANGES_NO_ANSWER + _GOES_WITH_ITS_DOCUMENT

_COLLECTION_ID = 1
"""The column of `documents` that says where it belongs."""


class Touched:
    """The number of the last commit that touched each collection. Its numbers only grow.

    `committed` is called on the writer's thread; `generation` may be asked on any.
    """

    def __init__(self, db: Connection) -> None:
        """Listens to the connection that writes, from now on."""
        self._names: dict[int, str] = dict(all_rows(db, "SELECT id, name FROM collections"))
        self._pending: set[str | None] = set()
        self._number = 0
        self._last: dict[str | None, int] = {}
        db.preupdate_hook(self._note, id="touched")

    def generation(self, collection: Sequence[str] | None) -> int:
        """A number that is another one as soon as a write to the collection is acknowledged.

        Of several it is another one as soon as that is true of one of them; None stands for all there are.
        """
        if collection is None:
            return self._number
        names = (collection,) if isinstance(collection, str) else collection
        return max(self._last.get(name, 0) for name in (*names, None))

    def committed(self) -> None:
        """What was touched is on the disk. Called before the write is acknowledged, and not before COMMIT:
        an answer that is being made meanwhile from what was there before must not look new.
        """
        if self._pending:
            number = self._number + 1
            self._last |= dict.fromkeys(self._pending, number)
            self._number = number
            self._pending.clear()

    def _note(self, change: apsw.PreUpdate) -> None:
        if change.table_name.startswith(_QUIET):
            return
        rows = [row for row in (_before(change), _after(change)) if row is not None]
        if change.table_name == "collections":
            self._names |= {row[0]: row[1] for row in rows}
        elif change.table_name == "documents":
            # A collection whose name is not known is as good as all of them.
            self._pending |= {self._names.get(row[_COLLECTION_ID]) for row in rows}
        else:
            self._pending.add(None)


def _before(change: apsw.PreUpdate) -> Row | None:
    return None if change.op == "INSERT" else change.old


def _after(change: apsw.PreUpdate) -> Row | None:
    return None if change.op == "DELETE" else change.new
