"""The list of faults: each has a name, and says what it is and why it cannot be done."""

from __future__ import annotations

import pytest

from pi_rag.errors import RequestInvalid
from pi_rag.stress import faults


def test_each_fault_has_a_name_of_its_own_and_says_what_it_is() -> None:
    """As `pi-rag stress --list` shows them."""
    assert len(faults.BY_NAME) == len(faults.ALL)
    assert all(fault.about and "\n" not in fault.about for fault in faults.ALL)
    assert faults.by_name("kill-worker").about == "kill -9 of a process that makes vectors"


def test_every_fault_of_a_house_is_there() -> None:
    """The issue's list; one that is taken out is missed here."""
    killed = {f"{how}-{role}" for how in ("kill", "stop") for role in ("worker", "reader", "supervisor")}
    others = {
        "half-frames", "slow-guests", "half-open", "garbage", "disk-full", "disk-read-only", "memory-squeeze",
        "clock-jumps", "model-corrupt", "database-damaged", "permissions", "journal-frozen",
    }  # fmt: skip
    assert killed | others <= faults.BY_NAME.keys()


def test_an_unknown_name_is_refused_with_what_there_is() -> None:
    """And with the one that was meant."""
    with pytest.raises(RequestInvalid) as refused:
        faults.by_name("kill-workr")
    assert "kill-worker" in (refused.value.hint or "")


def test_who_may_not_mount_is_told_why(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk cannot be filled without root; everything else goes on."""
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    lacking = {fault.name: fault.lacking() for fault in faults.ALL if fault.lacking()}

    assert lacking.keys() == {"disk-full", "disk-read-only"}
    assert all("root" in reason for reason in lacking.values())
