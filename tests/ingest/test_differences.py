"""Promises of pi_rag/ingest/differences.py: what follows from what is seen and what is stored."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pi_rag.ingest.differences import (
    NOT_TAKEN,
    Differences,
    Doubt,
    Seen,
    Stamp,
    believed,
    compare,
    doubt,
    may_have_moved,
    moves,
)
from pi_rag.types import Refusal

PATHS = st.text(alphabet="ab/.", min_size=1, max_size=5)
TIMES = st.integers(0, 3)
Folder = dict[str, tuple[int, int, int]]
FOLDERS = st.dictionaries(PATHS, st.tuples(TIMES, TIMES, TIMES), max_size=8)


def all_of(folder: Folder) -> list[Seen]:
    return [Seen(path, Stamp(size, time), ctime_ns=last) for path, (size, time, last) in folder.items()]


@given(now=FOLDERS, before=FOLDERS)
def test_acting_on_the_differences_makes_the_two_the_same(now: Folder, before: Folder) -> None:
    """Nothing is missed and nothing is done twice: each path is in one list, or is as it was."""
    found = compare(all_of(now), before)

    after = {path: stamp for path, stamp in before.items() if path not in found.gone}
    after |= {each.path: (*each.stamp, each.ctime_ns) for each in (*found.fresh, *found.changed)}
    assert after == now
    assert found.touched <= {each.path for each in found.changed if each.stamp == before[each.path][:2]}
    assert {each.path for each in found.fresh}.isdisjoint(before)
    assert {each.path for each in found.changed} <= set(before)
    assert found.seen == len(now)
    assert len(before) == found.unchanged + len(found.changed) + len(found.gone)


@given(folder=FOLDERS)
def test_an_unchanged_folder_has_no_differences(folder: Folder) -> None:
    """A second sweep finds nothing to do."""
    found = compare(all_of(folder), folder)
    assert (found.fresh, found.changed, found.gone) == ([], [], [])


CONTENTS = st.dictionaries(PATHS, st.sampled_from(["x", "y", "z"]), max_size=8)


@given(gone=CONTENTS, come=CONTENTS)
def test_a_move_pairs_what_has_the_same_content(gone: dict[str, str], come: dict[str, str]) -> None:
    """Each path moves once at most, only to its own content, and as many move as can."""
    pairs = moves(gone, come)
    assert all(gone[old] == come[new] for old, new in pairs)
    assert len({old for old, _ in pairs}) == len({new for _, new in pairs}) == len(pairs)
    most = Counter(gone.values()) & Counter(come.values())
    assert len(pairs) == most.total()


@given(gone=CONTENTS)
def test_of_copies_those_of_one_name_go_together(gone: dict[str, str]) -> None:
    """A folder that was renamed keeps each of its documents with its own file, copies or not."""
    assume(len({path.rpartition("/")[2] for path in gone}) == len(gone))
    old = {f"old/{path}": content for path, content in gone.items()}
    new = {f"new/{path}": content for path, content in gone.items()}
    assert sorted(moves(old, new)) == sorted((f"old/{path}", f"new/{path}") for path in gone)


def test_a_move_keeps_to_a_kind_where_it_can() -> None:
    """Of two copies the text stays a text: how it was cut need not be told anew."""
    assert set(moves({"a.md": "x", "b.txt": "x"}, {"c.txt": "x", "d.md": "x"})) == {
        ("a.md", "d.md"),
        ("b.txt", "c.txt"),
    }


def test_only_files_of_the_right_size_are_read_for_a_move() -> None:
    """What is not as large as anything that is gone cannot be it, nor what is not taken."""
    refused = Seen("c", Stamp(7, 1), refusal=Refusal("c", "document_binary", "", ""))
    found = Differences(fresh=[Seen("a", Stamp(7, 1)), Seen("b", Stamp(8, 1)), refused])
    found.changed = [Seen("d", Stamp(7, 2)), Seen("e", NOT_TAKEN)]
    assert [each.path for each in may_have_moved(found, {"old": 7})] == ["a", "d"]


def test_a_drive_is_strange_where_only_other_files_are_on_it() -> None:
    """One that is known, also by another name, makes it known."""
    stored = {"7/a": (1, 1, 0), "8/a": (2, 2, 0), "9/a": (3, 3, 0)}
    seen = [Seen("7/a", Stamp(1, 1), 7), Seen("8/b", Stamp(2, 2), 8), Seen("9/b", Stamp(4, 4), 9)]
    found = compare([*seen, Seen("7/b", Stamp(5, 5), 7)], stored)
    assert (found.known_devices, found.strange_devices) == ({7, 8}, {9})


GONE = [f"{number}.md" for number in range(20)]


OTHER = [Seen("a", Stamp(1, 1))]


@pytest.mark.parametrize(
    ("found", "device", "device_before", "expected"),
    [
        (Differences(known=3, gone=GONE), 1, 1, None),
        (Differences(gone=GONE), None, 1, "not_there"),
        (Differences(gone=GONE), 1, 1, "empty"),
        (Differences(gone=GONE[:19]), 1, 1, None),
        (Differences(gone=GONE[:1]), 2, 1, "other_device"),
        (Differences(gone=GONE, fresh=OTHER), 1, 1, None),
        (Differences(gone=GONE, fresh=OTHER), 2, 1, "other_device"),
        (Differences(gone=GONE, changed=OTHER), 2, 1, "other_device"),
        (Differences(gone=GONE, known=1), 2, 1, None),
        (Differences(gone=GONE), 2, None, "empty"),
        (Differences(), 2, 1, None),
        (Differences(fresh=OTHER), 2, 1, None),
    ],
)
def test_a_folder_is_doubted_when_its_drive_may_be_away(
    found: Differences, device: int | None, device_before: int | None, expected: Doubt | None
) -> None:
    """Not there, suddenly empty, another disk: nothing is deleted. One known file is enough to believe it."""
    assert doubted(found, device, device_before) == expected


def doubted(
    found: Differences,
    device: int | None = 1,
    device_before: int | None = 1,
    *,
    was_away: bool = False,
    first: bool = False,
    unreadable: tuple[str, ...] = (),
    empty_files_min: int | None = 20,
) -> Doubt | None:
    return doubt(
        found,
        device=device,
        device_before=device_before,
        was_away=was_away,
        first=first,
        unreadable=unreadable,
        empty_files_min=empty_files_min,
    )


def test_a_folder_that_was_away_is_doubted_until_a_known_file_is_there() -> None:
    """Another stick of the same name has the same number of a device, on FAT and XFS."""
    assert doubted(Differences(gone=GONE[:1], fresh=OTHER), was_away=True) == "other_device"
    assert doubted(Differences(gone=GONE[:1]), was_away=True) == "empty"
    assert doubted(Differences(gone=GONE, known=1), was_away=True) is None
    assert doubted(Differences(fresh=OTHER), was_away=True) is None


def test_a_stick_that_was_swapped_before_the_start_is_doubted() -> None:
    """A folder that held many files is not believed at first when there are only others."""
    assert doubted(Differences(gone=GONE, fresh=OTHER), first=True) == "other_device"
    assert doubted(Differences(gone=GONE[:19], fresh=OTHER), first=True) is None
    assert doubted(Differences(gone=GONE, fresh=OTHER, known=1), first=True) is None


def test_a_file_is_known_by_its_stamp_and_never_by_its_name_alone() -> None:
    """A picture that was never looked at may be on any disk; a renamed note has its size and time."""
    stored = {"a.jpg": (*NOT_TAKEN, 0), "b.jpg": (*NOT_TAKEN, 0), "old.md": (3, 4, 0)}
    assert compare([Seen("a.jpg", NOT_TAKEN), Seen("c.jpg", NOT_TAKEN)], stored).known == 0
    assert compare([Seen("old.md", Stamp(3, 4))], stored).known == 1
    assert compare([Seen("new.md", Stamp(3, 4))], stored).known == 1
    touched = compare([Seen("old.md", Stamp(3, 4), ctime_ns=9)], stored)
    assert (touched.known, touched.touched, touched.unchanged) == (1, {"old.md"}, 0)
    assert compare([Seen("new.md", Stamp(3, 5)), Seen("old.md", Stamp(3, 5))], stored).known == 0


def test_an_empty_folder_is_believed_when_it_was_seen_to_be_emptied() -> None:
    """However many files it held."""
    found = Differences(gone=GONE)
    assert doubted(found, empty_files_min=None) is None


def test_a_folder_that_cannot_be_looked_into_is_doubted() -> None:
    """A share that answers with an error has lost nothing."""
    found = Differences(gone=["a"])
    assert doubted(found, unreadable=("",)) == "not_readable"


def test_what_lies_in_a_folder_that_is_away_is_not_gone() -> None:
    """A drive mounted within the folder takes nothing with it; what is beside it may go."""
    gone = ["usb/a.md", "usb/b/c.md", "usbstick.md", "d.md"]
    assert believed(gone, ["usb"]) == ["usbstick.md", "d.md"]
    assert believed(gone, ["usb", "d.md"]) == ["usbstick.md"]
    assert believed(gone, []) == gone
    assert believed(gone, [""]) == []
