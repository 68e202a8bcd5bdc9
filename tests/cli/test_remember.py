"""`pi-rag remember`."""

from __future__ import annotations

import io

import pytest

from tests.cli.conftest import Run
from tests.cli.remembered import memory, remembered
from tests.standin import StandIn


def test_a_fact_is_sent_with_what_was_said_of_it(service: StandIn, run: Run) -> None:
    """By the names of the interface; what was not said is left to the service."""
    service.on("POST", "/v1/memories", remembered())
    run("remember", "The key", "is under the stone")
    flags = [
        "--scope",
        "project:garden",
        "--topic",
        "shed/key",
        "--kind",
        "state",
        "--tag",
        "a",
        "--tag",
        "b",
    ]
    flags += ["--importance", "0.9", "--confidence", "0.8", "--from", "2026-01-01", "--until", "2026-02-01"]
    flags += ["--expires", "2026-03-01", "--pin", "--document", "3", "--session", "7", "--supersedes", "11"]
    run("remember", *flags, "--key", "once", "The key is in the shed")

    assert service.bodies("/v1/memories") == [
        {"text": "The key is under the stone"},
        {
            "text": "The key is in the shed", "scope": "project:garden", "topic": "shed/key", "kind": "state",
            "tags": ["a", "b"], "importance": 0.9, "confidence": 0.8, "valid_from": "2026-01-01",
            "valid_to": "2026-02-01", "expires_at": "2026-03-01", "pinned": True, "document_id": 3,
            "session_id": 7, "supersedes": 11, "key": "once",
        },
    ]  # fmt: skip


def test_a_fact_may_come_on_standard_input(
    service: StandIn, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a - for the text; without one it is refused before the service is asked."""
    service.on("POST", "/v1/memories", remembered())
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"  piped\nin \n")))
    assert run("remember", "-").code == 0
    assert service.bodies("/v1/memories") == [{"text": "piped\nin"}]

    ran = run("remember", " ")
    assert (ran.code, ran.err.splitlines()[0]) == (2, "pi-rag: There is no text.")


@pytest.mark.parametrize(
    ("data", "wrong"), [(b"caf\xe9", "is not UTF-8 at byte 3"), (b"x" * (2 << 20), "longer than 1 MiB")]
)
def test_a_text_that_is_none_is_refused(
    service: StandIn, run: Run, monkeypatch: pytest.MonkeyPatch, data: bytes, wrong: str
) -> None:
    """Whatever the locale makes of such bytes: no letter is guessed, and none is cut off."""
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data), "utf-8", "strict"))
    ran = run("remember", "-")
    assert ran.code == 2
    assert wrong in ran.err
    assert service.asked == []


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (remembered(), ["Remembered as fact 12 in user."]),
        (remembered("merged"), ["Known already as fact 12 in user: The key is under the stone"]),
        (
            remembered("superseded", previous=memory(11, "It is in the pot", topic="shed/key")),
            ["Remembered as fact 12 in user, in the place of fact 11: shed/key: It is in the pot"],
        ),
        (
            remembered("conflict", candidates=[{"memory": memory(9), "similarity": 0.9, "why": "negation"}]),
            [
                "Remembered as fact 12 in user, beside 1 other that says something else:",
                "  fact 9 (negation): The key is under the stone",
                "If one of them holds no more: pi-rag forget ID",
            ],
        ),
        (
            remembered("created", candidates=[{"memory": memory(9), "similarity": 0.9, "why": "similar"}]),
            [
                "Remembered as fact 12 in user.",
                "Near it, or on its topic:",
                "  fact 9 (similar): The key is under the stone",
            ],
        ),
        (
            remembered(warnings=["nearly full"], degraded=["embedder_unavailable"]),
            [
                "Remembered as fact 12 in user.",
                "Beware: nearly full",
                "It is found by its words alone until its vector is made (embedder_unavailable).",
            ],
        ),
    ],
)
def test_what_became_of_it_is_said(
    service: StandIn, run: Run, answer: dict[str, object], said: list[str]
) -> None:
    """In words, with the command that takes it back."""
    service.on("POST", "/v1/memories", answer)
    assert run("remember", "a").out.splitlines() == [*said, "Take it back with: pi-rag undo 41"]
    assert run("remember", "a", "--json").json == answer


def test_a_strangers_text_is_harmless_on_a_terminal(service: StandIn, run: Run) -> None:
    """What an agent has written may hold what a terminal would obey."""
    service.on("POST", "/v1/memories", remembered("merged", memory=memory(text="a\x1b[2Jb")))
    assert "\x1b" not in run("remember", "a").out


def test_a_refusal_says_what_to_do(service: StandIn, run: Run) -> None:
    """The service's own code decides how the command ends."""
    service.refuse("POST", "/v1/memories", 400, "secret_refused")
    ran = run("remember", "the password is x")
    assert (ran.code, ran.err) == (2, "pi-rag: secret_refused.\n  hint: Do so.\n")
