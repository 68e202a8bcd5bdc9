"""What must be true of a database after any fault, looked at while no service has it open."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path

from pi_rag.clock import SystemClock
from pi_rag.config import StoreSettings
from pi_rag.store import checkup, documents
from pi_rag.store.store import Store


def violations(database: Path, acknowledged: Iterable[str]) -> list[str]:
    """Every broken promise: damage, orphans, an acknowledged source that is gone. Empty when all is well."""
    return asyncio.run(_violations(database, set(acknowledged)))


async def _violations(database: Path, acknowledged: set[str]) -> list[str]:
    store = Store.open(database, StoreSettings(), SystemClock())
    try:
        problems = await store.read(checkup.check)
        rows = await store.read(documents.listing, None, 1_000_000, 0)
    finally:
        await store.close()
    lost = acknowledged - {row.source for row in rows}
    return problems + [f"acknowledged and lost: {source}" for source in sorted(lost)]
