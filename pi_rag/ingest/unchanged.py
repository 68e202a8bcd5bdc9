"""Which of a folder's files are stored just as they are, found out many at a time.

A place in the queue for each would cost two durable writes a file, to find out in the end that there is
nothing to do. Only small files are read here; a large one waits for its turn, where no more are in RAM at
once than there are hands.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import TypeVar

from pi_rag.errors import PiRagError
from pi_rag.ingest.beneath import Roots
from pi_rag.ingest.disk import Disk
from pi_rag.ingest.file import read_file
from pi_rag.ingest.mounts import Mounts
from pi_rag.store import Connection, documents, jobs
from pi_rag.store.documents import MadeFrom
from pi_rag.store.store import Store
from pi_rag.types import ON_DISK, Item, NewItem

AT_ONCE = 64
"""Files of one look, which together have as much time as one large file has (`ingest.disk_s_max`)."""

SMALL_MIB = 1
"""What is larger is not read to be compared: it may be in RAM only where it is told that it is large."""

Digest = Callable[[str, Mapping[str, object], bytes], str]
"""From title, metadata and bytes to the hash that a document made from them has."""

AnyItem = TypeVar("AnyItem", NewItem, Item)


def as_given_before(item: AnyItem, before: MadeFrom | None) -> AnyItem:
    """What was given with a file stays until something else is given: its folder says nothing of it."""
    if not _is_of_a_file(item) or before is None or not (before.title or before.metadata):
        return item
    return replace(item, title=item.title or before.title, metadata=item.metadata or before.metadata)


def _is_of_a_file(item: AnyItem) -> bool:
    """Also one that a client has read and sent, as it does where a title is given."""
    return item.kind in ON_DISK or (item.kind == "bytes" and item.source.startswith("/"))


async def changed(
    store: Store,
    disk: Disk,
    collection: str,
    items: Sequence[NewItem],
    roots: Roots,
    digest: Digest,
    progress: Callable[[int], None],
) -> list[NewItem]:
    """The files that are new, have changed, or have to be read to know, in order.

    All lie in one folder or below it. Raises StoreError kinds, DiskStuck, DocumentStalled.
    """
    left: list[NewItem] = []
    for start in range(0, len(items), AT_ONCE):
        some = items[start : start + AT_ONCE]
        known = await store.read(_stored, collection, [each.source for each in some])
        if known:
            for there in _by_mount(some):
                left += await disk.ask(there[0].source, _changed, there, known, roots, digest)
        else:
            left += some
        progress(0)
    return left


def _by_mount(items: Sequence[NewItem]) -> list[list[NewItem]]:
    """In order; each mount is asked in its own name."""
    mounts = Mounts()
    return [list(there) for _, there in groupby(items, lambda each: mounts.of(each.source))]


def _stored(db: Connection, collection: str, sources: Sequence[str]) -> dict[str, MadeFrom]:
    """What was stored is made from, but for what is being stored."""
    in_hand = jobs.in_hand(db, collection)
    return documents.made_from(db, collection, (each for each in sources if each not in in_hand))


def _changed(
    items: Sequence[NewItem], known: Mapping[str, MadeFrom], roots: Roots, digest: Digest
) -> list[NewItem]:
    return [each for each in items if not _is_known(each, known.get(each.source), roots, digest)]


def _is_known(item: NewItem, known: MadeFrom | None, roots: Roots, digest: Digest) -> bool:
    if known is None:
        return False
    item = as_given_before(item, known)
    try:
        data = read_file(Path(item.source), SMALL_MIB, roots, links=item.kind == "path")
        return digest(item.title, item.metadata, data) == known.content_hash
    except PiRagError:  # its own turn will tell why
        return False
