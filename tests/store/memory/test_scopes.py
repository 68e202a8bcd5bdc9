"""Scopes: made once, kept apart."""

from __future__ import annotations

import pytest

from pi_rag.errors import ScopeFull
from pi_rag.memory_types import Caller
from pi_rag.store import Connection
from pi_rag.store.memory import scopes, sessions
from pi_rag.store.rows import all_rows

NOW = 1_800_000_000.0


def test_a_scope_is_made_once(db: Connection) -> None:
    """Who asks for it again gets the same number."""
    first = scopes.ensure(db, "user")
    assert scopes.ensure(db, "user") == first == scopes.find(db, "user")
    assert scopes.find(db, "project:no") is None
    assert scopes.ensure(db, "agent:a") != first
    assert scopes.names(db) == ("agent:a", "user")


def test_there_are_no_more_scopes_than_may_be(db: Connection) -> None:
    """One that is there is claimed as often as one likes; what holds nothing does not count, nor `user`."""
    caller = Caller("agent", 1000, "claude/1")
    first = scopes.claim(db, "agent:a", 1, NOW)
    other = scopes.claim(db, "agent:b", 1, NOW)
    session = sessions.start(db, "agent:b", "", caller, NOW)
    with pytest.raises(ScopeFull, match="project:new"):
        scopes.claim(db, "project:new", 1, NOW)
    assert scopes.claim(db, "agent:b", 1, NOW) == other != first
    assert scopes.claim(db, "user", 1, NOW) > other
    assert scopes.find(db, "agent:a") is None, "it was given back"
    sessions.end(db, session, NOW)
    assert scopes.claim(db, "project:new", 1, NOW)
    assert scopes.names(db) == ("project:new",)


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
