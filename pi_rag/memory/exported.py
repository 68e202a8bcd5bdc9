"""One line of an export of memory: written, and read again with nothing of it believed unseen. Pure.

A line is a memory with all that is kept of it but words, vectors and numbers of other tables; its session and
its document stand in it by their names, so that a line can be taken anywhere. Whose word it is may be
claimed by a line as far as whoever brings it is trusted, and no further.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, get_args

from pi_rag.config import RememberSettings
from pi_rag.errors import RequestInvalid
from pi_rag.memory import checking
from pi_rag.memory.scopes import allowed
from pi_rag.memory_types import TRUSTS, Caller, FactKind, Gone, Memory, MemoryType, Trust

VERSION: Final = 1
MARK: Final = "pi_rag_memory_export"

_LEFT_OUT: Final = frozenset({"session_id", "document_id", "superseded_by", "uid", "entities"})
"""What means nothing elsewhere, or follows from the rest."""


@dataclass(frozen=True, slots=True)
class Around:
    """The session of a memory, as far as it goes along."""

    title: str
    started_at: float
    ended_at: float | None


@dataclass(frozen=True, slots=True)
class Brought:
    """A memory that a line holds."""

    memory: Memory
    """Without an id of this place; `supersedes` is the number that it has in the file."""
    id: int
    """The number that it has in the file."""
    session: Around | None
    pinned_by: Trust | None = None
    """How far whoever pinned it is trusted, and no further than whoever brings it."""
    is_dated: bool = False
    """The line says when it was stored, and that can be true here: none of another time is the same."""


def head() -> bytes:
    """The first line."""
    return _line({MARK: VERSION})


def end(after: int | None) -> bytes:
    """The last line: where the next answer goes on; None: there is no more."""
    return _line({MARK: VERSION, "next": after})


def line(memory: Memory, session: Around | None, pinned_by: Trust | None = None) -> bytes:
    """The line of one memory."""
    told = {name: getattr(memory, name) for name in Memory.__slots__ if name not in _LEFT_OUT}
    if pinned_by is not None:
        told["pinned_by"] = pinned_by
    if session is not None:
        told["session"] = {name: getattr(session, name) for name in Around.__slots__}
    return _line(told)


def brought(told: Mapping[str, Any], settings: RememberSettings, caller: Caller, now: float) -> Brought:
    """What a line holds. Raises RequestInvalid, ScopeInvalid, ScopeForbidden, MemoryTooLong."""
    it = _Told(told)
    type_ = it.one_of("type", get_args(MemoryType))
    is_event = type_ == "event"
    chars_max = settings.event_chars_max if is_event else settings.fact_chars_max
    setting = "remember.event_chars_max" if is_event else "remember.fact_chars_max"
    stored_at = it.time("created_at")
    created_at = min(stored_at or now, now)
    gone = it.one_of("gone", (*get_args(Gone), None))
    memory = Memory(
        id=0,
        type=type_,
        scope=allowed(caller, [it.text("scope")])[0],
        kind=it.one_of("kind", get_args(FactKind))
        if type_ == "fact"
        else checking.sound_kind(it.text("kind")),
        text=checking.sound_text(it.text("text"), chars_max, setting),
        topic=checking.sound_topic(it.maybe_text("topic")),
        importance=it.share("importance", 0.5),
        confidence=it.share("confidence", 1.0),
        tags=checking.sound_tags(it.texts("tags")),
        pinned=bool(told.get("pinned", False)),
        trust=min(it.one_of("trust", TRUSTS), caller.door, key=TRUSTS.index),
        at=_or(it.time("at"), created_at),
        valid_to=it.time("valid_to"),
        expires_at=it.time("expires_at"),
        created_at=created_at,
        gone_at=_or(it.time("gone_at"), now) if gone else None,
        gone=gone,
        supersedes=it.number("supersedes"),
        superseded_by=None,
        revision=it.number("revision") or 1,
        session_id=None,
        seq=it.number("seq"),
        door=caller.door,
        uid=caller.uid,
        client=caller.client,
        document_id=None,
        source=it.maybe_text("source"),
        repeats=it.number("repeats") or 0,
        last_said_at=_or(it.time("last_said_at"), created_at),
        uses=it.number("uses") or 0,
        used_at=it.time("used_at"),
    )
    return Brought(
        _as_said(memory, it, caller),
        it.number("id") or 0,
        _around(told.get("session")),
        _pinned_by(memory, it, caller),
        stored_at == created_at,
    )


def _as_said(memory: Memory, it: _Told, caller: Caller) -> Memory:
    """A person brings back who said it; what an agent brings is the agent's word."""
    if caller.door != "person":
        return memory
    return replace(memory, door=it.one_of("door", ("agent", "person")), client=it.text("client")[:100])


def _pinned_by(memory: Memory, it: _Told, caller: Caller) -> Trust | None:
    """Where the line does not say who has pinned it: whose word it is."""
    named: Trust | None = it.one_of("pinned_by", (*TRUSTS, None))
    return min(named or memory.trust, caller.door, key=TRUSTS.index) if memory.pinned else None


def _around(told: object) -> Around | None:
    if told is None:
        return None
    if not isinstance(told, Mapping):
        raise RequestInvalid("session is no object.", param="session")
    it = _Told(told)
    started_at = it.time("started_at")
    if started_at is None:
        raise RequestInvalid("session has no started_at.", param="session")
    return Around(checking.sound_title(it.text("title")), started_at, it.time("ended_at"))


class _Told:
    """The fields of a line, each asked for by what it must be."""

    def __init__(self, told: Mapping[str, Any]) -> None:
        self._told = told

    def one_of(self, name: str, values: tuple[Any, ...]) -> Any:
        value = self._told.get(name)
        if isinstance(value, (str, type(None))) and value in values:
            return value
        raise RequestInvalid(f"{name} is none of {', '.join(map(str, values))}.", param=name)

    def text(self, name: str) -> str:
        value = self._told.get(name)
        if not isinstance(value, str):
            raise RequestInvalid(f"{name} is no text.", param=name)
        if not value.isascii() and any("\ud800" <= char <= "\udfff" for char in value):
            raise RequestInvalid(f"{name} has half a character, which cannot be kept.", param=name)
        return value

    def maybe_text(self, name: str) -> str | None:
        return None if self._told.get(name) is None else self.text(name)

    def texts(self, name: str) -> list[str]:
        value = self._told.get(name, [])
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise RequestInvalid(f"{name} is no list of texts.", param=name)
        return value

    def number(self, name: str) -> int | None:
        value = self._told.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**62:
            raise RequestInvalid(f"{name} is no number from 0 on.", param=name)
        return value

    def time(self, name: str) -> float | None:
        value = self._told.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise RequestInvalid(f"{name} is no time in seconds.", param=name)
        checking.moment(value, name)  # as it came: a whole number may be larger than any float
        return float(value)

    def share(self, name: str, default: float) -> float:
        value = self._told.get(name, default)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise RequestInvalid(f"{name} is no number.", param=name)
        checking.share(value, name)
        return float(value)


def _or(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else value


def _line(told: Mapping[str, Any]) -> bytes:
    return json.dumps(told, ensure_ascii=False).encode() + b"\n"
