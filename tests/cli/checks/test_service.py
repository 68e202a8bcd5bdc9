"""What only the service can know."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest

from pi_rag.cli import advice
from pi_rag.cli.checks import service
from pi_rag.client import Client
from pi_rag.config import load
from pi_rag.errors import AdministratorsOnly, BackupUnwritable, DeadlineExceeded, PiRagError, StoreDamaged
from pi_rag.models.convert import convert
from pi_rag.models.folder import read_folder
from pi_rag.models.shelf import OWN_HINT
from tests.host import boards
from tests.install.shell import Shell
from tests.models.seeded import write_folder

STATUS: dict[str, Any] = {"model": {"name": "first"}}

ENGINE = {"llama_cpp": "0.5.0", "ggml": "0.25.3", "commit": "0c1e570", "features": "CPU : NEON = 1"}


def test_models_of_another_user_are_left_to_the_service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder that this user may not look into is no damage: the service has checked what it loaded."""
    (tmp_path / "models").mkdir()
    settings = load(flags={"service.data": str(tmp_path)})
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert service.model(settings, STATUS).verdict == "ok"
    unasked, without = (service.model(settings, status) for status in ({}, {"state": "degraded"}))
    assert [unasked.verdict, without.verdict] == ["warn", "warn"]
    assert ("does not answer" in unasked.detail, "has none" in without.detail) == (True, True)


def test_no_checksum_is_told_of_a_file_that_has_none(tmp_path: Path) -> None:
    """One that the settings name by its path was not installed; a damaged one is not to be pulled."""
    mine = tmp_path / "mine.gguf"
    convert(read_folder(write_folder(tmp_path / "small")), mine, query_prefix="")
    settings = load(flags={"service.data": str(tmp_path), "embedder.model": str(mine)})
    whole = service.model(settings, STATUS)
    mine.write_bytes(mine.read_bytes()[:-9])
    damaged = service.model(settings, STATUS)
    assert (whole.verdict, "checksum right" in whole.detail, str(mine) in whole.detail) == ("ok", False, True)
    assert (damaged.verdict, damaged.mend) == ("wrong", OWN_HINT)


class Degraded(Client):
    """A service that lacks this."""

    def __init__(self, *reasons: str) -> None:
        self.reasons = reasons

    def status(self, *, check: bool = False) -> dict[str, Any]:
        return {"state": "degraded", "ready": False, "degraded": list(self.reasons)}


def test_the_doctor_does_not_send_to_the_doctor() -> None:
    """A line of its own looks at the model; the service's reason is in its status."""
    alone, beside = (
        service.asked(Degraded("embedder_unavailable", *more))[0] for more in ((), ("safe_mode",))
    )
    assert alone.mend == "pi-rag status"
    assert beside.mend == advice.DEGRADED["safe_mode"]


class Checked(Client):
    """A service that says this of its database when it is asked to read all of it."""

    def __init__(self, told: dict[str, Any] | PiRagError) -> None:
        self.told = told

    def status(self, *, check: bool = False) -> dict[str, Any]:
        assert check
        if isinstance(self.told, PiRagError):
            raise self.told
        return {"store": self.told}


def test_a_database_nobody_checked_is_not_called_whole() -> None:
    """No answer is not a good answer."""
    answers: list[dict[str, Any]] = [{"problems": []}, {"size_mib": 1}]
    whole, unchecked = (service.whole(Checked(told)) for told in answers)
    assert (whole.verdict, unchecked.verdict) == ("ok", "warn")
    assert [check.what for check in service.store({"store": {"size_mib": 1}})] == ["database"]
    assert list(service.store({})) == []


def test_a_check_that_cannot_be_made_is_its_own_line() -> None:
    """A large database is read for longer than a request may take, and nothing is wrong with it."""
    long, faulty = (
        service.whole(Checked(each)) for each in (DeadlineExceeded("60 s."), StoreDamaged("Page 3."))
    )
    assert (long.what, long.verdict, long.mend) == ("database check", "warn", "sudo pi-rag upkeep")
    assert (faulty.what, faulty.verdict) == ("database check", "wrong")


def with_engine(features: str) -> dict[str, Any]:
    return {"embedder": {"engine": ENGINE | {"features": features}}}


def test_an_engine_without_dot_products_is_told_where_there_are_some(tmp_path: Path) -> None:
    """With the whole command that builds it anew; a Pi 4's processor has none to use."""
    pi_5, pi_4 = boards.pi_5(tmp_path / "5"), boards.pi_4(tmp_path / "4")
    [poor] = service.engine(with_engine("CPU : NEON = 1 | DOTPROD = 0"), pi_5)
    assert (poor.verdict, poor.what) == ("warn", "engine")
    assert "GGML_NATIVE=ON" in poor.mend and " -m pip install --force-reinstall " in poor.mend
    [good] = service.engine(with_engine("CPU : NEON = 1 | DOTPROD = 1 | OPENMP = 1"), pi_5)
    assert (good.verdict, good.detail) == (
        "ok",
        "llama.cpp 0.5.0, ggml 0.25.3, commit 0c1e570, DOTPROD = 1",
    )
    [old] = service.engine(with_engine("CPU : NEON = 1"), pi_4)
    assert old.verdict == "ok"


def test_an_engine_that_is_built_anew_is_as_fast_as_the_installers(tmp_path: Path) -> None:
    """The compiler is told by the command what install.sh tells it on a Pi."""
    shell = Shell(tmp_path)
    shell.fake("uname", "echo aarch64")
    asked = shlex.split(service.rebuild().partition("   (")[0])
    flags = [line.strip() for line in shell.run("engine_flags").stdout.splitlines()]
    assert len(flags) == 2 and set(flags) <= set(asked[: asked.index(sys.executable)])


def test_where_nobody_tells_of_the_engine_there_is_no_line() -> None:
    """A service that does not answer, or has no model, or is an older one."""
    answers: list[dict[str, Any]] = [{}, {"embedder": {"engine": None}}, {"embedder": {}}]
    assert [each for status in answers for each in service.engine(status)] == []


def test_an_alert_that_fires_is_a_line_with_what_to_do() -> None:
    """One that this version does not know leads to the status."""
    fires = [{"name": name, "value": 81.5, "unit": "°C", "limit": 80} for name in ("hot", "unheard_of")]
    hot, other = service.alerts({"alerts": fires})
    assert (hot.verdict, hot.detail) == ("warn", "hot, 81.5 °C (limit 80)")
    assert (hot.mend, other.mend) == (advice.ALERTS["hot"], "pi-rag status")
    [low] = service.alerts(
        {"alerts": [{"name": "disk_low", "value": 34200.273, "unit": "MiB", "limit": 1_000_000.0}]}
    )
    assert low.detail == "disk_low, 34,200 MiB (limit 1,000,000)"


class Copied(Client):
    """A service whose newest backup was made then."""

    def __init__(self, told: float | PiRagError | dict[str, Any] | None) -> None:
        self.told = told

    def backup_status(self) -> dict[str, Any]:
        if isinstance(self.told, PiRagError):
            raise self.told
        return self.told if isinstance(self.told, dict) else {"newest_at": self.told}


def test_a_backup_that_failed_is_to_look_at_however_new_the_one_before() -> None:
    """As when its disk is not mounted any more: why, and what to do."""
    error = BackupUnwritable("It cannot be written to /mnt/usb: Permission denied.").to_wire()

    told = service.backup(Copied({"newest_at": 100.0, "folder_error": error}), 101.0)

    assert (told.verdict, told.detail) == ("warn", f"the last one failed: {error['message']}")
    assert "mounted" in told.mend and "sudo pi-rag backup" in told.mend


def test_an_old_backup_or_none_is_to_look_at() -> None:
    """A night without one is nothing; who may not ask is told who may."""
    day = 86400.0
    asked = [Copied(100 * day), Copied(90 * day), Copied(None), Copied(AdministratorsOnly("No."))]

    fresh, old, none, forbidden = (service.backup(each, 101.5 * day) for each in asked)

    assert (fresh.verdict, fresh.detail) == ("ok", "the newest is 1.5 days old")
    assert (old.verdict, old.detail) == ("warn", "the newest is 12 days old")
    assert (none.verdict, none.mend.startswith("sudo pi-rag backup")) == ("warn", True)
    assert (forbidden.verdict, forbidden.mend) == ("ok", "sudo pi-rag doctor")
    assert service.backup(Copied(StoreDamaged("Page 3.")), 0.0).verdict == "wrong"
