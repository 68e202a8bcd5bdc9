"""A scope holds exactly the documents that it says, and asks for them cheaply."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pi_rag.config import StoreSettings
from pi_rag.errors import FilterInvalid
from pi_rag.store import Connection, by_words, citing, connection, identity, migrations, scope
from pi_rag.store.nearest import exact
from pi_rag.store.rows import all_rows
from pi_rag.types import Scope
from tests.store.making import FINGERPRINT, axis, put, tilted


def _found(db: Connection, wanted: Scope) -> list[str]:
    """Sources of the documents within a scope, which every way of asking agrees on."""
    sql, bindings = scope.chunk_ids(wanted)
    ids = {row[0] for row in all_rows(db, sql, bindings)}
    every = [row[0] for row in all_rows(db, "SELECT id FROM chunks")]
    assert scope.holds(db, wanted, every) == ids
    assert scope.count(db, wanted) == len(ids)
    condition, bindings = scope.within(db, wanted, "chunks.id")
    assert {row[0] for row in all_rows(db, f"SELECT id FROM chunks WHERE {condition}", bindings)} == ids
    return sorted(passage.source for passage in citing.passages(db, sorted(ids)))


@pytest.fixture(params=[0, scope.LISTED_MAX], ids=["large", "small"])
def _size(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways of holding a found passage against the scope: it is too large to be listed, or not."""
    monkeypatch.setattr(scope, "LISTED_MAX", request.param)


@pytest.mark.parametrize(
    ("filter_", "found"),
    [
        ({}, ["bool", "float", "int", "list", "null", "text"]),
        ({"x": 1}, ["float", "int", "list"]),
        ({"x": 1.0}, ["float", "int", "list"]),
        ({"x": True}, ["bool"]),
        ({"x": False}, []),
        ({"x": "1"}, ["text"]),
        ({"x": None}, ["null"]),
        ({"y": None}, []),
        ({"x": {"in": [1, "1", None]}}, ["float", "int", "list", "null", "text"]),
        ({"x": {"in": []}}, []),
        ({"x": {"gt": 0}}, ["float", "int", "list"]),
        ({"x": {"gte": 2, "lt": 3}}, ["list"]),
        ({"x": {"gt": 1, "lt": 2}}, []),
        ({"x": {"gte": ""}}, ["text"]),
        ({"x": {"prefix": ""}}, ["text"]),
        ({"x": {"prefix": "1"}}, ["text"]),
        ({"x": {"prefix": "%"}}, []),
        ({"x": {"exists": True}}, ["bool", "float", "int", "list", "null", "text"]),
        ({"z": {"exists": False}}, ["bool", "float", "int", "null", "text"]),
        ({"x": {"not": 1}}, ["bool", "null", "text"]),
        ({"y": {"not": 1}}, ["bool", "float", "int", "list", "null", "text"]),
        ({"x": {"exists": True, "not": {"gte": 0}}}, ["bool", "null", "text"]),
        ({"z": 1}, []),
        ({"z.x": 1}, ["list"]),
        ({"z..x": 1}, []),
        ({"dot.ted": "whole"}, ["int"]),
        ({"dot.ted": "inside"}, ["float"]),
        ({"x": 1, "kind": "whole"}, ["int"]),
        ({"x": '1" OR 1=1 --'}, []),
        ({'x" OR 1=1 --': 1}, []),
        ({"$.x": 1}, []),
        ({"": 1}, []),
        ({"x": 2**70}, []),
        ({"x": "half \ud800"}, []),
        ({"half \ud800": 1}, []),
    ],
)
def test_a_filter_compares_json_with_json(db: Connection, filter_: dict[str, Any], found: list[str]) -> None:
    """Numbers by value, true is not 1, and a field that is not there is not null."""
    put(db, "int", ["tea"], metadata={"x": 1, "kind": "whole", "dot.ted": "whole", "dot": {"ted": "inside"}})
    put(db, "float", ["tea"], metadata={"x": 1.0, "dot": {"ted": "inside"}})
    put(db, "bool", ["tea"], metadata={"x": True})
    put(db, "text", ["tea"], metadata={"x": "1"})
    put(db, "null", ["tea"], metadata={"x": None})
    put(db, "list", ["tea"], metadata={"x": [1, 2.5, [4]], "z": {"x": 1}})
    assert _found(db, Scope(None, filter_)) == found


@pytest.mark.parametrize(
    ("under", "found"),
    [
        ("/a/b", ["/a/b", "/a/b/c", "/a/b/c/d"]),
        ("/a/b/", ["/a/b", "/a/b/c", "/a/b/c/d"]),
        ("/a/b/c", ["/a/b/c", "/a/b/c/d"]),
        ("/a", ["/a/b", "/a/b/c", "/a/b/c/d", "/a/b0", "/a/bc"]),
        ("/", ["/a/b", "/a/b/c", "/a/b/c/d", "/a/b0", "/a/bc"]),
        ("/a/_", []),
        ("https://x", ["https://x/"]),
        ("notes", ["notes"]),
        ("half \ud800", []),
    ],
)
def test_a_folder_holds_whole_names(db: Connection, under: str, found: list[str]) -> None:
    """`/a/b` holds `/a/b/c` but not `/a/bc`, and no character in it means another."""
    for source in ("/a/b", "/a/bc", "/a/b0", "/a/b/c", "/a/b/c/d", "notes", "https://x/"):
        put(db, source, ["tea"])
    assert _found(db, Scope(under=under)) == found


def test_every_part_of_a_scope_counts(db: Connection) -> None:
    """Collections, kind, time and metadata each take away, and what is left fits them all."""
    put(db, "a", ["tea"], collection="one", metadata={"x": 1}, now=10.0)
    put(db, "b", ["tea", "milk"], collection="two", metadata={"x": 1}, now=20.0)
    put(db, "c", ["tea"], collection="three", metadata={"x": 2}, now=30.5)
    assert _found(db, Scope()) == ["a", "b", "b", "c"]
    assert _found(db, Scope("one")) == ["a"]
    assert _found(db, Scope(["one", "three", "nowhere"])) == ["a", "c"]
    assert _found(db, Scope("nowhere' OR 1=1 --")) == []
    assert _found(db, Scope(kind="text")) == ["a", "b", "b", "c"]
    assert _found(db, Scope(kind=["pdf", "code"])) == []
    assert _found(db, Scope(since=20)) == ["b", "b", "c"]
    assert _found(db, Scope(until=30.5)) == ["a", "b", "b"]
    assert _found(db, Scope(since="1970-01-01T00:00:15Z", until="1970-01-01T00:00:30Z")) == ["b", "b"]
    assert _found(db, Scope(("one", "two", "three"), {"x": 1}, since=15)) == ["b", "b"]


@pytest.mark.usefixtures("_size")
def test_a_collection_is_a_wall(db: Connection) -> None:
    """Nothing of another collection is found by either way."""
    put(db, "a", ["tea"], collection="one", vectors=axis(0))
    put(db, "b", ["tea"], collection="two", vectors=axis(0))
    for hits in (
        exact(db, axis(0), 10, Scope("two")),
        by_words.by_words(db, "tea", 10, Scope("two"), 1, 1),
    ):
        assert [passage.source for passage in citing.passages(db, [hit for hit, _ in hits])] == ["b"]
    assert exact(db, axis(0), 10, Scope("nowhere")) == []
    assert by_words.by_words(db, "tea", 10, Scope("nowhere"), 1, 1) == []


@pytest.mark.usefixtures("_size")
def test_a_scope_is_applied_before_the_nearest_are_chosen(db: Connection) -> None:
    """k passages are found within it although none of them is among the k nearest of all."""
    put(db, "near", ["tea"] * 300, vectors=axis(0) * 300)
    put(db, "far", ["milk"] * 20, metadata={"far": True}, vectors=tilted(1, 0.1) * 20)
    hits = exact(db, axis(0), 10, Scope(None, {"far": True}))
    assert len(hits) == 10
    assert {round(cosine, 4) for _, cosine in hits} == {0.1}
    words = by_words.by_words(db, "tea milk", 10, Scope(None, {"far": True}), 1, 1)
    assert len(words) == 10


def test_both_ways_refuse_what_is_no_filter(db: Connection) -> None:
    """A filter that is silently ignored would answer from the wrong documents."""
    wrong = Scope(None, {"colour": [1]})
    with pytest.raises(FilterInvalid, match="colour"):
        exact(db, axis(0), 1, wrong)
    with pytest.raises(FilterInvalid, match="colour"):
        by_words.by_words(db, "tea", 1, wrong, 1, 1)


def test_a_field_that_no_document_has_is_told_with_what_may_be_meant(db: Connection) -> None:
    """A typing mistake and a field that is nowhere; not a field that is there with other values, or null."""
    put(db, "a", ["tea"], metadata={"year": 2024, "from": {"name": "x"}, "none": None, "\ud800": 1})
    wanted = {"yaer": 1, "Year": {"gt": 1}, "year": 1, "from.name": "y", "from.nane": 1, "none": 1, "zz": 1}
    assert scope.unknown_fields(db, Scope(None, wanted)) == {
        "Year": "year",
        "from.nane": "from",
        "yaer": "year",
        "zz": None,
    }
    assert scope.unknown_fields(db, Scope("nowhere", {"year": {"not": 2024}})) == {}
    assert scope.unknown_fields(db, Scope(None, {"'": {"exists": False}, '"': 1})) == {"'": None, '"': None}


def test_what_no_document_fits_is_told_part_by_part(db: Connection) -> None:
    """Each part is looked at alone: what only together fits nothing is no mistake."""
    put(db, "/a/b", ["tea"], collection="one", metadata={"year": 2024})
    put(db, "/c", ["tea"], collection="two")
    assert scope.fitting_none(db, Scope()) == []
    assert scope.fitting_none(db, Scope("one", {"year": 2024}, "/c", "text", 0)) == []
    nowhere = Scope(["on", "tow"], {"year": 2025}, "a/b", "pdf", "2200-01-01", 1)
    assert scope.fitting_none(db, nowhere) == ["collection", "filter", "under", "kind", "since", "until"]


def test_what_was_found_spares_a_look_at_all_documents(db: Connection, monkeypatch: Any) -> None:
    """Only a field that is denied, and that no hit has, is looked for in every document."""
    first = {"year": 2024, "from": {"name": "x"}}
    put(db, "a", ["tea"], metadata=first)
    put(db, "b", ["tea"], metadata={"by": "x"})
    looked: list[str] = []
    is_known = scope._is_known

    def look(db: Connection, field: str) -> bool:
        looked.append(field)
        return is_known(db, field)

    monkeypatch.setattr(scope, "_is_known", look)

    wanted: dict[str, Any] = {"year": 2024, "yaer": {"not": 1}, "from.name": {"not": "y"}, "by": {"not": "x"}}

    assert scope.unknown_fields(db, Scope(None, wanted), [first]) == {"yaer": "year"}
    assert looked == ["by", "yaer"]


def _plan(db: Connection, sql: str, bindings: Sequence[str]) -> list[str]:
    return [row[-1] for row in all_rows(db, f"EXPLAIN QUERY PLAN {sql}", bindings)]


_MANY = Scope(["one", "two"], {"x": 1, "a.b": {"gt": 1, "not": 3}}, "/a", "pdf", 0, "2026-01-01")


def test_no_passage_is_looked_at_that_is_not_asked_about(db: Connection, monkeypatch: Any) -> None:
    """Holding found passages against a scope never reads all passages: each is looked up by its number."""
    asked: list[list[str]] = []

    def explain(db: Connection, sql: str, bindings: Sequence[str]) -> list[Any]:
        asked.append(_plan(db, sql, bindings))
        return []

    monkeypatch.setattr(scope, "all_rows", explain)
    scope.holds(db, _MANY, [1, 2, 3])
    (plan,) = asked
    assert "SEARCH chunks USING INTEGER PRIMARY KEY (rowid=?)" in plan
    assert "SEARCH documents USING INTEGER PRIMARY KEY (rowid=?)" in plan
    assert not [step for step in plan if step.startswith(("SCAN chunks", "SCAN documents"))]


@pytest.mark.parametrize("wanted", [_MANY, Scope("one"), Scope(None, {"x": 1})])
def test_passages_are_listed_by_document_from_an_index(db: Connection, wanted: Scope) -> None:
    """Documents are decided on first, once each, and their passages come out of an index alone."""
    plan = _plan(db, *scope.chunk_ids(wanted))
    assert plan[0] == "MATERIALIZE within"
    assert "SEARCH chunks USING COVERING INDEX sqlite_autoindex_chunks_1 (document_id=?)" in plan


def test_a_collection_and_a_folder_are_found_by_their_index(db: Connection) -> None:
    """Neither reads every document."""
    collection = _plan(db, *scope.chunk_ids(Scope("one")))
    assert "SEARCH documents USING COVERING INDEX documents_by_collection (collection_id=?)" in collection
    folder = _plan(db, *scope.chunk_ids(Scope(under="/a")))
    assert "SEARCH documents USING COVERING INDEX documents_by_source (source>? AND source<?)" in folder


_TEXTS = st.sampled_from(
    ["", "1", "10", "true", "null", "é", "\u20ac", "e\u0301", "\ud800", "\0", "a'b", '"', "\\"]
)
_NUMBERS = st.one_of(
    st.integers(-3, 3), st.sampled_from([0.0, -0.0, 1.0, 2.5, -1.5, 1e300, 2**53 + 1, 2**63, 2**70, -(2**63)])
)
_SCALARS = st.one_of(st.none(), st.booleans(), _NUMBERS, _TEXTS)
_NAMES = st.sampled_from(
    ["a", "b", "a.b", "b.a", "a.b.a", "$", "$.a", "", ".", "a.", 'q"', "\\", "#", "[0]", "é", "\ud800"]
)
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(["a", "b", "", "é"]), inner, max_size=2)
    ),
    max_leaves=4,
)
_METADATA = st.dictionaries(_NAMES, _VALUES, max_size=4)
_IN = st.fixed_dictionaries({"in": st.lists(_SCALARS, max_size=3)})
_COMPARED = st.one_of(
    st.dictionaries(st.sampled_from(["gt", "gte", "lt", "lte"]), _NUMBERS, min_size=1, max_size=2),
    st.dictionaries(st.sampled_from(["gt", "gte", "lt", "lte", "prefix"]), _TEXTS, min_size=1, max_size=2),
)
_TESTS = st.one_of(_IN, _COMPARED, st.builds(lambda a, b: {**a, **b}, _IN, _COMPARED))
_WANTED = st.one_of(
    _SCALARS,
    _TESTS,
    st.fixed_dictionaries({"exists": st.booleans()}),
    st.fixed_dictionaries({"not": st.one_of(_SCALARS, _TESTS)}),
    st.builds(lambda tests, exists: {**tests, "not": 1, "exists": exists}, _TESTS, st.booleans()),
)
_FILTERS = st.dictionaries(_NAMES, _WANTED, max_size=3)


def _value(field: str, metadata: dict[str, Any]) -> list[Any]:
    """What the field holds, as a list of one; empty when it is not there."""
    if field in metadata:
        return [metadata[field]]
    inside: Any = metadata
    for part in field.split("."):
        if not isinstance(inside, dict) or part not in inside:
            return []
        inside = inside[part]
    return [inside]


def _number(value: Any) -> Any:
    """Integers beyond 64 bits are what SQLite reads them as."""
    wide = isinstance(value, int) and not -(2**63) <= value < 2**63
    return float(value) if wide else value


def _alike(has: object, wanted: object) -> bool:
    """Both are numbers or both are texts; a bool is no number."""
    number = [isinstance(each, (int, float)) and not isinstance(each, bool) for each in (has, wanted)]
    return all(number) or (isinstance(has, str) and isinstance(wanted, str))


def _bytes(value: Any) -> Any:
    """Texts go by their code points, which is the order of their bytes."""
    return value.encode("utf-8", "surrogatepass") if isinstance(value, str) else _number(value)


def _passes(has: Any, name: str, wanted: Any) -> bool:
    if name == "in":
        return any(_passes(has, "is", each) for each in wanted)
    if not _alike(has, wanted):
        return name == "is" and has is wanted
    left, right = _bytes(has), _bytes(wanted)
    if name == "prefix":
        return bool(left.startswith(right))
    results: dict[str, bool] = {
        "is": left == right,
        "gt": left > right,
        "gte": left >= right,
        "lt": left < right,
        "lte": left <= right,
    }
    return results[name]


def _conditions(wanted: Any, found: list[Any]) -> Iterator[bool]:
    tests = wanted if isinstance(wanted, dict) else {"in": [wanted]}
    values = found[0] if found and isinstance(found[0], list) else found
    plain = {name: tests[name] for name in tests if name not in ("exists", "not")}
    if plain:
        yield any(all(_passes(has, name, plain[name]) for name in plain) for has in values)
    if "exists" in tests:
        yield bool(found) is tests["exists"]
    if "not" in tests:
        yield not all(_conditions(tests["not"], found))


def _matches(metadata: dict[str, Any], filter_: dict[str, Any]) -> bool:
    return all(holds for field in filter_ for holds in _conditions(filter_[field], _value(field, metadata)))


def _database(many: Sequence[dict[str, Any]]) -> Connection:
    db = Connection(":memory:")
    connection.apply(db, connection.EVERY_CONNECTION, StoreSettings())
    migrations.migrate(db)
    identity.claim_fingerprint(db, FINGERPRINT)
    for number, metadata in enumerate(many):
        put(db, str(number), ["tea"], metadata=metadata)
    return db


@settings(max_examples=150)
@given(st.lists(_METADATA, min_size=1, max_size=6), st.lists(_FILTERS, min_size=1, max_size=6))
@example([{"a": {"b": 1}, "a.b": [1, "x"]}, {"a": {"b": 1}}], [{"a.b": {"gte": 1}}, {"a": {"exists": True}}])
def test_sql_and_python_agree_on_every_filter(
    many: list[dict[str, Any]], asked: list[dict[str, Any]]
) -> None:
    """The plain meaning, written down a second time, picks the same documents."""
    db = _database(many)
    for filter_ in asked:
        wanted = [str(number) for number, metadata in enumerate(many) if _matches(metadata, filter_)]
        assert _found(db, Scope(None, filter_)) == wanted
    db.close()


_JSON = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.sampled_from(["in", "not"])
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.one_of(st.text(max_size=3), st.sampled_from(["in", "not", "gt", "lte", "prefix", "exists"])),
            inner,
            max_size=3,
        ),
    ),
    max_leaves=8,
)


@settings(max_examples=150)
@given(
    st.lists(
        st.builds(Scope, _JSON, st.dictionaries(st.text(), _JSON, max_size=3), _JSON, _JSON, _JSON, _JSON),
        max_size=10,
    ),
    st.lists(st.dictionaries(st.text(), _JSON, max_size=3), max_size=10),
)
def test_whatever_is_asked_is_answered_or_refused(scopes: list[Scope], filters: list[dict[str, Any]]) -> None:
    """No JSON, in any place of a scope, is another error than a filter that is not understood."""
    db = _database([{"a": 1, "in": [1], "not": {"gt": "x"}}, json.loads("{}")])
    for each in (*scopes, *(Scope(None, filter_) for filter_ in filters)):
        try:
            _found(db, each)
        except FilterInvalid as error:
            assert error.hint
    db.close()
