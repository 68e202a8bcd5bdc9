"""A desk of memory over a real database, with the fake embedder and a clock that is set by hand."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pi_rag.memory.desk import MemoryDesk
from tests.memory.housing import HandClock, Housed, housed, settings_of


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[Housed]:
    """What a desk works with."""
    home = await housed(tmp_path / "data" / "pi-rag.db", HandClock(), settings_of())
    yield home
    await home.close()


@pytest.fixture
def desk(home: Housed) -> MemoryDesk:
    return home.desk
