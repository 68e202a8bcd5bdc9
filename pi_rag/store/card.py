"""The card that a backup carries in a table of its own: when, by what, of what, and its checksums.

The database that a backup was made of has no such table, and one that was restored loses it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from pi_rag.store import Connection
from pi_rag.store.content import CARD, Digest
from pi_rag.store.rows import all_rows, value
from pi_rag.types import Fingerprint

KEY = "card"


@dataclass(frozen=True, slots=True)
class Card:
    """What a backup says of itself."""

    made_at: float
    """Wall clock, seconds since 1970."""
    version: str
    """Of pi_rag."""
    schema: int
    data: str
    """The data folder that it is of: two of them may keep their backups in one place."""
    model: Mapping[str, object] | None
    """The fingerprint of the model that made the vectors; None before the first."""
    settings: str
    """TOML, without what is secret."""
    counts: Mapping[str, int]
    sections: Mapping[str, str]
    content: str
    whole: str

    @property
    def digest(self) -> Digest:
        """The checksums of what was copied."""
        return Digest(self.sections, self.content, self.whole)


def as_dict(model: Fingerprint) -> dict[str, Any]:
    """As a card has it."""
    return asdict(model)


def write(db: Connection, card: Card) -> None:
    """Put it in; one that came with a restored file gives way."""
    db.execute(f"DROP TABLE IF EXISTS {CARD}")
    db.execute(f"CREATE TABLE {CARD} (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID")
    db.execute(f"INSERT INTO {CARD} (key, value) VALUES (?, ?)", (KEY, json.dumps(asdict(card))))


def read(db: Connection) -> Card | None:
    """The card; None where there is none, or none that this pi_rag can read."""
    if not all_rows(db, "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?", (CARD,)):
        return None
    try:
        found = json.loads(value(db, f"SELECT value FROM {CARD} WHERE key = ?", (KEY,)))
        return Card(**{name: found[name] for name in Card.__dataclass_fields__})
    except (TypeError, ValueError, KeyError):
        return None


def remove(db: Connection) -> None:
    """What is a database again has no card."""
    db.execute(f"DROP TABLE IF EXISTS {CARD}")
