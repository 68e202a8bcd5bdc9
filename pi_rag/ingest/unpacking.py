"""An archive becomes the files in it, each a place in the queue of its own; what is stored as it is, none.

The reading child opens the archive (`archive.py`); here is what follows from it. A file in it has the source
`archive!/path`, and vanishes when the archive is read again without it.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence

from pi_rag.clock import Clock
from pi_rag.errors import Busy, DocumentEmpty
from pi_rag.ingest.reader_wire import Unpacked
from pi_rag.ingest.reading import Reader
from pi_rag.ingest.unchanged import Digest, as_given_before
from pi_rag.store import jobs, members
from pi_rag.store.documents import MadeFrom
from pi_rag.store.store import Store
from pi_rag.text.kinds import HEAD_BYTES, is_archive
from pi_rag.types import Item, NewItem, Refusal

ROOM_S = 10.0
"""How long an archive waits for room in the queue: what came out of others has its turn meanwhile."""

_WITHIN = re.compile(r"\.(?:zip|tar|tgz|tbz2?|txz|gz|bz2|xz)!/", re.IGNORECASE)


def is_to_be_unpacked(item: Item, name: str, data: bytes) -> bool:
    """Whether it is an archive, and none that came out of one."""
    return item.kind != "text" and is_archive(name, data[:HEAD_BYTES]) and not _WITHIN.search(item.source)


async def unpack(
    item: Item,
    name: str,
    data: bytes,
    *,
    store: Store,
    reader: Reader,
    clock: Clock,
    digest: Digest,
    moves: Callable[[], None],
    queue_bytes_max: int,
) -> None:
    """Put the files of an archive in its place; where the queue has no room for them, it waits for some.

    Raises as `Reader.unpack`; DocumentEmpty.
    """
    try:
        await store.read(jobs.expect_bytes, 1, queue_bytes_max)
        unpacked = await reader.unpack(name, data, moves)
        await _replace(item, unpacked, store, clock, digest, moves, queue_bytes_max)
    except Busy:
        not_before = clock.wall_s() + ROOM_S
        await store.write(jobs.put_back, item, counted=False, not_before=not_before)


async def _replace(
    item: Item,
    unpacked: Unpacked,
    store: Store,
    clock: Clock,
    digest: Digest,
    moves: Callable[[], None],
    queue_bytes_max: int,
) -> None:
    before = await store.read(members.made_from, item)
    item = as_given_before(item, next((each for each in before.values() if each.metadata), None))
    found, refusals = _items(item, unpacked), _refusals(item, unpacked)
    if not found and not refusals:
        raise DocumentEmpty("There is no file in it.")
    moves()
    fresh = await asyncio.to_thread(_fresh, found, before, digest)
    moves()
    left = {each.source for each in fresh}
    unchanged = [each.source for each in found if each.source not in left]
    expanded = (item, fresh, refusals, unchanged, clock.wall_s(), queue_bytes_max)
    await store.write(members.expand, *expanded)


def _items(item: Item, unpacked: Unpacked) -> list[NewItem]:
    """The last of several with the same path, as a program that unpacks them would leave it."""
    return [
        NewItem(kind="bytes", source=f"{item.source}!/{path}", payload=data, metadata=item.metadata)
        for path, data in dict(unpacked.members).items()
    ]


def _refusals(item: Item, unpacked: Unpacked) -> list[Refusal]:
    return [
        Refusal(f"{item.source}!/{path}", error.code, error.message, error.hint)
        for path, error in dict(unpacked.refused).items()
    ]


def _fresh(found: Sequence[NewItem], before: Mapping[str, MadeFrom], digest: Digest) -> list[NewItem]:
    stored = {source: each.content_hash for source, each in before.items()}
    return [
        each for each in found if stored.get(each.source) != digest(each.title, each.metadata, each.payload)
    ]
