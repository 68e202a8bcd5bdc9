"""`pi-rag history`."""

from __future__ import annotations

from tests.cli.conftest import Run
from tests.cli.remembered import AT, change, memory
from tests.standin import StandIn


def test_the_history_of_a_memory_is_told_from_its_beginning(service: StandIn, run: Run) -> None:
    """What stood there, why it does no more, and who changed what."""
    old = memory(
        11, "It is in the pot", gone="superseded", gone_at=AT, superseded_by=12, repeats=2, valid_to=AT
    )
    changes = [change(40), change(41, "supersede", memory_ids=(11, 12, 13, 14, 15), undone_by=42)]
    service.on("GET", "/v1/memories/12/history", {"memories": [old, memory(revision=2)], "changes": changes})
    lines = run("history", "12").out.splitlines()

    assert lines[0] == "fact 11"
    assert ", said 3 times, until 2023-11-14 " in lines[1]
    assert ", superseded 2023-11-14 " in lines[1]
    assert lines[1].endswith(", by 12")
    assert lines[2:4] == ["    It is in the pot", "fact 12"]
    assert lines[-1].split()[0] == "41"
    assert "supersede, undone by 42  11, 12, 13 and 2 more  user   person, x, user 1000" in lines[-1]


def test_a_topic_has_a_history_in_its_scope(service: StandIn, run: Run) -> None:
    """The service has its own default for the scope."""
    service.on("GET", "/v1/history", {"memories": [], "changes": []})
    assert run("history", "--topic", "a/b").out == "Nothing was ever remembered on this topic.\n"
    run("history", "--topic", "a/b", "--scope", "agent:a")
    assert [asked.params for asked in service.asked] == [
        {"topic": "a/b"},
        {"topic": "a/b", "scope": "agent:a"},
    ]


def test_one_of_both_is_named(service: StandIn, run: Run) -> None:
    """Else nobody is asked."""
    for wrong in ([], ["12", "--topic", "a"], ["12", "--scope", "user"], ["x"]):
        assert run("history", *wrong).code == 2
    assert service.asked == []
