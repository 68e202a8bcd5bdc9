"""The card of a backup is read as it was written, and a strange one is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from pi_rag.clock import SystemClock
from pi_rag.config import StoreSettings
from pi_rag.store import Connection, card
from pi_rag.store.card import Card
from pi_rag.store.store import Store

CARD = Card(
    made_at=1.5,
    version="1.0",
    schema=17,
    data="/srv/pi-rag",
    model={"model_name": "tiny"},
    settings='[service]\nsocket = "/s"\n',
    counts={"documents": 1},
    sections={"documents": "aa"},
    content="bb",
    whole="cc",
)


def test_it_is_read_as_it_was_written(db: Connection) -> None:
    """Twice over: one that came with a restored file gives way. A database has none."""
    assert card.read(db) is None
    card.write(db, CARD)
    card.write(db, CARD)
    assert card.read(db) == CARD
    card.remove(db)
    assert card.read(db) is None


async def test_a_backup_in_the_place_of_the_database_is_one(store: Store, path: Path) -> None:
    """Whoever copied it there by hand has a database that changes: its card would call each change damage."""
    await store.write(card.write, CARD)
    assert await store.close()
    again = Store.open(path, StoreSettings(), SystemClock())
    assert await again.read(card.read) is None
    assert await again.close()


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", '{"made_at": 1}'])
def test_what_cannot_be_read_is_none(db: Connection, text: str) -> None:
    """As one of a pi_rag that keeps it otherwise."""
    card.write(db, CARD)
    db.execute("UPDATE pi_rag_backup SET value = ?", (text,))
    assert card.read(db) is None
