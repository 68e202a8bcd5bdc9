"""`pi-rag session`."""

from __future__ import annotations

from tests.cli.conftest import Run
from tests.cli.remembered import memory, session
from tests.standin import StandIn

LEFT = memory(30, "Two of five trees are done", type="summary")


def test_a_session_begins_with_what_the_last_one_left(service: StandIn, run: Run) -> None:
    """And with what is pinned in its scope."""
    answer = {
        "session": session(8),
        "previous": session(7) | {"summary": LEFT},
        "pinned": [memory(topic="saw", pinned=True)],
    }
    service.on("POST", "/v1/sessions", answer, 201)
    lines = run("session", "start", "--scope", "project:garden", "More", "pruning").out.splitlines()

    assert service.bodies("/v1/sessions") == [{"scope": "project:garden", "title": "More pruning"}]
    assert lines[0] == "Session 8 in project:garden has begun."
    assert lines[1].startswith("What session 7 left, 2023-11-1")
    assert lines[2:] == [
        "    Two of five trees are done",
        "Pinned, fact 12: saw: The key is under the stone",
        "Log in it with: pi-rag session log --session 8 TEXT",
    ]


def test_what_happened_is_logged(service: StandIn, run: Run) -> None:
    """In a session with its place in it, or in none."""
    event = memory(120, "The apple tree is done", type="event", session_id=7, seq=4, scope="project:garden")
    service.on("POST", "/v1/events", {"memory": event, "warnings": [], "degraded": []})
    flags = [
        "--session",
        "7",
        "--kind",
        "tool",
        "--at",
        "2026-03-31",
        "--tag",
        "t",
        "--document",
        "3",
        "--key",
        "k",
    ]
    ran = run("session", "log", *flags, "The apple tree is done")
    assert ran.out == "Logged as event 120 in project:garden, number 4 of session 7.\n"
    run("session", "log", "--scope", "agent:a", "alone")
    assert service.bodies("/v1/events") == [
        {
            "text": "The apple tree is done", "session_id": 7, "kind": "tool", "at": "2026-03-31",
            "tags": ["t"], "document_id": 3, "key": "k",
        },
        {"text": "alone", "scope": "agent:a"},
    ]  # fmt: skip


def test_an_event_of_a_session_has_no_scope_of_its_own(service: StandIn, run: Run) -> None:
    """To name both is refused: it would lie elsewhere than was said."""
    ran = run("session", "log", "--session", "7", "--scope", "agent:a", "done")
    assert (ran.code, service.asked) == (2, [])
    assert "in the scope of its session" in ran.err


def test_a_summary_is_left_on_the_way_and_at_the_end(service: StandIn, run: Run) -> None:
    """The last one may be left out. What became of it is told."""
    service.on("POST", "/v1/sessions/7/checkpoint", session(summary=None) | {"summary": LEFT})
    ended = session(state="ended", ended_at=1_700_000_060.0)
    service.on("POST", "/v1/sessions/7/end", ended | {"warnings": ["Masked: a password."]})
    out = run("session", "checkpoint", "7", "Two of five trees are done").out
    assert out.splitlines()[-3:] == [
        "summary",
        "    Two of five trees are done",
        "What happened in it: pi-rag timeline --session 7",
    ]
    assert "ended   2023-11-1" in run("session", "end", "7").out
    assert "Beware: Masked: a password." in run("session", "end", "7", "All", "done").out
    assert service.bodies("/v1/sessions/7/checkpoint") == [{"summary": "Two of five trees are done"}]
    assert service.bodies("/v1/sessions/7/end") == [{}, {"summary": "All done"}]


def test_sessions_are_listed_and_shown(service: StandIn, run: Run) -> None:
    """A row each; the last line leads on."""
    service.on("GET", "/v1/sessions", {"sessions": [session()], "next": 7})
    service.on("GET", "/v1/sessions/7", session(state="expired"))
    lines = run(
        "session", "list", "--scope", "user", "--state", "open", "--limit", "1", "--after", "8"
    ).out.splitlines()
    assert lines[0].split() == ["ID", "STATE", "SCOPE", "BEGUN", "EVENTS", "TITLE"]
    assert lines[1].endswith("3       Pruning")
    assert lines[2].endswith("pi-rag session list --scope user --state open --limit 1 --after 7")
    assert service.asked[0].params == {"scope": "user", "state": "open", "limit": "1", "after": "8"}
    assert "state   expired" in run("session", "show", "7").out

    service.on("GET", "/v1/sessions", {"sessions": [], "next": None})
    assert "pi-rag session start" in run("session", "list").out


def test_writing_to_a_session_that_has_ended_says_what_to_do(service: StandIn, run: Run) -> None:
    """As the service says it."""
    service.refuse("POST", "/v1/events", 409, "session_ended")
    ran = run("session", "log", "--session", "7", "late")
    assert (ran.code, "session_ended" in ran.err) == (2, True)
