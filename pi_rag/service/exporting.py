"""Export and import over HTTP. An export is a stream of lines, one document in RAM at a time; of an import
this only says what becomes of its vectors.

A guest who reads slowly slows it down; nothing piles up. An answer may not take longer than any other
request, so it ends in time with a line that says where the next one goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Literal

from pi_rag.errors import StoreBusy
from pi_rag.ingest import exported
from pi_rag.service.schemas import MadeBy
from pi_rag.store import export, identity
from pi_rag.store.export import Stored
from pi_rag.store.store import Store
from pi_rag.types import Fingerprint

PATIENCE_S = 0.2
"""How long to wait for a reader before asking again. Searches go before an export."""


async def lines(
    store: Store, *, collection: str | None, vectors: bool, after: int, until_s: float
) -> AsyncIterator[bytes]:
    """The lines of an answer that begins with the document behind `after`. `until_s` is of the loop's clock.

    Raises ModelMismatch when another model's index is put in place meanwhile; then the answer breaks off.
    """
    made_by = await store.read(identity.fingerprint) if vectors else None
    if vectors:
        yield exported.head(made_by)
    while (stored := await _following(store, collection, after, made_by, until_s)) is not None:
        yield await asyncio.to_thread(exported.line, stored, vectors=vectors)
        after = stored.document.id
        if asyncio.get_running_loop().time() >= until_s:
            yield exported.end(after)
            return
    yield exported.end(None)


async def usable(
    store: Store, made_by: MadeBy | None
) -> tuple[Literal["none", "used", "made_anew"], list[str]]:
    """What becomes of vectors that come along with an import, and what sets them apart from those here."""
    ours = await store.read(identity.fingerprint)
    if made_by is None or ours is None:
        return "none", []
    different = identity.differences(Fingerprint(**made_by.model_dump()), ours)
    return ("made_anew" if different else "used"), different


async def _following(
    store: Store, collection: str | None, after: int, made_by: Fingerprint | None, until_s: float
) -> Stored | None:
    """The next document, when the readers are busy a little later. Raises StoreBusy in the end."""
    while True:
        try:
            return await store.read(export.following, collection, after, made_by=made_by)
        except StoreBusy:
            if asyncio.get_running_loop().time() >= until_s:
                raise
            await asyncio.sleep(PATIENCE_S)
