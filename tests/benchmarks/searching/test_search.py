"""`python -m benchmarks.search`, small: our own store beside all products, and usearch where there is one."""

from __future__ import annotations

import importlib.util
import sys
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest

from benchmarks import search
from benchmarks.searching.rows import NUMPY, OURS, Row, chosen, rows
from benchmarks.searching.table import ahead, line
from benchmarks.searching.turns import Found, Task, recall

SIZE = 3000


def test_ours_finds_what_all_products_find(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The table is made of real processes, and the truth is that of the same rows."""
    monkeypatch.setattr(search, "peers_python", lambda name: Path(sys.executable))
    words = "numpy,pi_rag" + (",usearch" if importlib.util.find_spec("usearch") else "")
    args = Namespace(size=[SIZE], peers=words, quick=True, rounds=1, seconds=1.0, build_minutes=1.0)
    base = np.random.default_rng(3).standard_normal((500, 32)).astype(np.float32)
    base /= np.linalg.norm(base, axis=1, keepdims=True)

    figures = search.measure(args, base, base[::5], tmp_path)

    lines = {each["row"]: each for each in figures.rows}
    assert {each["why not"] for each in figures.rows} == {""}
    assert lines[NUMPY]["recall@10"] == "1.0000"
    assert figures.headline[f"recall10_at_{SIZE}"] > 0.95
    assert not list(tmp_path.glob("*/built"))


def test_a_row_that_could_not_run_says_why() -> None:
    """It has no figure at all, not a zero."""
    row = rows(1000)[1]
    found = line(1000, row, Found(failed="it was not done after 600 s"))

    assert found["why not"] == "it was not done after 600 s"
    assert {value for name, value in found.items() if name not in {"vectors", "row", "why not"}} == {"-"}


def test_a_peer_is_ahead_only_when_it_finds_is_faster_and_smaller() -> None:
    """One that misses too much, is slower, or holds more of RAM, is not called better."""

    def found(p50_ms: float, private_mib: float, mapped_mib: float, share: float) -> Found:
        times = [p50_ms]
        return Found(p50_ms=times, p95_ms=times, recall=share, private_mib=private_mib, mapped_mib=mapped_mib)

    peers = {
        "better": found(0.1, 5, 1, 0.99),
        "mapped": found(0.1, 5, 900, 0.99),
        "blind": found(0.1, 5, 1, 0.97),
        "large": found(0.1, 50, 1, 1.0),
        "slow": found(2, 5, 1, 1.0),
        "broken": Found(failed="no"),
    }
    every = [Row(OURS, "store", own=True), *(Row(name, "any") for name in peers)]
    private, whole = "faster and smaller, private alone", "faster and smaller, private and mapped"

    assert ahead(every, peers | {OURS: found(1, 20, 1, 0.999)}) == {
        private: "better, mapped",
        whole: "better",
    }
    assert set(ahead(every, peers | {OURS: found(0.05, 20, 1, 0.999)}).values()) == {"none"}
    assert ahead(every, peers | {OURS: Found(failed="no")}) == {}


def test_rows_that_do_not_fit_the_ram_together_come_one_by_one() -> None:
    """No way is slow because another one has its pages."""
    tasks = [Task(row, Path(), 10, Path(), [], Path()) for row in rows(10)[:3]]

    assert search.groups(tasks, each_mib=100, available_mib=600) == [tasks]
    assert search.groups(tasks, each_mib=100, available_mib=599) == [[task] for task in tasks]


def test_recall_counts_what_is_there_and_not_where() -> None:
    """The order within the first ten is somebody else's figure."""
    assert recall([[2, 1], [1, 9]], [[1, 2], [1, 2]]) == 0.75


def test_words_choose_rows_and_every_row_has_its_own_name() -> None:
    """A part of the table can be measured alone."""
    every = rows(100_000)

    assert len({row.name for row in every}) == len(every)
    assert {row.kind for row in chosen(every, ["usearch", "numpy"], quick=False)} == {"usearch", "numpy"}
    assert [row.name for row in chosen(every, [], quick=True)][:2] == [OURS, NUMPY]
