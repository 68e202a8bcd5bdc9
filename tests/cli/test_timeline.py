"""`pi-rag timeline`."""

from __future__ import annotations

from tests.cli.conftest import Run
from tests.cli.remembered import AT, memory
from tests.standin import StandIn


def test_what_happened_is_shown_in_its_order(service: StandIn, run: Run) -> None:
    """The one that was asked for is marked, and at both ends it says whether there is more."""
    events = [
        memory(4, "a call", type="event", kind="message"),
        memory(5, "done", type="summary", kind="end"),
    ]
    service.on("GET", "/v1/timeline", {"memories": events, "around": 5, "earlier": True, "later": True})
    lines = run("timeline", "5").out.splitlines()

    assert lines[0] == "There is more before: pi-rag timeline 4 --scope user --after 0"
    assert lines[1].startswith("  2023-11-1")
    assert lines[1].endswith("4  message  a call")
    assert lines[2].startswith("> 2023-11-1")
    assert lines[2].endswith("5  summary  done")
    assert lines[3] == "There is more after: pi-rag timeline 5 --scope user --before 0"


def test_where_to_look_goes_to_the_service(service: StandIn, run: Run) -> None:
    """As it was typed; an empty answer says how to begin."""
    service.on("GET", "/v1/timeline", {"memories": [], "around": None, "earlier": False, "later": False})
    flags = ["--at", "2026-03-31", "--session", "7", "--scope", "agent:a", "--before", "0", "--after", "50"]
    assert "pi-rag session log" in run("timeline", *flags).out
    wanted = {"at": "2026-03-31", "session_id": "7", "scope": "agent:a", "before": "0", "after": "50"}
    assert service.asked[0].params == wanted


def hints(service: StandIn, run: Run, *typed: str, around: int | None = None) -> list[str]:
    """What it says of more, for two events of session 7."""
    events = [memory(number, "x", type="event", session_id=7, at=AT + number) for number in (4, 5)]
    service.on("GET", "/v1/timeline", {"memories": events, "around": around, "earlier": True, "later": True})
    lines = run("timeline", *typed).out.splitlines()
    return [line.partition("pi-rag timeline ")[2] for line in (lines[0], lines[-1])]


def test_going_on_keeps_to_what_was_asked(service: StandIn, run: Run) -> None:
    """Session, scope and counts go along, to one side; among all scopes it goes on by time."""
    assert hints(service, run) == [f"--at {AT + 4} --after 0", f"--at {AT + 5} --before 0"]
    session = ["4 --session 7 --after 0", "5 --session 7 --before 0"]
    assert hints(service, run, "5", around=5) == session
    assert hints(service, run, "--session", "7") == session
    asked = ("5", "--scope", "agent:a", "--before", "0", "--after", "50")
    before, after = hints(service, run, *asked, around=5)
    assert (before, after) == ("4 --scope agent:a --after 0", "5 --scope agent:a --before 0 --after 50")


def test_an_empty_side_is_not_an_empty_past(service: StandIn, run: Run) -> None:
    """Where there is more than was asked for, it does not say that nothing happened."""
    service.on("GET", "/v1/timeline", {"memories": [], "around": None, "earlier": True, "later": False})
    ran = run("timeline", "--before", "0", "--after", "0")
    assert ran.out == "There is more before. Ask for it with: --before N\n"
