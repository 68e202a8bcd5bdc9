"""What every kind of RAM index must do. Each kind's tests run all of it over one of its own."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pi_rag.config import IndexSettings
from pi_rag.index.proposer import Proposer, SnapshotUnusable
from pi_rag.store.plan import choose

DIMENSIONS = 64

Rows = npt.NDArray[np.float32]


def unit_rows(count: int, seed: int) -> Rows:
    """Shape (count, DIMENSIONS): unit vectors in some clusters, as texts have them."""
    dice = np.random.default_rng(seed)
    centres = dice.standard_normal((1 + count // 20, DIMENSIONS))
    rows = centres[dice.integers(0, len(centres), count)] + 0.7 * dice.standard_normal((count, DIMENSIONS))
    made: Rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype("<f4")
    return made


def filled(empty: Proposer, ids: Sequence[int], rows: Rows) -> Proposer:
    """An index of these passages, added in three parts."""
    for part in np.array_split(np.arange(len(ids)), 3):
        empty.add([ids[place] for place in part], rows[part].tobytes())
    return empty


class ProposerContract:
    """Subclasses give `empty`, and `Test` in their name."""

    recall_min = 0.99
    """Part of the nearest ten that must be among the proposals."""

    def empty(self) -> Proposer:
        """A new index of DIMENSIONS."""
        raise NotImplementedError

    def test_an_empty_one_proposes_nothing(self) -> None:
        """Within anything."""
        index = self.empty()
        assert len(index) == 0
        assert index.propose(unit_rows(1, 0).tobytes(), 5) == []
        assert index.propose(unit_rows(1, 0).tobytes(), 5, [1, 2]) == []
        index.remove([1])
        index.add([], b"")
        assert len(index) == 0

    def test_the_true_neighbours_are_among_the_proposals(self) -> None:
        """Nearly all of the nearest ten, when as many are asked for as the store asks for."""
        rows = unit_rows(10_000, 1)
        asked = rows[:50] + 0.3 * unit_rows(50, 2)
        index = filled(self.empty(), range(1, 10_001), rows)
        count = choose(10_000, "", index.breadth, 10, IndexSettings()).proposals
        assert count < 2000, "most would be found by chance"
        found = 0
        for query in asked:
            nearest = np.argsort(-(rows @ query))[:10] + 1
            proposals = index.propose(query.astype("<f4").tobytes(), count)
            assert len(proposals) == len(set(proposals)) == count
            found += len(set(nearest.tolist()) & set(proposals))
        assert found >= self.recall_min * 500

    def test_the_nearest_come_first(self) -> None:
        """A passage asked for with its own vector is the first, or nearly."""
        rows = unit_rows(500, 3)
        index = filled(self.empty(), range(1, 501), rows)
        first = sum(index.propose(row.tobytes(), 3)[0] == place for place, row in enumerate(rows, 1))
        assert first >= 480

    def test_only_those_within_are_proposed(self) -> None:
        """All of them when there are fewer than asked for; those it does not know are passed over."""
        rows = unit_rows(300, 4)
        index = filled(self.empty(), range(1, 301), rows)
        some = [3, 77, 250, 9999]
        assert sorted(index.propose(rows[0].tobytes(), 10, some)) == [3, 77, 250]
        assert index.propose(rows[76].tobytes(), 1, some) == [77]
        assert index.propose(rows[0].tobytes(), 10, []) == []

    def test_more_than_there_are_is_no_error(self) -> None:
        """All are proposed."""
        index = filled(self.empty(), [5, 6, 7], unit_rows(3, 5))
        assert sorted(index.propose(unit_rows(1, 0).tobytes(), 1000)) == [5, 6, 7]

    def test_what_is_removed_is_proposed_no_more(self) -> None:
        """And what moved into its place is still found under its own number."""
        rows = unit_rows(400, 6)
        index = filled(self.empty(), range(1, 401), rows)
        index.remove([*range(1, 400, 2), 9999])
        assert len(index) == 200
        assert sorted(index.propose(rows[0].tobytes(), 400)) == list(range(2, 401, 2))
        found = sum(index.propose(rows[number - 1].tobytes(), 3)[0] == number for number in range(2, 401, 2))
        assert found >= 190

    def test_it_comes_back_as_it_was_saved(self, tmp_path: Path) -> None:
        """Saved twice with changes between, loaded into a new one, and changed again."""
        rows = unit_rows(300, 7)
        index = filled(self.empty(), range(1, 251), rows[:250])
        index.save(tmp_path)
        index.remove([10, 20, 250])
        index.add(range(251, 301), rows[250:].tobytes())
        index.save(tmp_path)
        again = self.empty()
        again.load(tmp_path)
        assert len(again) == len(index) == 297
        for query in unit_rows(20, 8):
            assert again.propose(query.tobytes(), 20) == index.propose(query.tobytes(), 20)
        again.remove([1])
        again.add([301], rows[:1].tobytes())
        assert 1 not in again.propose(rows[0].tobytes(), 300)
        assert 301 in again.propose(rows[0].tobytes(), 5)

    def test_a_damaged_snapshot_is_refused(self, tmp_path: Path) -> None:
        """Each file in turn: missing, empty, cut short."""
        filled(self.empty(), range(1, 101), unit_rows(100, 9)).save(tmp_path)
        for path in sorted(tmp_path.iterdir()):
            whole = path.read_bytes()
            for harm in (whole[: len(whole) // 2], whole[:7], b""):
                path.write_bytes(harm)
                with pytest.raises(SnapshotUnusable):
                    self.empty().load(tmp_path)
            path.unlink()
            with pytest.raises(SnapshotUnusable):
                self.empty().load(tmp_path)
            path.write_bytes(whole)

    def test_it_says_what_it_takes(self) -> None:
        """More passages, more RAM."""
        small = filled(self.empty(), range(1, 101), unit_rows(100, 10))
        large = filled(self.empty(), range(1, 3001), unit_rows(3000, 10))
        assert 0 < small.bytes_used < large.bytes_used

    def test_searches_during_changes_name_only_what_is_there(self) -> None:
        """Passages that stay are always found under their own number, whatever moves around them."""
        rows = unit_rows(1500, 11)
        index = filled(self.empty(), range(1, 1501), rows)
        faults: list[str] = []
        done = threading.Event()
        watcher = threading.Thread(target=_watch, args=(index, rows, done, faults))
        watcher.start()
        for number in range(501, 1501, 10):
            gone = list(range(number, number + 10))
            index.remove(gone)
            index.add(gone, rows[number - 1 : number + 9].tobytes())
        done.set()
        watcher.join()
        assert faults == []

    def test_it_knows_exactly_what_was_added_and_not_removed(self) -> None:
        """Whatever the order of changes."""

        @settings(max_examples=30)
        @given(st.lists(st.tuples(st.booleans(), st.integers(1, 40)), max_size=40))
        def holds(steps: list[tuple[bool, int]]) -> None:
            index, known = _after(self.empty(), steps)
            assert len(index) == len(known)
            assert sorted(index.propose(unit_rows(1, 0).tobytes(), 100)) == sorted(known)

        holds()


def _after(index: Proposer, steps: list[tuple[bool, int]]) -> tuple[Proposer, set[int]]:
    """The index after these changes, and what it ought to know."""
    rows, known = unit_rows(40, 12), set[int]()
    for adding, number in steps:
        if adding and number not in known:
            index.add([number], rows[number - 1].tobytes())
            known.add(number)
        elif not adding:
            index.remove([number])
            known.discard(number)
    return index, known


def _watch(index: Proposer, rows: Rows, done: threading.Event, faults: list[str]) -> None:
    """Ask for passages that stay, until told to stop: their number must come back near the top."""
    place = 0
    while not done.is_set():
        found = index.propose(rows[place].tobytes(), 5)
        if place + 1 not in found:
            faults.append(f"{place + 1} is not among {found}")
        place = (place + 1) % 500
