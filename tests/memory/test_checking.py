"""What may be kept: lengths, numbers, times, and words that are words."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pi_rag.config import RememberSettings
from pi_rag.errors import BadInput, MemoryTooLong, RequestInvalid, TimeInFuture
from pi_rag.memory.checking import sound_event, sound_fact
from pi_rag.memory_types import NewEvent, NewFact
from tests.memory.making import NOW

SETTINGS = RememberSettings()
FACT, EVENT = NewFact("Mo is a cat."), NewEvent("It rained.")
HALF = "\ud800"


def test_words_are_tidied_and_the_text_is_left() -> None:
    """Only the space around a text goes; topics and tags are lines, each tag once."""
    given_ = replace(FACT, text="  Mo is\n a cat. ", topic=" pets /  cats ", tags=("a  b", " a b", "c"))

    assert sound_fact(given_, SETTINGS, NOW) == replace(
        FACT, text="Mo is\n a cat.", topic="pets / cats", tags=("a b", "c")
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"text": " \n"},
        {"text": f"half {HALF}"},
        {"topic": ""},
        {"topic": "home/*"},
        {"topic": "x" * 201},
        {"topic": HALF},
        {"tags": ("",)},
        {"tags": tuple(map(str, range(33)))},
        {"importance": -0.1},
        {"confidence": float("nan")},
        {"valid_from": float("inf")},
        {"valid_to": float("nan")},
        {"valid_to": NOW - 1},
        {"valid_from": NOW + 5, "valid_to": NOW + 5},
        {"expires_at": NOW},
        {"expires_at": 1e15},
        {"key": ""},
        {"key": "x" * 201},
    ],
)
def test_what_is_no_fact_is_refused(wrong: dict[str, Any]) -> None:
    """With the field that is at fault."""
    with pytest.raises(RequestInvalid) as refused:
        sound_fact(replace(FACT, **wrong), SETTINGS, NOW)

    assert refused.value.param in wrong


@pytest.mark.parametrize("wrong", [{"kind": ""}, {"kind": "x" * 41}, {"at": float("nan")}, {"tags": (HALF,)}])
def test_what_is_no_event_is_refused(wrong: dict[str, Any]) -> None:
    """As with facts; a kind is a word."""
    with pytest.raises(RequestInvalid):
        sound_event(replace(EVENT, **wrong), SETTINGS, NOW)


def test_the_longest_text_is_taken_and_no_longer() -> None:
    """The refusal names the setting."""
    sound_fact(replace(FACT, text="x" * 4000), SETTINGS, NOW)
    sound_event(replace(EVENT, text="x" * 20_000), SETTINGS, NOW)
    with pytest.raises(MemoryTooLong, match=r"remember\.fact_chars_max"):
        sound_fact(replace(FACT, text="x" * 4001), SETTINGS, NOW)
    with pytest.raises(MemoryTooLong, match=r"remember\.event_chars_max"):
        sound_event(replace(EVENT, text="x" * 20_001), SETTINGS, NOW)


def test_the_past_is_open_and_the_future_is_not() -> None:
    """A day ahead is let pass."""
    for at in (None, 0.0, -1e9, NOW, NOW + SETTINGS.future_s_max):
        sound_event(replace(EVENT, at=at), SETTINGS, NOW)
    with pytest.raises(TimeInFuture):
        sound_event(replace(EVENT, at=NOW + SETTINGS.future_s_max + 1), SETTINGS, NOW)


@given(
    text=st.text(st.characters(), max_size=50),
    topic=st.none() | st.text(st.characters(), max_size=20),
    tags=st.lists(st.text(st.characters(), max_size=5), max_size=3),
    number=st.floats(),
    at=st.none() | st.floats(),
)
def test_whatever_comes_is_tidied_once_or_refused(
    text: str, topic: str | None, tags: list[str], number: float, at: float | None
) -> None:
    """What was tidied is found sound as it is, and can be written down."""
    fact = NewFact(text, topic=topic, tags=tuple(tags), importance=number, valid_from=at)
    try:
        sound = sound_fact(fact, SETTINGS, NOW)
    except BadInput:
        return
    assert sound_fact(sound, SETTINGS, NOW) == sound
    "".join((sound.text, sound.topic or "", *sound.tags)).encode()
