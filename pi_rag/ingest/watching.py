"""All watched folders: added, removed, listed, each kept by a `Watched` of its own while the service runs.

It knows the store and the queue, and no HTTP. What happens within a folder is in `watched.py`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from pi_rag.clock import Clock
from pi_rag.config import Settings
from pi_rag.errors import DocumentUnreadable, PathNotFound, PiRagError, RequestInvalid
from pi_rag.ingest import sight
from pi_rag.ingest.beneath import Roots
from pi_rag.ingest.runner import Runner
from pi_rag.ingest.walk import LeftOut, left_out, shown, walk
from pi_rag.ingest.watched import WORDS, State, Watched
from pi_rag.store import watches
from pi_rag.store.store import Store
from pi_rag.store.watches import FileRow, Tally, Watch

RIGHTS_HINT = (
    "As a service, pi-rag may look into few folders: see docs/watch.md for how to let it into this one."
)

FOLDERS_ABOVE_MAX = 40
"""So many of the folders that a file lies in are asked whether they leave it out, the nearest ones."""


LEFT_OUT_S_MAX = 1.0
"""How long who asks what leaves a file out waits for the disk: it is only a word more."""


class Watching:
    """One for the life of the service."""

    def __init__(self, store: Store, runner: Runner, settings: Settings, clock: Clock) -> None:
        self._store = store
        self._runner = runner
        self._settings = settings
        self._clock = clock
        self._kept: dict[int, tuple[Watched, asyncio.Task[None]]] = {}
        self._turn = asyncio.Lock()
        self._asking: asyncio.Task[str | None] | None = None
        """The last question to the disk about what is left out. There is one at a time."""
        self.expect: Callable[[str], Callable[[], None]] = lambda _: lambda: None
        """Asked, by a name for each folder, what its loop calls to say that it works."""
        self.forget: Callable[[str], None] = lambda _: None
        """Told when it ends in good order."""

    async def start(self) -> None:
        """Begin with what is watched already. Each looks at all of its folder first."""
        async with self._turn:
            for watch in await self._store.read(watches.listing):
                self._keep(watch)

    async def stop(self) -> None:
        """Watch no more until the next start. Twice is harmless."""
        async with self._turn:
            await self._end([*self._kept])

    async def add(
        self, folder: str, collection: str, include: Sequence[str], exclude: Sequence[str]
    ) -> dict[str, Any]:
        """Watch a folder from now on, and queue what is in it. As an entry of `listing`.

        Raises RequestInvalid, PathNotFound, DocumentUnreadable, DocumentOutside, DocumentLinkLoop,
        DocumentUnsupported, DiskStuck, DocumentStalled.
        """
        root = await self._runner.disk.ask(folder, _root_of, folder, self._settings)
        folders_max, now = self._settings.watch.folders_max, self._clock.wall_s()
        # Who asked may go meanwhile: what is written is kept all the same.
        return await asyncio.shield(self._added(root, collection, include, exclude, folders_max, now))

    async def _added(self, *watch: Any) -> dict[str, Any]:
        async with self._turn:
            added = await self._store.write(watches.add, *watch)
            return _told(added, self._keep(added).state, Tally(0, 0))

    async def remove(self, watch_id: int) -> None:
        """Watch a folder no more; its documents stay. Raises WatchNotFound, and what a write raises: then
        it is still watched."""
        await asyncio.shield(self._removed(watch_id))

    async def _removed(self, watch_id: int) -> None:
        async with self._turn:
            await self._store.write(watches.remove, watch_id)
            await self._end([watch_id])

    async def listing(self) -> list[dict[str, Any]]:
        """Every watched folder with how it is, as /v1/watches shows it."""
        found = await self._store.read(watches.listing)
        tallies = await self._store.read(watches.tallies)
        return [_told(each, self._state(each.id), tallies.get(each.id, Tally(0, 0))) for each in found]

    async def files(self, watch_id: int, *, skipped: bool, limit: int, after: str) -> list[FileRow]:
        """What became of its files, a page at a time; all, or those not taken. Raises WatchNotFound."""
        watch = await self._store.read(watches.one, watch_id)
        return await self._store.read(watches.files, watch, skipped=skipped, limit=limit, after=after)

    async def left_out(self, path: str, collection: str | None, *, by_adding: bool = True) -> str | None:
        """Why what is at a path is left out without a word of the watched folder that it lies in, or else,
        `by_adding`, of a folder that is added; None where it is not, or nobody can tell now."""
        found = await self._store.read(watches.listing)
        watched = [each for each in found if collection in (None, each.collection)]
        try:
            async with asyncio.timeout(LEFT_OUT_S_MAX):
                while self._asking is not None and not self._asking.done():
                    await asyncio.wait({self._asking})
                self._asking = asyncio.create_task(
                    self._ask_left_out(path, watched, by_adding), name="left-out"
                )
                # A dead mount has one thread, and not one for each who has asked in vain.
                return await asyncio.shield(self._asking)
        except TimeoutError:
            return None

    async def _ask_left_out(self, path: str, watched: Sequence[Watch], by_adding: bool) -> str | None:
        try:
            return await self._runner.disk.ask(path, _left_out, path, watched, self._settings, by_adding)
        except (PiRagError, OSError, ValueError):
            return None

    def seen_at(self, watch_id: int | None) -> float | None:
        """When all of a folder was last seen, wall time; None while that says nothing of a single file."""
        state = State() if watch_id is None else self._state(watch_id)
        return None if state.doubt or state.held else state.seen_at

    def status(self) -> dict[str, Any]:
        """How many folders are watched, and which of them are not as they should be."""
        troubles = [
            {"folder": each.watch.root, "problem": problem}
            for each, _ in self._kept.values()
            if (problem := _problem(each.state))
        ]
        blind = sum(each.state.blind for each, _ in self._kept.values())
        return {"folders": len(self._kept), "blind": blind, "problems": troubles}

    def _keep(self, watch: Watch) -> Watched:
        beat = self.expect(f"watching-{watch.id}")
        watched = Watched(watch, self._store, self._runner, self._settings, self._clock, beat)
        self._kept[watch.id] = (watched, asyncio.create_task(watched.run(), name=f"watch-{watch.id}"))
        return watched

    async def _end(self, watch_ids: Sequence[int]) -> None:
        tasks = [self._kept.pop(each)[1] for each in watch_ids if each in self._kept]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        for watch_id in watch_ids:
            self.forget(f"watching-{watch_id}")

    def _state(self, watch_id: int) -> State:
        kept = self._kept.get(watch_id)
        return kept[0].state if kept else State()


def _told(watch: Watch, state: State, tally: Tally) -> dict[str, Any]:
    return {
        "id": watch.id,
        "folder": watch.root,
        "collection": watch.collection,
        "include": list(watch.include),
        "exclude": list(watch.exclude),
        "created_at": watch.created_at,
        "seen_at": state.seen_at,
        "files": tally.files,
        "skipped": tally.skipped,
        "held": state.held,
        "notices": not state.blind,
        "problem": _problem(state),
    }


def _problem(state: State) -> str | None:
    """What is not as it should be, in words; None when all is."""
    if state.doubt is not None:
        return WORDS[state.doubt]
    if state.late:
        return "looking into it takes longer than ingest.disk_s_max, as when a mount gives no answer: waiting"
    if state.waiting_for is not None:
        return f"held up by {state.waiting_for}"
    if state.blind:
        return "the kernel has no more inotify watches: only regular sweeps find changes"
    if state.held:
        files = "1 file" if state.held == 1 else f"{state.held:,} files"
        return f"{files} cannot be looked at, as on a drive that is away: kept"
    return "it holds more files than ingest.walk_files_max; the rest is left out" if state.cut else None


def _left_out(path: str, watched: Sequence[Watch], settings: Settings, by_adding: bool) -> str | None:
    """As `Watching.left_out`. Raises DocumentOutside for what nobody may ask about; OSError, ValueError."""
    path, roots = os.path.normpath(path), Roots.of(settings.ingest.roots)
    roots.placed(Path(path))
    top, _ = roots.placed(Path(path).parent)
    # A file is known by the real path of the folder that was added.
    real = str(Path(os.path.realpath(Path(path).parent), Path(path).name))
    data = str(settings.data_path.resolve())
    for named in dict.fromkeys((path, real)):
        for watch in watched:
            if named.startswith(f"{watch.root}/"):
                choice = sight.chosen(watch.root, data, watch.include, watch.exclude)
                found = left_out(watch.root, named[len(watch.root) + 1 :], choice)
                return _sentence(f"of the watched folder {watch.root}", named, found)
    return _left_out_by_adding(Path(real), top) if by_adding else None


def _left_out_by_adding(path: Path, top: str) -> str | None:
    """What the nearest folder that leaves it out says; those above that one do so too. What lies above `top`
    cannot be added."""
    for folder in islice(path.parents, FOLDERS_ABOVE_MAX):
        if found := left_out(str(folder), str(path.relative_to(folder))):
            return _sentence("when a folder above it is added", str(path), found)
        if str(folder) == top:
            break
    return None


def _sentence(from_what: str, path: str, found: LeftOut | None) -> str | None:
    if found is None:
        return None
    subject = "It" if found.path == path else f"{shown(found.path)}, in which it lies,"
    return f"{subject} is left out {from_what}: {found.why}."


def _root_of(folder: str, settings: Settings) -> str:
    """The real path of a folder that can be watched. Raises as `Watching.add`."""
    if not Path(folder).is_absolute() or "\0" in folder:
        raise RequestInvalid(f"{shown(folder)!r} is not an absolute path.")
    try:
        Roots.of(settings.ingest.roots).placed(Path(folder))
        walk(Path(folder), 1)
        root = os.path.realpath(folder, strict=True)
        with os.scandir(root):
            pass
    except NotADirectoryError:
        raise RequestInvalid(f"{shown(folder)} is a file.", hint="Watch the folder it is in.") from None
    except OSError as error:
        reason = f"{shown(folder)} cannot be looked into: {error.strerror}."
        raise DocumentUnreadable(reason, hint=RIGHTS_HINT) from error
    except PathNotFound as error:
        raise PathNotFound(error.message, hint=f"Check the spelling. {RIGHTS_HINT}") from error
    except DocumentUnreadable as error:
        raise DocumentUnreadable(error.message, hint=RIGHTS_HINT) from error
    _refuse_unfit(root, str(settings.data_path.resolve()))
    return root


def _refuse_unfit(root: str, data: str) -> None:
    if root == "/":
        raise RequestInvalid("All of the disk cannot be watched.", hint="Name a folder in it.")
    if shown(root) != root:
        raise RequestInvalid(f"The name of {shown(root)} is not UTF-8.", hint="Rename it first.")
    if f"{root}/".startswith(f"{data}/"):
        raise RequestInvalid(f"{root} holds pi-rag's own data.", hint="Name another folder.")
