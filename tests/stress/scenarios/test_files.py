"""Files that are far larger than others."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from pi_rag.stress.scenarios import files
from pi_rag.types import ModelCard

from .staging import broken, ran


@pytest.mark.model
@pytest.mark.slow
def test_large_files_are_stored_to_their_end_or_refused(
    tmp_path: Path, minilm: ModelCard, long_form: bool
) -> None:
    """Within their time and the budget of memory, and searches are answered meanwhile."""
    record = ran(files.SCENARIO, tmp_path, minilm, long_form=long_form)
    became = {check.name: check.seen for check in record.checks}

    assert broken(record) == []
    assert became["text-100.txt"].startswith("refused: document_too_large")
    large = files.WHOLE if long_form else files.QUICK
    assert all(became[each.name].startswith("stored") for each in large if each.name != "text-100.txt")


def test_a_large_text_has_its_size_and_its_word_at_its_end(tmp_path: Path) -> None:
    """Of two files no word is the same; the same chance makes the same file."""
    paths = [tmp_path / name for name in ("one.txt", "other.txt", "again.txt")]
    for path in paths:
        files.text(0.1)(path, random.Random(1))
    one, other, again = (path.read_text(encoding="utf-8").splitlines() for path in paths)

    assert 0.1 <= paths[0].stat().st_size / files.MIB < 0.11
    assert one[:-1] == other[:-1] == again[:-1]
    assert len({lines[-1] for lines in (one, other, again)}) == 3
