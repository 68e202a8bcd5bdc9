"""Which passages a search may answer from, said in SQL.

A filter looks at a document's metadata: `{"field": value}` or `{"field": {"in": [values]}}`, where a value is
a text, a number, true, false or null. Wanted values travel as JSON, so that SQLite compares JSON with JSON:
true is not 1, and 1 is 1.0. A field that a document does not have matches nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pi_rag.errors import FilterInvalid
from pi_rag.types import Scope

FIELDS_MAX = 32
"""Each field costs a look at every document; more than these is a mistake."""

VALUES_MAX = 1000
"""Values in one `in`; each is compared with every document."""

_HAS_FIELD = """
    EXISTS (
        SELECT 1 FROM json_each(documents.metadata) AS has JOIN json_each(?) AS wanted
        WHERE has.key = ? AND has.value IS wanted.value
            AND replace(has.type, 'real', 'integer') = replace(wanted.type, 'real', 'integer')
    )
"""


def chunk_ids(scope: Scope) -> tuple[str, list[str]]:
    """A SELECT of the ids of all passages within `scope`, and its bindings. Raises FilterInvalid."""
    conditions, bindings = ["TRUE"], []
    if scope.collection is not None:
        conditions.append("collections.name = ?")
        bindings.append(scope.collection)
    for field, values in _wanted(scope.filter).items():
        conditions.append(_HAS_FIELD)
        bindings += [values, field]
    sql = f"""
        SELECT chunks.id FROM chunks
        JOIN documents ON documents.id = chunks.document_id
        JOIN collections ON collections.id = documents.collection_id
        WHERE {" AND ".join(conditions)}
    """
    return sql, bindings


def _wanted(filter_: Mapping[str, Any]) -> dict[str, str]:
    """For each field the JSON array of the values it may have."""
    if len(filter_) > FIELDS_MAX:
        raise FilterInvalid(f"A filter may name {FIELDS_MAX} fields; this one names {len(filter_)}.")
    return {field: _values(field, wanted) for field, wanted in filter_.items()}


def _values(field: str, wanted: Any) -> str:
    values = wanted["in"] if _is_in(wanted) else [wanted]
    if len(values) > VALUES_MAX:
        raise FilterInvalid(f"The filter on {field!r} has {len(values)} values; {VALUES_MAX} are the most.")
    if not all(value is None or isinstance(value, (str, int, float)) for value in values):
        raise FilterInvalid(f"The filter on {field!r} is neither a plain value nor a list of them.")
    try:
        return json.dumps(list(values), allow_nan=False)
    except ValueError as error:
        raise FilterInvalid(f"The filter on {field!r} holds a number that JSON does not have.") from error


def _is_in(wanted: Any) -> bool:
    return isinstance(wanted, Mapping) and set(wanted) == {"in"} and isinstance(wanted["in"], (list, tuple))
