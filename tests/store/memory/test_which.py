"""Which memories are meant: every condition narrows, and a page follows the last."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from pi_rag.memory_types import Which
from pi_rag.store import Connection
from pi_rag.store.memory import memories, sessions, which
from tests.store.memory.keeping import fact, keep
from tests.store.memory.test_erasing import CALLER


@pytest.fixture
def four(db: Connection) -> list[int]:
    """Four that differ in everything that can be asked for."""
    session_id = sessions.start(db, "user", "", CALLER, 1.0)
    plain = fact("one", topic="home/wifi")
    other = dataclasses.replace(
        plain, type="event", kind="tool", topic=None, session_id=session_id, seq=1, client="other/1"
    )
    return [
        keep(db, plain),
        keep(db, other),
        keep(db, dataclasses.replace(plain, topic="home/wifi/pass", tags=("hot", "x"), created_at=2000.0)),
        keep(db, dataclasses.replace(plain, scope="agent:a", topic="homes", expires_at=50.0)),
    ]


@pytest.mark.parametrize(
    ("asked", "places"),
    [
        ({}, [0, 1, 2, 3]),
        ({"ids": (1, 3, 99)}, [0, 2]),
        ({"scope": "agent:a"}, [3]),
        ({"scope": "agent:none"}, []),
        ({"type": "event"}, [1]),
        ({"kind": "tool"}, [1]),
        ({"client": "other/1"}, [1]),
        ({"session_id": 1}, [1]),
        ({"topic": "home/wifi"}, [0]),
        ({"topic": "home/*"}, [0, 2]),
        ({"tag": "hot"}, [2]),
        ({"tag": "ho"}, []),
        ({"before": 2000.0}, [0, 1, 3]),
        ({"since": 2000.0}, [2]),
        ({"expired": True}, [3]),
        ({"topic": "home/*", "tag": "hot", "scope": "user"}, [2]),
    ],
)
def test_each_condition_narrows(
    db: Connection, four: list[int], asked: dict[str, Any], places: list[int]
) -> None:
    """All of them must hold."""
    wanted = [four[place] for place in places]
    assert which.matching(db, Which(**asked), None, 100.0) == wanted
    found = which.listing(db, Which(**asked), None, 100.0, limit=9)
    assert [each.id for each in found] == wanted[::-1]


def test_nothing_out_of_the_callers_scopes_is_meant(db: Connection, four: list[int]) -> None:
    """Not even by its number or by the name of its scope."""
    assert which.matching(db, Which(), ("agent:a",), 1.0) == [four[3]]
    assert which.matching(db, Which(ids=tuple(four)), ("agent:a",), 1.0) == [four[3]]
    assert which.matching(db, Which(scope="user"), ("agent:a",), 1.0) == []
    assert which.matching(db, Which(all=True), (), 1.0) == []


def test_what_is_gone_is_listed_apart(db: Connection, four: list[int]) -> None:
    """Whatever the reason."""
    memories.put_away(db, four[:2], "evicted", 5.0)
    assert which.matching(db, Which(), None, 1.0) == four[2:]
    assert which.matching(db, Which(), None, 1.0, gone=True) == four[:2]


def test_pages_follow_one_another(db: Connection, four: list[int]) -> None:
    """Each begins below the last of the one before."""
    first = which.listing(db, Which(), None, 1.0, limit=3)
    rest = which.listing(db, Which(), None, 1.0, limit=3, after=first[-1].id)
    assert [each.id for each in (*first, *rest)] == four[::-1]
