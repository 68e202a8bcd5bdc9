"""What a watched folder and what is stored of it say of each other: what is new, changed, gone and moved.

Pure: what was seen and what was stored come in, what follows comes out. It also says when what is missing is
not to be believed, because a drive or a network seems to be away and nobody has deleted anything.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Literal, NamedTuple

from pi_rag.types import Refusal

Doubt = Literal["not_there", "not_readable", "empty", "other_device"]
"""Why what is missing in a folder is not taken for deleted."""


class Stamp(NamedTuple):
    """What tells a changed file from an unchanged one without reading it."""

    size: int
    mtime_ns: int


NOT_TAKEN = Stamp(-1, -1)
"""Of what was refused by its name or kind: it changes only by going away."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One file as it was found. `path` is relative to the folder."""

    path: str
    stamp: Stamp
    elsewhere: int = 0
    """The number of the device of a drive mounted within the folder, on which it lies; 0: on the folder's."""
    refusal: Refusal | None = None
    """Why it is not taken, where that is known without reading it."""
    ctime_ns: int = 0
    """When anything of it changed last, its name and its rights too (`st_ctime`); 0 where it is refused.

    Another file of the same size and time is told by it. Its inode is not asked: file systems that have none
    of their own, as FAT and some on networks, make up another number whenever they have forgotten the last.
    """


@dataclass(slots=True)
class Differences:
    """Between what was seen and what is stored."""

    fresh: list[Seen] = field(default_factory=list)
    """Seen for the first time."""
    changed: list[Seen] = field(default_factory=list)
    touched: set[str] = field(default_factory=set)
    """Paths of those of the changed ones that have their size and time still: they may well be the same."""
    gone: list[str] = field(default_factory=list)
    unchanged: int = 0
    known: int = 0
    """Files that were looked at and are as stored, by their path, or by size and time under a new one."""
    known_devices: set[int] = field(default_factory=set)
    """Where those lie."""

    @property
    def strange_devices(self) -> set[int]:
        """Where there are new files, and none that is known."""
        return {each.elsewhere for each in self.fresh} - self.known_devices

    @property
    def seen(self) -> int:
        """How many files there are."""
        return len(self.fresh) + len(self.changed) + self.unchanged


def compare(seen: Iterable[Seen], stored: Mapping[str, tuple[int, int, int]]) -> Differences:
    """Hold what is seen, one by one, against what is stored: only the differences are kept.

    `stored` has the stamp of each path, and its `ctime_ns`.
    """
    found = Differences()
    missing = dict(stored)
    for each in seen:
        before = missing.pop(each.path, None)
        if before is None:
            found.fresh.append(each)
        elif before[:2] != each.stamp:
            found.changed.append(each)
        else:
            if before[2] != each.ctime_ns:
                found.changed.append(each)
                found.touched.add(each.path)
            else:
                found.unchanged += 1
            if each.stamp != NOT_TAKEN:
                found.known += 1
                found.known_devices.add(each.elsewhere)
    found.gone = sorted(missing)
    stamps = {before[:2] for before in missing.values()} - {NOT_TAKEN}
    renamed = [each.elsewhere for each in found.fresh if each.stamp in stamps]
    found.known += len(renamed)
    found.known_devices.update(renamed)
    return found


def doubt(
    found: Differences,
    *,
    device: int | None,
    device_before: int | None,
    was_away: bool,
    first: bool,
    unreadable: Collection[str],
    empty_files_min: int | None,
) -> Doubt | None:
    """Why a whole folder is not to be believed; None when it is.

    `device` is the folder's now, None when there is no folder. Device numbers change from one start of the
    machine to the next, and some go from one drive to the next, so neither another one nor the same says
    much: one file that is known does. Where none is, a folder is not believed on another device, nor after it
    `was_away`, nor, having held `empty_files_min` files or more (None: any number may go), when it is empty
    or this is the `first` look since the start.
    """
    if device is None:
        return "not_there"
    if "" in unreadable:
        return "not_readable"
    if not found.gone or found.known:
        return None
    other = device_before is not None and device != device_before
    many = empty_files_min is not None and len(found.gone) >= empty_files_min
    if other or (was_away and device_before is not None) or (many and (first or not found.seen)):
        return "other_device" if other or found.seen else "empty"
    return None


def believed(gone: Iterable[str], away: Collection[str]) -> list[str]:
    """Those of the missing files that are gone, and not just away for now, alone or with their folder."""
    if "" in away:
        return []
    folders = tuple(f"{folder}/" for folder in away)
    return [path for path in gone if path not in away and not path.startswith(folders)]


def may_have_moved(found: Differences, sizes: Mapping[str, int]) -> list[Seen]:
    """New and changed files that are as large as one that is gone; `sizes` are those of the gone files."""
    wanted = set(sizes.values())
    return [each for each in (*found.fresh, *found.changed) if not each.refusal and each.stamp.size in wanted]


def moves(gone: Mapping[str, str], come: Mapping[str, str]) -> list[tuple[str, str]]:
    """Pairs (from, to) of paths with the same content, from each content's hash by its path.

    Each path is in one pair at most. Of several with the same content those of the same name go together,
    and then those of the same kind, so that what is told by a name need not be told anew.
    """
    found: list[tuple[str, str]] = []
    left, waiting = dict(gone), dict(come)
    for alike in (_name, _kind, _nothing):
        by_key: dict[tuple[str, str], list[str]] = defaultdict(list)
        for path, content in left.items():
            by_key[content, alike(path)].append(path)
        for path, content in list(waiting.items()):
            if before := by_key.get((content, alike(path))):
                found.append((before.pop(), path))
                del left[found[-1][0]], waiting[path]
    return found


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def _kind(path: str) -> str:
    return PurePosixPath(path).suffix.lower()


def _nothing(_: str) -> str:
    return ""
