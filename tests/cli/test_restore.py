"""`pi-rag restore`: what came back, what it needs, what differs, and what there is to choose from."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from pi_rag.cli.restore import different
from pi_rag.clock import SystemClock
from pi_rag.config import StoreSettings, from_values, to_toml
from pi_rag.store import backups, identity
from pi_rag.store.store import Store
from tests.cli.conftest import Run
from tests.store.making import FINGERPRINT, put
from tests.store.test_backup import MOMENT, making


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A backup of one document."""

    async def of_one() -> Path:
        store = Store.open(tmp_path / "there" / "pi-rag.db", StoreSettings(), SystemClock())
        await store.write(identity.claim_fingerprint, FINGERPRINT)
        await store.write(put, "a", ["tea", "milk"])
        (tmp_path / "backups").mkdir()
        path = (await store.aside(making(store, tmp_path / "backups"))).path
        await store.close()
        return path

    return asyncio.run(of_one())


def test_what_is_back_is_told(made: Path, tmp_path: Path, run: Run) -> None:
    """The moment, the counts, the model that is not here, and how to start the service."""
    here = tmp_path / "here"

    done = run("restore", str(made), "--data", str(here))

    assert done.code == 0 and "comparing ..." in done.err
    first, model, *_, last = done.out.splitlines()
    given = f"--data {here}"
    assert first.startswith("Restored what was kept on 2026-11-") and "1 document, " in first
    assert "made with tiny, which is not here" in model and f"pi-rag model pull {given} tiny" in model
    assert last.startswith(f"Start the service: pi-rag serve {given}   (")
    whole = run("verify", str(here / "pi-rag.db"), "--json")
    again = run("restore", str(made), "--data", str(here), "--json")
    told = json.loads(again.out)
    assert json.loads(whole.out)["content_hash"] == told["content_hash"]
    assert "before-restore" in told["kept"] and told["model"]["is_here"] is False


def test_the_installed_service_is_started_as_it_is(made: Path, tmp_path: Path, run: Run) -> None:
    """Where only settings were named, or nothing: they are its own; whoever has none types them again."""
    (tmp_path / "c.toml").write_text("")
    *_, last = run("restore", str(made), "--config", str(tmp_path / "c.toml")).out.splitlines()
    assert last == (
        "Start the service: sudo systemctl start pi-rag.socket pi-rag   "
        f"(or: pi-rag serve --config {tmp_path / 'c.toml'})"
    )


def test_a_running_service_is_named_with_what_stops_it(made: Path, tmp_path: Path, run: Run) -> None:
    """Its lock on the data folder says so."""

    async def held() -> None:
        store = Store.open(tmp_path / "here" / "pi-rag.db", StoreSettings(), SystemClock())
        done = await asyncio.to_thread(run, "restore", str(made), "--data", str(tmp_path / "here"))
        assert done.code == 2 and "sudo systemctl stop pi-rag.socket pi-rag" in done.err
        assert "comparing" not in done.err, "it is told before what takes long"
        await store.close()

    asyncio.run(held())


def test_the_backups_of_a_folder_are_listed(made: Path, tmp_path: Path, run: Run) -> None:
    """What is none is said to be none; for programs only those that are."""
    (made.parent / "letter.db").write_text("a letter")

    shown, told = (
        run("restore", "--list", str(made.parent)),
        run("restore", "--list", str(made.parent), "--json"),
    )

    lines = shown.out.splitlines()
    assert lines[0].endswith(f"{made}  1 document") and lines[1].startswith("no backup")
    listed = json.loads(told.out)["backups"]
    assert [(each["path"], each["made_at"]) for each in listed] == [(str(made), MOMENT)]
    assert run("restore", "--list", str(tmp_path / "none")).code == 3
    (tmp_path / "empty").mkdir()
    assert "There is no backup" in run("restore", "--list", str(tmp_path / "empty")).out


def test_a_folder_that_may_not_be_looked_into_says_who_may(
    made: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not that its name may be misspelt."""

    def forbidden(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(backups, "listing", forbidden)
    ran = run("restore", "--list", str(made.parent))
    assert ran.code == 3 and f"{made.parent} cannot be looked into" in ran.err
    assert "its mode or its disk forbids it" in ran.err


def test_before_the_first_backup_there_is_none(tmp_path: Path, run: Run) -> None:
    """The folder of the settings is made with the first one; that is no failure."""
    shown, told = run("restore", "--list"), run("restore", "--list", "--json")

    assert (shown.code, told.code, told.json["backups"]) == (0, 0, [])
    assert "yet. Make one: pi-rag backup" in shown.out and "mounted" not in shown.out


def test_a_disk_that_is_not_mounted_is_thought_of(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder that somebody has chosen may be there without being seen."""
    monkeypatch.setenv("PI_RAG_BACKUP_FOLDER", str(tmp_path / "usb"))
    assert "not mounted" in run("restore", "--list").out


def test_a_folder_is_said_to_be_one(made: Path, run: Run) -> None:
    """With what shows the backups in it, also of `verify`."""
    for command in ("restore", "verify"):
        done = run(command, str(made.parent))
        assert done.code == 3 and f"{made.parent} is a folder." in done.err
        assert f"pi-rag restore --list {made.parent}" in done.err


def test_a_file_that_is_not_there_is_no_data_folder(run: Run) -> None:
    """A backup is asked for, and what lists them is `--list`, not `list`."""
    done = run("restore", "list")
    assert done.code == 3 and "There is no file list." in done.err
    assert "pi-rag restore --list FOLDER" in done.err and "--data" not in done.err


def test_it_wants_one_thing(run: Run) -> None:
    """Neither nothing nor both."""
    assert (run("restore").code, run("restore", "a", "--list", "b").code) == (2, 2)


def test_settings_that_differ_are_found() -> None:
    """But not where things lie, nor those that only one of the two knows."""
    then = from_values({"query.chars_max": 777, "service.data": "/a"})
    now = from_values({"service.data": "/b"})
    toml = to_toml(then) + "\n[other]\nkey = 1\n"

    assert different(toml, now) == {"query.chars_max": (777, now.query.chars_max)}
    assert "embedder.workers" in different(to_toml(now), from_values({"embedder.workers": 3}))
    sized = to_toml(from_values({"embedder.workers": 2, "embedder.threads": 1, "memory.budget_mib": 1024}))
    assert different(sized, now) == {}, "what the machine chose was set by nobody"
    assert different("no toml [", now) == {}
