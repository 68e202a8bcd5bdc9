"""The RAM index on the disk, so that a start need not read every vector: written, verified, or not used.

A snapshot belongs to one state of one database. The database notes which one (`meta`), and from then on which
passages go (`removed_chunks`, by a trigger); those that come have higher numbers, which never come back. So
what has changed since is known exactly. A database that was copied back from earlier has another note, and
the snapshot is not used.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pi_rag.index.choice import Shape
from pi_rag.index.proposer import Proposer, SnapshotUnusable
from pi_rag.models.wholefile import sync, write_whole
from pi_rag.store import Connection
from pi_rag.store.rows import all_rows, value
from pi_rag.types import Fingerprint

_KEY = "index_snapshot"
_CARD = "snapshot.json"


@dataclass(frozen=True, slots=True)
class Noted:
    """What the database knows of the snapshot that belongs to it."""

    token: str
    chunk_id_max: int
    """The highest number that any passage had had."""


def save(db: Connection, folder: Path, index: Proposer) -> Noted:
    """Write the index, and note it in the database; `publish` makes it usable once that is committed.

    Raises OSError.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    (folder / _CARD).unlink(missing_ok=True)
    index.save(folder)
    highest = value(db, "SELECT seq FROM sqlite_sequence WHERE name = 'chunks'") or 0
    noted = Noted(secrets.token_hex(8), int(highest))
    db.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", (_KEY, json.dumps(asdict(noted))))
    db.execute("DELETE FROM removed_chunks WHERE TRUE")
    return noted


def publish(folder: Path, noted: Noted, shape: Shape, model: Fingerprint) -> None:
    """Write the card that says what the files are. Without it they are nothing."""
    card = _card(noted.token, shape, model) | {"digests": _digests(folder)}
    for name in card["digests"]:
        sync(folder / name)
    write_whole(folder / _CARD, json.dumps(card, indent=1).encode())


def noted(db: Connection) -> Noted | None:
    """The snapshot that belongs to this database, if there is one."""
    text = value(db, "SELECT value FROM meta WHERE key = ?", (_KEY,))
    return Noted(**json.loads(text)) if text else None


def forget(db: Connection) -> None:
    """There is no snapshot any more, and nothing to note for it."""
    db.execute("DELETE FROM meta WHERE key = ?", (_KEY,))
    db.execute("DELETE FROM removed_chunks WHERE TRUE")


def load(folder: Path, token: str, shape: Shape, model: Fingerprint, index: Proposer) -> None:
    """Fill `index` from the files, once they are known to be whole and to belong. Raises SnapshotUnusable."""
    try:
        card = json.loads((folder / _CARD).read_text(encoding="utf-8"))
        digests = _digests(folder)
    except (OSError, ValueError, RecursionError) as error:
        raise SnapshotUnusable(str(error)) from error
    wanted = _card(token, shape, model)
    differing = [key for key, each in wanted.items() if not isinstance(card, dict) or card.get(key) != each]
    if differing:
        raise SnapshotUnusable(f"it is of another {' and '.join(differing)}")
    if card.get("digests") != digests:
        raise SnapshotUnusable("its files are damaged")
    index.load(folder)


def removed_since(db: Connection) -> list[int]:
    """Passages that went since the snapshot was made."""
    return [chunk_id for (chunk_id,) in all_rows(db, "SELECT chunk_id FROM removed_chunks")]


def _card(token: str, shape: Shape, model: Fingerprint) -> dict[str, Any]:
    return {
        "database": token,
        "shape": shape.name,
        "model": [model.model_sha256, model.pooling, model.dimensions],
    }


def _digests(folder: Path) -> dict[str, str]:
    """sha256 of every file of the snapshot by name."""
    found = {}
    for path in sorted(folder.iterdir()):
        if path.is_file() and not path.name.startswith(_CARD):
            with path.open("rb") as file:
                found[path.name] = hashlib.file_digest(file, "sha256").hexdigest()
    return found
