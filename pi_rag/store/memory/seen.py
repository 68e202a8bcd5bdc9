"""Which memories a recall may answer from, said in SQL: in scope, in force, and true at the time asked about.

What was superseded or evicted since is seen by a question about the past; what was forgotten is not, whatever
is asked. It knows neither words nor vectors.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pi_rag.memory_types import MemoryType
from pi_rag.store.memory import scopes
from pi_rag.store.memory.scopes import Scopes

Condition = tuple[str, list[Any]]
"""A piece of SQL about a row of `memories`, and its bindings."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a question is about, beside its words."""

    scopes: Scopes
    types: tuple[MemoryType, ...]
    now: float
    """Unix seconds, as all times here."""
    as_of: float | None = None
    since: float | None = None
    until: float | None = None
    kind: str | None = None
    topic: str | None = None
    """This topic, or with a `/*` at its end all beneath."""
    tag: str | None = None


def condition(seen: Seen) -> Condition:
    """What must hold of a row of `memories`."""
    every = list(_conditions(seen))
    return " AND ".join(sql for sql, _ in every), [each for _, bindings in every for each in bindings]


def of_a_part(seen: Seen, part_id: str) -> Condition:
    """The same of the memory that the part with the number in the column `part_id` belongs to."""
    wanted, bindings = condition(seen)
    # Looked at for each row that is found. To list all parts in scope first costs more: few are ranked.
    sql = f"""
        EXISTS (
            SELECT 1 FROM memory_parts CROSS JOIN memories ON memories.id = memory_parts.memory_id
            WHERE memory_parts.id = {part_id} AND {wanted}
        )
    """
    return sql, bindings


def _conditions(seen: Seen) -> Iterator[tuple[str, Sequence[Any]]]:
    yield scopes.within(seen.scopes, "memories.scope_id")
    yield "memories.type IN (SELECT value FROM json_each(?))", [json.dumps(seen.types)]
    yield _in_force(seen.as_of)
    when = seen.now if seen.as_of is None else seen.as_of
    # A fact is not true before it begins; one that was to begin at once is true, wherever the clock jumped.
    yield "(type <> 'fact' OR at <= ? OR at <= created_at)", [when]
    yield "(valid_to IS NULL OR valid_to > ?) AND (expires_at IS NULL OR expires_at > ?)", [when, when]
    if seen.since is not None:
        yield "at >= ?", [seen.since]
    if seen.until is not None:
        yield "at < ?", [seen.until]
    if seen.kind is not None:
        yield "kind = ?", [seen.kind]
    if seen.topic is not None:
        yield on_topic(seen.topic)
    if seen.tag is not None:
        yield "EXISTS (SELECT 1 FROM json_each(tags) WHERE value = ?)", [seen.tag]


def _in_force(as_of: float | None) -> tuple[str, Sequence[Any]]:
    if as_of is None:
        return "gone IS NULL", []
    known = "created_at <= ? AND at <= ?"
    return f"{known} AND (gone IS NULL OR (gone <> 'forgotten' AND gone_at > ?))", [as_of, as_of, as_of]


def on_topic(topic: str) -> tuple[str, tuple[Any, ...]]:
    """One topic, or with `/*` at its end all beneath it: those that begin with all before the star."""
    if not topic.endswith("/*"):
        return "topic = ?", (topic,)
    beneath = topic[:-1]
    return "topic > ? AND topic < ?", (beneath, beneath[:-1] + "0")  # "0" follows "/"
