"""Idempotency keys: each owner's own, and no more than are kept."""

from __future__ import annotations

from pi_rag.store import Connection
from pi_rag.store.memory import keys


def _keep(db: Connection, owner: str, key: str, keys_max: int = 10) -> None:
    keys.keep(db, owner, key, b"hash", {"of": f"{owner}/{key}"}, memory_id=None, keys_max=keys_max)


def test_an_answer_is_found_by_owner_and_key(db: Connection) -> None:
    """Two clients that use the same key do not meet."""
    _keep(db, "me", "1")
    _keep(db, "you", "1")
    assert keys.find(db, "me", "1") == keys.Kept(b"hash", {"of": "me/1"})
    assert keys.find(db, "you", "1") == keys.Kept(b"hash", {"of": "you/1"})
    assert keys.find(db, "me", "2") is None


def test_the_oldest_are_forgotten(db: Connection) -> None:
    """Only the last of them stay."""
    for number in range(5):
        _keep(db, "me", str(number), keys_max=2)
    assert [number for number in range(5) if keys.find(db, "me", str(number))] == [3, 4]
