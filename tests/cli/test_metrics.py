"""`pi-rag metrics`: the past, from the files that the service leaves behind."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Run

MINUTE: dict[str, Any] = {
    "state": "ready",
    "searches": 12,
    "p50_ms": 4.25,
    "p95_ms": 123.4,
    "answer_hits": 3,
    "memory_mib": {"supervisor": 100.5, "worker": 30.0},
    "documents_waiting": 7,
    "written_kib": 88,
    "alerts": ["disk_low"],
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the service writes them."""
    made = tmp_path / "data" / "metrics"
    made.mkdir(parents=True)
    return made


def write(path: Path, *lines: dict[str, Any] | str) -> None:
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    path.write_text("\n".join(texts) + "\n")


def ago(seconds: float, **fields: Any) -> dict[str, Any]:
    return {"at": time.time() - seconds, **fields}


def test_minutes_are_rows_with_pipes(run: Run, folder: Path) -> None:
    """Each under its heading, with what is not known as a stroke."""
    write(folder / "metrics.jsonl", ago(60, **MINUTE), ago(0, state="starting"))
    ran = run("metrics", "--data", str(folder.parent))
    head, first, second = ([cell.strip() for cell in line.split("|")] for line in ran.out.splitlines())
    assert ran.code == 0
    assert head[1:6] == ["state", "searches", "p50 ms", "p95 ms", "known"]
    assert first[1:] == ["ready", "12", "4.2", "123", "3", "130", "7", "-", "88", "disk_low"]
    assert second[1:] == ["starting", *["-"] * 8, ""]


def test_what_happened_stands_between_them(run: Run, folder: Path) -> None:
    """With the figures that caused it, in the order of time."""
    step = ago(30, event="memory_step", before="normal", step="shed", used_mib=905.5, bound=900)
    write(folder / "metrics.jsonl", ago(60, **MINUTE), step, ago(0, **MINUTE))
    lines = run("metrics", "--data", str(folder.parent)).out.splitlines()
    assert lines[2].endswith("| memory_step: before normal, step shed, used_mib 905.5, bound 900")


def test_older_files_are_read_as_far_as_is_asked(run: Run, folder: Path) -> None:
    """The oldest line first, and none from before the span."""
    write(folder / "metrics.2.jsonl", ago(9000, searches=1))
    write(folder / "metrics.1.jsonl", ago(7000, searches=2), ago(3000, searches=3))
    write(folder / "metrics.jsonl", ago(100, searches=4))
    found = {
        last: [json.loads(line)["searches"] for line in _json(run, folder, last)]
        for last in ("1h", "2h", "1d", "5m", "1s")
    }
    assert found == {"1h": [3, 4], "2h": [2, 3, 4], "1d": [1, 2, 3, 4], "5m": [4], "1s": []}


def _json(run: Run, folder: Path, last: str) -> list[str]:
    return run("metrics", "--json", "--last", last, "--data", str(folder.parent)).out.splitlines()


def test_what_is_torn_or_strange_is_passed_over(run: Run, folder: Path) -> None:
    """A power cut and an editor cost their line alone, and the terminal gets nothing to obey."""
    strange = [
        '{"at":',
        "[]",
        '{"at": "now"}',
        '{"at": NaN}',
        "[" * 100_000,
        '{"at": 1e300, "state": "\\u001b[2J", "memory_mib": 7, "alerts": 7, "p50_ms": "x"}',
        '{"at": 9e9, "event": "\\u001b[2J"}',
    ]
    write(folder / "metrics.jsonl", *strange, ago(0, **MINUTE))
    ran = run("metrics", "--data", str(folder.parent))
    assert ran.code == 0
    assert len(ran.out.splitlines()) == 4
    assert "\x1b" not in ran.out


def test_a_service_that_never_wrote_has_no_past(run: Run, tmp_path: Path) -> None:
    """One line, with what to do."""
    ran = run("metrics", "--data", str(tmp_path / "nowhere"))
    assert (ran.code, ran.out) == (3, "")
    assert "There are no metrics in" in ran.err
    assert "metrics --config /etc/pi-rag/pi-rag.toml" in ran.err  # wherever its data lies


@pytest.mark.parametrize("span", ["", "1", "h", "-1h", "1w", "1h30m"])
def test_a_span_that_is_none_is_refused(run: Run, span: str) -> None:
    """With an example of what is one."""
    ran = run("metrics", f"--last={span}")
    assert ran.code == 2
    assert "write 30m, 6h or 2d" in ran.err


def test_a_folder_of_another_user_is_told_of(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The installed service's data are its own; what is forbidden is said, and whose it is."""

    def forbidden(*_: object, **__: object) -> str:
        raise PermissionError(13, "Permission denied")

    write(folder / "metrics.jsonl", ago(0))
    monkeypatch.setattr(Path, "read_text", forbidden)
    ran = run("metrics", "--data", str(folder.parent))
    assert ran.code == 3
    assert "may be read by the service's user only" in ran.err
    assert "hint: It is yours" in ran.err
