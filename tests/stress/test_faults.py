"""The list of faults: each has a name, and says what it is and why it cannot be done."""

from __future__ import annotations

import random
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from pi_rag.errors import RequestInvalid
from pi_rag.stress import faults, truth
from pi_rag.stress.running import RunningService
from pi_rag.stress.types import Stage
from tests.stress.scenarios.staging import Noted

SAYS = "import os, sys, time; print('pi-rag: It is damaged.', flush=True); "
REFUSES = SAYS + "sys.exit(5)"
KILLED = SAYS + "os.kill(os.getpid(), 9)"
HANGS = SAYS + "time.sleep(60)"
SILENT = "import sys; sys.exit(5)"
SILENTLY_KILLED = "import os; os.kill(os.getpid(), 9)"


class House(Noted):
    """A stage with a service that a test has made."""

    def __init__(self, service: object) -> None:
        super().__init__()
        self.dice, self.service = random.Random(1), service
        self.is_gone = False
        """Whether no process of the service was left while the fault lasted."""


@pytest.fixture
def service(tmp_path: Path) -> Iterator[RunningService]:
    """What becomes of it is told by the program under which it is started; it has ended badly before."""
    made = RunningService(tmp_path, {})
    made.data.mkdir()
    # Of 20 pages of 4096 bytes.
    (made.data / "pi-rag.db").write_bytes(bytes(16) + b"\x10" + bytes(20 * 4096 - 17))
    made.log.write_text("pi-rag: It was damaged long ago.\n")
    yield made
    made.__exit__()


def hurt(fault: str, service: RunningService) -> House:
    """What was told of it. The service cannot be started again afterwards either."""
    house = House(service)
    with pytest.raises(RuntimeError, match="The service"), faults.BY_NAME[fault].hurt(cast("Stage", house)):
        house.is_gone = service.process is None
    return house


@pytest.mark.parametrize(
    ("program", "is_kept", "seen"),
    [
        (REFUSES, True, "pi-rag: It is damaged."),
        (KILLED, False, "ended with -9, and said pi-rag: It is damaged."),
        (SILENTLY_KILLED, False, "ended with -9, and said nothing"),
        (SILENT, False, "ended with 5, and said nothing"),
    ],
)
def test_only_a_service_that_ends_by_itself_and_says_why_has_told(
    service: RunningService, program: str, is_kept: bool, seen: str
) -> None:
    """Who was killed has not, and what was said of an earlier fault is no reason for this one."""
    service.under = (sys.executable, "-c", program)
    house = hurt("database-damaged", service)

    assert house.kept == {"database-damaged is noticed": is_kept}
    assert house.seen == {"database-damaged is noticed": seen}


def test_a_service_that_hangs_has_told_nothing(service: RunningService) -> None:
    """It is killed, since what is put back afterwards must not be held by it."""
    service._start_s_max = 0.2
    service.under = (sys.executable, "-c", HANGS)
    house = hurt("database-damaged", service)

    assert house.kept == {"database-damaged is noticed": False}
    assert house.seen == {"database-damaged is noticed": "it neither started nor ended"}
    assert house.is_gone


def test_who_dies_at_a_closed_database_has_not_told_why(
    service: RunningService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As at a damaged one."""
    monkeypatch.setattr("pi_rag.stress.spoiling.as_owner", lambda: (sys.executable, "-c", KILLED))
    service.under = (sys.executable, "-c", SILENT)
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(str(service.socket))
    house = hurt("permissions", service)

    assert house.kept["permissions of the database are told"] is False


class Orphaned:
    """A service whose child outlives it."""

    pid = 1

    def __init__(self) -> None:
        self.told: list[str] = []

    def kill(self) -> None:
        self.told.append("kill")

    def start(self) -> None:
        self.told.append("start")


def test_who_outlives_a_killed_supervisor_is_counted_and_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the service is started again."""
    monkeypatch.setattr(faults, "ORPHANS_S_MAX", 0.0)
    monkeypatch.setattr(truth, "LEFT_S_MAX", 0.0)
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as orphan:
        monkeypatch.setattr("pi_rag.stress.family.all_of", lambda _: {orphan.pid})
        house = House(Orphaned())
        with faults.BY_NAME["kill-supervisor"].hurt(cast("Stage", house)):
            assert orphan.wait(30.0) == -9
            assert cast("Orphaned", house.service).told == ["kill"]

    assert house.kept == {"kill-supervisor leaves nobody": False}
    assert house.seen == {"kill-supervisor leaves nobody": "1 left"}


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
