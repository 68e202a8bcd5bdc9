"""The sha256 of a file, read in pieces. It knows nothing of models."""

from __future__ import annotations

import hashlib
from pathlib import Path


def sha256_of(path: str | Path) -> str:
    """The file's sha256 in lower-case hexadecimal. Raises OSError as `open` does."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
