"""The RAM index beside the database: in step with every commit, and given out only while it is right.

It is loaded from its snapshot when the store is opened. Whatever makes it doubtful (another model, a damaged
snapshot, a fault) takes it away; searches then compare all vectors until `keeper.py` has built a new one.
It knows no queries.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from pi_rag import log
from pi_rag.config import IndexSettings
from pi_rag.host import processor
from pi_rag.index import choice
from pi_rag.index.choice import Shape
from pi_rag.index.proposer import Proposer, SnapshotUnusable
from pi_rag.store import Connection, documents, identity, snapshot
from pi_rag.store.changes import Change, Changes
from pi_rag.store.rows import Row, all_rows
from pi_rag.store.vectors import FLOAT_BYTES
from pi_rag.types import Fingerprint

SLICE = 4096
"""Vectors read at once: 6 MiB at 384 numbers, and some ten milliseconds of one reader."""

_log = log.logger("index")


class Derived:
    """The index in use. Changed on the writer's thread, asked on any."""

    def __init__(self, db: Connection, folder: Path, settings: IndexSettings) -> None:
        """Takes what the snapshot gives; `db` is the writing connection, before anybody else uses it."""
        self.settings = settings
        self.folder = folder
        self.unsaved = 0
        """Passages that came or went since the last snapshot."""
        self._codes = choice.codes(processor.features())
        self._changes = Changes(db)
        self._index: Proposer | None = None
        self._shape = Shape("exact", 32)
        self._model: Fingerprint | None = None
        self._why_none = "the index is being made"
        self._journal: list[Change] | None = None
        self._last_asked: bytes | None = None
        self._load(db)

    def fitting(self, passages: int, dimensions: int) -> Shape:
        """The shape that suits so many passages on this machine."""
        return choice.wanted(self.settings, passages, dimensions, self._codes)

    def usable(self, model: Fingerprint) -> tuple[Proposer | None, str]:
        """The index if it was made with `model`, else why there is none."""
        if self._index is None:
            return None, self._why_none
        if self._model is None or identity.differences(self._model, model):
            return None, "the index is of another model, and is being made anew"
        return self._index, ""

    def committed(self) -> None:
        """Follow what the last transaction did. On the writer's thread, before anybody is told of it."""
        change = self._changes.take()
        if not change:
            return
        journal = self._journal
        if journal is not None:
            journal.append(change)
        self.unsaved += len(change.added) + len(change.removed)
        if self._model is not None and not _is_as_wide(change, self._model):
            # The tables were swapped for another model's a moment ago.
            self._drop("the index is of another model, and is being made anew")
        if self._index is not None:
            try:
                _apply(self._index, change)
            except Exception as error:
                # The write is committed and right. An index that could not follow is only worth making anew.
                _log.exception("index_broken")
                self._drop(f"the index could not follow a write ({type(error).__name__})")

    def begin(self) -> None:
        """From now on note what is committed, for an index that is being made. On the writer's thread."""
        self._journal = []

    def end(self) -> None:
        """Note it no more: the index is in use, or will not be made. On any thread."""
        self._journal = None

    def adopt(self, db: Connection, index: Proposer, shape: Shape, model: Fingerprint, last_id: int) -> bool:
        """Put a new index into use, made of all passages up to `last_id`.

        False when the model has changed, or nobody waits for it any more.

        On the writer's thread, so nothing is committed meanwhile.
        """
        journal, now = self._journal, identity.fingerprint(db)
        if journal is None or now is None or identity.differences(now, model):
            return False
        for change in journal:
            late = {each: vector for each, vector in change.added.items() if each > last_id}
            _apply(index, Change(late, change.removed))
        self._index, self._shape, self._model = index, shape, model
        self._last_asked = None  # perhaps by the model before
        self.unsaved = len(index)
        return True

    def save(self, db: Connection) -> Callable[[], None] | None:
        """Write a snapshot of what is committed; the result, called once this is committed, makes it usable.

        On the writer's thread, in a transaction of its own. None when there is no index. Raises OSError.
        """
        if self._index is None or self._model is None:
            snapshot.forget(db)
            return None
        noted = snapshot.save(db, self.folder, self._index)
        self.unsaved = 0
        return partial(snapshot.publish, self.folder, noted, self._shape, self._model)

    def without(self, shape: Shape) -> None:
        """Go on with no index, for the reason that `shape` gives."""
        self._drop(shape.reason)

    def asked(self, vector: bytes) -> None:
        """Remember a query that the index has answered, to look later what it missed."""
        self._last_asked = vector

    def take_asked(self) -> bytes | None:
        """The last such query, once."""
        asked, self._last_asked = self._last_asked, None
        return asked

    @property
    def shape(self) -> Shape:
        """The kind in use."""
        return self._shape

    def status(self) -> dict[str, Any]:
        """How it is, as /v1/status shows it."""
        index = self._index
        return {
            "kind": self._shape.name,
            "passages": 0 if index is None else len(index),
            "mib": 0.0 if index is None else round(index.bytes_used / 2**20, 3),
            "unsaved": self.unsaved,
            "reason": self._why_none if index is None else None,
        }

    def _drop(self, why: str) -> None:
        self._index, self._shape, self._why_none = None, Shape("exact", 32), why

    def _load(self, db: Connection) -> None:
        """From the snapshot and what has changed since. No snapshot is no fault, an unusable one is said."""
        model, noted = identity.fingerprint(db), snapshot.noted(db)
        if model is None or noted is None:
            return
        count = documents.counts(db).chunks
        shape = self.fitting(count, model.dimensions)
        index = choice.made(shape, model.dimensions, count)
        if index is None:
            return
        try:
            snapshot.load(self.folder, noted.token, shape, model, index)
            self._catch_up(db, index, noted)
            if len(index) != count:
                raise SnapshotUnusable(f"it has {len(index)} passages, the database {count}")
        except SnapshotUnusable as error:
            _log.warning("index_snapshot_unusable", reason=str(error))
            return
        self._index, self._shape, self._model = index, shape, model

    def _catch_up(self, db: Connection, index: Proposer, noted: snapshot.Noted) -> None:
        removed = snapshot.removed_since(db)
        index.remove(removed)
        self.unsaved = len(removed)
        for rows in slices(db, noted.chunk_id_max):
            add(index, rows)
            self.unsaved += len(rows)


def slices(db: Connection, after_id: int) -> Iterator[list[Row]]:
    """(chunk_id, vector) of all passages after `after_id`, ascending, SLICE at a time."""
    while rows := vectors_after(db, after_id):
        yield rows
        after_id = rows[-1][0]


def vectors_after(db: Connection, after_id: int) -> list[Row]:
    """The next SLICE of them."""
    sql = "SELECT chunk_id, vector FROM vectors WHERE chunk_id > ? ORDER BY chunk_id LIMIT ?"
    return all_rows(db, sql, (after_id, SLICE))


def add(index: Proposer, rows: list[Row]) -> None:
    """Put such rows into an index."""
    index.add([row[0] for row in rows], b"".join(row[1] for row in rows))


def _is_as_wide(change: Change, model: Fingerprint) -> bool:
    return all(len(vector) == model.dimensions * FLOAT_BYTES for vector in change.added.values())


def _apply(index: Proposer, change: Change) -> None:
    index.remove(sorted(change.removed))
    index.add(list(change.added), b"".join(change.added.values()))
