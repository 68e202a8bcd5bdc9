"""Backups of the running service: one at a time, begun over HTTP, followed by who wants to, thinned out.

It knows where they go and who may ask; how one is made is the store's story. The folder may lie on a mount
that gives no answer: nothing here is asked of a disk on a thread that others need.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, ParamSpec, TypeVar

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from pi_rag import __version__, config, log
from pi_rag.clock import Clock
from pi_rag.config import Settings
from pi_rag.errors import (
    Busy,
    DiskStuck,
    DocumentStalled,
    InternalError,
    PathNotFound,
    PiRagError,
    RequestInvalid,
)
from pi_rag.ingest.aside import apart, seen
from pi_rag.ingest.disk import Disk
from pi_rag.store import backup, backups
from pi_rag.store.backup import Made, Making, Order
from pi_rag.store.store import Store

_log = log.logger("backup")

SAME_DISK = "same_disk"
"""The backup lies on the disk that the data lies on: it does not outlive it."""


P = ParamSpec("P")
T = TypeVar("T")


class BackupRequest(BaseModel):
    """Where to."""

    model_config = ConfigDict(extra="forbid")

    to: str | None = Field(
        default=None,
        max_length=4096,
        description="A folder that is there, or a file that is not and ends with .db: an absolute path. "
        "Null: backup.folder.",
    )


class BackupAnswer(BaseModel):
    """The backup under way, or the last of this run of the service."""

    state: Literal["none", "running", "done", "failed"]
    doing: str | None = Field(description="copying, counting or comparing, while it runs.")
    share: float = Field(description="Of what it does just now, from 0 to 1.")
    path: str | None = Field(description="The file; it is there once the state is done.")
    began_at: float | None
    took_s: float | None
    size_bytes: int | None
    counts: dict[str, int] | None
    content_hash: str | None = Field(description="As that of POST /v1/verify.")
    removed: list[str] = Field(description="Older ones that were removed: backup.keep_days, keep_weeks.")
    warnings: list[str] = Field(description="same_disk: it lies where the data lies.")
    error: dict[str, Any] | None
    newest_at: float | None = Field(description="When the newest in backup.folder was made; null: none.")
    folder_error: dict[str, Any] | None = Field(
        description="Why the last one into backup.folder failed; null: it did not, or none was made since "
        "the start."
    )


class BackingUp:
    """One for the life of the service."""

    def __init__(
        self, store: Store, settings: Settings, clock: Clock, disk: Disk, as_set: Callable[[], Settings]
    ) -> None:
        """`as_set`: the settings as a person has made them now, which a backup takes along."""
        self._store, self._settings, self._clock, self._as_set = store, settings, clock, as_set
        self._disk = disk
        self._task: asyncio.Task[None] | None = None
        self._doing: tuple[str, float] = ("", 0.0)
        self._last: dict[str, Any] = {}
        self._newest_at: float | None = None
        self._folder_error: dict[str, Any] | None = None
        self._has_looked = self._is_placing = False
        self._looking: asyncio.Future[float | None] | None = None

    async def begin(self, to: str | None) -> BackupAnswer:
        """Begin one; its status. Raises Busy, PathNotFound, RequestInvalid, BackupUnwritable, DiskFull,
        DiskStuck."""
        if self.is_running or self._is_placing:
            raise Busy("A backup is under way.", hint="See it with: pi-rag backup --status")
        began_at = self._clock.wall_s()
        self._is_placing = True
        asked = str(self._settings.backup_path) if to is None else to
        try:
            folder, name = await self._answered(asked, self._place, to, began_at)
        except PiRagError as error:
            if to is None:  # nobody reads the answer to the one of every night
                self._last = {"path": asked, "began_at": began_at}
                self._failed(error, is_ours=True)
            raise
        finally:
            self._is_placing = False
        order = Order(
            folder=folder,
            name=name,
            version=__version__,
            data=str(self._settings.data_path.absolute()),
            settings=config.to_toml(self._as_set()),
            made_at=began_at,
        )
        self._last = {"state": "running", "path": str(folder / name), "began_at": began_at}
        self._doing = ("", 0.0)
        self._task = asyncio.create_task(self._make(order, thins_out=to is None), name="backup")
        return await self.status()

    @property
    def is_running(self) -> bool:
        """Whether one is being made."""
        return self._task is not None and not self._task.done()

    async def stop(self) -> None:
        """Give up the one under way: nothing of it stays. The store's closing ends it; this waits for it."""
        if self._task is not None:
            await asyncio.wait({self._task})

    async def status(self) -> BackupAnswer:
        """How it is."""
        doing, share = self._doing if self.is_running else (None, 0.0)
        empty: dict[str, Any] = dict.fromkeys(
            ("path", "began_at", "took_s", "size_bytes", "counts", "content_hash", "error")
        )
        known: dict[str, Any] = {"state": "none", "removed": [], "warnings": []} | empty | self._last
        newest_at = await self._newest_known()
        return BackupAnswer(
            **known,
            doing=doing or None,
            share=round(share, 3),
            newest_at=newest_at,
            folder_error=self._folder_error,
        )

    async def newest_at(self) -> float | None:
        """When the newest in `backup.folder` was made; None where there is none, or no such folder any more.

        Raises DiskStuck when it gives no answer. However many ask, one thread waits for it. While a backup is
        made it is what was known before.
        """
        if not (self._has_looked and self.is_running):
            if self._looking is None or self._looking.done():
                look = self._answered(self._settings.backup_path, self._newest)
                self._looking = asyncio.create_task(look, name="newest backup")
                self._looking.add_done_callback(seen)
            before = self._newest_at
            found = await asyncio.shield(self._looking)
            if self._newest_at == before:  # no newer one was made meanwhile
                self._newest_at, self._has_looked = found, True
        return self._newest_at

    async def _newest_known(self) -> float | None:
        """As that, but how a backup goes is told although the folder of the settings gives no answer."""
        try:
            return await self.newest_at()
        except DiskStuck:
            if not self._last:
                raise
            return None

    async def _answered(self, path: str | Path, do: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What `do` gives or raises, which asks the disk about `path`. Raises DiskStuck without an answer."""
        try:
            return await self._disk.ask(path, do, *args, **kwargs)
        except DocumentStalled as error:
            raise DiskStuck(f"{error.message} It was asked about {path}.") from None

    def _newest(self) -> float | None:
        try:
            data = str(self._settings.data_path.absolute())
            return backups.newest_at(self._settings.backup_path, data, self._settings.store)
        except OSError:
            return None

    def _place(self, to: str | None, now_s: float) -> tuple[Path, str]:
        """(folder, name) for what was asked. Raises PathNotFound, RequestInvalid, BackupUnwritable."""
        if to is None:
            folder = self._settings.backup_path
            with backup.writable(folder):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            return folder, backup.name_at(now_s)
        path = Path(to)
        if "\0" in to or not path.is_absolute():
            raise RequestInvalid(f"{to!r} is not an absolute path.", param="to")
        with backup.writable(path):
            folder, name = (path, backup.name_at(now_s)) if path.is_dir() else (path.parent, path.name)
            if not folder.is_dir():
                raise PathNotFound(
                    f"The service sees no folder {folder}.",
                    hint="Make it, or see docs/backup.md for folders that systemd hides from the service.",
                )
            backup.refuse_taken(folder / name)
            _refuse_missing_folder(path, folder / name)
        return folder, name

    async def _make(self, order: Order, *, thins_out: bool) -> None:
        begun_s = self._clock.monotonic_s()
        making = Making(
            order,
            self._settings.backup,
            self._settings.store,
            self._clock,
            self._tell,
            lambda: self._store.wal_bytes,
        )
        try:
            made = await self._store.aside(making)
            is_here = await apart(self._is_on_same_disk, made.path)
            gone = await apart(self._thinned_out, made) if thins_out else []
        except PiRagError as error:
            self._failed(error, is_ours=thins_out)
        except Exception as error:
            _log.exception("backup_fault")
            fault = InternalError(f"{type(error).__name__} while a backup was made.")
            self._failed(fault, is_ours=thins_out)
        else:
            took_s = self._clock.monotonic_s() - begun_s
            self._done(made, gone, took_s, is_ours=thins_out, warnings=[SAME_DISK] if is_here else [])

    def _tell(self, doing: str, share: float) -> None:
        """On the thread that makes it."""
        self._doing = (doing, share)

    def _thinned_out(self, made: Made) -> list[str]:
        keep, store = self._settings.backup, self._settings.store
        try:
            data = made.card.data
            gone = backups.thin_out(made.path.parent, data, made.path, keep.keep_days, keep.keep_weeks, store)
        except OSError as error:
            # The new one is there and whole; old ones that stay only take room.
            _log.warning("backups_not_removed", reason=str(error))
            return []
        return [str(path) for path in gone]

    def _failed(self, error: PiRagError, *, is_ours: bool) -> None:
        self._last |= {"state": "failed", "error": error.to_wire()}
        if is_ours:
            self._folder_error = error.to_wire()
        _log.error("backup_failed", code=error.code, reason=error.message)

    def _done(
        self, made: Made, gone: list[str], took_s: float, *, is_ours: bool, warnings: list[str]
    ) -> None:
        if is_ours:
            self._newest_at, self._has_looked = made.card.made_at, True
            self._looking = self._folder_error = None  # a look that is under way may not have seen it
        self._last |= {
            "state": "done",
            "took_s": round(took_s, 3),
            "size_bytes": made.size_bytes,
            "counts": dict(made.card.counts),
            "content_hash": made.card.content,
            "removed": gone,
            "warnings": warnings,
        }
        mib = round(made.size_bytes / 2**20, 1)
        _log.info("backup_made", used_mib=mib, took_s=round(took_s, 3), count=len(gone))

    def _is_on_same_disk(self, path: Path) -> bool:
        """Raises BackupUnwritable when it is gone already, with the stick that it was on."""
        with backup.writable(path):
            return path.stat().st_dev == self._settings.data_path.stat().st_dev


def _refuse_missing_folder(asked: Path, file: Path) -> None:
    """A folder that is not there is not to become a file. Raises PathNotFound."""
    if not file.name.endswith(backup.SUFFIX):
        raise PathNotFound(
            f"There is no folder {asked}.",
            hint=f"Make it where the service may write (docs/backup.md), or name a file that ends with "
            f"{backup.SUFFIX}.",
        )


def mount(api: APIRouter, backing_up: BackingUp, required: Any) -> None:
    """`required` lets administrators through."""
    administrators = [Depends(required)]

    @api.post("/v1/backup", summary="Copy all that is kept", status_code=202, dependencies=administrators)
    async def begin(request: BackupRequest) -> BackupAnswer:
        """Begin a backup of this moment; searches and writes go on. One at a time."""
        return await backing_up.begin(request.to)

    @api.get("/v1/backup", summary="How far that is", dependencies=administrators)
    async def status() -> BackupAnswer:
        """The one under way, or the last since the start."""
        return await backing_up.status()
