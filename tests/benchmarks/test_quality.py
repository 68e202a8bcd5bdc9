"""What the figures of quality are computed from."""

from __future__ import annotations

from pathlib import Path

from benchmarks.quality import held_out, written
from benchmarks.sets import RetrievalSet, names


def test_about_half_of_the_queries_are_held_out_always_the_same() -> None:
    """By their ids alone; of a set on which nothing is tuned, all are."""
    kept = [held_out("chats", str(number)) for number in range(1000)]
    assert 400 < sum(kept) < 600
    assert kept == [held_out("chats", str(number)) for number in range(1000)]
    assert all(held_out("scifact", str(number)) for number in range(100))


def test_a_corpus_becomes_files_named_by_its_ids(tmp_path: Path) -> None:
    """Also ids with a folder in them, and texts as they are."""
    written(RetrievalSet({"week1/2": ("A title", "a\r\ntext"), "3": ("", "more")}, {}, {}), tmp_path)
    assert (tmp_path / "week1" / "2.md").read_bytes() == b"# A title\n\na\r\ntext\n"
    assert (tmp_path / "3.md").read_bytes() == b"more\n"


def test_sets_without_a_corpus_are_no_sets_of_their_own(tmp_path: Path) -> None:
    """A training split has the corpus of its test split, and is measured by nobody."""
    for name, file in (("one", "corpus.jsonl"), ("two", "queries.jsonl")):
        (tmp_path / name).mkdir()
        (tmp_path / name / file).touch()
    assert names(tmp_path) == ["one"]
