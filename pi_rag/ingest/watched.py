"""One watched folder, kept right: what comes and changes is queued, what moves is renamed, what goes is gone.

Each round begins with notices of the kernel (`notices.py`), then looks at all of the folder, then only where
the notices point, until it is time for the next round. What follows from a look is decided in
`differences.py`; here it is carried out, in small transactions, so that it can end at any moment and goes on
from there. It knows the store and the queue, and no HTTP.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import ParamSpec, TypeVar

from pi_rag import log
from pi_rag.clock import Clock
from pi_rag.config import Settings
from pi_rag.errors import DocumentUnreadable, PiRagError
from pi_rag.ingest import differences, moving, sight
from pi_rag.ingest.beneath import Roots
from pi_rag.ingest.differences import Differences, Doubt, Seen
from pi_rag.ingest.moving import Move, file_of
from pi_rag.ingest.notices import Notices, NoWatches, Unsure
from pi_rag.ingest.runner import Runner, waits_s
from pi_rag.ingest.sight import Sight
from pi_rag.ingest.story import content_digest
from pi_rag.ingest.unchanged import changed
from pi_rag.store import watches
from pi_rag.store.store import Store
from pi_rag.store.watches import Watch
from pi_rag.types import NewItem, Priority

LOOK_S_BETWEEN = 2.0
"""How often it is asked whether the folder is still the one it was: a drive comes and goes without notice."""

REST_S_MIN, REST_S_MAX = 1.0, 60.0
"""How long it rests when the queue or the database cannot go on."""

LISTED_MAX = 5
"""How often folders are listed anew, at once, when some of them have gone."""

PARTS_MAX = 1000
"""After notices of more paths than this at once, all of the folder is looked at."""

QUEUED_AT_ONCE = 500
"""Files of one job, and of one transaction that notes them."""

REMOVED_AT_ONCE = 20
"""Documents that one transaction removes or renames: searches and adds wait for it."""

CROSSING_S = 1.0
"""How long it is waited, where other folders are watched, for one of them to find what has gone from here.

Enough for it to hear of a note and to read it, and no more, since what is deleted is to be gone soon. Of a
larger file the vectors are made anew.
"""

WORDS: dict[Doubt, str] = {
    "not_there": "the folder is not there: waiting",
    "not_readable": "the folder cannot be looked into: waiting",
    "empty": "the folder was found empty, as when a drive is away: waiting",
    "other_device": "another disk seems to lie there, with none of the files that are known: waiting",
}
"""What a person is told; nothing is removed meanwhile."""

_log = log.logger("watch")

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(slots=True)
class State:
    """How the folder is, for those who ask."""

    doubt: Doubt | None = None
    blind: bool = False
    """The kernel tells of no changes: only sweeps find them."""
    waiting_for: str | None = None
    """The code of what holds it up."""
    seen_at: float | None = None
    """When all of it was last seen, wall time; None: not since the start."""
    late: bool = False
    """A question to the disk has waited for `ingest.disk_s_max` already."""
    held: int = 0
    """Files that are not there, and yet not taken for deleted."""
    cut: bool = False
    """It holds more files than `ingest.walk_files_max`; the rest is left out."""


class Watched:
    """Keeps one folder. `run` ends only when cancelled."""

    def __init__(
        self,
        watch: Watch,
        store: Store,
        runner: Runner,
        settings: Settings,
        clock: Clock,
        beat: Callable[[], None] = lambda: None,
    ) -> None:
        """`beat` is called by the loop that keeps it, to say that it works."""
        self._beat = beat
        self.watch = watch
        self.state = State()
        self._store = store
        self._runner = runner
        self._settings = settings
        self._clock = clock
        data = str(settings.data_path.resolve())
        self._choice = sight.chosen(watch.root, data, watch.include, watch.exclude)
        self._device = watch.device
        self._folders: frozenset[str] = frozenset()
        self._was_told = False
        self._rests = 0
        self._stop = threading.Event()
        # Of its own: what hangs on a dead mount hangs here, and holds up nobody else.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"watch-{watch.id}")

    async def run(self) -> None:
        """Round after round. A fault of ours costs this folder a rest, and the others nothing."""
        try:
            while True:
                try:
                    await self._round()
                except Exception as error:
                    await self._rest(error)
        finally:
            self._stop.set()
            self._thread.shutdown(wait=False)

    async def _rest(self, error: Exception) -> None:
        code = error.code if isinstance(error, PiRagError) else "internal_error"
        if self.state.waiting_for != code:
            _log.warning("watch_waits", watch=self.watch.id, code=code, exc_info=code == "internal_error")
        self.state.waiting_for = code
        self._rests += 1
        self._beat()
        await asyncio.sleep(rest_s(error, self._rests))

    async def _round(self) -> None:
        """Hear of changes, look at all of it, then where something changes, until the next sweep is due."""
        begun_s = self._clock.monotonic_s()
        known, notices = await self._heard()
        try:
            seen = await self._look({""})
            self.state.waiting_for, self._rests = None, 0
            took_s = self._clock.monotonic_s() - begun_s
            # Nobody heard of what happened in other folders than those that were known before the look.
            if known.issuperset(seen.folders) and await self._follow(notices, seen.device):
                self._folders = known.intersection(seen.folders)
                return
        finally:
            if notices is not None:
                # In its turn: the thread may still wait for what comes next.
                self._thread.submit(notices.close)
        # Where folders come and go all the time, half of the time is for others.
        await asyncio.sleep(took_s)

    async def _heard(self) -> tuple[frozenset[str], Notices | None]:
        """The folders, and notices of them. One may go between listing and hearing: they are listed again."""
        known, self._folders = self._folders or await self._listed(), frozenset()
        for _ in range(LISTED_MAX):
            try:
                return known, await self._notices(sorted(known))
            except OSError:
                known = await self._listed()
        return known, await self._notices(sorted(known))

    async def _listed(self) -> frozenset[str]:
        listing = self._sight()
        await self._in_thread(listing.look_for_folders)
        return frozenset(listing.folders)

    async def _follow(self, notices: Notices | None, device: int | None) -> bool:
        """Look where notices point. True when it is time for a sweep; False when it takes one now, since
        folders have come, or it may be anything."""
        settings = self._settings.watch
        sweep_s = settings.sweep_blind_s if notices is None else settings.sweep_s
        until_s = self._clock.monotonic_s() + sweep_s
        while self._clock.monotonic_s() < until_s:
            changed = await self._next(notices, until_s)
            if changed is None or (changed and self.state.doubt):
                return False
            if await self._in_thread(sight.device_of, self.watch.root) != device:
                return False
            where = sight.parts(self.watch.root, changed, PARTS_MAX)
            if "" in where:
                self._was_told = True
                return False
            # A folder may have the path of one that is known, and be another: nobody hears of what is in it.
            if where and (await self._look(where)).folders:
                return False
        return True

    async def _notices(self, folders: Sequence[str]) -> Notices | None:
        """None where there is no folder, or no watch left for it."""
        self.state.blind = False
        try:
            return await self._in_thread(Notices, folders, self._settings.watch) if folders else None
        except NoWatches as error:
            self.state.blind = True
            _log.warning("watch_blind", watch=self.watch.id, folders=len(folders), reason=str(error))
            return None

    async def _next(self, notices: Notices | None, until_s: float) -> set[str] | None:
        """What has changed, after `LOOK_S_BETWEEN` at the latest; None when it may be anything."""
        if notices is None:
            await asyncio.sleep(LOOK_S_BETWEEN)
            return set()
        try:
            return await self._in_thread(notices.wait, LOOK_S_BETWEEN, until_s, self._stop)
        except Unsure:
            # A name that cannot be told may change all the time.
            await asyncio.sleep(LOOK_S_BETWEEN)
            return None

    async def _look(self, where: Collection[str]) -> Sight:
        """Look at these parts, '' for all, and do what follows."""
        stored: dict[str, tuple[int, int, int]] = {}
        for path in where:
            stored |= await self._store.read(watches.stamps, self.watch.id, path)
        seen = self._sight()
        found = await self._in_thread(seen.compared, where, stored)
        whole = "" in where
        if await self._is_believed(seen, found) if whole else seen.device == self._device:
            await self._act(seen, found, stored, whole=whole)
        return seen

    async def _is_believed(self, seen: Sight, found: Differences) -> bool:
        doubt = differences.doubt(
            found,
            device=seen.device,
            device_before=self._device,
            was_away=self.state.doubt is not None,
            first=self.state.seen_at is None,
            unreadable=seen.unreadable,
            # Who heard that so much changed need not wonder that all is gone.
            empty_files_min=None if self._was_told else self._settings.watch.empty_files_min,
        )
        self._was_told = False
        if doubt and doubt != self.state.doubt:
            _log.warning("watch_doubted", watch=self.watch.id, doubt=doubt, files=len(found.gone))
        self.state.doubt, self.state.cut = doubt, seen.cut
        self.state.held = len(found.gone) if doubt else 0
        if doubt:
            return False
        self.state.seen_at = self._clock.wall_s()
        if seen.device is not None and seen.device != self._device:
            await self._store.write(watches.lies_on, self.watch.id, seen.device)
            self._device = seen.device
        return True

    async def _act(
        self, seen: Sight, found: Differences, stored: Mapping[str, tuple[int, int, int]], *, whole: bool
    ) -> None:
        """What is gone goes first, since a person waits for that; what has moved is not gone."""
        # What cannot be looked at now is as it was.
        found.changed = [each for each in found.changed if not _is_unreadable(each)]
        gone = await self._gone(seen, found)
        moves = await self._moves(found, {path: stored[path][0] for path in gone})
        made: list[Move] = []
        for some in _batches(moves, REMOVED_AT_ONCE):
            made += await self._store.write(moving.carry_out, self.watch, some, self._clock.wall_s())
        left = {each.before for each in made if each.out_of is None}
        replaced = [each.path for each in found.changed if each.refusal]
        await self._forget([path for path in gone if path not in left] + replaced)
        done = {each.after.path for each in made if not each.is_read_again}
        fresh = [each for each in (*found.fresh, *found.changed) if each.path not in done]
        unwanted = await self._unwanted(found)
        noted = [each for each in fresh if each.refusal or each.path in unwanted]
        await self._note(noted)
        left_out = {each.path for each in noted}
        await self._queue([each for each in fresh if each.path not in left_out], "low" if whole else "normal")

    async def _gone(self, seen: Sight, found: Differences) -> list[str]:
        """The missing files that are believed to be gone."""
        if not found.gone:
            return []
        elsewhere = await self._store.read(watches.elsewhere, self.watch.id, found.gone)
        # One file says little of its drive. What is on a strange one waits, or it would be known by that.
        strange = found.strange_devices.intersection(elsewhere.values()) if seen.folders else set()
        found.fresh = [each for each in found.fresh if each.elsewhere not in strange]
        drives = await self._in_thread(sight.away, self.watch.root, elsewhere, strange)
        gone = differences.believed(found.gone, [*seen.unreadable, *drives])
        if seen.cut:  # what was not seen may be there
            gone = await self._in_thread(sight.not_there, self.watch.root, gone)
        self.state.held = max(self.state.held, len(found.gone) - len(gone))
        return gone

    async def _moves(self, found: Differences, sizes: Mapping[str, int]) -> list[Move]:
        """Which of the files that have come are there under another name than before."""
        root, mib_max = self.watch.root, self._settings.ingest.document_mib_max
        moves: list[Move] = []
        come = differences.may_have_moved(found, sizes)
        if come and (made := await self._store.read(watches.made_from, self.watch, sizes)):
            moves = await self._in_thread(moving.within, root, made, come, mib_max)
        if not await self._store.read(watches.has_siblings, self.watch):
            return moves
        taken = {each.after.path for each in moves}
        come = [each for each in found.fresh if not each.refusal and each.path not in taken]
        stamps = [each.stamp for each in come]
        if come and (others := await self._store.read(watches.alike, self.watch, stamps)):
            moves += await self._in_thread(moving.across, root, others, come, mib_max)
        if len(sizes) > len(taken):
            # What has gone from here may be about to be found in another folder, and be taken from here then.
            await asyncio.sleep(CROSSING_S)
        return moves

    async def _unwanted(self, found: Differences) -> set[str]:
        """Touched files of which something was removed: with other rights nothing of them comes back."""
        if not found.touched:
            return set()
        return found.touched & await self._store.read(watches.unwanted, self.watch)

    async def _forget(self, paths: Sequence[str]) -> None:
        for some in _batches(paths, REMOVED_AT_ONCE):
            await self._store.write(watches.forget, self.watch, some, self._clock.wall_s())

    async def _note(self, files: Sequence[Seen]) -> None:
        for some in _batches(files, QUEUED_AT_ONCE):
            noted = [file_of(each) for each in some]
            await self._store.write(watches.queued, self.watch, noted, self._clock.wall_s())

    async def _queue(self, files: Sequence[Seen], priority: Priority) -> None:
        """Queue them and note it, in one write: what is stored is known, and goes when its file goes.

        What still waits for its turn is not queued again: it will be read as it is then. Nor is what is
        stored just as it is, as when somebody added the folder before.
        """
        for some in _batches(files, QUEUED_AT_ONCE):
            paths = [each.path for each in some]
            waiting = await self._store.read(watches.waiting, self.watch, paths)
            items = [NewItem("file", self.watch.source(path)) for path in paths if path not in waiting]
            beneath, collection = Roots((self.watch.root,)), self.watch.collection
            due = await changed(
                self._store, self._runner.disk, collection, items, beneath, content_digest, lambda _: None
            )
            as_stored = {item.source for item in items} - {item.source for item in due}
            noted, now = [file_of(each) for each in some], self._clock.wall_s()
            note = partial(watches.queued, watch=self.watch, files=noted, now=now, as_stored=as_stored)
            if due:
                await self._runner.enqueue(collection, due, priority=priority, also=note)
            else:
                await self._store.write(note)

    def _sight(self) -> Sight:
        return Sight(self.watch.root, self._choice, self._settings.ingest.walk_files_max)

    async def _in_thread(self, do: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        loop = asyncio.get_running_loop()
        late = loop.call_later(self._settings.ingest.disk_s_max, self._is_late)
        try:
            return await loop.run_in_executor(self._thread, partial(do, *args, **kwargs))
        finally:
            late.cancel()
            self.state.late = False
            self._beat()

    def _is_late(self) -> None:
        self.state.late = True
        _log.warning("watch_late", watch=self.watch.id)


def rest_s(error: Exception, rests: int) -> float:
    """How long to rest the so many-th time in a row: longer each time, and no less than is asked."""
    asked_ms = error.retry_after_ms if isinstance(error, PiRagError) else None
    return max((asked_ms or 0) / 1000, waits_s(min(rests, 10), REST_S_MIN, REST_S_MAX))


def _is_unreadable(seen: Seen) -> bool:
    return seen.refusal is not None and seen.refusal.code == DocumentUnreadable.code


def _batches(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
