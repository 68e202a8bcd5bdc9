"""What these tests share: a folder in RAM, where a sync costs nothing."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from pi_rag.store.memory import erasing

RAM = Path("/dev/shm")


@pytest.fixture
def ram(tmp_path: Path) -> Iterator[Path]:
    """A folder of its own, in RAM where the machine lets us: nothing here needs a real disk."""
    if not os.access(RAM, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=RAM, prefix="pi-rag-durability-") as folder:
        yield Path(folder)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A log that cannot be emptied is tried again for five seconds: somebody may stop reading."""
    monkeypatch.setattr(erasing, "TRY_S_BETWEEN", 0.0)
