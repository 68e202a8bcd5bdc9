"""What was erased may still lie in the log, page by page as it was: that is noted until the log is emptied.

The note is written with the erasing, so it outlives a kill. It does not say what was erased.
"""

from __future__ import annotations

from typing import Final

from pi_rag.store import Connection
from pi_rag.store.rows import value
from pi_rag.store.store import Store

_KEY: Final = "log_holds_erased"


def note(db: Connection) -> None:
    """In the transaction that erases."""
    db.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", (_KEY, str((noted(db) or 0) + 1)))


def noted(db: Connection) -> int | None:
    """How often was erased since the log was emptied; None: nothing erased is in it."""
    found = value(db, "SELECT value FROM meta WHERE key = ?", (_KEY,))
    return None if found is None else int(found)


async def empty(store: Store) -> bool:
    """Empty the log, and drop the note. False: somebody reads from it. Raises Stopping.

    What is erased in between keeps its note.
    """
    of_now = await store.read(noted)
    if not await store.empty_log():
        return False
    if of_now is not None:
        await store.write(_drop, of_now)
    return True


def _drop(db: Connection, of_now: int) -> None:
    db.execute("DELETE FROM meta WHERE key = ? AND value = ?", (_KEY, str(of_now)))
