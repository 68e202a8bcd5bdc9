"""`pi-rag recall`."""

from __future__ import annotations

from typing import Any

from tests.cli.conftest import Run
from tests.cli.remembered import AT, memory
from tests.standin import StandIn


def hit(**more: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "type": "fact", "text": "The key is under the stone", "trust": "person", "score": 0.91,
        "memory": memory(topic="shed/key", pinned=True), "document_id": None, "chunk_id": None,
        "source": None, "title": None, "at": AT, "scores": {"vector": 0.8, "fused": 0.9, "uses": 0.1},
        "linked_by": [], "cut": False,
    }  # fmt: skip
    return values | more


def found(*hits: dict[str, Any], **more: Any) -> dict[str, Any]:
    values: dict[str, Any] = {"hits": list(hits), "tokens": 12, "left_out": 0, "pending": 0, "degraded": []}
    return values | {"took_ms": {"total": 4.2}, "explain": None} | more


PASSAGE = hit(
    type="document", memory=None, document_id=3, chunk_id=9, source="/home/shed.md", title="The shed",
    trust="document", text="The shed has two keys.",
)  # fmt: skip


def test_a_question_is_sent_with_its_conditions(service: StandIn, run: Run) -> None:
    """By the names of the interface; what was not said is left to the service."""
    service.on("POST", "/v1/recall", found())
    run("recall", "spare", "key")
    flags = [
        "-k",
        "3",
        "--tokens",
        "200",
        "--mode",
        "text",
        "--scope",
        "user",
        "--scope",
        "agent:a",
        "--walk",
    ]
    flags += [
        "--type",
        "fact",
        "--type",
        "document",
        "--collection",
        "c",
        "--as-of",
        "2026-01-01",
        "--explain",
    ]
    flags += [
        "--since",
        "2025-01-01",
        "--until",
        "2026-01-01",
        "--kind",
        "note",
        "--topic",
        "a/*",
        "--tag",
        "t",
    ]
    run("recall", *flags, "key")

    assert service.bodies("/v1/recall") == [
        {"query": "spare key"},
        {
            "query": "key", "k": 3, "token_budget": 200, "mode": "text", "scopes": ["user", "agent:a"],
            "types": ["fact", "document"], "collection": ["c"], "as_of": "2026-01-01", "since": "2025-01-01",
            "until": "2026-01-01", "kind": "note", "topic": "a/*", "tag": "t", "walk": True, "explain": True,
        },
    ]  # fmt: skip


def test_every_hit_says_whose_word_it_is(service: StandIn, run: Run) -> None:
    """Memories with their number and what is known of them, passages with their document."""
    service.on("POST", "/v1/recall", found(hit(), PASSAGE, left_out=2, pending=3))
    lines = [line.strip() for line in run("recall", "key").out.splitlines() if line]

    assert lines[0] == "1. fact 12  shed/key  0.910"
    assert lines[1] == "The key is under the stone"
    assert lines[2].endswith("note, in user, a person's word, pinned")
    assert lines[3:6] == [
        "2. The shed  0.910",
        "The shed has two keys.",
        "/home/shed.md  (document 3, a document's word)",
    ]
    assert (
        lines[6]
        == "2 hits in 4 ms, about 12 tokens, 2 more left out for the budget, 3 found by words alone so far"
    )


def test_why_a_hit_is_there_is_said_on_request(service: StandIn, run: Run) -> None:
    """Each signal, what it was reached by, and how the whole came about."""
    walked = hit(linked_by=["Miller"], cut=True)
    service.on("POST", "/v1/recall", found(walked, explain={"proposed": 30}))
    out = run("recall", "key", "--explain").out

    assert "shares Miller with one above" in out
    assert "cut short for the budget of tokens" in out
    assert "why: meaning 0.8, together 0.900, uses 0.1" in out
    assert out.endswith("How it came about:\n  proposed  30\n")


def test_nothing_found_says_where_to_look(service: StandIn, run: Run) -> None:
    """And an answer from less than everything says so."""
    service.on("POST", "/v1/recall", found(degraded=["embedder_timeout"], tokens=0))
    lines = run("recall", "key").out.splitlines()
    assert lines[0] == "This answer is made from less than everything: embedder_timeout."
    assert lines[1] == "Nothing found. See what is remembered: pi-rag memory list"
    assert run("recall", "key", "--json").json["hits"] == []
