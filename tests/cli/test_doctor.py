"""`pi-rag doctor`: every check gives its verdict, and what is wrong gives exit code one."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from pi_rag.cli import advice, doctor
from pi_rag.cli.checks import setup
from pi_rag.cli.checks.check import SUBJECTS
from pi_rag.models.shelf import Shelf
from pi_rag.processes import confinement
from tests.cli.conftest import Run
from tests.cli.test_model import put
from tests.host import boards
from tests.standin import Asked, Reply, StandIn

STATUS: dict[str, Any] = {
    "version": "0.1.0",
    "ready": True,
    "state": "ready",
    "degraded": [],
    "memory": {"budget_mib": 1024, "budget_set_mib": 0, "budget_why": "", "lowered": {}},
    "model": {"name": "first"},
    "embedder": {"engine": {"llama_cpp": "0.5.0", "commit": "0c1e570", "features": "DOTPROD = 1"}},
    "store": {
        "sqlite_version": "3.54.1",
        "sqlite_vec_version": "v0.1.9",
        "schema_version": 1,
        "size_mib": 12.5,
        "upkeep": {"free_mib": 1.25},
        "problems": [],
    },
}


@pytest.fixture(autouse=True)
def pi_5(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every test here is on a Pi 5 whose system tells all and has all."""
    root = boards.write(
        boards.pi_5(tmp_path / "pi"),
        {
            "proc/pressure/memory": "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n",
            "sys/fs/cgroup/cgroup.controllers": "memory\n",
            "sys/devices/platform/soc/soc:firmware/get_throttled": "0\n",
            "etc/systemd/journald.conf.d/99.conf": "[Journal]\nStorage=persistent\n",
            "var/log/journal/0123/system.journal": "",
            "dev/kmsg": "6,1,1,-;all is well\n",
        },
    )
    monkeypatch.setattr(doctor, "ROOT", root)
    monkeypatch.setattr(setup, "SYSTEMDS", tmp_path / "run")
    monkeypatch.setattr(confinement, "lacking", list)
    return root


@pytest.fixture
def service(service: StandIn) -> StandIn:
    """One that made a backup just now."""
    service.on("GET", "/v1/backup", {"state": "none", "newest_at": time.time()})
    return service


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A data folder as the service makes it, with a model."""
    (tmp_path / "pi-rag").mkdir(mode=0o700)
    put(Shelf(tmp_path / "pi-rag" / "models"), "first")
    return tmp_path


def by_what(ran_json: dict[str, Any]) -> dict[str, dict[str, str]]:
    """The checks by what they looked at."""
    return {check["what"]: check for check in ran_json["checks"]}


def test_a_sound_house_has_nothing_wrong(service: StandIn, run: Run, home: Path) -> None:
    """Every part is looked at, in the order of the page, and exit code zero."""
    service.on("GET", "/v1/status", STATUS)
    ran = run("doctor", "--json")
    found = by_what(ran.json)
    assert (ran.code, ran.json["ok"]) == (0, True)
    assert list(found) == [what for what in SUBJECTS if what not in {"alert", "watched folder"}]
    assert {what: check["detail"] for what, check in found.items() if check["verdict"] != "ok"} == {}
    assert (
        "SQLite 3.54.1, sqlite-vec v0.1.9, schema 1, 12.5 MiB, 1.25 of them free"
        in found["database"]["detail"]
    )
    assert [asked.params for asked in service.asked] == [{}, {"check": "true"}, {}]


def test_a_machine_in_bad_order_is_told_in_one_line_each(
    service: StandIn, run: Run, home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A card that can only be read, hot and with too little power: exit code one, each with a command."""
    service.on("GET", "/v1/status", STATUS)
    monkeypatch.setattr(doctor, "ROOT", boards.pi_zero_2(tmp_path / "zero"))
    ran = run("doctor", "--json")
    bad = {what for what, check in by_what(ran.json).items() if check["verdict"] != "ok"}
    assert (ran.code, ran.json["ok"]) == (1, False)
    assert {"storage", "disk health", "swap", "power", "temperature", "memory pressure"} <= bad
    assert all(check["mend"] for check in ran.json["checks"] if check["verdict"] != "ok")


def test_a_service_that_is_not_there_is_wrong(run: Run, home: Path) -> None:
    """One line says so, with the command that starts it; the rest is still looked at."""
    ran = run("doctor")
    assert ran.code == 1
    assert "wrong socket" in ran.out
    assert "-> pi-rag serve" in ran.out
    assert "ok    model" in ran.out
    assert ran.out.splitlines()[-1].startswith("1 thing wrong")


def test_a_wrong_setting_ends_the_looking(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without settings nobody knows where the rest is."""
    monkeypatch.setenv("PI_RAG_WORKERS", "many")
    ran = run("doctor", "--json")
    assert ran.code == 1
    assert by_what(ran.json)["settings"]["verdict"] == "wrong"
    assert "socket" not in by_what(ran.json)


def test_a_changed_model_is_wrong(service: StandIn, run: Run, home: Path) -> None:
    """Its checksum is looked at, not only its name."""
    service.on("GET", "/v1/status", STATUS)
    (home / "pi-rag" / "models" / "first.gguf").write_bytes(b"changed")
    found = by_what(run("doctor", "--json").json)["model"]
    assert found["verdict"] == "wrong"
    assert "pi-rag model pull --force" in found["mend"]


def test_a_degraded_service_is_to_be_looked_at(service: StandIn, run: Run, home: Path) -> None:
    """It answers, but from less than everything: a warning with what to do, and exit code zero."""
    service.on(
        "GET", "/v1/status", STATUS | {"ready": False, "state": "degraded", "degraded": ["model_mismatch"]}
    )
    ran = run("doctor", "--json")
    found = by_what(ran.json)["service"]
    assert ran.code == 0
    assert (found["verdict"], found["detail"]) == ("warn", "degraded: model_mismatch")
    assert "pi-rag reindex" in found["mend"]


def test_a_service_that_only_cannot_add_is_to_be_looked_at_too(
    service: StandIn, run: Run, home: Path
) -> None:
    """Its searches are whole, so it calls itself ready; the status says degraded, and so does the doctor."""
    lacks = {"state": "degraded", "degraded": ["of_a_newer_service", "disk_full"]}
    service.on("GET", "/v1/status", STATUS | lacks)
    found = by_what(run("doctor", "--json").json)["service"]
    assert (found["verdict"], found["detail"]) == ("warn", "degraded: of_a_newer_service, disk_full")
    assert found["mend"] == advice.DEGRADED["disk_full"]


@pytest.mark.parametrize(
    ("told", "mend"),
    [
        ({"budget_why": "less than one worker needs"}, "raise memory.budget_mib (0: a quarter"),
        ({"lowered": {"embedder.workers": 2}}, "or lower what does not fit; then restart the service"),
        ({"budget_why": "more than the cgroup allows"}, "set memory.budget_mib to 1024 or less"),
    ],
)
def test_a_budget_that_was_not_kept_is_to_be_looked_at(
    service: StandIn, run: Run, home: Path, told: dict[str, Any], mend: str
) -> None:
    """And what was lowered to fit it; each with what to set."""
    service.on("GET", "/v1/status", STATUS | {"memory": STATUS["memory"] | told})
    found = by_what(run("doctor", "--json").json)["memory budget"]
    assert found["verdict"] == "warn"
    assert mend in found["mend"]


def test_what_the_service_finds_in_its_database_is_wrong(service: StandIn, run: Run, home: Path) -> None:
    """The doctor never opens the database; it repeats what the service says."""
    service.on("GET", "/v1/status", STATUS | {"store": {"problems": ["3 passages without words"]}})
    found = by_what(run("doctor", "--json").json)["database check"]
    assert found["verdict"] == "wrong"
    assert "3 passages without words" in found["detail"]


def test_a_long_check_leaves_the_other_lines(service: StandIn, run: Run, home: Path) -> None:
    """A sound service with a large database is not wrong: only its database check has no end yet."""

    def answer(asked: Asked) -> Reply:
        if not asked.params:
            return 200, STATUS
        return 504, {"error": {"code": "deadline_exceeded", "message": "Too long.", "hint": ""}}

    service.on("GET", "/v1/status", answer)
    ran = run("doctor", "--json")
    found = by_what(ran.json)
    assert (ran.code, found["service"]["verdict"], found["engine"]["verdict"]) == (0, "ok", "ok")
    assert (found["database check"]["verdict"], found["database check"]["mend"]) == (
        "warn",
        "sudo pi-rag upkeep",
    )
