"""One line of an export, written and read again."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pi_rag.config import RememberSettings
from pi_rag.errors import BadInput
from pi_rag.memory import exported
from pi_rag.memory.exported import Around
from pi_rag.memory_types import Caller, Memory
from tests.store.memory.keeping import fact

NOW = 5000.0
PERSON = Caller("person", 7, "importer")
FULL = replace(
    fact("The boiler is off", "boiler"),
    id=12,
    tags=("home",),
    pinned=True,
    valid_to=9000.0,
    gone="superseded",
    gone_at=2000.0,
    supersedes=4,
    revision=3,
    repeats=2,
    uses=5,
    used_at=1500.0,
    source="/srv/a.md",
    door="agent",
    client="agent/1",
)


def told(memory: Memory, session: Around | None = None) -> dict[str, Any]:
    line: dict[str, Any] = json.loads(exported.line(memory, session))
    return line


def brought(line: dict[str, Any], caller: Caller = PERSON) -> exported.Brought:
    return exported.brought(line, RememberSettings(), caller, NOW)


def test_a_memory_comes_back_as_it_was() -> None:
    """All that is kept of it goes along, but what means nothing elsewhere."""
    session = Around("Boiler", 900.0, None)

    it = brought(told(FULL, session))

    assert it.memory == replace(FULL, id=0, uid=7)
    assert (it.id, it.session) == (12, session)


def test_nobody_brings_more_trust_than_is_put_in_him() -> None:
    """A line that claims a person's word is an agent's when an agent brings it, and is signed by that."""
    it = brought(told(replace(FULL, trust="person")), Caller("agent", 7, "evil/1")).memory

    assert (it.trust, it.door, it.client) == ("agent", "agent", "evil/1")
    assert brought(told(replace(FULL, trust="web"))).memory.trust == "web"


@pytest.mark.parametrize(
    "changed",
    [
        {"type": "thought"}, {"type": ["fact"]}, {"scope": "everybody"}, {"scope": 1}, {"kind": "rumour"},
        {"text": " "}, {"text": "x" * 4001}, {"text": None}, {"tags": "home"}, {"tags": [1]},
        {"importance": 2}, {"importance": True}, {"confidence": "high"}, {"trust": "god"},
        {"client": "\ud800"}, {"source": "a\udfff"}, {"topic": "\ud800"},
        {"at": "now"}, {"at": 1e300}, {"at": 10**309}, {"importance": 10**309}, {"confidence": -(10**309)},
        {"at": float("nan")}, {"gone": "away"}, {"repeats": -1}, {"uses": 2**70}, {"seq": 1.5},
        {"topic": "a/*"}, {"session": []}, {"session": {"title": "x"}}, {"door": "window"}, {"client": 3},
    ],
    ids=str,
)  # fmt: skip
def test_what_is_wrong_with_a_line_is_said(changed: dict[str, Any]) -> None:
    """A field that is not what it must be refuses the line, by its name."""
    with pytest.raises(BadInput):
        brought(told(FULL) | changed)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)


@given(st.dictionaries(st.sampled_from([*told(FULL, Around("x", 1.0, 2.0)), "other"]), JSON, max_size=4))
def test_any_line_is_taken_or_refused(changed: dict[str, Any]) -> None:
    """Whatever stands in a field, the line is a sound memory or bad input, and nothing else is raised."""
    try:
        it = brought(told(FULL) | changed).memory
    except BadInput:
        return
    assert it.text.strip() and 0 <= it.importance <= 1 and it.created_at <= NOW


def test_the_ends_say_what_it_is() -> None:
    """The first line names the format, the last where to go on."""
    assert json.loads(exported.head()) == {"pi_rag_memory_export": 1}
    assert json.loads(exported.end(7)) == {"pi_rag_memory_export": 1, "next": 7}
