"""A filter means what it says, whatever the metadata."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pi_rag.config import StoreSettings
from pi_rag.errors import FilterInvalid
from pi_rag.store import Connection, connection, documents, identity, migrations, scope, search
from pi_rag.store.rows import all_rows
from pi_rag.types import Scope
from tests.store.making import FINGERPRINT, axis, put, tilted


def _found(db: Connection, filter_: dict[str, Any], collection: str | None = None) -> list[str]:
    """Sources of the documents within a scope."""
    sql, bindings = scope.chunk_ids(Scope(collection, filter_))
    ids = [row[0] for row in all_rows(db, sql, bindings)]
    return sorted(passage.source for passage in search.passages(db, ids))


@pytest.mark.parametrize(
    ("filter_", "found"),
    [
        ({}, ["bool", "float", "int", "list", "null", "text"]),
        ({"x": 1}, ["float", "int"]),
        ({"x": 1.0}, ["float", "int"]),
        ({"x": True}, ["bool"]),
        ({"x": False}, []),
        ({"x": "1"}, ["text"]),
        ({"x": None}, ["null"]),
        ({"y": None}, []),
        ({"x": {"in": [1, "1", None]}}, ["float", "int", "null", "text"]),
        ({"x": {"in": []}}, []),
        ({"x": 1, "kind": "whole"}, ["int"]),
        ({"x": '1" OR 1=1 --'}, []),
        ({'x" OR 1=1 --': 1}, []),
        ({"$.x": 1}, []),
        ({"": 1}, []),
        ({"x": 2**70}, []),
        ({"x": "half \ud800"}, []),
    ],
)
def test_a_filter_compares_json_with_json(db: Connection, filter_: dict[str, Any], found: list[str]) -> None:
    """Numbers by value, true is not 1, and a field that is not there is not null."""
    put(db, "int", ["tea"], metadata={"x": 1, "kind": "whole"})
    put(db, "float", ["tea"], metadata={"x": 1.0})
    put(db, "bool", ["tea"], metadata={"x": True})
    put(db, "text", ["tea"], metadata={"x": "1"})
    put(db, "null", ["tea"], metadata={"x": None})
    put(db, "list", ["tea"], metadata={"x": [1], "z": {"x": 1}})
    assert _found(db, filter_) == found


@pytest.mark.parametrize(
    "wanted",
    [
        [1],
        {},
        {"gt": 1},
        {"in": 1},
        {"in": "abc"},
        {"in": [[1]]},
        {"in": [{}]},
        {"in": [1], "not": [2]},
        {"in": list(range(scope.VALUES_MAX + 1))},
        float("nan"),
        float("inf"),
        object(),
    ],
)
def test_any_other_shape_is_refused_and_names_the_field(db: Connection, wanted: object) -> None:
    """A filter that is silently ignored would answer from the wrong documents. Both ways refuse it."""
    wrong = Scope(None, {"colour": wanted})
    with pytest.raises(FilterInvalid, match="colour"):
        search.by_vector(db, axis(0), 1, wrong)
    with pytest.raises(FilterInvalid, match="colour"):
        search.by_words(db, "tea", 1, wrong, 1, 1)


def test_a_filter_of_too_many_fields_is_refused(db: Connection) -> None:
    """Its cost is bounded."""
    with pytest.raises(FilterInvalid, match="33"):
        _found(db, {f"f{number}": 1 for number in range(33)})


def test_a_collection_is_a_wall(db: Connection) -> None:
    """Nothing of another collection is found by either way."""
    put(db, "a", ["tea"], collection="one", vectors=axis(0))
    put(db, "b", ["tea"], collection="two", vectors=axis(0))
    for hits in (
        search.by_vector(db, axis(0), 10, Scope("two")),
        search.by_words(db, "tea", 10, Scope("two"), 1, 1),
    ):
        assert [passage.source for passage in search.passages(db, [hit for hit, _ in hits])] == ["b"]
    assert search.by_vector(db, axis(0), 10, Scope("nowhere")) == []


def test_a_scope_is_applied_before_the_nearest_are_chosen(db: Connection) -> None:
    """k passages are found within it although none of them is among the k nearest of all."""
    put(db, "near", ["tea"] * 300, vectors=axis(0) * 300)
    put(db, "far", ["milk"] * 20, metadata={"far": True}, vectors=tilted(1, 0.1) * 20)
    hits = search.by_vector(db, axis(0), 10, Scope(None, {"far": True}))
    assert len(hits) == 10
    assert {round(cosine, 4) for _, cosine in hits} == {0.1}
    words = search.by_words(db, "tea milk", 10, Scope(None, {"far": True}), 1, 1)
    assert len(words) == 10


_SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.sampled_from([0.0, 1.0, 2.5, -1.0]),
    st.sampled_from(["", "1", "true", "null", "é"]),
)
_NAMES = st.sampled_from(["a", "b", "a.b", "$"])
_METADATA = st.dictionaries(_NAMES, st.one_of(_SCALARS, st.lists(_SCALARS, max_size=2)), max_size=3)
_FILTERS = st.dictionaries(
    _NAMES,
    st.one_of(_SCALARS, st.fixed_dictionaries({"in": st.lists(_SCALARS, max_size=3)})),
    max_size=2,
)


def _equal(has: object, wanted: object) -> bool:
    """JSON's equality: bool is no number."""
    if isinstance(has, bool) or isinstance(wanted, bool):
        return has is wanted
    return has == wanted and not isinstance(has, list)


def _matches(metadata: dict[str, Any], filter_: dict[str, Any]) -> bool:
    for field, wanted in filter_.items():
        values = wanted["in"] if isinstance(wanted, dict) else [wanted]
        if field not in metadata or not any(_equal(metadata[field], each) for each in values):
            return False
    return True


@settings(max_examples=80, deadline=None)
@given(st.lists(_METADATA, max_size=5), _FILTERS)
def test_sql_and_python_agree_on_every_filter(many: list[dict[str, Any]], filter_: dict[str, Any]) -> None:
    """The plain meaning, written down a second time, picks the same documents."""
    db = Connection(":memory:")
    connection.apply(db, connection.EVERY_CONNECTION, StoreSettings())
    migrations.migrate(db)
    identity.claim_fingerprint(db, FINGERPRINT)
    for number, metadata in enumerate(many):
        put(db, str(number), ["tea"], metadata=metadata)
    wanted = [str(number) for number, metadata in enumerate(many) if _matches(metadata, filter_)]
    assert _found(db, filter_) == wanted
    assert documents.counts(db).documents == len(many)
    db.close()
