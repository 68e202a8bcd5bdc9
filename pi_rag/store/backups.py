"""The backups in a folder: which there are, and which go when a new one is there.

Only what this program has made and compared is ever removed: a file with our name whose card says that it is
of the same data folder. A card is written last, and the name is given after the comparison.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pi_rag.config import StoreSettings
from pi_rag.errors import PiRagError
from pi_rag.store import card, connection, retention
from pi_rag.store.backup import PREFIX, SUFFIX
from pi_rag.store.card import Card
from pi_rag.store.translate import translated


@dataclass(frozen=True, slots=True)
class Found:
    """A file that may be a backup."""

    path: Path
    size_bytes: int
    card: Card | None
    """None: it has none that can be read."""


def listing(folder: Path, settings: StoreSettings) -> list[Found]:
    """Every file that ends as a database does, the newest backup first, what is none last. Raises OSError."""
    found = [Found(path, path.stat().st_size, card_of(path, settings)) for path in _files(folder)]
    return sorted(found, key=lambda each: (each.card is None, -each.card.made_at if each.card else 0.0))


def card_of(path: Path, settings: StoreSettings) -> Card | None:
    """What a file says of itself; None where it is no backup. It reads a few pages."""
    try:
        with translated(str(path)):
            db = connection.open_still(path, settings)
            try:
                return card.read(db)
            finally:
                db.close(True)
    except PiRagError:
        return None


def newest_at(folder: Path, data: str, settings: StoreSettings) -> float | None:
    """When the newest backup of this data folder was made; None when there is none. Raises OSError."""
    return max((each.card.made_at for each in _ours(folder, data, settings) if each.card), default=None)


def thin_out(
    folder: Path, data: str, made: Path, days: int, weeks: int, settings: StoreSettings
) -> list[Path]:
    """Remove what need not be kept, and never the one just `made`: what went. Raises OSError."""
    ours = _ours(folder, data, settings)
    stay = retention.kept((each.card.made_at for each in ours if each.card), days=days, weeks=weeks)
    gone = [each.path for each in ours if each.card and each.card.made_at not in stay and each.path != made]
    for path in gone:
        path.unlink()
    return gone


def _ours(folder: Path, data: str, settings: StoreSettings) -> list[Found]:
    mine = [each for each in listing(folder, settings) if each.path.name.startswith(PREFIX)]
    return [each for each in mine if each.card is not None and each.card.data == data]


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.name.endswith(SUFFIX) and path.is_file()]
