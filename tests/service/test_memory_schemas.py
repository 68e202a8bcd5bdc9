"""The shapes of memory on the wire are those of its words."""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime
from typing import Any, get_args

import pytest
from pydantic import BaseModel, ValidationError

from pi_rag import memory_types as words
from pi_rag.service import memory_schemas as wire

ANSWERS: list[tuple[type[BaseModel], Any]] = [
    (wire.MemoryAnswer, words.Memory),
    (wire.CandidateAnswer, words.Candidate),
    (wire.RememberedAnswer, words.Remembered),
    (wire.LoggedAnswer, words.Logged),
    (wire.ForgottenAnswer, words.Forgotten),
    (wire.ChangeAnswer, words.Change),
    (wire.SessionAnswer, words.Session),
    (wire.StartedAnswer, words.Started),
    (wire.RecalledAnswer, words.Recalled),
    (wire.RecollectionAnswer, words.Recollection),
    (wire.TimelineAnswer, words.Timeline),
    (wire.SuggestionAnswer, words.Suggestion),
    (wire.ScopeAnswer, words.ScopeUse),
    (wire.RememberRequest, words.NewFact),
    (wire.EventRequest, words.NewEvent),
    (wire.Filter, words.Which),
]


@pytest.mark.parametrize(("shape", "word"), ANSWERS, ids=lambda each: each.__name__)
def test_a_shape_has_what_its_word_has(shape: type[BaseModel], word: Any) -> None:
    """No field of a word is kept back, and none is made up."""
    assert set(shape.model_fields) == {each.name for each in fields(word)}


def test_what_is_not_given_is_as_the_words_have_it() -> None:
    """The interface has no defaults of its own."""
    assert wire.RememberRequest(text="a").fact() == words.NewFact("a")
    assert wire.EventRequest(text="a").event() == words.NewEvent("a")
    assert wire.RecallRequest(query="a").recall() == words.Recall("a")
    assert wire.ForgetRequest(dry_run=True, hard=True, confirm="c").which() == words.Which()
    assert (*get_args(words.MemoryType), "document") == wire.HIT_TYPES


def test_what_is_given_arrives() -> None:
    """Lists as tuples, moments as seconds: a date is its first moment, or its last where something ends."""
    day, next_day = datetime(2026, 3, 31).timestamp(), datetime(2026, 4, 1).timestamp()
    asked = {
        "text": "a",
        "tags": ["b"],
        "valid_from": "2026-03-31",
        "valid_to": "2026-03-31",
        "importance": 1,
    }
    fact = wire.RememberRequest.model_validate(asked).fact()
    which = wire.Filter.model_validate({"ids": [1, 2], "before": "2026-03-31"}).which()
    recall = wire.RecallRequest.model_validate(
        {
            "query": "q",
            "scopes": ["user", "agent:a"],
            "types": ["fact"],
            "as_of": "2026-03-31",
            "collection": ["a"],
        }
    ).recall()

    assert (fact.tags, fact.valid_from, fact.valid_to, fact.importance) == (("b",), day, next_day, 1.0)
    assert (which.ids, which.before) == ((1, 2), day)
    assert (recall.scopes, recall.types, recall.as_of) == (
        ("user", "agent:a"),
        ("fact",),
        next_day - wire.LAST_S,
    )
    assert recall.collection == ("a",)


def test_a_day_is_asked_for_as_it_was_on_it() -> None:
    """What ended with it was still so, and what began with the next was not yet; a moment is that moment."""
    said = {"text": "a", "valid_from": "2026-04-01", "valid_to": "2026-04-02"}
    fact = wire.RememberRequest.model_validate(said).fact()
    assert fact.valid_from is not None
    assert fact.valid_to is not None

    def as_of(given: object) -> float:
        seconds = wire.RecallRequest.model_validate({"query": "q", "as_of": given}).as_of
        assert seconds is not None
        return seconds

    assert as_of("2026-03-31") < fact.valid_from <= as_of("2026-04-01") < as_of("2026-04-02") < fact.valid_to
    assert as_of("2026-04-01T00:00") == as_of(fact.valid_from) == fact.valid_from


def test_a_change_tells_null_from_nothing() -> None:
    """What is not named stays; null takes an end away."""
    assert wire.ChangeRequest.model_validate({"pinned": True}).values() == {"pinned": True}
    assert wire.ChangeRequest.model_validate({"expires_at": None}).values() == {"expires_at": None}


@pytest.mark.parametrize(
    "given",
    [{"door": "person"}, {"trust": "person"}, {"uid": 0}, {"client": "me"}, {"importance": 1.1},
     {"importance": float("nan")}, {"importance": True}, {"valid_to": 1.8e12}, {"valid_to": "soon"},
     {"valid_to": float("nan")}, {"document_id": -1}, {"document_id": 2**63}, {"tags": "a"}, {"tags": [""]},
     {"kind": "fact"}, {"text": ""}, {"text": 1}, {"pinned": "yes"}, {"key": ""}],
)  # fmt: skip
def test_what_cannot_be_a_fact_is_refused(given: dict[str, Any]) -> None:
    """Provenance above all, which nobody says of themselves."""
    with pytest.raises(ValidationError):
        wire.RememberRequest.model_validate({"text": "a"} | given)
