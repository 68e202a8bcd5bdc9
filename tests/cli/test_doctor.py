"""`pi-rag doctor`: every check gives its verdict, and what is wrong gives exit code one."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import pytest

from pi_rag.cli import checks
from pi_rag.cli.checks import Check
from pi_rag.config import load
from pi_rag.models.shelf import Shelf
from pi_rag.processes import confinement
from tests.cli.conftest import Run
from tests.cli.test_model import put
from tests.standin import StandIn

STATUS: dict[str, Any] = {
    "version": "0.1.0",
    "ready": True,
    "state": "ready",
    "degraded": [],
    "model": {"name": "first"},
    "store": {
        "sqlite_version": "3.54.1",
        "sqlite_vec_version": "v0.1.9",
        "schema_version": 1,
        "size_mib": 12.5,
        "upkeep": {"free_mib": 1.25},
        "problems": [],
    },
}


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
    """Every part is looked at, and exit code zero."""
    service.on("GET", "/v1/status", STATUS)
    ran = run("doctor", "--json")
    found = by_what(ran.json)
    assert ran.code == 0
    assert ran.json["ok"] is True
    looked_at = "python, settings, data folder, free space, socket, service, model, database, database check"
    of_the_board = {"reading child", "temperature", "power"}
    here = {what: check for what, check in found.items() if "memory" not in what and what not in of_the_board}
    assert list(here) == looked_at.split(", ")
    assert {check["verdict"] for check in here.values()} == {"ok"}
    assert (
        "SQLite 3.54.1, sqlite-vec v0.1.9, schema 1, 12.5 MiB, 1.25 of them free"
        in found["database"]["detail"]
    )
    assert service.asked[0].params == {"check": "true"}


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


def test_models_of_another_user_are_left_to_the_service(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that this user may not look into is no damage: the service has checked what it loaded."""
    settings = load()
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert checks.model(settings, STATUS).verdict == "ok"
    assert checks.model(settings, {}).verdict == "warn"


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


def test_what_the_service_finds_in_its_database_is_wrong(service: StandIn, run: Run, home: Path) -> None:
    """The doctor never opens the database; it repeats what the service says."""
    service.on("GET", "/v1/status", STATUS | {"store": {"problems": ["3 passages without words"]}})
    found = by_what(run("doctor", "--json").json)["database check"]
    assert found["verdict"] == "wrong"
    assert "3 passages without words" in found["detail"]


def test_a_database_nobody_checked_is_not_called_whole() -> None:
    """No answer is not a good answer."""
    verdicts = {check.what: check.verdict for check in checks.store({"store": {"size_mib": 1}})}
    assert verdicts["database check"] == "warn"
    assert list(checks.store({})) == []


@pytest.mark.parametrize(
    ("version", "verdict"), [((3, 10, 12), "wrong"), ((3, 11, 0), "ok"), ((3, 14, 1), "ok")]
)
def test_an_old_python_is_wrong(version: tuple[int, ...], verdict: str) -> None:
    """3.11 is the first that will do."""
    assert checks.python(version).verdict == verdict


@pytest.mark.parametrize(("free", "verdict"), [(50 << 20, "wrong"), (500 << 20, "warn"), (5 << 30, "ok")])
def test_little_room_is_told(tmp_path: Path, free: int, verdict: str) -> None:
    """Before the disk is full, not after."""
    *_, room = checks.data_folder(tmp_path, lambda path: free)
    assert (room.what, room.verdict) == ("free space", verdict)


def test_a_data_folder_for_everyone_is_told(tmp_path: Path) -> None:
    """It holds what people keep to themselves."""
    tmp_path.chmod(0o755)
    rights, _ = checks.data_folder(tmp_path)
    assert (rights.verdict, rights.mend) == ("warn", f"chmod o-rwx {tmp_path}")


def test_a_data_folder_that_is_none_is_told(tmp_path: Path) -> None:
    """Not there yet, not a folder, not to be looked into."""
    (tmp_path / "file").write_text("")
    missing, wrong, inside = tmp_path / "none", tmp_path / "file", tmp_path / "file" / "x"
    assert [check.verdict for check in checks.data_folder(missing)] == ["warn"]
    assert next(iter(checks.data_folder(wrong))).verdict == "wrong"
    assert [check.verdict for check in checks.data_folder(inside)] == ["warn"]


def test_every_fault_of_a_socket_has_its_own_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Missing, no socket, below a file, without rights: each says what mends it."""
    (tmp_path / "file").write_text("")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
    assert checks.socket(tmp_path / "s").verdict == "ok"
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    faults = [checks.socket(tmp_path / name) for name in ("none", "file", "file/x", "s")]
    assert [fault.verdict for fault in faults] == ["wrong"] * 4
    assert len({fault.detail for fault in faults}) == 4
    assert all(fault.mend for fault in faults)


def kernel(root: Path, controllers: str, *, pressure: bool) -> dict[str, Check]:
    """The checks of a machine whose kernel is this one."""
    (root / "sys/fs/cgroup").mkdir(parents=True)
    (root / "sys/fs/cgroup/cgroup.controllers").write_text(controllers)
    (root / "proc/pressure").mkdir(parents=True)
    if pressure:
        (root / "proc/pressure/memory").write_text("")
    return {check.what: check for check in checks.machine(root, 16384)}


def sys_files(root: Path, temp: str, alarm: str) -> Path:
    """A /sys of a board that tells its heat and its power."""
    for name, text in {
        "sys/class/thermal/thermal_zone0/type": "cpu-thermal\n",
        "sys/class/thermal/thermal_zone0/temp": temp,
        "sys/class/hwmon/hwmon1/name": "rpi_volt\n",
        "sys/class/hwmon/hwmon1/in0_lcrit_alarm": alarm,
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def test_a_weak_supply_and_a_hot_processor_are_told_with_what_mends_them(tmp_path: Path) -> None:
    """By what the board's own sensors say; where there are none, nothing is said."""
    weak = {each.what: each for each in checks.machine(sys_files(tmp_path / "a", "81500\n", "1\n"))}
    assert (weak["power"].verdict, weak["power"].mend) == ("warn", "use the 27 W supply (5.1 V, 5 A)")
    assert (weak["temperature"].verdict, weak["temperature"].detail[:5]) == ("warn", "82 °C")
    assert "fan" in weak["temperature"].mend
    well = {each.what: each for each in checks.machine(sys_files(tmp_path / "b", "61000\n", "0\n"))}
    assert [well[what].verdict for what in ("power", "temperature")] == ["ok", "ok"]
    assert not {"power", "temperature"} & {each.what for each in checks.machine(tmp_path / "none")}


def test_a_kernel_that_confines_less_is_a_warning(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Files of strangers are read all the same, under limits; what is missing is named."""
    monkeypatch.setattr(confinement, "lacking", list)
    assert kernel(tmp_path / "a", "memory", pressure=True)["reading child"].verdict == "ok"
    monkeypatch.setattr(confinement, "lacking", lambda: ["Landlock, which keeps it from files"])
    check = kernel(tmp_path / "b", "memory", pressure=True)["reading child"]
    assert check.verdict == "warn"
    assert "no Landlock" in check.detail


def test_raspberry_pi_os_as_it_comes_is_told(tmp_path: Path) -> None:
    """Memory cgroup and pressure figures are off: two hints with the words for the boot line."""
    found = kernel(tmp_path, "cpuset cpu io pids\n", pressure=False)
    assert found["memory limits"].verdict == "warn"
    assert "cgroup_enable=memory" in found["memory limits"].mend
    assert "psi=1" in found["memory pressure"].mend
    assert found["memory pages"].detail == "16 KiB"


def test_a_kernel_with_everything_is_well(tmp_path: Path) -> None:
    """No hints where none are needed."""
    found = kernel(tmp_path, "cpu memory pids\n", pressure=True)
    assert {check.verdict for check in found.values()} == {"ok"}
    assert not any(check.mend for check in found.values())


def test_the_summary_counts() -> None:
    """What is wrong comes before what is only to be looked at."""
    ok, warn, wrong = Check("a", "ok", ""), Check("b", "warn", ""), Check("c", "wrong", "")
    assert checks.summary([ok]) == "All is well."
    assert checks.summary([ok, warn]) == "Nothing wrong, 1 to look at."
    assert checks.summary([warn, wrong, wrong]) == "2 things wrong, 1 to look at."
