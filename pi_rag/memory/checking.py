"""What may be kept: lengths, numbers and times of what a guest sends, whichever door it came by. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from pi_rag.config import RememberSettings
from pi_rag.errors import MemoryTooLong, RequestInvalid, TimeInFuture
from pi_rag.memory_types import NewEvent, NewFact

TOPIC_CHARS_MAX, TAG_CHARS_MAX, TAGS_MAX, KIND_CHARS_MAX, TITLE_CHARS_MAX, KEY_CHARS_MAX = (
    200,
    100,
    32,
    40,
    200,
    200,
)

AT_S_MIN, AT_S_MAX = -62_135_596_800, 253_402_300_799
"""The years 1 to 9999."""


def sound_fact(fact: NewFact, settings: RememberSettings, now: float) -> NewFact:
    """The same fact, its words tidied. Raises MemoryTooLong, RequestInvalid."""
    for name in ("importance", "confidence"):
        share(getattr(fact, name), name)
    for name in ("valid_from", "valid_to", "expires_at"):
        moment(getattr(fact, name), name)
    start = now if fact.valid_from is None else fact.valid_from
    if fact.valid_to is not None and fact.valid_to <= start:
        hint = "Of what is over say both: valid_from and valid_to." if fact.valid_from is None else None
        raise RequestInvalid("valid_to is not after valid_from.", hint=hint, param="valid_to")
    if fact.expires_at is not None and fact.expires_at <= now:
        raise RequestInvalid("expires_at has passed already.", param="expires_at")
    text = sound_text(fact.text, settings.fact_chars_max, "remember.fact_chars_max")
    _key(fact.key)
    return replace(fact, text=text, topic=sound_topic(fact.topic), tags=sound_tags(fact.tags))


def sound_event(event: NewEvent, settings: RememberSettings, now: float) -> NewEvent:
    """The same event, its words tidied. Raises MemoryTooLong, RequestInvalid, TimeInFuture."""
    moment(event.at, "at")
    if event.at is not None and event.at > now + settings.future_s_max:
        raise TimeInFuture(f"It would happen in {event.at - now:.0f} s from now.", param="at")
    text = sound_text(event.text, settings.event_chars_max, "remember.event_chars_max")
    _key(event.key)
    kind = sound_kind(event.kind)
    return replace(event, text=text, kind=kind, tags=sound_tags(event.tags))


def sound_text(text: str, chars_max: int, setting: str) -> str:
    """The text without space around it. Raises RequestInvalid for none, MemoryTooLong."""
    _encodable(text, "text")
    text = text.strip()
    if not text:
        raise RequestInvalid("There is no text in it.", param="text")
    if len(text) > chars_max:
        raise MemoryTooLong(f"{len(text)} characters; {setting} is {chars_max}.", param="text")
    return text


def sound_topic(topic: str | None) -> str | None:
    """A topic with single spaces. Raises RequestInvalid, also for one that would mean all beneath it."""
    if topic is None:
        return None
    topic = _words(topic, TOPIC_CHARS_MAX, "topic")
    if topic.endswith("/*"):
        raise RequestInvalid("A topic with /* at its end means all topics beneath it.", param="topic")
    return topic


def sound_kind(kind: str) -> str:
    """A word for what an event was. Raises RequestInvalid."""
    return _words(kind, KIND_CHARS_MAX, "kind")


def sound_tags(tags: Iterable[str]) -> tuple[str, ...]:
    """Each tag once, in their order. Raises RequestInvalid."""
    tidy = tuple(dict.fromkeys(_words(tag, TAG_CHARS_MAX, "tags") for tag in tags))
    if len(tidy) > TAGS_MAX:
        raise RequestInvalid(f"{len(tidy)} tags; there may be {TAGS_MAX}.", param="tags")
    return tidy


def sound_title(title: str) -> str:
    """A session's title; it may be empty. Raises RequestInvalid."""
    return _words(title, TITLE_CHARS_MAX, "title") if title.strip() else ""


def share(number: float, name: str) -> None:
    """Raises RequestInvalid for what is not from 0 to 1."""
    if not 0 <= number <= 1:
        raise RequestInvalid(f"{name} is {number}; it must be from 0 to 1.", param=name)


def moment(at: float | None, name: str) -> None:
    """Raises RequestInvalid for a time in no year from 1 to 9999."""
    if at is not None and not AT_S_MIN <= at <= AT_S_MAX:
        raise RequestInvalid(f"{name} is in no year from 1 to 9999: numbers are seconds.", param=name)


def _words(given: str, chars_max: int, name: str) -> str:
    _encodable(given, name)
    tidy = " ".join(given.split())
    if not 0 < len(tidy) <= chars_max:
        raise RequestInvalid(f"{name} must have from 1 to {chars_max} characters.", param=name)
    return tidy


def _key(key: str | None) -> None:
    if key is not None:
        _encodable(key, "key")
        if not 0 < len(key) <= KEY_CHARS_MAX:
            raise RequestInvalid(f"key must have from 1 to {KEY_CHARS_MAX} characters.", param="key")


def _encodable(given: str, name: str) -> None:
    """Half of a pair of surrogates is no character, and no database takes it."""
    try:
        given.encode()
    except UnicodeEncodeError:
        raise RequestInvalid(
            f"{name} has half a character in it: it is no valid Unicode.", param=name
        ) from None
