"""`pi-rag memory`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.cli.conftest import Run
from tests.cli.remembered import change, memory, remembered
from tests.standin import Asked, StandIn


def test_memories_are_listed_by_what_they_are(service: StandIn, run: Run) -> None:
    """A row each, harmless on a terminal; the last line leads on with the same flags."""
    rows = [memory(12, "x" * 80, topic="a"), memory(11, "b\x1bc\nd", type="event", trust="web")]
    service.on("GET", "/v1/memories", {"memories": rows, "next": 11})
    flags = ["--scope", "user", "--topic", "a b/*", "--session", "7", "--expired", "--gone", "--limit", "2"]
    lines = run("memory", "list", *flags, "--after", "20").out.splitlines()

    assert lines[0].split() == ["ID", "TYPE", "KIND", "SCOPE", "WHEN", "WORD", "OF", "TEXT"]
    assert lines[1].endswith("person   a: " + "x" * 56 + "…")
    assert lines[2].endswith("web      b\N{REPLACEMENT CHARACTER}c d")
    again = "--scope user --topic 'a b/*' --session 7 --expired --gone --limit 2 --after 11"
    assert lines[3] == f"There are more: pi-rag memory list {again}"
    assert service.asked[0].params == {
        "scope": "user", "topic": "a b/*", "session_id": "7", "expired": "true", "gone": "true", "limit": "2",
        "after": "20",
    }  # fmt: skip


def test_an_empty_list_says_how_to_begin(service: StandIn, run: Run) -> None:
    """Behind the last page there is no more."""
    service.on("GET", "/v1/memories", {"memories": [], "next": None})
    assert "pi-rag remember TEXT" in run("memory", "list").out
    assert run("memory", "list", "--after", "1").out == "No more.\n"
    assert [asked.params for asked in service.asked] == [{"limit": "100"}, {"limit": "100", "after": "1"}]


def test_a_memory_is_changed_in_all_but_its_words(service: StandIn, run: Run) -> None:
    """never takes an end away; what was not named stays."""
    service.on("PATCH", "/v1/memories/12", remembered("merged"))
    ran = run("memory", "change", "12", "--no-pin", "--importance", "0.2", "--expires", "never")
    assert ran.out.splitlines()[0] == "fact 12"
    assert ran.out.endswith("Take it back with: pi-rag undo 41\n")
    run("memory", "change", "12", "--pin", "--until", "2026-12-01")
    assert [asked.body for asked in service.asked] == [
        {"pinned": False, "importance": 0.2, "expires_at": None},
        {"pinned": True, "valid_to": "2026-12-01"},
    ]
    assert run("memory", "change", "12").code == 2
    assert len(service.asked) == 2


def test_suggestions_are_listed_and_settled(service: StandIn, run: Run) -> None:
    """Each with what accepting it does; several may be settled at once."""
    suggestion: dict[str, Any] = {"id": "expired-12", "what": "expired", "memories": [memory()]}
    suggestion |= {"reason": "It has expired.", "proposal": "Forget it."}
    service.on("GET", "/v1/suggestions", {"suggestions": [suggestion]})
    service.on("POST", "/v1/suggestions/expired-12/accept", change(43, "forget"))
    service.on("POST", "/v1/suggestions/a%2Fb/accept", change(44, "forget"))
    service.on("POST", "/v1/suggestions/expired-12/dismiss", {"dismissed": 1})

    out = run("memory", "review", "--scope", "user", "--limit", "5").out
    assert out.splitlines()[:3] == [
        "expired-12  It has expired.",
        "    fact 12: The key is under the stone",
        "    proposed: Forget it.",
    ]
    assert service.asked[0].params == {"scope": "user", "limit": "5"}
    accepted = run("memory", "accept", "expired-12", "a/b").out.splitlines()
    assert accepted == [
        "Done: forget of memory 12.",
        "Take it back with: pi-rag undo 43",
        "Done: forget of memory 12.",
        "Take it back with: pi-rag undo 44",
    ]
    assert run("memory", "dismiss", "expired-12").out == "1 suggestion will not be made again.\n"
    service.on("GET", "/v1/suggestions", {"suggestions": []})
    assert run("memory", "review").out == "Nothing to put in order.\n"


def test_how_full_each_scope_is_is_shown(service: StandIn, run: Run) -> None:
    """Beside what it may hold."""
    use = {"scope": "user", "facts": 1200, "facts_max": 10000, "events": 5, "events_max": 100000}
    use |= {"sessions": 2, "gone": 3, "gone_max": 20000, "pending": 0}
    service.on("GET", "/v1/scopes", {"scopes": [use]})
    [_, line] = run("memory", "use").out.splitlines()
    assert line.startswith("user   1,200 of 10,000  5 of 100,000  3 of 20,000  2 ")
    service.on("GET", "/v1/scopes", {"scopes": []})
    assert "pi-rag remember TEXT" in run("memory", "use").out


def test_who_changed_what_is_listed(service: StandIn, run: Run) -> None:
    """The newest first, a page at a time."""
    service.on("GET", "/v1/changes", {"changes": [change(), change(40, "merge", door="agent")], "next": 40})
    lines = run("memory", "log", "--limit", "2", "--after", "50").out.splitlines()
    assert lines[1].endswith("remember  12        user   person, x, user 1000")
    assert lines[3] == "There are more: pi-rag memory log --limit 2 --after 40"
    assert service.asked[0].params == {"limit": "2", "after": "50"}
    service.on("GET", "/v1/changes", {"changes": [], "next": None})
    assert run("memory", "log").out == "Nothing was changed yet.\n"


HEAD = b'{"pi_rag_memory_export": 1}\n'


def test_what_is_remembered_goes_to_a_file(service: StandIn, run: Run) -> None:
    """Byte by byte, over as many answers as it takes; one that breaks off is an error."""
    pages = {"0": b'{"id": 1, "text": "\xc3\xa4"}\n' + _end(1), "1": b'{"id": 2}\n' + _end(None)}
    service.on("GET", "/v1/memories/export", lambda asked: (200, HEAD + pages[asked.params["after"]]))
    ran = run("memory", "export", "--scope", "user", "--gone")
    assert ran.out.encode() == HEAD + b'{"id": 1, "text": "\xc3\xa4"}\n{"id": 2}\n'
    assert service.asked[1].params == {"scope": "user", "gone": "true", "after": "1"}

    service.on("GET", "/v1/memories/export", HEAD + b'{"id": 1}\n')
    assert run("memory", "export").code == 5


def _end(after: int | None) -> bytes:
    return json.dumps({"pi_rag_memory_export": 1, "next": after}).encode() + b"\n"


def test_a_file_is_taken_in_parts(service: StandIn, run: Run, tmp_path: Path) -> None:
    """Later lines find what they supersede; what is not taken is named by its line."""
    lines = [{"id": number, "supersedes": number - 1 or None} for number in range(1, 203)]
    text = [json.dumps(each) for each in lines]
    text[1:1] = ["", "no json"]
    (tmp_path / "m.jsonl").write_text("\n".join(text))

    def taken(asked: Asked) -> tuple[int, Any]:
        ids = {each["id"]: each["id"] + 1000 for each in asked.body["lines"]}
        refused = [{"line": 3, "code": "x", "message": "It has no text.", "hint": "Write one."}]
        return 200, {"stored": 5, "known": 1, "refused": refused if len(ids) > 4 else [], "ids": ids}

    service.on("POST", "/v1/memories/import", taken)
    ran = run("memory", "import", str(tmp_path / "m.jsonl"))
    first, second = service.bodies("/v1/memories/import")
    assert [*first["lines"], *second["lines"]] == lines
    assert (first["ids"], second["ids"]) == ({}, {"198": 1198})
    assert ran.out.splitlines()[1:] == [
        "not taken: line 6: It has no text. (Write one.)",
        "10 stored, 2 known already, 2 lines not taken",
        "See what was done, and take it back: pi-rag memory log",
    ]
    assert ran.out.startswith("not taken: line 3: It is not JSON in UTF-8: ")
    assert ran.code == 2


def test_facts_go_out_and_come_in_as_markdown(service: StandIn, run: Run, tmp_path: Path) -> None:
    """Into the scope that is named; lines of JSON have their own."""
    service.on("GET", "/v1/memories/markdown", {"markdown": "# user\n"})
    assert run("memory", "export", "--markdown", "--scope", "user").out == "# user\n"
    assert service.asked[0].params == {"scope": "user"}
    (tmp_path / "m").write_text("- a")
    service.on("POST", "/v1/memories/import", {"stored": 1, "known": 0, "refused": [], "ids": {}})
    ran = run("memory", "import", str(tmp_path / "m"), "--markdown", "--scope", "agent:a")
    assert ran.code == 0
    assert ran.out.startswith("1 stored, 0 known already, 0 lines not taken\nSee what was done")
    assert service.asked[1].body == {"markdown": "- a", "scope": "agent:a"}
    service.on("POST", "/v1/memories/import", {"stored": 0, "known": 1, "refused": [], "ids": {}})
    ran = run("memory", "import", str(tmp_path / "m"), "--markdown")
    assert ran.out == "0 stored, 1 known already, 0 lines not taken\n"
    told = {"stored": 0, "known": 3, "refused": [], "ids": {}, "beside": 2, "again": 1, "gone": 1}
    service.on("POST", "/v1/memories/import", told)
    lines = run("memory", "import", str(tmp_path / "m"), "--markdown").out.splitlines()
    assert lines[:3] == [
        "0 stored, 3 known already (1 said again), 0 lines not taken",
        "2 stand beside others that say otherwise. Settle it: pi-rag memory review",
        "1 of those known are in force no more: pi-rag memory log says why.",
    ]
    (tmp_path / "empty").write_text("words")
    service.on("POST", "/v1/memories/import", {"stored": 0, "known": 0, "refused": [], "ids": {}})
    assert "Nothing to remember in it" in run("memory", "import", str(tmp_path / "empty"), "--markdown").out
    taken = {"stored": 3, "known": 0, "refused": [], "ids": {}, "superseded": 1}
    service.on("POST", "/v1/memories/import", taken)
    ran = run("memory", "import", str(tmp_path / "m"), "--markdown")
    assert ran.out.startswith(
        "3 stored (1 in the place of what was there), 0 known already, 0 lines not taken\n"
    )

    (tmp_path / "latin").write_bytes(b"- caf\xe9")
    assert "is not UTF-8" in run("memory", "import", str(tmp_path / "latin"), "--markdown").err
    assert run("memory", "import", str(tmp_path / "m"), "--scope", "agent:a").code == 2
    assert run("memory", "export", "--markdown", "--gone").code == 2
    assert run("memory", "import", str(tmp_path / "gone")).err.startswith("pi-rag: There is no file")
    assert len(service.asked) == 6
