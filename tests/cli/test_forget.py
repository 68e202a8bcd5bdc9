"""`pi-rag forget`."""

from __future__ import annotations

import shlex
from typing import Any

import pytest

from tests.cli.conftest import Run
from tests.cli.remembered import memory
from tests.standin import StandIn

ADDRESS = "/v1/memories/forget"


def forgotten(count: int, **more: Any) -> dict[str, Any]:
    answer: dict[str, Any] = {"dry_run": False, "hard": False, "count": count, "memories": [memory()]}
    return answer | {"confirm": None, "change_id": 41} | more


def test_by_number_it_is_done_at_once(service: StandIn, run: Run) -> None:
    """With the command that takes it back."""
    service.on("POST", ADDRESS, forgotten(2))
    assert run("forget", "12", "13").out == "Forgot 2 memories.\nTake it back with: pi-rag undo 41\n"
    assert service.bodies(ADDRESS) == [{"ids": [12, 13], "dry_run": False, "hard": False}]


def test_where_nothing_was_left_to_do_it_says_why(service: StandIn, run: Run) -> None:
    """A count of none would leave a person wondering."""
    service.on("POST", ADDRESS, forgotten(0, memories=[], change_id=None))
    assert run("forget", "12").out == "Nothing was done: what was meant is out of force already.\n"


def test_by_anything_else_it_is_shown_first(service: StandIn, run: Run) -> None:
    """The command that is shown does exactly what was shown, and nothing was done before."""
    flags = ["--scope", "agent:a", "--type", "event", "--kind", "tool", "--topic", "a b/*", "--tag", "t"]
    flags += [
        "--session",
        "7",
        "--client",
        "x",
        "--before",
        "2026-01-01",
        "--since",
        "2025-01-01",
        "--expired",
    ]
    wanted = {
        "scope": "agent:a", "type": "event", "kind": "tool", "topic": "a b/*", "tag": "t", "session_id": 7,
        "client": "x", "before": "2026-01-01", "since": "2025-01-01", "expired": True,
    }  # fmt: skip
    service.on("POST", ADDRESS, forgotten(3, dry_run=True, confirm="abc", change_id=None))
    lines = run("forget", *flags, "--hard").out.splitlines()
    assert lines[1].startswith("12  fact  note  user")
    assert lines[2] == "and 2 more"
    said, _, command = lines[3].partition(": ")
    assert said == "Nothing was done yet. To erase 3 memories"

    service.on("POST", ADDRESS, forgotten(3, hard=True))
    assert run(*shlex.split(command)[1:]).out == "Erased 3 memories for good.\n"
    assert service.bodies(ADDRESS) == [
        wanted | {"dry_run": True, "hard": True},
        wanted | {"dry_run": False, "hard": True, "confirm": "abc"},
    ]


@pytest.mark.parametrize(
    ("arguments", "sent"),
    [
        (["12", "--dry-run"], {"ids": [12]}),
        (["--all"], {"all": True}),
        (["12", "--topic", "a"], {"ids": [12], "topic": "a"}),
        (["--topic", "a", "--confirm", "abc", "--dry-run"], {"topic": "a"}),
    ],
)
def test_what_is_wide_is_never_done_unseen(
    service: StandIn, run: Run, arguments: list[str], sent: dict[str, Any]
) -> None:
    """Nor is what was asked to be only shown."""
    service.on("POST", ADDRESS, forgotten(0, dry_run=True, memories=[], change_id=None))
    assert run("forget", *arguments).out.startswith("Nothing fits.")
    assert service.bodies(ADDRESS) == [sent | {"dry_run": True, "hard": False}]


def test_nothing_named_is_refused_by_the_service(service: StandIn, run: Run) -> None:
    """The command asks for nothing by itself; --all has to be typed."""
    service.refuse("POST", ADDRESS, 400, "forget_all")
    assert run("forget").code == 2
    assert service.bodies(ADDRESS) == [{"dry_run": True, "hard": False}]
    assert run("forget", "twelve").code == 2
    assert run("forget", str(2**63)).code == 2
    assert len(service.asked) == 1
