"""The card of a backup is read as it was written, and a strange one is none."""

from __future__ import annotations

import pytest

from pi_rag.store import Connection, card
from pi_rag.store.card import Card

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


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", '{"made_at": 1}'])
def test_what_cannot_be_read_is_none(db: Connection, text: str) -> None:
    """As one of a pi_rag that keeps it otherwise."""
    card.write(db, CARD)
    db.execute("UPDATE pi_rag_backup SET value = ?", (text,))
    assert card.read(db) is None
