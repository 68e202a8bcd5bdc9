"""Which pages belong to which b-tree, also where the pages between are damaged.

There are two witnesses. From the root down, each page between says which pages are below it. And in a
database that can give space back, as ours is, a pointer map says of every page which one is above it
(https://sqlite.org/fileformat.html#pointer_map_or_ptrmap_pages). Where the first says nothing, or two
different things, the second decides; so a page is found although all that leads to it is gone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from pi_rag.store.salvage import cells
from pi_rag.store.salvage.cells import Cell
from pi_rag.store.salvage.image import FILE_HEADER_BYTES, Image

ROOT, _FREE, _OVERFLOW_FIRST, _OVERFLOW_NEXT, BELOW = 1, 2, 3, 4, 5

DEPTH_MAX = 64
"""No b-tree is deeper; a chain that is longer goes in a circle."""

_ENTRY_BYTES = 5

_INTERIOR = (cells.INDEX_INTERIOR, cells.TABLE_INTERIOR)
_KINDS = (*_INTERIOR, cells.INDEX_LEAF, cells.TABLE_LEAF)


class Forest:
    """All b-trees of an image, by their roots."""

    def __init__(self, image: Image, roots: Iterable[int]) -> None:
        """Reads every page once. `roots` are those that are known; page 1 is always one."""
        self._image = image
        self._per_map = image.page_bytes // _ENTRY_BYTES + 1
        self._maps: dict[int, bytes] = {}
        self._kinds = bytearray(image.count + 1)
        """What each page says it is, 0 where that is nothing that a page can be."""
        self._uneven: set[int] = set()
        """Pages whose head does not come out even. Those of overflow, and free ones, are among them."""
        self._owner: dict[int, int] = {}
        self._contested: set[int] = set()
        self._skipped: dict[int, int] = {}
        self.has_map = self._has_map()
        self._look_at_all()
        for root in (1, *roots):
            self._descend(root)
        self._pages: dict[int, list[int]] = {}
        self._settle()

    def pages_of(self, root: int) -> Sequence[int]:
        """The pages of one b-tree, ascending."""
        return self._pages.get(root, ())

    @property
    def map_roots(self) -> list[int]:
        """The pages that the pointer map calls roots."""
        if not self.has_map:
            return []
        return [number for number in range(3, self._image.count + 1) if self._mapped(number)[0] == ROOT]

    @property
    def tops(self) -> list[int]:
        """The pages that begin a tree: by the map, or without one those that no page leads to."""
        if self.has_map:
            return self.map_roots
        pages = [number for number in range(2, self._image.count + 1) if number not in self._uneven]
        led_to = {
            each for number in pages if self._kinds[number] in _INTERIOR for each in self._below(number)
        }
        return [number for number in pages if number not in led_to]

    def unread(self, *roots: int) -> int:
        """How many pages of these b-trees, of all where none is named, cannot be read as pages."""
        trees = roots or tuple(self._pages)
        return sum(number in self._uneven for root in trees for number in self.pages_of(root))

    def can_hold(self, root: int, *, of_an_index: bool) -> bool:
        """Whether a b-tree that begins there may be one of an index, or of a table; noise may be either."""
        kinds = (
            (cells.INDEX_INTERIOR, cells.INDEX_LEAF)
            if of_an_index
            else (cells.TABLE_INTERIOR, cells.TABLE_LEAF)
        )
        return root in self._uneven or self._kinds[root] in kinds

    def _below(self, number: int) -> list[int]:
        return cells.children(self._image.page(number), _first(number))

    def rows(self, root: int, *, of_an_index: bool) -> Iterator[Cell]:
        """The rows of one b-tree, page by page; of an index, or a table WITHOUT ROWID, also from within."""
        leaf = cells.INDEX_LEAF if of_an_index else cells.TABLE_LEAF
        self._skipped[root] = 0
        for number in self.pages_of(root):
            kind = self._kinds[number] or leaf
            if kind == leaf or (of_an_index and kind == cells.INDEX_INTERIOR):
                yield from self._rows_of(number, kind, root)

    def _rows_of(self, number: int, kind: int, root: int) -> Iterator[Cell]:
        page, read = self._image.page(number), 0
        for cell in cells.rows(page, _first(number), kind, self._page_or_nothing):
            read += 1
            yield cell
        if number not in self._uneven:
            self._skipped[root] += cells.count(page, _first(number)) - read

    def skipped(self, root: int) -> int:
        """How many cells were no rows when the rows of a b-tree were read last; of pages that can be read."""
        return self._skipped.get(root, 0)

    def _page_or_nothing(self, number: int) -> bytes:
        known = 0 < number <= self._image.count
        return self._image.page(number) if known else bytes(self._image.page_bytes)

    def _look_at_all(self) -> None:
        for number in range(1, self._image.count + 1):
            if not self._is_map(number):
                page = self._image.page(number)
                kind = page[_first(number)]
                self._kinds[number] = kind if kind in _KINDS else 0
                if not cells.is_page(page, _first(number)):
                    self._uneven.add(number)

    def _descend(self, root: int) -> None:
        """Claim what lies below a root. A page that two claim is nobody's until the map is asked."""
        below, seen = [root], {root}
        while below:
            number = below.pop()
            self._claim(number, root)
            if self._kinds[number] in _INTERIOR:
                fresh = [
                    each for each in self._below(number) if self._can_be_below(each) and each not in seen
                ]
                seen.update(fresh)
                below += fresh

    def _can_be_below(self, number: int) -> bool:
        return 1 < number <= self._image.count and not self._is_map(number)

    def _claim(self, number: int, root: int) -> None:
        if 0 < number <= self._image.count and self._owner.setdefault(number, root) != root:
            self._contested.add(number)

    def _settle(self) -> None:
        for number in range(1, self._image.count + 1):
            owner = None if number in self._contested else self._owner.get(number)
            owner = self._by_map(number) if owner is None else owner
            if owner is not None:
                self._pages.setdefault(owner, []).append(number)

    def _by_map(self, number: int) -> int | None:
        """The root that the pointer map leads to from a page; None where it leads to none."""
        if not self.has_map or self._is_map(number):
            return None
        for _ in range(DEPTH_MAX):
            kind, parent = self._mapped(number)
            if number == 1 or kind == ROOT:
                return number
            if kind != BELOW or not 0 < parent <= self._image.count:
                return None
            if number not in self._contested and number in self._owner:
                return self._owner[number]
            number = parent
        return None

    def _has_map(self) -> bool:
        """Whether page 2 looks like a pointer map. The header says so too, and may be damaged."""
        entries = self._image.page(2)[: _ENTRY_BYTES * max(0, min(self._image.count - 2, self._per_map - 1))]
        kinds = entries[::_ENTRY_BYTES]
        return bool(kinds) and sum(ROOT <= kind <= BELOW for kind in kinds) >= 0.9 * len(kinds)

    def _is_map(self, number: int) -> bool:
        return self.has_map and number >= 2 and (number - 2) % self._per_map == 0

    def _mapped(self, number: int) -> tuple[int, int]:
        """(kind, page above) as the map has it."""
        map_number = (number - 2) // self._per_map * self._per_map + 2
        if map_number not in self._maps:
            self._maps[map_number] = self._image.page(map_number)
        at = _ENTRY_BYTES * (number - map_number - 1)
        entry = self._maps[map_number][at : at + _ENTRY_BYTES]
        return (entry[0], int.from_bytes(entry[1:], "big")) if len(entry) == _ENTRY_BYTES else (0, 0)


def _first(number: int) -> int:
    """Where the header of a page begins: on the first one behind that of the file."""
    return FILE_HEADER_BYTES if number == 1 else 0
