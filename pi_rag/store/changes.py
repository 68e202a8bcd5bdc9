"""What a transaction does to the vectors, for those who keep something beside them.

SQLite tells of each row as it changes, so nobody who writes can forget to. What is rolled back is dropped.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

import apsw

from pi_rag.store import Connection

_VECTOR = 1
"""The column of `vectors` that holds it."""


@dataclass(slots=True)
class Change:
    """Passages that have come, with their vectors, and passages that have gone."""

    added: dict[int, bytes] = field(default_factory=dict)
    removed: set[int] = field(default_factory=set)

    def __bool__(self) -> bool:
        return bool(self.added or self.removed)


class Changes:
    """Listens to the connection that writes. For the writer's thread."""

    def __init__(self, db: Connection) -> None:
        self._pending = Change()
        db.preupdate_hook(self._note, id="changes")
        db.set_rollback_hook(self._drop, id="changes")

    def take(self) -> Change:
        """What was committed since the last time."""
        taken, self._pending = self._pending, Change()
        return taken

    def _drop(self) -> None:
        self._pending = Change()

    def _note(self, change: apsw.PreUpdate) -> None:
        if change.table_name != "vectors":
            return
        if change.op != "INSERT":
            self._pending.removed.add(change.rowid)
            self._pending.added.pop(change.rowid, None)
        if change.op != "DELETE" and change.new is not None:
            self._pending.added[change.rowid] = cast(bytes, change.new[_VECTOR])
