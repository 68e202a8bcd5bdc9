"""Which files of a watched folder are those of before under another name, or out of another watched folder.

What has moved keeps its document, its vectors, and what was given with it. It knows the store and the disk,
and neither notices nor the queue.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from pi_rag.ingest import differences, sight
from pi_rag.ingest.differences import Seen
from pi_rag.store import Connection, watches
from pi_rag.store.documents import MadeFrom
from pi_rag.store.watches import Elsewhere, File, Watch
from pi_rag.text.titles import file_name, file_stem


@dataclass(frozen=True, slots=True)
class Move:
    """One file that has another name now."""

    before: str
    """Its path in the folder that it was in."""
    after: Seen
    out_of: Watch | None = None
    """That folder, where it is another one."""

    @property
    def is_read_again(self) -> bool:
        """The end of a name says how a document is read and cut; with another one it is done anew."""
        ends = (PurePosixPath(path).suffix.lower() for path in (self.before, self.after.path))
        return next(ends) != next(ends)


def within(root: str, made: Mapping[str, MadeFrom], come: Collection[Seen], mib_max: int) -> list[Move]:
    """Which of the files that have come are gone ones; `made` has their documents, by path. It reads."""
    by_path = {each.path: each for each in come}
    now = sight.digests(root, come, mib_max, made.values())
    before = {path: each.content_hash for path, each in made.items()}
    return [Move(old, by_path[new]) for old, new in differences.moves(before, now)]


def across(root: str, others: Sequence[Elsewhere], come: Collection[Seen], mib_max: int) -> list[Move]:
    """Which of the files that have come lay in another folder, and are not there any more. It reads.

    A folder that does not lie where it did when it was last believed has not lost anything.
    """
    left: dict[tuple[int, int], list[Seen]] = defaultdict(list)
    for each in come:
        left[each.stamp].append(each)
    found = []
    for other in others:
        if not (candidates := left[other.stamp]) or not _has_left(other):
            continue
        new = sight.digests(root, candidates, mib_max, [other.made])
        for after in [each for each in candidates if each.path in new][:1]:
            found.append(Move(other.path, after, other.watch))
            candidates.remove(after)
    return found


def _has_left(file: Elsewhere) -> bool:
    folder = file.watch
    return sight.device_of(folder.root) == folder.device and bool(sight.not_there(folder.root, [file.path]))


def carry_out(db: Connection, watch: Watch, moves: Sequence[Move], now: float) -> list[Move]:
    """Several of them, in one transaction. Returns those whose document was still there."""
    return [move for move in moves if _carry_out(db, watch, move, now)]


def _carry_out(db: Connection, watch: Watch, move: Move, now: float) -> bool:
    old, new = (move.out_of or watch).source(move.before), watch.source(move.after.path)
    titles = {file_stem(old): file_stem(new), file_name(old): file_name(new)}
    file, again = file_of(move.after), move.is_read_again
    return watches.moved(db, watch, move.before, file, titles, now, read_again=again, out_of=move.out_of)


def file_of(seen: Seen) -> File:
    """A file as the store keeps it."""
    return File(
        seen.path, *seen.stamp, elsewhere=seen.elsewhere, refusal=seen.refusal, ctime_ns=seen.ctime_ns
    )
