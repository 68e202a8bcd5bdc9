"""What the harness believes to be in its folder is what is there."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from pi_rag.stress.yard import WAYS, Yard, word_of

CHANGES = 60


@settings(max_examples=20)
@given(seed=st.integers(0, 2**32), files_max=st.integers(1, 30))
def test_the_list_of_files_is_what_lies_there(seed: int, files_max: int) -> None:
    """After any changes: the same paths, the same texts, no more files than may be, and no word twice."""
    with tempfile.TemporaryDirectory() as folder:
        yard = Yard(Path(folder), seed, files_max)
        for _ in range(CHANGES):
            yard.change()
        there = {path: path.read_text(encoding="utf-8") for path in Path(folder).rglob("*") if path.is_file()}

    assert there == yard.files
    assert len(there) <= files_max
    words = [*map(word_of, there.values()), *yard.gone]
    assert len(words) == len(set(words))
    assert all(word.startswith("zq") for word in words)


def test_everything_happens(tmp_path: Path) -> None:
    """Each way of changing something comes within a few hundred changes."""
    yard = Yard(tmp_path, seed=1, files_max=40)
    for _ in range(300):
        yard.change()

    assert set(yard.done) == set(WAYS)
