"""Which model made the vectors. Vectors of two models cannot be compared, so a different one is refused."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from functools import lru_cache

from pi_rag.errors import ModelMismatch
from pi_rag.store import Connection
from pi_rag.store.rows import value
from pi_rag.types import Fingerprint

_KEY = "fingerprint"


def fingerprint(db: Connection) -> Fingerprint | None:
    """What made the vectors of this index; None before the first model."""
    text = value(db, "SELECT value FROM meta WHERE key = ?", (_KEY,))
    return read(text) if text else None


@lru_cache(maxsize=8)
def read(text: str) -> Fingerprint:
    """A fingerprint as it is kept. Read once for each model, not several times for each search."""
    return Fingerprint(**json.loads(text))


def fingerprint_in_use(db: Connection) -> Fingerprint | None:
    """The same, while there are passages; an empty index takes any model."""
    return fingerprint(db) if value(db, "SELECT EXISTS (SELECT 1 FROM chunks)") else None


def claim_fingerprint(db: Connection, wanted: Fingerprint) -> None:
    """Say that vectors of `wanted` are about to come. An index without passages takes any.

    Passages that were cut by another version of the chunker stay what they are until they are cut anew: the
    fingerprint goes on saying so. Raises ModelMismatch when there are passages of another model.
    """
    found = fingerprint(db)
    if found is not None and value(db, "SELECT EXISTS (SELECT 1 FROM chunks)"):
        if not comparable(found, wanted):
            raise ModelMismatch(_mismatch(found, wanted))
        return
    if found is None or differences(found, wanted):
        write(db, wanted)


def expect(db: Connection, made_by: Fingerprint | None) -> None:
    """Raise ModelMismatch unless the vectors of this index are comparable with one of `made_by`.

    Called first in the transaction that compares, it keeps a query's vector from another model's table,
    whenever the tables are swapped. None asks for nothing.
    """
    found = fingerprint(db)
    if found is not None and made_by is not None and not comparable(found, made_by):
        raise ModelMismatch(_mismatch(found, made_by))


def write(db: Connection, of: Fingerprint) -> None:
    """Note what made the vectors. Who calls it has seen to it that it did."""
    db.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", (_KEY, json.dumps(asdict(of))))


def _mismatch(found: Fingerprint, wanted: Fingerprint) -> str:
    what = ", ".join(differences(found, wanted))
    file = "another file of " if found.model_name == wanted.model_name else ""
    return (
        f"The index was made with {file}{found.model_name}, not with {wanted.model_name} (different: {what})."
    )


def comparable(one: Fingerprint, other: Fingerprint) -> bool:
    """Whether their vectors can be compared: those of one model can, however the texts were cut."""
    return set(differences(one, other)) <= {"chunker_version"}


def differences(one: Fingerprint, other: Fingerprint) -> list[str]:
    """What sets their vectors apart. The name does not: a model may be renamed."""
    names = [field.name for field in fields(Fingerprint) if field.name != "model_name"]
    return [name for name in names if getattr(one, name) != getattr(other, name)]
