"""What tables a damaged database has, and where each begins.

The database's own list says so. Where that list is damaged, a fresh database of the same schema has its
tables at the same pages, unless a reindex or an upgrade has moved them; whether the rows there fit tells.
Where they do not, the rows of the b-trees that the list does not name say whose they are.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from pi_rag.config import StoreSettings
from pi_rag.store import Connection, connection, migrations
from pi_rag.store.rows import all_rows
from pi_rag.store.salvage.cells import Cell, Unreadable, Value
from pi_rag.store.salvage.image import Image
from pi_rag.store.salvage.trees import Forest

_CREATED = re.compile(r'^CREATE (?:TABLE|UNIQUE INDEX|INDEX) "?(\w+)"?', re.IGNORECASE)

_FITTING = {
    "INTEGER": (int,),
    "REAL": (int, float),
    "TEXT": (str, Unreadable),
    "BLOB": (bytes,),
    "ANY": (int, float, str, bytes, Unreadable),
    "": (int, float, str, bytes, Unreadable),
}


ROWID_MAX = 2**40
"""No table of ours has numbered so many rows. A number beyond it is damage, and would use up all numbers."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column as the schema has it."""

    name: str
    type: str
    not_null: bool
    is_rowid: bool
    has_default: bool


@dataclass(frozen=True, slots=True)
class Table:
    """A table of some schema, as a fresh database has it."""

    name: str
    columns: Sequence[Column]
    without_rowid: bool
    root: int

    def row(self, cell: Cell) -> tuple[Value, ...] | None:
        """The values of a row in the order of `columns`, or None where it cannot be one of this table.

        A row from before a column was added is shorter.
        """
        values = list(cell.values)
        if not values or len(values) > len(self.columns) or (cell.rowid is None) != self.without_rowid:
            return None
        if cell.rowid is not None and not 0 < cell.rowid <= ROWID_MAX:
            return None
        if any(each.not_null and not each.has_default for each in self.columns[len(values) :]):
            return None
        for place, column in enumerate(self.columns[: len(values)]):
            if column.is_rowid:
                if values[place] is not None:
                    return None
                values[place] = cell.rowid
            elif not _fits(values[place], column):
                return None
        return tuple(values)


def _fits(value: Value, column: Column) -> bool:
    return not column.not_null if value is None else isinstance(value, _FITTING[column.type])


@dataclass(frozen=True, slots=True)
class Schema:
    """What a database of some version has, as it is made."""

    version: int
    tables: Mapping[str, Table]
    indexes: Mapping[str, int]
    """The roots of its indexes."""

    @property
    def places(self) -> dict[str, int]:
        """The roots of all of them."""
        return {name: table.root for name, table in self.tables.items()} | dict(self.indexes)


@dataclass(frozen=True, slots=True)
class Layout:
    """What was found of it in a damaged database."""

    schema: Schema
    roots: Mapping[str, int]
    """Where each table or index begins; those that were not found are left out."""
    guessed: frozenset[str] = field(default_factory=frozenset)
    """Those that the list does not name: found where a fresh database has them, or by their rows."""


def fresh(version: int) -> Schema:
    """The schema after so many steps, from a database that is made for it in RAM."""
    db = Connection(":memory:")
    try:
        connection.apply(db, (connection.load_sqlite_vec, connection.large_pages), StoreSettings())
        db.execute("PRAGMA auto_vacuum = INCREMENTAL")
        migrations.migrate(db, migrations.STEPS[:version])
        rows = all_rows(db, "SELECT type, name, rootpage, sql FROM sqlite_schema WHERE rootpage > 0")
        tables = {name: _table(db, name, root, sql) for kind, name, root, sql in rows if kind == "table"}
        indexes = {name: root for kind, name, root, _ in rows if kind == "index"}
        return Schema(version, tables, indexes)
    finally:
        db.close()


def _table(db: Connection, name: str, root: int, sql: str) -> Table:
    without = "WITHOUT ROWID" in sql.upper()
    columns = []
    for _, column, kind, not_null, default, key, hidden in db.execute(f'PRAGMA table_xinfo("{name}")'):
        assert not hidden, "no table of ours has computed columns"
        is_rowid = bool(key) and kind == "INTEGER" and not without
        columns.append(Column(column, kind, bool(not_null or key), is_rowid, default is not None))
    return Table(name, columns, without, root)


def found(image: Image) -> Layout:
    """The layout of an image, from its own list as far as that can be read."""
    forest = Forest(image, ())
    listed = _listed(image, forest)
    unnamed = set(forest.tops) - set(listed.values())
    schema = _schema(image, set(listed), unnamed, is_whole=not (image.cut or forest.unread(1)))
    roots = {name: root for name, root in listed.items() if name in schema.places}
    is_all = roots.keys() == schema.places.keys()
    guessed = {} if is_all else _guessed(schema, roots.keys(), Forest(image, unnamed), unnamed)
    return Layout(schema, roots | guessed, frozenset(guessed))


def _guessed(schema: Schema, known: Collection[str], forest: Forest, unnamed: set[int]) -> dict[str, int]:
    """Where those begin that the list does not name: by their rows at their places, by their rows elsewhere,
    the nearest first, and at their places without rows. One that may have been anywhere is not made up."""
    places, left = schema.places, set(unnamed)
    guessed: dict[str, int] = {}
    pairs = [(abs(root - places[name]), name, root) for name in places.keys() - known for root in unnamed]
    for may_be in (_has_rows_at_place, _has_its_rows, _is_at_place):
        for _, name, root in sorted(pairs):
            if name not in guessed and root in left and may_be(schema, name, forest, root):
                guessed[name] = root
                left.discard(root)
    return guessed


def _has_rows_at_place(schema: Schema, name: str, forest: Forest, root: int) -> bool:
    """Where a fresh one is, and at least half of the rows are its own: others may be damaged."""
    if name in schema.indexes or root != schema.places[name]:
        return False
    fitting, all_of_them = _fitting(schema.tables[name], forest, root)
    return 0 < all_of_them <= 2 * fitting


def _has_its_rows(schema: Schema, name: str, forest: Forest, root: int) -> bool:
    """Where every row is one of it."""
    if name in schema.indexes:
        return False
    fitting, all_of_them = _fitting(schema.tables[name], forest, root)
    return 0 < fitting == all_of_them


def _is_at_place(schema: Schema, name: str, forest: Forest, root: int) -> bool:
    """Where a fresh one is: an index, or a table of which no row is there. Only a map says that it is one."""
    if root != schema.places[name] or not forest.has_map:
        return False
    if name in schema.indexes:
        return forest.can_hold(root, of_an_index=True)
    table = schema.tables[name]
    is_empty = not any(forest.rows(root, of_an_index=table.without_rowid))
    return is_empty and forest.can_hold(root, of_an_index=table.without_rowid)


ROWS_LOOKED_AT = 200
"""By which it is told whose a b-tree is."""


def _fitting(table: Table, forest: Forest, root: int) -> tuple[int, int]:
    """How many of the first rows in a b-tree could be rows of this table, and how many were looked at."""
    some = list(islice(forest.rows(root, of_an_index=table.without_rowid), ROWS_LOOKED_AT))
    return sum(table.row(cell) is not None for cell in some), len(some)


def _listed(image: Image, forest: Forest) -> dict[str, int]:
    """name -> root page, of the database's own list; each name is told by three witnesses."""
    roots: dict[str, int] = {}
    for cell in forest.rows(1, of_an_index=False):
        if len(cell.values) == 5:
            kind, name, of_table, root, sql = cell.values
            named = _named(name, sql, of_table if kind == "table" else None)
            if named and isinstance(root, int) and 1 < root <= image.count:
                roots.setdefault(named, root)
    return roots


def _named(name: Value, sql: Value, of_table: Value) -> str:
    created = _CREATED.match(sql) if isinstance(sql, str) else None
    witnesses = [each for each in (name, created and created[1], of_table) if isinstance(each, str)]
    return max(witnesses, key=witnesses.count, default="")


def _schema(image: Image, names: set[str], unnamed: set[int], *, is_whole: bool) -> Schema:
    """The version that the header says, if the tables fit it; else the one whose tables fit best.

    A list of tables that is not `is_whole` says nothing of those that it does not name: they may be what
    begins at the pages `unnamed`, and where nothing does the header is believed.
    """
    latest = len(migrations.STEPS)
    number = int.from_bytes(image.header[60:64], "big")
    said = fresh(number) if 0 < number <= latest else None
    ours = names & fresh(latest).places.keys()
    if said is not None and not ours <= said.places.keys():
        said = None
    if said is not None and said.tables.keys() <= names:
        return said
    if not names:
        return said or fresh(latest)
    best = max(map(fresh, range(latest, 0, -1)), key=lambda each: _alike(each, names, unnamed))
    return said if said is not None and not is_whole and said.version > best.version else best


def _alike(schema: Schema, names: set[str], unnamed: set[int]) -> int:
    there = names | {name for name, root in schema.places.items() if root in unnamed}
    return 2 * len(schema.places.keys() & there) - len(schema.places.keys() ^ there)


def is_another_programs(image: Image) -> bool:
    """Whether the header says so whole: it is a database, and its mark differs in more than a few bits."""
    header = image.header
    mark = int.from_bytes(header[68:72], "big")
    is_sqlite = header[:16] == b"SQLite format 3\0"
    return is_sqlite and (mark ^ migrations.APPLICATION_ID).bit_count() > 8


def is_newer(image: Image) -> bool:
    """Whether a newer pi_rag has written it: the version says so, and there are tables that are not ours."""
    said, latest = int.from_bytes(image.header[60:64], "big"), fresh(len(migrations.STEPS))
    strange = _listed(image, Forest(image, ())).keys() - latest.tables.keys() - latest.indexes.keys()
    return said > latest.version and any(not _PASSING.match(name) for name in strange)


_PASSING = re.compile(r"sqlite_|vectors_|documents_to_cut|chunks_vec")
"""Tables that come and go: statistics, and those of a reindex."""
