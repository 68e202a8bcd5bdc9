"""Idempotency keys: what was answered to a request that came with a key, so that a second one is not done.

An answer is kept without any text: ids and what became of them. A key belongs to its owner, so two clients
that count from one do not meet.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pi_rag.store import Connection
from pi_rag.store.rows import one_row


@dataclass(frozen=True, slots=True)
class Kept:
    """What is known of a key."""

    request_hash: bytes
    """Of the request it first came with: another request with it is a mistake."""
    answer: Mapping[str, Any]


def find(db: Connection, owner: str, key: str) -> Kept | None:
    """What was answered to this key of this owner; None when it is new, or was forgotten."""
    sql = "SELECT request_hash, answer FROM memory_keys WHERE owner = ? AND key = ?"
    row = one_row(db, sql, (owner, key))
    return None if row is None else Kept(row[0], json.loads(row[1]))


def keep(
    db: Connection,
    owner: str,
    key: str,
    request_hash: bytes,
    answer: Mapping[str, Any],
    *,
    memory_id: int | None,
    keys_max: int,
) -> None:
    """Note an answer. It goes when `memory_id` is erased, or when it is older than the last `keys_max`."""
    sql = """
        INSERT INTO memory_keys (owner, key, request_hash, answer, memory_id) VALUES (?, ?, ?, ?, ?)
    """
    db.execute(sql, (owner, key, request_hash, json.dumps(dict(answer)), memory_id))
    db.execute("DELETE FROM memory_keys WHERE id <= ?", (db.last_insert_rowid() - keys_max,))
