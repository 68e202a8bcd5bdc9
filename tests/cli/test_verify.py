"""`pi-rag verify`: a service is asked, a stopped data folder or a backup is read; the exit code tells."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from pi_rag.cli import verify
from pi_rag.client import Client
from pi_rag.clock import SystemClock
from pi_rag.config import StoreSettings
from pi_rag.errors import DeadlineExceeded
from pi_rag.store import identity
from pi_rag.store.store import Store
from tests.cli.conftest import Run
from tests.standin import StandIn
from tests.store.making import FINGERPRINT, put

ANSWER = {
    "path": "/var/lib/pi-rag/pi-rag.db",
    "problems": [],
    "schema_version": 17,
    "counts": {"documents": 2, "passages": 1, "memories": 1, "waiting": 0},
    "model": None,
    "content_hash": "ab",
    "sections": {},
}


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Of a service that is stopped, with one document."""

    async def made() -> None:
        store = Store.open(path, StoreSettings(), SystemClock())
        await store.write(identity.claim_fingerprint, FINGERPRINT)
        await store.write(put, "a", ["tea", "milk"])
        await store.close()

    path = tmp_path / "stopped" / "pi-rag.db"
    asyncio.run(made())
    return path


def test_a_running_service_is_asked(service: StandIn, run: Run) -> None:
    """How thoroughly goes along; nothing of the answer can steer the terminal."""
    service.on("POST", "/v1/verify", ANSWER)

    done = run("verify", "--deep")

    assert service.bodies("/v1/verify") == [{"deep": True}]
    assert (done.code, done.err) == (0, "")
    first, second, last = done.out.splitlines()
    assert first == "service /var/lib/pi-rag/pi-rag.db"
    assert second == "  2 documents, 1 passage, 1 memory, 0 documents waiting"
    assert last.startswith("all is whole (")


def test_what_is_wrong_is_exit_code_1_with_what_to_type(service: StandIn, run: Run) -> None:
    """A service has to be stopped before anything can be put in its place."""
    service.on("POST", "/v1/verify", ANSWER | {"problems": ["torn\x1b[2J page", *["x"] * 30]})

    done = run("verify")

    assert done.code == verify.EXIT_WRONG == 1
    lines = [line.strip() for line in done.out.splitlines()]
    assert "\x1b" not in done.out and "and 11 more problems" in lines
    assert lines[-3:] == [
        "sudo systemctl stop pi-rag.socket pi-rag",
        "pi-rag restore --data /var/lib/pi-rag BACKUP",
        "pi-rag recover --data /var/lib/pi-rag",
    ]


def test_a_folder_that_is_named_is_not_that_of_any_service(
    service: StandIn, database: Path, tmp_path: Path, run: Run
) -> None:
    """Where another service answers, the folder's own file is read; what is advised names the folder."""
    service.on("POST", "/v1/verify", ANSWER)
    service.on("GET", "/v1/status", {"data": "/var/lib/pi-rag"})
    named = ("--data", str(database.parent), "--socket", str(tmp_path / "pi-rag.sock"))
    whole = run("verify", "--json", *named)
    database.write_bytes(database.read_bytes()[:-100])
    cut = run("verify", "--json", *named)
    theirs = run("verify", "--json", "--data", "/var/lib/pi-rag", *named[2:])

    assert (whole.json["what"], whole.json["path"]) == ("database", str(database))
    assert cut.json["next"][-1] == f"pi-rag recover --data {database.parent}"
    assert theirs.json["what"] == "service"
    assert len(service.bodies("/v1/verify")) == 1


def test_a_stopped_data_folder_is_read(database: Path, tmp_path: Path, run: Run) -> None:
    """With the same fields for programs, whatever was looked at."""
    done = run("verify", "--json", "--data", str(database.parent), "--socket", str(tmp_path / "none"))

    found = json.loads(done.out)
    assert (done.code, found["ok"], found["what"], found["problems"]) == (0, True, "database", [])
    assert (found["counts"]["documents"], found["model"]["model_name"]) == (1, "tiny")
    assert set(ANSWER) <= set(found)


def test_a_damaged_file_by_name(database: Path, run: Run) -> None:
    """Noise in a page; the answer is on standard output, for people and for programs."""
    data = bytearray(database.read_bytes())
    data[2 * 16384 : 4 * 16384] = b"\xff" * 2 * 16384
    database.write_bytes(data)

    told, shown = run("verify", str(database), "--json"), run("verify", str(database))

    assert (told.code, shown.code, json.loads(told.out)["ok"]) == (1, 1, False)
    advised = f"pi-rag recover --data {database.parent}"
    assert advised in shown.out and json.loads(told.out)["next"][-1] == advised


@pytest.mark.parametrize("name", ["passwd", "pi-rag.db.damaged-20261122T021500Z"])
def test_of_another_file_the_database_is_left_alone(name: str, tmp_path: Path, run: Run) -> None:
    """What is wrong with it is no reason to put anything in the place of the database."""
    (tmp_path / name).write_text("root:x:0:0::/:/bin/sh\n" * 1000)

    told, shown = run("verify", str(tmp_path / name), "--json"), run("verify", str(tmp_path / name))

    assert (shown.code, json.loads(told.out)["next"]) == (1, [])
    assert "no database of pi_rag" in shown.out
    assert "restore" not in shown.out and "recover" not in shown.out


def test_nothing_there_is_said(tmp_path: Path, run: Run) -> None:
    """Neither a service nor a database, or no such file: exit code 3, and how to name it."""
    nowhere = run("verify", "--data", str(tmp_path), "--socket", str(tmp_path / "none"))
    missing = run("verify", str(tmp_path / "x.db"))

    assert (nowhere.code, missing.code) == (3, 3)
    assert "--data" in nowhere.err and "x.db" in missing.err


def test_it_asks_again_while_the_service_still_reads() -> None:
    """A request's time is up before a large database is read; who asks again joins that reading."""

    class Slow(Client):
        left = 2

        def verify(self, *, deep: bool = False) -> dict[str, object]:
            if self.left:
                self.left -= 1
                raise DeadlineExceeded("not yet")
            return ANSWER

    assert verify._of_service(Slow(Path("/none")), SystemClock(), deep=False)["ok"] is True
