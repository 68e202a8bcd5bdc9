"""Memory over HTTP, as a person's program uses it."""

from __future__ import annotations

import json
from typing import Any

import httpx

REFUSED: list[tuple[str, str, Any]] = [
    ("POST", "/v1/memories", {"text": "a", "door": "person"}),
    ("POST", "/v1/memories", {"text": "a", "valid_to": "soon"}),
    ("POST", "/v1/memories", {"text": 3}),
    ("POST", "/v1/memories", []),
    ("PATCH", "/v1/memories/1", {"text": "other words"}),
    ("GET", f"/v1/memories/{2**63}", None),
    ("GET", "/v1/memories?scop=user", None),
    ("GET", "/v1/memories?type=thought", None),
    ("GET", "/v1/memories?since=soon", None),
    ("GET", "/v1/memories?limit=0", None),
    ("GET", "/v1/history", None),
    ("POST", "/v1/memories/forget", {"ids": ["1"]}),
    ("POST", "/v1/memories/forget", {"everything": True}),
    ("POST", "/v1/recall", {"query": "a", "scopes": []}),
    ("POST", "/v1/recall", {"query": "a", "types": ["thought"]}),
    ("POST", "/v1/sessions/1/checkpoint", {}),
    ("GET", "/v1/timeline?before=101", None),
]


async def test_what_is_no_request_is_refused(guest: httpx.AsyncClient) -> None:
    """Before anybody looks at memory, with what is wrong with it."""
    for method, path, body in REFUSED:
        answer = await guest.request(method, path, json=body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "request_invalid"), path


async def test_a_binding_to_no_scope_is_refused(guest: httpx.AsyncClient) -> None:
    """Rather than to let the guest see all, or nothing."""
    for bound in ("", "*", "user,Project:a"):
        answer = await guest.get("/v1/scopes", headers={"x-pi-rag-scopes": bound})
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "scope_invalid")


async def said(guest: httpx.AsyncClient, text: str, **more: Any) -> dict[str, Any]:
    """What became of a fact."""
    answer = await guest.post("/v1/memories", json={"text": text} | more)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def test_a_fact_goes_in_changes_and_comes_back(guest: httpx.AsyncClient) -> None:
    """A newer one takes its place, both are in the history, and undo puts the older one back."""
    first = await said(guest, "The network is called birch", topic="home/wifi", valid_from="2026-03-31")
    second = await said(guest, "The network is called larch", topic="home/wifi")

    assert (first["outcome"], second["outcome"]) == ("created", "superseded")
    assert second["previous"]["id"] == first["memory"]["id"]
    for address in (f"/v1/memories/{second['memory']['id']}/history", "/v1/history?topic=home/wifi"):
        history = (await guest.get(address)).json()
        assert [each["revision"] for each in history["memories"]] == [1, 2]
        assert {each["operation"] for each in history["changes"]} >= {"remember", "supersede"}
    undone = (await guest.post("/v1/undo", json={"change_id": second["change_id"]})).json()
    listed = (await guest.get("/v1/memories?topic=home/wifi")).json()["memories"]
    gone = (await guest.get("/v1/memories?topic=home/*&gone=true")).json()["memories"]
    log = (await guest.get("/v1/changes?limit=1")).json()

    assert undone["operation"] == "undo"
    assert [each["id"] for each in listed] == [first["memory"]["id"]]
    assert [each["id"] for each in gone] == [second["memory"]["id"]]
    assert log["next"] == log["changes"][0]["id"] == undone["id"]


async def test_provenance_is_the_connections(guest: httpx.AsyncClient) -> None:
    """The door is a person's, the program's name is its own."""
    answer = await guest.post("/v1/memories", json={"text": "a lamp"}, headers={"user-agent": "garden/2"})
    memory = answer.json()["memory"]
    assert (memory["door"], memory["trust"], memory["client"]) == ("person", "person", "garden/2")


async def test_the_status_tells_how_much_is_remembered(guest: httpx.AsyncClient) -> None:
    """By what it is."""
    await said(guest, "The lamp is on")
    told = (await guest.get("/v1/status")).json()["remembered"]
    assert (told["facts"], told["events"], told["scopes"], told["gone"]) == (1, 0, 1, 0)


async def test_a_memory_is_changed_and_forgotten(guest: httpx.AsyncClient) -> None:
    """By its number at once; wider only with the code of a dry run; for good only afterwards."""
    one = await said(guest, "The lamp is on", tags=["t"])
    other = await said(guest, "Apples keep in the cellar", tags=["t"])
    number = one["memory"]["id"]
    changed = await guest.patch(f"/v1/memories/{number}", json={"pinned": True, "importance": 0.9})
    assert (changed.json()["memory"]["pinned"], changed.json()["memory"]["importance"]) == (True, 0.9)

    async def forget(**body: Any) -> tuple[int, dict[str, Any]]:
        answer = await guest.post("/v1/memories/forget", json=body)
        return answer.status_code, answer.json()

    assert (await forget())[1]["error"]["code"] == "forget_all"
    assert (await forget(tag="t"))[1]["error"]["code"] == "forget_unconfirmed"
    assert (await forget(ids=[number], hard=True))[1]["error"]["code"] == "erase_first_forget"
    shown = (await forget(tag="t", dry_run=True))[1]
    assert (shown["count"], shown["dry_run"]) == (2, True)
    assert (await forget(tag="t", confirm=shown["confirm"]))[1]["count"] == 2
    assert (await guest.get("/v1/memories?tag=t")).json() == {"memories": [], "next": None}
    assert (await forget(ids=[number, other["memory"]["id"]], hard=True))[1]["hard"] is True
    gone = await guest.get(f"/v1/memories/{number}")
    assert (gone.status_code, gone.json()["error"]["code"]) == (404, "memory_not_found")


async def test_a_session_is_logged_summed_up_and_followed(guest: httpx.AsyncClient) -> None:
    """The next one in its scope begins with what it has left; nothing is written to it any more."""
    started = await guest.post("/v1/sessions", json={"scope": "project:garden", "title": "Pruning"})
    number = started.json()["session"]["id"]
    assert (started.status_code, started.json()["previous"]) == (201, None)
    events = [
        (await guest.post("/v1/events", json={"text": text, "session_id": number})).json()["memory"]
        for text in ("The saw is sharp", "The apple tree is done")
    ]
    assert [each["seq"] for each in events] == [1, 2]
    await guest.post(f"/v1/sessions/{number}/checkpoint", json={"summary": "One of two trees is done"})
    ended = (await guest.post(f"/v1/sessions/{number}/end", json={"summary": "Both trees are done"})).json()
    late = await guest.post("/v1/events", json={"text": "late", "session_id": number})
    following = (await guest.post("/v1/sessions", json={"scope": "project:garden"})).json()
    listed = (await guest.get("/v1/sessions?scope=project:garden&limit=1")).json()

    assert (ended["state"], ended["events"], ended["summary"]["text"]) == ("ended", 2, "Both trees are done")
    assert (late.status_code, late.json()["error"]["code"]) == (409, "session_ended")
    assert following["previous"]["summary"]["text"] == "Both trees are done"
    assert listed["next"] == listed["sessions"][0]["id"] == following["session"]["id"]
    assert (await guest.get(f"/v1/sessions/{number}")).json()["state"] == "ended"
    assert (await guest.get("/v1/sessions/999")).json()["error"]["code"] == "session_not_found"


async def test_a_bound_guest_sees_its_scopes_alone(guest: httpx.AsyncClient) -> None:
    """What is elsewhere is not there for it, by number neither."""
    elsewhere = (await said(guest, "a secret garden", scope="project:garden"))["memory"]["id"]
    bound = {"x-pi-rag-scopes": "user"}
    refused = await guest.post("/v1/memories", json={"text": "a", "scope": "project:garden"}, headers=bound)
    missing = await guest.get(f"/v1/memories/{elsewhere}", headers=bound)

    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "scope_forbidden")
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "memory_not_found")
    assert (await guest.get("/v1/memories", headers=bound)).json()["memories"] == []
    assert (await guest.get("/v1/scopes", headers=bound)).json() == {"scopes": []}
    assert [each["scope"] for each in (await guest.get("/v1/scopes")).json()["scopes"]] == ["project:garden"]


async def test_what_is_remembered_is_taken_elsewhere_and_back(guest: httpx.AsyncClient) -> None:
    """Erased and brought again it is as it was; brought twice it is known."""
    older = (await said(guest, "The network is called birch", topic="home/wifi"))["memory"]
    newer = (await said(guest, "The network is called larch", topic="home/wifi"))["memory"]
    exported = await guest.get("/v1/memories/export?scope=user&gone=true")
    lines = [json.loads(line) for line in exported.text.splitlines()]
    await guest.post("/v1/memories/forget", json={"ids": [newer["id"]]})
    await guest.post("/v1/memories/forget", json={"ids": [older["id"], newer["id"]], "hard": True})

    first = (await guest.post("/v1/memories/import", json={"lines": lines[:2]})).json()
    second = (await guest.post("/v1/memories/import", json={"lines": lines[2:], "ids": first["ids"]})).json()
    again = (await guest.post("/v1/memories/import", json={"lines": lines})).json()
    history = (await guest.get("/v1/history?topic=home/wifi")).json()["memories"]

    assert (lines[0], lines[-1]["next"]) == ({"pi_rag_memory_export": 1}, None)
    assert [(each["stored"], each["known"], each["refused"]) for each in (first, second, again)] == [
        (1, 0, []),
        (1, 0, []),
        (0, 2, []),
    ]
    assert [(each["text"], each["gone"]) for each in history] == [
        ("The network is called birch", "superseded"),
        ("The network is called larch", None),
    ]
    assert history[1]["supersedes"] == history[0]["id"]


async def test_facts_are_edited_as_markdown(guest: httpx.AsyncClient) -> None:
    """What comes out goes in again; what is neither lines nor Markdown is refused."""
    await said(guest, "The lamp is on", kind="state")
    text = (await guest.get("/v1/memories/markdown?scope=user")).json()["markdown"]
    assert "The lamp is on" in text
    taken = await guest.post(
        "/v1/memories/import", json={"markdown": "- The well is deep\n", "scope": "agent:a"}
    )
    assert (taken.json()["stored"], taken.json()["refused"]) == (1, [])
    assert (await guest.get("/v1/memories?scope=agent:a")).json()["memories"][0]["text"] == "The well is deep"
    for wrong in ({}, {"lines": [{}], "markdown": "- a"}, {"lines": [{}], "ids": {"x": 1}}):
        assert (await guest.post("/v1/memories/import", json=wrong)).status_code == 400
    refused = await guest.get("/v1/memories/export?scope=user", headers={"x-pi-rag-scopes": "agent:a"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "scope_forbidden")
