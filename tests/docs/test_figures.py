"""No figure of a page is typed."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from docs import build, figures

MEASURED = re.compile(r"\d[\d.,]* ?(?:ms|MiB|GiB|%|passages a second|times as)\b")
"""What a figure looks like where it was typed."""


@pytest.fixture
def results(tmp_path: Path) -> Path:
    body = {
        "headline": {"p50_ms": 0.537},
        "rows": [{"way": "ours", "ms": 0.5, "note": ""}, {"way": "theirs", "ms": 1.25, "note": ""}],
        "notes": {"command": "python -m benchmarks.some"},
    }
    (tmp_path / "some.json").write_text(json.dumps(body))
    return tmp_path


def test_places_get_what_the_run_wrote(results: Path) -> None:
    """Numbers of the headline, notes, cells, in the form that the page wants."""
    page = "`{{some: command}}`: {{some: p50_ms :.1f}} ms, theirs {{some: theirs | ms}}."

    assert figures.filled(page, results) == "`python -m benchmarks.some`: 0.5 ms, theirs 1.25."
    assert figures.names(page) == ["some"]


def test_a_table_has_the_columns_that_are_wanted(results: Path) -> None:
    """All that say something, or those that are named."""
    whole = "| way | ms |\n| --- | --- |\n| ours | 0.500 |\n| theirs | 1.250 |"

    assert figures.filled("{{table some}}", results) == whole
    assert figures.filled("{{table some: way}}", results) == "| way |\n| --- |\n| ours |\n| theirs |"


@pytest.mark.parametrize(
    "place",
    ["{{other: p50_ms}}", "{{some: p95_ms}}", "{{some: ours | kg}}", "{{some}}", "{{some: its | ms}}"],
)
def test_a_place_for_what_nobody_measured_is_an_error(place: str, results: Path) -> None:
    """A page never shows an empty place."""
    with pytest.raises(LookupError):
        figures.filled(place, results)


def measuring() -> list[str]:
    """The command of each result that is one run of one benchmark."""
    told = [json.loads(path.read_text())["notes"]["command"] for path in figures.RESULTS.glob("*.json")]
    return sorted(command for command in told if command.startswith("python -m "))


@pytest.mark.parametrize("command", measuring())
def test_a_result_can_be_measured_again(command: str) -> None:
    """The benchmark that it names is there, with the flags that it names."""
    run = [sys.executable, *command.split()[1:3], "--help"]
    told = subprocess.run(run, cwd=figures.ROOT, check=True, capture_output=True, text=True).stdout
    assert set(re.findall(r"--[\w-]+", command)) <= set(re.findall(r"--[\w-]+", told))


@pytest.mark.parametrize("path", build.figured(), ids=lambda path: path.name)
def test_no_figure_is_typed(path: Path) -> None:
    """A page with places has no measured figure beside them, and every result says how it came to be."""
    text = path.read_text(encoding="utf-8")
    found = [line for line in text.splitlines() if MEASURED.search(re.sub(r"\{\{.*?\}\}", "", line))]
    told = [
        json.loads((figures.RESULTS / f"{name}.json").read_text())["notes"] for name in figures.names(text)
    ]

    assert found == []
    assert all({"command", "measured", "machine"} <= notes.keys() for notes in told)
