"""A request that is sent twice with the same key is done once, and answered twice.

A client that got no answer cannot know whether it was done. What is noted of the first answer holds ids and
no text. The look and the note are in the transaction of what is done, so that two at once are one as well.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pi_rag.errors import KeyReused
from pi_rag.memory_types import Caller
from pi_rag.store import Connection
from pi_rag.store.memory import keys


@dataclass(frozen=True, slots=True)
class Once:
    """A request under a key of its guest."""

    owner: str
    key: str
    request_hash: bytes

    @classmethod
    def of(cls, caller: Caller, key: str | None, request: object) -> Once | None:
        """`request` is all that is asked, in a value whose `repr` tells it; None without a key."""
        if key is None:
            return None
        owner = f"{caller.door}:{caller.uid}:{caller.client}"
        return cls(owner, key, hashlib.blake2b(repr(request).encode(), digest_size=16).digest())

    def answered(self, db: Connection) -> Mapping[str, Any] | None:
        """What was answered the first time. Raises KeyReused when something else was asked with this key."""
        kept = keys.find(db, self.owner, self.key)
        if kept is None:
            return None
        if kept.request_hash != self.request_hash:
            raise KeyReused(f"The key {self.key[:100]!r} was sent with another request before.", param="key")
        return kept.answer

    def keep(self, db: Connection, answer: Mapping[str, Any], memory_id: int, keys_max: int) -> None:
        """Note the answer."""
        keys.keep(db, self.owner, self.key, self.request_hash, answer, memory_id=memory_id, keys_max=keys_max)
