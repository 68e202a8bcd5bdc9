"""Figures come out as they went in."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.report import Figures, circumstances, publish


def test_figures_written_as_json_are_a_table_of_the_pages(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a page shows is what a run printed."""
    rows: list[dict[str, Any]] = [
        {"row": "ours", "p50 ms": 0.5, "why not": ""},
        {"row": "other", "p50 ms": "-", "why not": ""},
    ]
    path = tmp_path / "figures.json"
    publish(Figures({"p50_ms": 0.5}, rows, {"queries": 200}), str(path))

    command = [sys.executable, "-m", "benchmarks.report", str(path)]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert printed.splitlines() == [
        "| row | p50 ms |",
        "| --- | --- |",
        "| ours | 0.500 |",
        "| other | - |",
        "",
        "- p50_ms: 0.5",
        "- queries: 200",
        *(f"- {name}: {value}" for name, value in circumstances().items()),
    ]
    assert json.loads(path.read_text(encoding="utf-8"))["rows"] == rows
    assert "ours   0.500" in capsys.readouterr().out
