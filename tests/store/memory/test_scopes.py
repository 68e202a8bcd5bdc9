"""Scopes: made once, kept apart."""

from __future__ import annotations

import pytest

from pi_rag.errors import ScopeFull
from pi_rag.store import Connection
from pi_rag.store.memory import scopes
from pi_rag.store.rows import all_rows


def test_a_scope_is_made_once(db: Connection) -> None:
    """Who asks for it again gets the same number."""
    first = scopes.ensure(db, "user")
    assert scopes.ensure(db, "user") == first == scopes.find(db, "user")
    assert scopes.find(db, "project:no") is None
    assert scopes.ensure(db, "agent:a") != first
    assert scopes.names(db) == ("agent:a", "user")


def test_there_are_no_more_scopes_than_may_be(db: Connection) -> None:
    """One that is there is claimed as often as one likes."""
    first = scopes.claim(db, "user", 1)
    with pytest.raises(ScopeFull, match="project:new"):
        scopes.claim(db, "project:new", 1)
    assert scopes.claim(db, "user", 1) == first
    assert scopes.names(db) == ("user",)


@pytest.mark.parametrize(
    ("among", "found"), [(None, ["a", "b"]), (("b",), ["b"]), (("b", "no"), ["b"]), ((), [])]
)
def test_a_condition_lets_only_its_scopes_through(
    db: Connection, among: tuple[str, ...] | None, found: list[str]
) -> None:
    """None is all there are; an empty one is none."""
    for name in ("a", "b"):
        scopes.ensure(db, name)
    condition, bindings = scopes.within(among, "id")
    sql = f"SELECT name FROM memory_scopes WHERE {condition} ORDER BY name"
    assert [row[0] for row in all_rows(db, sql, bindings)] == found
