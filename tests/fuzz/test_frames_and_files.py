"""Frames, files and queries: whatever they are, each is taken, or refused with an error for people."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

from tests.fuzz import run
from tests.fuzz.driving import CORPUS, corpus_of, tried

INPUTS = 18_600
"""With those at the service 20,000 in all; `--long` has ten times as many."""


@pytest.fixture(autouse=True)
def nothing_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("PI_RAG_")]:
        monkeypatch.delenv(name)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Reading `.npy`:UserWarning")  # numpy's word to who wrote the file
def test_no_input_does_what_none_may_do(long_form: bool) -> None:
    """No crash, no error without a name, none that takes for ever; and memory stays flat."""
    outcomes = run.frames_and_files(INPUTS * (10 if long_form else 1), 1, run.told)
    found = [(each.target, each.data[:200], each.why) for outcome in outcomes for each in outcome.findings]
    assert found == []
    assert [outcome.target for outcome in outcomes if run.too_much(outcome)] == []
    # One that is never taken, or always, would not reach what it is to reach.
    tried_often = [outcome for outcome in outcomes if outcome.count >= 300]
    assert [outcome.target for outcome in tried_often if len(outcome.became) < 2] == []


@pytest.mark.filterwarnings("ignore:Reading `.npy`:UserWarning")
def test_what_was_once_found_is_found_no_more(tmp_path: Path) -> None:
    """Each kept input, at the door where it was found."""
    targets = {target.name: target for target in run.in_process(tmp_path)}
    kept = {folder.name for folder in CORPUS.iterdir()} - {"wires"}
    assert kept <= set(targets)
    for name in sorted(kept):
        for data in corpus_of(name):
            assert tried(targets[name], data, Counter()) is None, (name, data[:200])
