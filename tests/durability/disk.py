"""What may be on a disk after its power was cut: a model of everything between a write and its sync.

The shim's calls are recorded as they come (the record of a run, cut at every place and in many ways, after
Pillai et al., All File Systems Are Not Created Equal, OSDI 2014). What was synced is there. Of what was
written since, each sector shows some moment: nothing of it, all of it, or what was written until then, no
two sectors need show the same one, and neither need the length. A name that came or went may not have, until
its folder was synced. A sector is written whole or not at all; it is 512 or 4096 bytes.

A sync that fails is as on Linux: some of what was written got to the disk, and the rest never will, although
it is still read from memory, unless it is written again.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import apsw

from tests.durability.shim import Call, Judge, Verdict, doing

SECTORS_BYTES = (512, 4096)

Image = dict[str, bytes]
"""Files of one folder, by name."""


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """Somebody was told so much: how many steps are done."""

    steps: int


@dataclass(frozen=True, slots=True)
class SyncFailed:
    """A sync was refused with SQLITE_IOERR_FSYNC: by the disk, not since nobody was there to ask."""

    path: Path


Event = Call | Acknowledged | SyncFailed


@dataclass(slots=True)
class Record:
    """All that happened, in order. `judge` and `witness` are for the shim, `acknowledged` for a life."""

    decides: Judge = doing
    events: list[Event] = field(default_factory=list)

    def judge(self, call: Call) -> Verdict:
        verdict = self.decides(call)
        if call.kind == "sync" and verdict.code == apsw.SQLITE_IOERR_FSYNC:
            self.events.append(SyncFailed(call.path))
        return verdict

    def witness(self, call: Call) -> None:
        if call.kind != "map":
            self.events.append(call)

    def acknowledged(self, steps: int) -> None:
        self.events.append(Acknowledged(steps))


@dataclass(frozen=True, slots=True)
class Manner:
    """How a disk dies."""

    sector_bytes: int
    never: float
    """The part of the sectors that nothing new has come to."""
    wholly: float
    """The part that everything has come to. Of the rest, each shows some moment in between."""
    old_bytes: bool
    """Where a file grew and nothing was written, there is something old in place of zeros."""

    @classmethod
    def of(cls, dice: random.Random) -> Manner:
        never, wholly = dice.choice(((1.0, 0.0), (0.0, 1.0), (0.5, 0.5), (0.1, 0.8), (0.8, 0.1), (0.3, 0.3)))
        return cls(dice.choice(SECTORS_BYTES), never, wholly, dice.random() < 0.3)

    def moment(self, moments: int, dice: random.Random) -> int:
        """Of so many and the one before them all: how many of the writes it shows."""
        chance = dice.random()
        if chance < self.never:
            return 0
        return moments if chance < self.never + self.wholly else dice.randint(0, moments)


@dataclass(slots=True)
class _Inode:
    """One file: what is safe, and what was written since."""

    safe: bytearray = field(default_factory=bytearray)
    since: list[tuple[int, bytes | None]] = field(default_factory=list)
    """(where, bytes) of a write, (length, None) of a truncate."""

    def synced(self) -> None:
        for at, data in self.since:
            _apply(self.safe, at, data)
        self.since.clear()

    def died(self, manner: Manner, dice: random.Random) -> bytes:
        """What is there when the power goes now."""
        lengths, until = [len(self.safe)], manner.moment(len(self.since), dice)
        for at, data in self.since:
            lengths.append(at if data is None else max(lengths[-1], at + len(data)))
        disk = bytearray(self.safe).ljust(max(lengths), b"\0")
        if manner.old_bytes and len(disk) > len(self.safe):
            disk[len(self.safe) :] = dice.randbytes(len(disk) - len(self.safe))
        self._write_back(disk, until, manner, dice)
        return bytes(disk[: lengths[until]])

    def _write_back(self, disk: bytearray, until: int, manner: Manner, dice: random.Random) -> None:
        """`until` which write the length is there. What was written after a cutting that is not there, lies
        where nothing of this file leads.
        """
        step, moments = manner.sector_bytes, dict[int, int]()
        for number, (at, data) in enumerate(self.since):
            if data is None:
                if number >= until:
                    return
                disk[at:] = bytes(len(disk) - at)
                continue
            end = at + len(data)
            for sector in range(at // step, -(-end // step)):
                if sector not in moments:
                    moments[sector] = manner.moment(len(self.since), dice)
                if number < moments[sector]:
                    begin, stop = max(at, sector * step), min(end, (sector + 1) * step)
                    disk[begin:stop] = data[begin - at : stop - at]


def _apply(content: bytearray, at: int, data: bytes | None) -> None:
    if data is None:
        del content[at:]
        content.extend(bytes(at - len(content)))
        return
    content.extend(bytes(max(0, at + len(data) - len(content))))
    content[at : at + len(data)] = data


class Disk:
    """A folder on a disk, to which events happen until its power is cut."""

    def __init__(self, image: Mapping[str, bytes] | None = None) -> None:
        self._safe = {name: _Inode(bytearray(data)) for name, data in (image or {}).items()}
        self._now = dict(self._safe)
        self._since: list[tuple[str, _Inode | None]] = []

    def happened(self, event: Event, manner: Manner, dice: random.Random) -> None:
        """One more thing was done to it. The manner decides what becomes of it when a sync fails."""
        if isinstance(event, Acknowledged):
            return
        name = event.path.name
        if isinstance(event, SyncFailed):
            if name in self._now:
                inode = self._now[name]
                inode.safe, inode.since = bytearray(inode.died(manner, dice)), []
        elif event.kind == "open":
            if name not in self._now:
                self._entry(name, _Inode())
        elif event.kind == "delete":
            self._entry(name, None)
            self._folder_synced(event.folder_too)
        elif event.kind == "sync":
            self._now[name].synced()
            self._folder_synced(event.folder_too)
        elif event.kind == "truncate":
            self._now[name].since.append((event.at, None))
        else:
            self._now[name].since.append((event.at, event.data))

    def died(self, manner: Manner, dice: random.Random) -> Image:
        """Its power is cut: what is there afterwards."""
        names: dict[str, _Inode | None] = dict(self._safe)
        stuck: set[str] = set()
        for name, inode in self._since:
            if name not in stuck and manner.moment(1, dice):
                names[name] = inode
            else:
                stuck.add(name)
        return {name: inode.died(manner, dice) for name, inode in names.items() if inode is not None}

    def _entry(self, name: str, inode: _Inode | None) -> None:
        self._since.append((name, inode))
        if inode is None:
            del self._now[name]
        else:
            self._now[name] = inode

    def _folder_synced(self, synced: bool) -> None:
        if synced:
            self._safe = dict(self._now)
            self._since.clear()


def cut(
    events: list[Event],
    at: int,
    manner: Manner,
    dice: random.Random,
    image: Mapping[str, bytes] | None = None,
) -> tuple[Image, int]:
    """What is on the disk when its power goes after so many events, and how many steps were acknowledged.

    `image` is what was on it before.
    """
    disk, steps = Disk(image), 0
    for event in events[:at]:
        disk.happened(event, manner, dice)
        if isinstance(event, Acknowledged):
            steps = event.steps
    return disk.died(manner, dice), steps


def put_back(folder: Path, image: Image, dice: random.Random) -> None:
    """Make a folder of it. What is there of the WAL index, which nobody syncs, is anything."""
    folder.mkdir(parents=True, mode=0o700)
    for name, data in image.items():
        (folder / name).write_bytes(data)
    for name in [name for name in image if name.endswith(".db")]:
        index = dice.choice((None, b"", bytes(32768), dice.randbytes(32768)))
        if index is not None:
            (folder / f"{name}-shm").write_bytes(index)
