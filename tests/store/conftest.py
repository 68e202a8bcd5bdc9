"""What the store's tests share: a folder, a store that is closed after the test, and documents to put in."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from pi_rag.clock import SystemClock
from pi_rag.config import StoreSettings
from pi_rag.store import Connection, connection, identity, migrations
from pi_rag.store.store import Store
from tests.store.making import FINGERPRINT


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a database may be made."""
    return tmp_path / "data" / "pi-rag.db"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[Store]:
    """An open store whose model is claimed."""
    opened = Store.open(path, StoreSettings(), SystemClock())
    await opened.write(identity.claim_fingerprint, FINGERPRINT)
    yield opened
    assert await opened.close()


@pytest.fixture
def db() -> Iterator[Connection]:
    """A database in RAM with the newest schema, whose model is claimed: for functions that need no store."""
    made = Connection(":memory:")
    connection.apply(made, connection.EVERY_CONNECTION, StoreSettings())
    migrations.migrate(made)
    identity.claim_fingerprint(made, FINGERPRINT)
    yield made
    made.close()
