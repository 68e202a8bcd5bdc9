"""Which passages a search may answer from, said in SQL.

Documents are decided on, never passages: there are some dozens of passages to a document. What is wanted
travels as JSON bindings, so that SQLite compares JSON with JSON (true is not 1, and 1 is 1.0), and nothing of
a request ever becomes SQL.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from pi_rag.store import Connection, filters
from pi_rag.store.filters import Condition, Plain, Wanted
from pi_rag.store.metadata import read_at
from pi_rag.store.rows import all_rows
from pi_rag.types import Scope

Clause = tuple[str, list[str]]
"""A piece of SQL and the bindings of its question marks."""

LISTED_MAX = 50_000
"""A scope of more passages is not listed, but asked about each passage that was found. With a million
passages both cost the same at about this many."""

NEWEST = 1000
"""So many documents say which fields there are; more cost time and rarely say more."""

_TYPED = "replace({0}type, 'real', 'integer'), coalesce({0}value, 0)"
"""A value of `json_each` that equals another exactly if JSON says so; null is a type of its own."""

_ORDERS = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}


def chunk_ids(scope: Scope) -> Clause:
    """A SELECT of the ids of all passages within `scope`. Raises FilterInvalid."""
    where, bindings = _documents(filters.read(scope))
    # Materialised, because SQLite would else look at a document once for each of its passages.
    sql = f"""
        WITH within AS MATERIALIZED (SELECT id FROM documents WHERE {where})
        SELECT chunks.id FROM within CROSS JOIN chunks ON chunks.document_id = within.id
    """
    return sql, bindings


def holds(db: Connection, scope: Scope, ids: Sequence[int]) -> set[int]:
    """Those of these passages that are within `scope`, by looking at each. Raises FilterInvalid."""
    where, bindings = _documents(filters.read(scope))
    sql = f"""
        SELECT chunks.id FROM json_each(?) AS given
        CROSS JOIN chunks ON chunks.id = given.value
        CROSS JOIN documents ON documents.id = chunks.document_id
        WHERE {where}
    """
    return {row[0] for row in all_rows(db, sql, (json.dumps(list(ids)), *bindings))}


def count(db: Connection, scope: Scope) -> int:
    """How many passages are within `scope`. Raises FilterInvalid."""
    return _counted(db, scope)[1]


def within(db: Connection, scope: Scope, chunk_id: str) -> Clause:
    """A condition that the passage whose number is the column `chunk_id` is within `scope`.

    For a search that finds passages by itself and is held against the scope. Raises FilterInvalid.
    """
    if scope.everything:
        return "TRUE", []
    documents, passages = _counted(db, scope)
    of_these = "IN (SELECT value FROM json_each(?))"
    if passages > LISTED_MAX:
        return f"(SELECT document_id FROM chunks WHERE id = {chunk_id}) {of_these}", [documents]
    listed = f"SELECT id FROM chunks WHERE document_id {of_these}"
    # The plus keeps SQLite from asking a word index once for each passage of the scope.
    return f"+{chunk_id} IN ({listed})", [documents]


def unknown_fields(
    db: Connection, scope: Scope, found: Sequence[Mapping[str, Any]] = ()
) -> dict[str, str | None]:
    """Fields of the filter that no document has, each with a field of the newest ones that may be meant.

    `found` has the metadata of documents within `scope`: what they have, and what they must have, is not
    looked for. All documents are only looked at for a field that is denied and that none of them has.

    Raises FilterInvalid.
    """
    conditions = filters.read(scope).conditions
    asked = {each.field for each in conditions if each.negated or not found}
    missing = [field for field in sorted(asked) if not any(_has(each, field) for each in found)]
    unknown = [field for field in missing if not _is_known(db, field)]
    if not unknown:
        return {}
    newest = all_rows(db, "SELECT metadata FROM documents ORDER BY id DESC LIMIT ?", (NEWEST,))
    known = sorted({name for (metadata,) in newest for name in read_at((metadata,), 0)[0]})
    return {field: next(iter(difflib.get_close_matches(field, known, 1)), None) for field in unknown}


def fitting_none(db: Connection, scope: Scope) -> list[str]:
    """The parts of the scope, by their names, that no document fits, even alone. Raises FilterInvalid.

    For a search that found nothing: each part may be a look at all documents.
    """
    alone = {each.name: replace(Scope(), **{each.name: getattr(scope, each.name)}) for each in fields(scope)}
    return [name for name, part in alone.items() if not (part.everything or _fits_one(db, part))]


def _fits_one(db: Connection, scope: Scope) -> bool:
    where, bindings = _documents(filters.read(scope))
    return bool(all_rows(db, f"SELECT 1 FROM documents WHERE {where} LIMIT 1", bindings))


def _has(metadata: Mapping[str, Any], field: str) -> bool:
    """What `_path` asks of SQLite."""
    inside: Any = metadata
    for part in [] if field in metadata else field.split("."):
        if not isinstance(inside, Mapping) or part not in inside:
            return False
        inside = inside[part]
    return True


def _is_known(db: Connection, field: str) -> bool:
    path, bindings = _path(field)
    there = f"SELECT 1 FROM documents WHERE json_type(documents.metadata, {path}) IS NOT NULL"
    return bool(all_rows(db, f"{there} LIMIT 1", bindings))


def _counted(db: Connection, scope: Scope) -> tuple[str, int]:
    """The documents within `scope` as a JSON array of their ids, and how many passages they have."""
    where, bindings = _documents(filters.read(scope))
    sql = f"SELECT json_group_array(id), coalesce(sum(chunk_count), 0) FROM documents WHERE {where}"
    documents, passages = all_rows(db, sql, bindings)[0]
    return documents, passages


def _documents(wanted: Wanted) -> Clause:
    """The condition on `documents`; what is cheap to see comes first."""
    clauses = [*_of_the_document(wanted), *map(_of_metadata, wanted.conditions)]
    where = " AND ".join(sql for sql, _ in clauses) or "TRUE"
    return where, [binding for _, bindings in clauses for binding in bindings]


def _of_the_document(wanted: Wanted) -> Iterator[Clause]:
    one_of = "(SELECT value FROM json_each(?))"
    if wanted.collections is not None:
        named = f"SELECT id FROM collections WHERE name IN {one_of}"
        yield f"documents.collection_id IN ({named})", [json.dumps(wanted.collections)]
    if wanted.kinds is not None:
        yield f"documents.kind IN {one_of}", [json.dumps(wanted.kinds)]
    if wanted.folder is not None:
        # In the order of bytes the next after "/" is "0": between the two lies all that the folder holds.
        below = "documents.source >= ? ->> '$' AND documents.source < ? ->> '$'"
        ends = [json.dumps(wanted.folder + end) for end in ("", "/", "0")]
        yield f"(documents.source = ? ->> '$' OR ({below}))", ends
    if wanted.since_s is not None:
        yield "documents.updated_at >= ? ->> '$'", [json.dumps(wanted.since_s)]
    if wanted.until_s is not None:
        yield "documents.updated_at < ? ->> '$'", [json.dumps(wanted.until_s)]


def _of_metadata(condition: Condition) -> Clause:
    path, bindings = _path(condition.field)
    if condition.tests:
        tests = [_test(name, value) for name, value in condition.tests]
        passed = " AND ".join(sql for sql, _ in tests)
        # The members of an object are no values of the field; only they have names.
        values = f"json_each(documents.metadata, {path}) AS has WHERE typeof(has.key) <> 'text'"
        sql = f"EXISTS (SELECT 1 FROM {values} AND {passed})"
        bindings = [*bindings, *(binding for _, each in tests for binding in each)]
    else:
        sql = f"json_type(documents.metadata, {path}) IS NOT NULL"
    return (f"NOT {sql}" if condition.negated else sql), bindings


def _path(field: str) -> Clause:
    """Where in the metadata a field is: under its whole name, or else inside others along its dots."""
    whole = "$." + json.dumps(field)
    if "." not in field:
        return "?", [whole]
    inside = "$" + "".join("." + json.dumps(part) for part in field.split("."))
    return "iif(json_type(documents.metadata, ?) IS NULL, ?, ?)", [whole, inside, whole]


def _test(name: str, wanted: Plain | tuple[Plain, ...]) -> Clause:
    """What one value, a row `has` of `json_each`, must be."""
    binding = [json.dumps(wanted)]
    if name == "in":
        return f"({_TYPED.format('has.')}) IN (SELECT {_TYPED.format('')} FROM json_each(?))", binding
    if name == "prefix":
        return "has.type = 'text' AND instr(has.value, ? ->> '$') = 1", binding
    alike = "has.type = 'text'" if isinstance(wanted, str) else "has.type IN ('integer', 'real')"
    return f"{alike} AND has.value {_ORDERS[name]} ? ->> '$'", binding
