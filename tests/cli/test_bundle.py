"""The report for a bug report: what is in it, and what never is."""

from __future__ import annotations

import errno
import json
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest

from pi_rag import log
from pi_rag.cli import bundle, doctor
from pi_rag.cli.bundle import PRIVATE, clean, log_line, settings_told, without_paths
from pi_rag.cli.checks.check import Check
from pi_rag.config import load
from pi_rag.errors import BadInput
from pi_rag.models.catalogue import KNOWN
from tests.cli.conftest import Run
from tests.host import boards
from tests.standin import StandIn

CANARY = "Canary"
"""Stands in every text of others, and in no text of ours."""


def with_canaries() -> dict[str, Any]:
    """What the service says, with a canary wherever a person's text may stand."""
    path = f"/home/{CANARY}/tax {CANARY}.pdf"
    return {
        "version": "0.1.0",
        "ready": True,
        "state": "degraded",
        "degraded": ["embedder_unavailable"],
        "data": path,
        "model": {"name": CANARY, "licence": CANARY, "path": path, "quantisation": "Q8_0", "dimensions": 384},
        "embedder": {
            "state": "ready",
            "reason": f"The model file {path} cannot be read.",
            "workers": [{"pid": 7, "state": "idle", "lane": None}],
            "engine": {"llama_cpp": "0.5.0", "commit": "0c1e570-dirty", "features": "CPU : NEON = 1"},
        },
        "store": {"sqlite_version": "3.54.1", "problems": ["3 passages without words"]},
        "ingest": {"current": [path], "disks_stuck": [{"mount": path, "for_s": 3.5}], "waiting_for": None},
        "watching": {"folders": 1, "problems": [{"folder": path, "problem": f"{path} is gone"}]},
        "reindex": {"state": "failed", "model": CANARY, "name": CANARY, "error": {"message": CANARY}},
        "alerts": [{"name": "hot", "value": 81.5, "unit": "°C", "limit": 80, "hint": CANARY}],
    }


METRICS = [
    {
        "at": 1.5,
        "event": "memory_step",
        "step": "shed",
        "before": "normal",
        "cause": "budget",
        "figure": 912.5,
    },
    {"at": 2.5, "event": "alert", "name": "hot", "value": 81.5, "source": CANARY},
    {
        "at": 3.5,
        "memory": {"pss_mib": 301.5},
        "alerts": ["hot"],
        "held_by": "heat",
        "query": f"where is {CANARY}",
    },
]

METRICS_FILES = {
    "metrics/metrics.1.jsonl": json.dumps(METRICS[0]) + "\n",
    "metrics/metrics.jsonl": "\n".join(map(json.dumps, METRICS[1:])) + "\nhalf a li",
}
"""As they lie after a rotation."""

STACK = f'exception="  File \\"/h/{CANARY}/pi_rag/a.py\\", line 3, in f\\n"'

LOG = f"""\
timestamp=2026-11-21T22:31:00Z level=warning event=item_failed room=ingest source=/home/{CANARY}/a took_s=2.5
timestamp=2026-11-21T22:31:01Z level=info event=searched query="the pin is pin=1234, {CANARY} \\"x\\"" hits=3
timestamp=2026-11-21T22:31:01Z level=info event=searched query=1234567812341234 name=1234 path=1234 hits=2
timestamp=2026-11-21T22:31:02Z level=error event=oops {STACK}
ValueError: {CANARY} password=99
  File "/home/{CANARY}/pi_rag/b.py", line 12 in work
"""


@pytest.fixture
def report(service: StandIn, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A report of a service and a machine that are full of private text: its files by name."""
    service.on("GET", "/v1/status", with_canaries())
    service.on("GET", "/v1/backup", {"state": "none"})
    data = tmp_path / CANARY
    boards.write(data, METRICS_FILES)
    boards.write(tmp_path, {"bin/journalctl": f"#!/bin/sh\ncat {tmp_path / 'log'}\n", "log": LOG})
    (tmp_path / "bin/journalctl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("PI_RAG_DATA", str(data))
    monkeypatch.setenv("PI_RAG_SOCKET", str(tmp_path / "pi-rag.sock"))
    monkeypatch.setenv("PI_RAG_MODEL", f"/models/{CANARY}.gguf")
    monkeypatch.setattr(doctor, "ROOT", boards.pi_5(tmp_path / "pi"))
    ran = run("doctor", "--json", "--bundle", str(tmp_path / "report.tar.gz"))
    assert ran.json["bundle"]["file"] == str(tmp_path / "report.tar.gz")
    return unpacked(tmp_path / "report.tar.gz")


def unpacked(path: Path) -> dict[str, str]:
    with tarfile.open(path) as archive:
        members = archive.getmembers()
        assert {(member.uid, member.gid, member.uname, member.gname) for member in members} == {
            (0, 0, "", "")
        }
        return {
            member.name.removeprefix("pi-rag-report/"): file.read().decode()
            for member in members
            if (file := archive.extractfile(member))
        }


def test_no_text_of_others_is_in_a_report(report: dict[str, str]) -> None:
    """No name of a source, folder, model or person, no question, nothing of the log but what is ours."""
    assert [name for name, text in report.items() if CANARY in text] == []
    assert [name for name, text in report.items() if "1234" in text or "password" in text] == []


def test_what_helps_to_find_a_fault_is_in_it(report: dict[str, str]) -> None:
    """Verdicts, figures, words of our own, versions, events and where in our code a fault was."""
    assert set(report) == set(bundle.CONTENTS)
    verdicts = {each["what"]: each for each in json.loads(report["doctor.json"])}
    assert verdicts["board"]["detail"].startswith("Raspberry Pi 5")
    assert (verdicts["socket"]["verdict"], verdicts["socket"]["detail"]) == ("ok", PRIVATE)
    assert verdicts["database check"]["detail"] == "3 passages without words"
    status = json.loads(report["status.json"])
    assert (status["state"], status["degraded"]) == ("degraded", ["embedder_unavailable"])
    assert status["embedder"]["engine"]["commit"] == "0c1e570-dirty"
    assert status["alerts"][0] == {"name": "hot", "value": 81.5, "unit": "°C", "limit": 80, "hint": PRIVATE}
    assert json.loads(report["settings.json"])["embedder.model"] == "(set)"
    assert {"pi_rag", "python", "kernel", "apsw"} <= set(json.loads(report["versions.json"]))
    step, first, second = map(json.loads, report["metrics.jsonl"].splitlines())
    assert step == METRICS[0]
    assert (first["name"], first["value"], second["memory"]) == ("hot", 81.5, {"pss_mib": 301.5})
    assert (second["alerts"], second["held_by"]) == (["hot"], "heat")
    assert report["log.txt"].splitlines() == [
        "timestamp=2026-11-21T22:31:00Z level=warning event=item_failed room=ingest took_s=2.5",
        "timestamp=2026-11-21T22:31:01Z level=info event=searched hits=3",
        "timestamp=2026-11-21T22:31:01Z level=info event=searched hits=2",
        "timestamp=2026-11-21T22:31:02Z level=error event=oops a.py:3:f",
        "b.py:12:work",
    ]


def test_what_is_in_it_is_said_before_it_is_sent(
    service: StandIn, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each file with what it holds, and that nobody has got it; in this folder where no name is given."""
    service.on("GET", "/v1/status", with_canaries())
    service.on("GET", "/v1/backup", {"state": "none"})
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(doctor, "ROOT", boards.pi_5(tmp_path / "pi"))
    out = run("doctor", "--bundle").out
    [path] = tmp_path.glob("pi-rag-report-*.tar.gz")
    assert f"The report is {path.name}. It was sent to nobody." in out
    assert all(f"  {name:<16}{bundle.CONTENTS[name]}" in out for name in unpacked(path))
    assert path.stat().st_mode & 0o777 == 0o600


def test_what_is_missing_is_said_and_why(
    service: StandIn, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing that is not in it is told as if it were, neither by the command nor in the report."""
    service.on("GET", "/v1/status", with_canaries())
    service.on("GET", "/v1/backup", {"state": "none"})
    boards.write(tmp_path, {"bin/journalctl": "#!/bin/sh\nexit 1\n"})
    (tmp_path / "bin/journalctl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("PI_RAG_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("PI_RAG_SOCKET", str(tmp_path / "pi-rag.sock"))
    out = run("doctor", "--bundle", str(tmp_path / "r")).out
    files = unpacked(tmp_path / "r")
    assert set(files) == set(bundle.CONTENTS) - {"metrics.jsonl", "log.txt"}
    for name in ("metrics.jsonl", "log.txt"):
        assert f"Not in it: {name} ({bundle.LACKS[name]})" in out
        assert f"{name:<16}{bundle.LACKS[name]}\n" in files["README.txt"]
    assert "no log: not run by systemd" in out
    assert all(f"{name:<16}{bundle.CONTENTS[name]}\n" in files["README.txt"] for name in files)


def test_what_is_there_is_not_written_over(run: Run, tmp_path: Path) -> None:
    """Nor is a folder that is not there made: an error with what to do, and exit code two."""
    (tmp_path / "mine").write_text("mine")
    for name in ("mine", "none/report"):
        ran = run("doctor", "--bundle", str(tmp_path / name))
        assert (ran.code, "Name another file" in ran.err) == (2, True)
    assert (tmp_path / "mine").read_text() == "mine"


def test_a_report_is_made_without_settings_and_service(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Just then it is wanted most: what can be known without them is in it."""
    monkeypatch.setenv("PI_RAG_WORKERS", "many")
    ran = run("doctor", "--bundle", str(tmp_path / "r"))
    assert ran.code == 1
    assert {"README.txt", "doctor.json", "versions.json"} <= set(unpacked(tmp_path / "r"))
    assert "many" not in unpacked(tmp_path / "r")["doctor.json"]


def test_only_words_of_ours_get_through() -> None:
    """A text in a field that is not on the list is left out, however deep; so is a sentence in one."""
    assert clean({"state": "ready", "x": [{"y": CANARY, "state": "a b"}], "n": [1, 2.5, None, True]}) == {
        "state": "ready",
        "x": [{"y": PRIVATE, "state": PRIVATE}],
        "n": [1, 2.5, None, True],
    }


def test_words_of_the_status_that_are_ours_are_in_it() -> None:
    """What a helper asks first: which model, which policy, what slows adding, which alerts there are."""
    assert {text for model in KNOWN for text in (model.name, model.licence)} == bundle.KNOWN_MODELS
    told = {
        "model": {"name": "all-MiniLM-L6-v2", "licence": "Apache-2.0"},
        "reindex": {"model": "bge-small-en-v1.5", "index_model": "all-MiniLM-L6-v2"},
        "cache": {"policy": "lru"},
        "ingest": {"pace": {"documents": 2, "why": "heat"}},
        "alert_names": ["hot", "disk_low"],
    }
    assert clean(told) == told
    strange = {"model": {"name": "all-MiniLM-L6-v2 of Ann", "licence": "Ann's"}, "source": "all-MiniLM-L6-v2"}
    assert clean(strange) == {"model": {"name": PRIVATE, "licence": PRIVATE}, "source": PRIVATE}


def test_paths_are_left_out_of_a_line() -> None:
    """Of a check that names none by itself, too."""
    assert without_paths("mount /dev/sda2 on /home/ann, 3.5 m/s") == "mount /…, 3.5 m/s"
    assert without_paths("read /home/ann/My Documents/x: denied") == "read /…: denied"
    assert bundle.checked(Check("socket", "ok", "/run/x", is_private=True))["detail"] == PRIVATE


def test_settings_tell_numbers_and_choices(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a text that anybody may choose, only whether it is set."""
    monkeypatch.setenv("PI_RAG_MODEL", CANARY)
    told = settings_told(load())
    assert (told["embedder.model"], told["service.admin_group"]) == ("(set)", "")
    assert (told["index.kind"], told["ingest.read_s_max"]) == ("auto", 60.0)


def test_a_line_of_nobodys_says_nothing() -> None:
    """What a library wrote past our log, or half a line."""
    for line in ("", CANARY, f"level=info event={CANARY}", 'timestamp="x'):
        assert CANARY not in log_line(line)


def test_every_number_is_of_a_field_that_the_log_has() -> None:
    """A name that no line has would only look as if it were kept."""
    assert log.FIELDS >= bundle.LOG_NUMBERS
    assert not log.TEXTS & bundle.LOG_NUMBERS


def test_half_a_report_does_not_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk is full in the middle of it: the file is gone, and why is said."""

    def fill(file: Any, files: dict[str, str]) -> None:
        file.write(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(bundle, "_pack", fill)
    with pytest.raises(BadInput, match="No space left"):
        bundle.write(str(tmp_path / "report"), [], None, {})
    assert list(tmp_path.iterdir()) == []
