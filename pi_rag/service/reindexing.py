"""Another model for the index, while the service answers: begun, followed, given up, gone on with at a start.

The new model gets a pool of its own beside the one in office, and fills the second index. When that is whole,
the tables, the embedder, the query's prefix and the cache of queries change in one step: a query meets either
the old model with the old vectors, or the new one with the new. It does not know how vectors are made.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from pi_rag import log
from pi_rag.clock import Clock
from pi_rag.config import Settings
from pi_rag.errors import (
    Busy,
    DiskFull,
    EmbedderUnavailable,
    InternalError,
    ModelNotFound,
    PiRagError,
    StoreError,
    TryLater,
)
from pi_rag.ingest.reindex import Reindexer
from pi_rag.ingest.runner import Runner
from pi_rag.models.shelf import Shelf, own_file
from pi_rag.query import QueryDesk
from pi_rag.service import tuning
from pi_rag.service.meaning import Meaning, StartedEmbedder, fingerprint, of_model
from pi_rag.store import Connection, documents, identity, reindex
from pi_rag.store.store import Store
from pi_rag.types import Fingerprint, ModelCard

REST_S = 1.0
"""How long it rests when embedder or store cannot go on."""

MENDED_S_MAX = 60.0
"""How long the new model's workers may be away, without a passage done, before it is given up."""

MIB = 2**20

_log = log.logger("reindex")


class Reindexing:
    """One reindex at a time. One for the life of the service."""

    def __init__(
        self,
        store: Store,
        meaning: Meaning,
        query: QueryDesk,
        runner: Runner,
        settings: Settings,
        clock: Clock,
        of: Callable[[ModelCard], Meaning] | None = None,
    ) -> None:
        """`of` gives a model a pool that is not yet started."""
        self._store = store
        self._meaning = meaning
        self._query = query
        self._runner = runner
        self._settings = settings
        self._clock = clock
        self._of = of or self._with_pool
        self._turn = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._successor: Meaning | None = None
        self._work: Reindexer | None = None
        self._waiting_for: str | None = None

    async def begin(self, name: str) -> dict[str, Any]:
        """Begin with the installed model `name`, or go on with what was begun; empty: with the chosen one.

        Returns the status. Raises Busy, ModelNotFound, ModelError kinds, RequestInvalid, DiskFull.
        """
        async with self._turn:
            if self._task is not None and not self._task.done():
                raise Busy("A reindex is under way.", hint="See it with: pi-rag reindex --status")
            card = await asyncio.to_thread(_chosen, name, self._settings)
            order = await self._begun(card)
            self._go_on_with(self._change(card, order))
        return await self.status()

    def resume(self) -> None:
        """At start: go on with what an earlier run left."""
        self._go_on_with(self._rest_of_it())

    async def cancel(self) -> bool:
        """Give it up, and drop what was made of the second index. False when there was nothing to cancel."""
        async with self._turn:
            await self.stop()
            cancelled = await self._store.write(reindex.cancel)
            if not cancelled:  # it was swapped in already; what that leaves to do is done
                self.resume()
        return cancelled

    async def stop(self) -> None:
        """Leave it as it is; what is done is kept."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def status(self) -> dict[str, Any]:
        """How it is, as /v1/reindex shows it."""
        order, index, total, to_cut = await self._store.read(_facts)
        nothing = {"state": "none", "model": None, "begun_at": None, "ended_at": None, "error": None}
        shown: dict[str, Any] = nothing
        if order is not None:
            times = {"begun_at": order.begun_at, "ended_at": order.ended_at}
            shown = {"state": order.state, "model": order.wanted.model_name, **times, "error": order.failure}
        elif index is not None:
            chosen = await asyncio.to_thread(_chosen_by_name, self._settings) or self._meaning.card
            if chosen is not None and identity.differences(index, fingerprint(chosen)):
                shown = nothing | {"state": "offered", "model": chosen.name}
        return shown | {
            "index_model": index.model_name if index else None,
            "documents_to_cut": to_cut,
            "waiting_for": self._waiting_for,
            **self._progress(total),
        }

    def processes(self) -> list[tuple[int, str]]:
        """The processes of the new model while it is not in office, and what they are."""
        if self._successor is None:
            return []
        embedder = self._successor.status()
        found = [(embedder["nursery_pid"], "nursery")] + [
            (each["pid"], "worker") for each in embedder["workers"]
        ]
        return [(pid, f"reindex {role}") for pid, role in found if pid]

    @property
    def pools(self) -> list[StartedEmbedder]:
        """That of the new model while it is not in office."""
        return [] if self._successor is None else self._successor.pools

    def _progress(self, total: int) -> dict[str, Any]:
        if self._work is None:
            return {"passages_done": 0, "passages_total": total, "rate_passages_s": 0.0, "left_s": None}
        done, rate_s = min(self._work.done, total), self._work.rate_s
        left_s = round((total - done) / rate_s, 1) if rate_s else None
        return {
            "passages_done": done,
            "passages_total": total,
            "rate_passages_s": round(rate_s, 2),
            "left_s": left_s,
        }

    def _go_on_with(self, work: Coroutine[Any, Any, None]) -> None:
        self._task = asyncio.create_task(self._guarded(work), name="reindex")

    async def _rest_of_it(self) -> None:
        order = await self._store.read(reindex.current)
        if order is None or order.state == "failed":
            return
        if order.state == "done":
            await self._clear_away()
            return
        card = await asyncio.to_thread(tuning.of_index, order.wanted, self._settings)
        if card is None:
            raise ModelNotFound(f"The model {order.wanted.model_name!r} is not installed any more.")
        await self._change(card, await self._begun(card))

    async def _begun(self, card: ModelCard) -> reindex.Reindex:
        await self._check_room(card)
        order = await self._store.write(reindex.begin, fingerprint(card), self._clock.wall_s())
        _log.info("reindex_begun", model=card.name)
        return order

    async def _check_room(self, card: ModelCard) -> None:
        """The second index takes about as much of the disk as the vectors of the first."""
        needed, inside = await self._store.read(reindex.bytes_needed, card.dimensions)
        needed += self._settings.store.wal_mib_max * MIB
        free = await asyncio.to_thread(lambda: shutil.disk_usage(self._settings.data_path).free)
        if needed > free + inside:
            raise DiskFull(
                f"A second index needs {needed // MIB} MiB; {(free + inside) // MIB} MiB are free.",
                hint="Free some space and run it again. The index in use is untouched.",
            )

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        """What goes wrong is noted; the index in use goes on."""
        try:
            await work
        except PiRagError as error:
            await self._failed(error)
        except Exception as fault:
            _log.exception("reindex_fault")
            await self._failed(InternalError(f"{type(fault).__name__} while embedding again."))
        finally:
            self._waiting_for = None

    async def _failed(self, error: PiRagError) -> None:
        _log.error("reindex_failed", code=error.code, reason=error.message)
        with contextlib.suppress(TryLater, StoreError):
            await self._store.write(reindex.fail, error.to_wire(), self._clock.wall_s())

    async def _change(self, card: ModelCard, order: reindex.Reindex) -> None:
        """From the first passage to the last document that is cut anew."""
        successor = self._successor = self._of(card)
        retired: list[StartedEmbedder | None] = []
        try:
            await self._fill_and_swap(card, order, successor, retired)
        finally:
            # Who is not in office is not needed: the new one when it failed, the old one when it did not.
            self._successor = self._work = None
            if not retired:
                await successor.stop()
            for before in retired:
                if before is not None:
                    await before.stop()
        _log.info("reindex_done", model=card.name)
        await asyncio.to_thread(_choose, card, self._settings)
        await self._clear_away()

    async def _fill_and_swap(
        self,
        card: ModelCard,
        order: reindex.Reindex,
        successor: Meaning,
        retired: list[StartedEmbedder | None],
    ) -> None:
        """Fill the second index until it is whole and in office, whatever hinders for a while."""
        await successor.start_or_fail()
        work = self._work = Reindexer(
            self._store,
            successor.embedder,
            order,
            self._settings,
            self._clock,
            tokens_max=successor.tokens_max,
        )
        moved_s, moved = self._clock.monotonic_s(), -1
        while True:
            try:
                await work.fill()
                # From here on no document comes that the second index does not know.
                async with self._runner.held():
                    await work.fill()
                    if await _to_the_end(self._swap(successor, retired)):
                        return
            except (TryLater, StoreError) as hindered:
                now_s = self._clock.monotonic_s()
                if work.done > moved:
                    moved_s, moved = now_s, work.done
                elif isinstance(hindered, EmbedderUnavailable) and now_s - moved_s > MENDED_S_MAX:
                    raise
                await self._rest(hindered)

    async def _swap(self, successor: Meaning, retired: list[StartedEmbedder | None]) -> bool:
        """Tables, then everybody who goes by the model; nothing is awaited in between. False: not whole."""
        if not await self._store.write(reindex.swap, self._clock.wall_s()):
            return False
        assert successor.card is not None and successor.maker is not None
        retired.append(self._meaning.take_over(successor))
        self._query.cache.follow(successor.embedder, successor.maker)
        self._query.adopt(successor.query_prefix, fingerprint(successor.card))
        self._runner.follow(successor.embedder, successor.tokens_max)
        return True

    async def _clear_away(self) -> None:
        """Drop the old vectors, and cut anew what is too long for the new model."""
        after_id: int | None = 0
        while after_id is not None:
            after_id = await self._store.read(reindex.look_at_old, after_id)
        await self._store.write(reindex.drop_old)
        while (document_id := await self._store.read(reindex.next_to_cut)) is not None:
            try:
                await self._runner.cut_anew(document_id)
            except (TryLater, StoreError) as hindered:
                await self._rest(hindered)
            except PiRagError as error:
                # It keeps the passages it has, whose vectors know their beginnings.
                _log.warning("document_not_cut", document=document_id, code=error.code)
                await self._store.write(reindex.was_cut, document_id)

    async def _rest(self, hindered: PiRagError) -> None:
        if self._waiting_for != hindered.code:
            _log.warning("reindex_waits", code=hindered.code, reason=hindered.message)
        self._waiting_for = hindered.code
        await asyncio.sleep(max(REST_S, (hindered.retry_after_ms or 0) / 1000))

    def _with_pool(self, card: ModelCard) -> Meaning:
        start = tuning.with_model(card, self._settings)
        return of_model(card, self._settings.embedder, start.curve, self._clock)


async def _to_the_end(work: Coroutine[Any, Any, bool]) -> bool:
    """The result of what must not be left half done: a cancel waits until it is over."""
    task = asyncio.create_task(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        raise


def _facts(db: Connection) -> tuple[reindex.Reindex | None, Fingerprint | None, int, int]:
    """In one read: the reindex, the index's model, how many passages, and documents to cut."""
    index = identity.fingerprint_in_use(db)
    return reindex.current(db), index, documents.counts(db).chunks, reindex.to_cut(db)


def _chosen(name: str, settings: Settings) -> ModelCard:
    """The installed model of this name, or the one that is chosen. Raises ModelNotFound, ModelError kinds."""
    shelf = Shelf(settings.models_path)
    if not name:
        return shelf.current(settings.embedder.model)
    # A path that a guest sends is none of ours to read.
    return shelf.current(shelf.card(name).name)


def _chosen_by_name(settings: Settings) -> ModelCard | None:
    """The chosen model where the list of models says what it is; a file would have to be read for that."""
    shelf, choice = Shelf(settings.models_path), settings.embedder.model
    if own_file(choice):
        return None
    try:
        return shelf.current(choice)
    except PiRagError:
        return None


def _choose(card: ModelCard, settings: Settings) -> None:
    """The next start should begin with this model, unless the settings name one."""
    try:
        if not settings.embedder.model and Path(card.path).parent == settings.models_path.absolute():
            Shelf(settings.models_path).use(card.name)
    except PiRagError as error:
        _log.warning("model_not_chosen", model=card.name, code=error.code)
