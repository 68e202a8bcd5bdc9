"""What must be true after any fault: of a database that no service has open, or before long."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from pi_rag.clock import SystemClock
from pi_rag.config import StoreSettings
from pi_rag.store import checkup, documents
from pi_rag.store.store import Store


def violations(database: Path, acknowledged: Iterable[str]) -> list[str]:
    """Every broken promise: damage, orphans, an acknowledged source that is gone. Empty when all is well."""
    return asyncio.run(_violations(database, set(acknowledged)))


def until(condition: Callable[[], object], seconds: float = 60.0) -> None:
    """Wait for what must come true; it fails the test when it does not within `seconds`."""
    end_s = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end_s, f"it did not come true within {seconds:g} s"
        time.sleep(0.01)


async def _violations(database: Path, acknowledged: set[str]) -> list[str]:
    store = Store.open(database, StoreSettings(), SystemClock())
    try:
        problems = await store.read(checkup.check)
        rows = await store.read(documents.listing, None, 1_000_000, 0)
    finally:
        await store.close()
    lost = acknowledged - {row.source for row in rows}
    return problems + [f"acknowledged and lost: {source}" for source in sorted(lost)]
