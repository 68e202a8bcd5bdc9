"""What people and agents get wrong with memory: one error that says what to do, and nothing is stored."""

from __future__ import annotations

import time
from typing import Any

import httpx
import pytest

from pi_rag.errors import every_kind
from pi_rag.service.house import House

STATUS = {kind.code: kind.http_status for kind in every_kind()}
FACT = {"text": "The boiler is in the cellar."}
LATER_S = time.time() + 1_000_000

REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("memories", {}, "request_invalid"),
    ("memories", {"text": ""}, "request_invalid"),
    ("memories", {"text": " \n\t"}, "request_invalid"),
    ("memories", {"text": 5}, "request_invalid"),
    ("memories", {"text": ["a"]}, "request_invalid"),
    ("memories", {"text": "x" * 4001}, "memory_too_long"),
    ("memories", FACT | {"trust": "person"}, "request_invalid"),
    ("memories", FACT | {"client": "pi-rag"}, "request_invalid"),
    ("memories", FACT | {"uid": 0}, "request_invalid"),
    ("memories", FACT | {"importance": 2}, "request_invalid"),
    ("memories", FACT | {"importance": "high"}, "request_invalid"),
    ("memories", FACT | {"kind": "gossip"}, "request_invalid"),
    ("memories", FACT | {"tags": "one"}, "request_invalid"),
    ("memories", FACT | {"topic": "home/*"}, "request_invalid"),
    ("memories", FACT | {"topic": ""}, "request_invalid"),
    ("memories", FACT | {"scope": "house"}, "scope_invalid"),
    ("memories", FACT | {"scope": "project:"}, "scope_invalid"),
    ("memories", FACT | {"scope": "project:../secrets"}, "scope_invalid"),
    ("memories", FACT | {"scope": "project:a\n"}, "scope_invalid"),
    ("memories", FACT | {"scope": "agent:" + "a" * 65}, "scope_invalid"),
    ("memories", FACT | {"expires_at": 1.0}, "request_invalid"),
    ("memories", FACT | {"expires_at": "tomorrow"}, "request_invalid"),
    ("memories", FACT | {"valid_from": LATER_S, "valid_to": LATER_S - 1}, "request_invalid"),
    ("memories", FACT | {"document_id": 999}, "document_not_found"),
    ("memories", FACT | {"session_id": 999}, "session_not_found"),
    ("memories", FACT | {"supersedes": 999}, "memory_not_found"),
    ("memories", FACT | {"supersedes": 2**63}, "request_invalid"),
    ("memories", {"text": "The key is AKIAIOSFODNN7EXAMPLE."}, "secret_refused"),
    ("events", {"text": "It rained.", "at": time.time() + 100_000}, "time_in_future"),
    ("events", {"text": "It rained.", "at": time.time() * 1000}, "request_invalid"),
    ("events", {"text": "It rained.", "session_id": 999}, "session_not_found"),
    ("events", {"text": "x" * 20_001}, "memory_too_long"),
    ("memories/forget", {}, "forget_all"),
    ("memories/forget", {"scope": "user"}, "forget_all"),
    ("memories/forget", {"ids": []}, "forget_all"),
    ("memories/forget", {"all": True}, "forget_unconfirmed"),
    ("memories/forget", {"kind": "note", "confirm": "guessed"}, "forget_unconfirmed"),
    ("memories/forget", {"ids": [999]}, "memory_not_found"),
    ("memories/forget", {"ids": [1], "hard": True}, "erase_first_forget"),
    ("recall", {"query": "  "}, "query_empty"),
    ("recall", {"query": "boiler", "k": 0}, "bad_input"),
    ("recall", {"query": "boiler", "types": ["dream"]}, "request_invalid"),
    ("recall", {"query": "boiler", "scopes": ["nowhere"]}, "scope_invalid"),
    ("undo", {"change_id": 999}, "change_not_found"),
    ("sessions", {"scope": "house"}, "scope_invalid"),
    ("sessions/999/end", {}, "session_not_found"),
    ("suggestions/unknown/accept", {}, "suggestion_not_found"),
]


@pytest.fixture
async def kept(guest: httpx.AsyncClient) -> int:
    """The id of the one fact that is there."""
    answer = await guest.post("/v1/memories", json={"text": "The well is deep.", "topic": "well"})
    assert answer.status_code == 200, answer.text
    return int(answer.json()["memory"]["id"])


async def test_what_is_wrong_is_refused_and_nothing_is_stored(guest: httpx.AsyncClient, kept: int) -> None:
    """Each with its code, its status and a hint; what was there stays as it was."""
    wrong = []
    for path, body, code in REFUSED:
        answer = await guest.post(f"/v1/{path}", json=body)
        error = answer.json().get("error", {})
        if (error.get("code"), answer.status_code) != (code, STATUS[code]) or not error["hint"]:
            wrong.append((path, body, code, answer.text))

    assert wrong == []
    rows = (await guest.get("/v1/memories")).json()["memories"]
    assert [(row["id"], row["repeats"]) for row in rows] == [(kept, 0)]


async def test_cut_and_broken_json_is_refused(guest: httpx.AsyncClient, kept: int) -> None:
    """What arrived by half is no request."""
    for cut in (b'{"text": "The bo', b"", b"[]", b"\xff\xfe", b"nul"):
        answer = await guest.post("/v1/memories", content=cut, headers={"content-type": "application/json"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "request_invalid"), cut


async def test_ten_mebibytes_of_text_are_no_fact(guest: httpx.AsyncClient, kept: int) -> None:
    """They are refused before anybody looks for what they say."""
    answer = await guest.post("/v1/memories", json={"text": "x" * 10 * 1024 * 1024})

    assert answer.json()["error"]["code"] in {"memory_too_long", "request_too_large"}
    assert answer.json()["error"]["hint"]


async def test_a_key_sent_again_with_other_words_is_refused(guest: httpx.AsyncClient) -> None:
    """With the same words it gives the first answer; neither counts as a repetition."""
    asked = FACT | {"key": "once"}
    first = (await guest.post("/v1/memories", json=asked)).json()
    again = (await guest.post("/v1/memories", json=asked)).json()
    other = await guest.post("/v1/memories", json=asked | {"text": "The boiler is in the attic."})

    assert (again["outcome"], again["memory"]["id"]) == (first["outcome"], first["memory"]["id"])
    assert again["memory"]["repeats"] == 0
    assert other.json()["error"]["code"] == "key_reused"


async def test_a_topic_is_of_its_scope(guest: httpx.AsyncClient) -> None:
    """The same key in two scopes is two topics: neither takes the other's place."""
    for scope in ("project:a", "project:b"):
        said = {"text": f"The lamp of {scope} is in room 7.", "topic": "lamp", "scope": scope}
        assert (await guest.post("/v1/memories", json=said)).json()["outcome"] == "created"

    rows = (await guest.get("/v1/memories", params={"topic": "lamp"})).json()["memories"]
    assert {row["scope"] for row in rows} == {"project:a", "project:b"}


async def test_an_ended_session_takes_no_more(guest: httpx.AsyncClient, house: House) -> None:
    """Nor does an expired one; the hint says what to do, and reading it goes on."""
    started = (await guest.post("/v1/sessions", json={"scope": "user", "title": "work"})).json()
    number = started["session"]["id"]
    event = {"text": "The pump was started.", "session_id": number}
    assert (await guest.post("/v1/events", json=event)).status_code == 200
    assert (await guest.post(f"/v1/sessions/{number}/end", json={})).status_code == 200

    late = (await guest.post("/v1/events", json=event)).json()["error"]
    sums_up = (await guest.post(f"/v1/sessions/{number}/checkpoint", json={"summary": "Done."})).json()

    assert late["code"] == sums_up["error"]["code"] == "session_ended"
    assert "new session" in late["hint"]
    timeline = (await guest.get("/v1/timeline", params={"session_id": number})).json()
    assert [each["seq"] for each in timeline["memories"]] == [1]
