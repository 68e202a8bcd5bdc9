"""What indexes say of rows that are gone: which document, collection, scope or folder had which number."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from pi_rag.store.salvage.cells import Value
from pi_rag.store.salvage.layout import ROWID_MAX, Layout
from pi_rag.store.salvage.trees import Forest


@dataclass(frozen=True, slots=True)
class Witnesses:
    """By the numbers of the rows."""

    documents: dict[int, tuple[int, str]] = field(default_factory=dict)
    """(collection_id, source)"""
    collections: dict[int, str] = field(default_factory=dict)
    scopes: dict[int, str] = field(default_factory=dict)
    watches: dict[int, tuple[str, str]] = field(default_factory=dict)
    """(root, collection)"""


def heard(forest: Forest, layout: Layout) -> Witnesses:
    """What the unique indexes say."""

    def entries(index: str, *types: type) -> Iterator[tuple[int, tuple[Value, ...]]]:
        return _entries(forest, layout, index, *types)

    return Witnesses(
        {number: (key[0], key[1]) for number, key in entries("sqlite_autoindex_documents_1", int, str)},
        {number: key[0] for number, key in entries("sqlite_autoindex_collections_1", str)},
        {number: key[0] for number, key in entries("sqlite_autoindex_memory_scopes_1", str)},
        {number: (key[0], key[1]) for number, key in entries("sqlite_autoindex_watches_1", str, str)},
    )


def _entries(
    forest: Forest, layout: Layout, index: str, *types: type
) -> Iterator[tuple[int, tuple[Value, ...]]]:
    root = layout.roots.get(index)
    for cell in forest.rows(root, of_an_index=True) if root else ():
        *key, rowid = cell.values
        fits = len(key) == len(types) and all(map(isinstance, key, types))
        if fits and isinstance(rowid, int) and 0 < rowid <= ROWID_MAX:
            yield rowid, tuple(key)
