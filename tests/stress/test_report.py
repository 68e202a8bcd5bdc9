"""What a run leaves: it can be read again as it was, says how it went, and refuses what is no report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pi_rag.errors import RequestInvalid
from pi_rag.stress import report as reports
from pi_rag.stress.report import Report
from pi_rag.stress.types import Check, Record
from tests.stress.reported import records, small


@settings(max_examples=30)
@given(st.lists(records(), max_size=2))
def test_a_report_that_was_written_is_read_as_it_was(runs: list[Record]) -> None:
    """Through text and back nothing is lost but single answers, which the tally has."""
    before = Report(5, "pi-rag stress --seed 5", runs)

    after = reports.from_json(json.loads(json.dumps(reports.to_json(before))))

    assert after == before


@settings(max_examples=30)
@given(records())
def test_a_screen_can_be_made_of_any_record(record: Record) -> None:
    """And it says of every promise whether it was kept."""
    shown = "\n".join(reports.lines(Report(1, "again", [record])))

    assert shown.count("[asked: ") >= len(record.checks)
    assert f"seed {record.seed}" in shown


def test_the_screen_shows_each_promise_and_the_seed() -> None:
    """What was asked, what was seen, and what was broken in capitals."""
    record = small("whole", True, False, None)
    record.checks.append(Check("fast", "p95 of at most 150 ms", "177 ms of 12 searches", False))
    shown = list(reports.lines(Report(7, "pi-rag stress --seed 7", [record])))

    assert shown[0] == "load: NOT WELL: 2 of 4 promises broken   (22 s, whole form, seed 7)"
    assert "  kept      promise 0: this   [asked: that]" in shown
    assert "  BROKEN    fast: 177 ms of 12 searches   [asked: p95 of at most 150 ms]" in shown
    assert "  not seen  promise 2: this   [asked: that]" in shown
    assert "    memory_budget_mib 200   search_p95_ms 24.5" in shown
    assert shown[-1] == (
        "NOT WELL: 0 of 1 scenarios ended as they must, 1 not looked at. Replay: pi-rag stress --seed 7"
    )


@pytest.mark.parametrize(
    ("record", "outcome", "is_well"),
    [
        (small("whole", True), "all promises kept", True),
        (small("whole", True, None, None), "all promises kept, 2 not looked at", True),
        (small("whole", None), "NOT WELL: nothing was looked at", False),
        (small("whole", True, False), "NOT WELL: 1 of 2 promises broken", False),
        (small("whole"), "NOT WELL: nothing was looked at", False),
        (small("whole", True, False, must_fail=True), "well: the loss was found", True),
        (small("whole", True, must_fail=True), "NOT WELL: the loss was not found", False),
        (small("whole", False, True, must_fail=True), "NOT WELL: the loss was not found", False),
        (small("whole", False, False, must_fail=True), "NOT WELL: 1 more than the loss", False),
        (small("failed", False, must_fail=True), "FAILED: ", False),
        (small("interrupted", True), "INTERRUPTED: ", False),
    ],
)
def test_a_run_is_well_only_when_it_ended_as_it_must(record: Record, outcome: str, is_well: bool) -> None:
    """The canary is well when the loss was found; what did not come to its end never is."""
    assert reports.outcome(record) == outcome
    assert Report(1, "", [record]).is_well is is_well


def test_the_last_line_counts_what_was_not_looked_at() -> None:
    """In all scenarios; where all was looked at there is nothing to say."""
    runs = [small("whole", True, None), small("whole", None, True, None)]

    assert reports.verdict(Report(1, "again", runs)) == (
        "WELL: 2 of 2 scenarios ended as they must, 3 not looked at. Replay: again"
    )
    assert "looked" not in reports.verdict(Report(1, "again", [small("whole", True)]))


def test_no_run_at_all_is_not_well() -> None:
    """Nothing shows nothing."""
    assert not Report(1, "", []).is_well


def test_a_report_names_nobody() -> None:
    """Paths in a reason, a note, a check or a mark lose what is above them, in the file and on the screen."""
    record = small("failed", True)
    record.reason = "[Errno 13] Permission denied: '/home/ann/secret/pi-rag.db'"
    record.notes = ["in /home/ann/notes"]
    record.checks = [Check("found /home/ann/a", "/home/ann/b", "/home/ann/c", False)]
    report = Report(1, "again", [record])
    told = json.dumps(reports.to_json(report)) + "\n".join(reports.lines(report))

    assert "ann" not in told
    assert ".../pi-rag.db" in told


def _without(name: str) -> dict[str, Any]:
    told = reports.to_json(Report(1, "", [small()]))
    del told["runs"][0][name]
    return told


def _with(value: Any, *path: str | int) -> dict[str, Any]:
    """A sound report but for what lies there."""
    told = json.loads(json.dumps(reports.to_json(Report(1, "", [small("whole", True)]))))
    place = told["runs"][0]
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return dict(told)


@pytest.mark.parametrize(
    "told",
    [
        _with([], "figures"),
        _with({"search_p95_ms": "fast"}, "figures"),
        _with({"search_p95_ms": None}, "figures"),
        _with("x", "seconds"),
        _with(float("nan"), "seconds"),
        _with(10**400, "seconds"),
        _with(True, "seed"),
        _with(1.5, "seed"),
        _with("over", "ending"),
        _with(["over"], "ending"),
        _with("a note", "notes"),
        _with([1], "notes"),
        _with(0, "is_quick"),
        _with(["Pi"], "machine"),
        _with({"cores": 4}, "machine"),
        _with("yes", "checks", "is_kept", 0),
        _with(None, "checks", "name", 0),
        _with("8", "marks", "at_s", 0),
        _with([1.0], "samples", "pss_mib", 0),
        _with({"worker": "40"}, "samples", "private_mib", 0),
        _with("slow", "samples", "degraded", 0),
        _with("hot", "samples", "temperature_c", 0),
        _with(0, "tally", "slot_s"),
        _with(-1, "tally", "operations", "search", 0, 0),
        _with([[10**6, 1]], "tally", "operations", "search", 0, 1),
        _with({"": "many"}, "tally", "operations", "search", 0, 2),
        [],
        {},
        {"what": "pi-rag stress"},
        {"what": "pi-rag stress", "schema": 999},
        {"what": "pi-rag stress", "schema": reports.SCHEMA, "seed": "x", "command": "", "runs": []},
        {"what": "pi-rag stress", "schema": reports.SCHEMA, "seed": 1, "command": "", "runs": [3]},
        reports.to_json(Report(1, "", [small()])) | {"schema": reports.SCHEMA + 1},
        reports.to_json(Report(1, "", [small()])) | {"is_well": "yes"},
        reports.to_json(Report(1, "", [small()])) | {"seed": "1"},
        _without("samples"),
        _without("tally"),
        _without("scenario"),
    ],
)
def test_what_is_no_report_is_refused(told: Any, tmp_path: Path) -> None:
    """With an error that says so, and no traceback."""
    (tmp_path / "report.json").write_text(json.dumps(told))

    with pytest.raises(RequestInvalid) as refused:
        reports.read(tmp_path / "report.json")
    assert "Agents" not in refused.value.hint
    assert "Error" not in refused.value.message, "it is said in words"


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    """Missing, no text, no JSON, or nested without end."""
    for content in (b"\xff\xfe\x00", b"{", b"[" * 100_000):
        (tmp_path / "x").write_bytes(content)
        with pytest.raises(RequestInvalid, match="x is no report of pi-rag stress") as refused:
            reports.read(tmp_path / "x")
        assert refused.value.hint == reports.WHICH
    with pytest.raises(RequestInvalid, match="missing cannot be read: No such file") as missing:
        reports.read(tmp_path / "missing")
    assert missing.value.hint == reports.WHICH
