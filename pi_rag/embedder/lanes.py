"""The texts that wait for workers: two bounded lanes, and one text where several callers want the same.

Queries go before any ingest, since a person waits for them; counting goes before embedding, since somebody
needs the count to go on. `compose` decides what goes together. Pure bookkeeping, without a clock or a socket.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING

from pi_rag.embedder import compose
from pi_rag.embedder.calls import Batch, Call, Item
from pi_rag.embedder.curve import Curve
from pi_rag.errors import Busy

if TYPE_CHECKING:
    from pi_rag.embedder.calls import Part
    from pi_rag.embedder.wire import Task
    from pi_rag.types import Lane

WINDOW = 256
"""How many waiting texts are looked at for one batch: those that came first."""

TASKS: tuple[Task, ...] = ("count", "embed")


class Lanes:
    """Texts by lane, those at workers included as long as somebody may still join them."""

    def __init__(
        self, curve: Curve, rules: compose.Rules, *, query_calls_max: int, ingest_calls_max: int
    ) -> None:
        self.curve = curve
        self._rules = rules
        self._calls_max: dict[Lane, int] = {"query": query_calls_max, "ingest": ingest_calls_max}
        self._calls: dict[Lane, set[Call]] = {"query": set(), "ingest": set()}
        self._waiting: dict[tuple[Lane, Task], OrderedDict[Item, None]] = {
            (lane, task): OrderedDict() for lane in self._calls for task in TASKS
        }
        self._known: dict[tuple[Task, bytes], Item] = {}
        self._ingest_workers = 0
        self.shared = 0
        """How many texts were asked for while the same text was under way, and so cost nothing."""

    def admit(self, call: Call, texts: Sequence[tuple[bytes, int]], now_s: float) -> None:
        """Let a call wait; its texts encoded, with their tokens. Raises Busy when its lane is full."""
        self._calls[call.lane] = {each for each in self._calls[call.lane] if each.open}
        if len(self._calls[call.lane]) >= self._calls_max[call.lane]:
            raise Busy(
                f"The embedder has {self._calls_max[call.lane]} requests of the {call.lane} lane already."
            )
        self._calls[call.lane].add(call)
        for number, (encoded, tokens) in enumerate(texts):
            item = self._known.get((call.task, encoded))
            if item is None:
                item = Item(call.task, encoded, tokens, call.lane, now_s, call.deadline_s)
                self._known[call.task, encoded] = item
                self._waiting[call.lane, call.task][item] = None
            else:
                self._join(item, call)
            item.callers.append((call, number))
            call.items.append(item)

    def take(self, now_s: float, *, ingest: bool, idle_workers: int) -> Batch | None:
        """What a free worker should do now; `ingest` tells whether it may. What nobody wants is dropped."""
        queries, documents = self._window("query", now_s), self._window("ingest", now_s) if ingest else []
        lane = compose.lane_of_next(
            queries, documents, self._rules, now_s=now_s, ingest_workers=self._ingest_workers
        )
        if lane is None:
            return None
        window = queries if lane == "query" else documents
        # Counting is over before another worker has heard of it: there is nothing to share.
        sharing = 1 if window[0].task == "count" else idle_workers
        chosen = compose.batch(window, self.curve, self._rules, idle_workers=sharing)
        items = [window[index] for index in chosen]
        for item in items:
            del self._waiting[lane, item.task][item]
        self._ingest_workers += lane == "ingest"
        return Batch(items[0].task, lane, items)

    def done(self, batch: Batch, parts: Sequence[Part]) -> None:
        """A worker has answered."""
        self._ingest_workers -= batch.lane == "ingest"
        for item, part in zip(batch.items, parts, strict=True):
            self._forget(item)
            item.answer(part)

    def put_back(self, batch: Batch) -> None:
        """A batch has left its worker undone: its texts are next again, and those nobody wants are gone."""
        self._ingest_workers -= batch.lane == "ingest"
        for item in reversed(batch.items):
            if item.wanted:
                lane = self._waiting[item.lane, item.task]
                lane[item] = None
                lane.move_to_end(item, last=False)
            else:
                self._forget(item)

    def withdraw(self, call: Call) -> None:
        """Forget what still waits for this call alone. It is answered, has failed or has left."""
        self._calls[call.lane].discard(call)
        for item in call.items:
            waiting = self._waiting[item.lane, item.task]
            if item in waiting and not item.wanted:
                del waiting[item]
                self._forget(item)

    def queued(self) -> dict[str, int]:
        """How many texts wait in each lane."""
        return {lane: sum(len(self._waiting[lane, task]) for task in TASKS) for lane in self._calls}

    def _join(self, item: Item, call: Call) -> None:
        """One more caller for a text; a query takes it over into its own lane if it still waits."""
        self.shared += 1
        item.deadline_s = max(item.deadline_s, call.deadline_s)
        if call.lane == "query" and item in self._waiting["ingest", item.task]:
            del self._waiting["ingest", item.task][item]
            self._waiting["query", item.task][item] = None
        if call.lane == "query":
            item.lane = "query"

    def _window(self, lane: Lane, now_s: float) -> list[Item]:
        """The first texts of a lane that are still of use, all of one task."""
        for task in TASKS:
            waiting = self._waiting[lane, task]
            for item in list(islice(waiting, WINDOW)):
                if not item.wanted or now_s >= item.deadline_s:
                    del waiting[item]
                    self._forget(item)
            if waiting:
                return list(islice(waiting, WINDOW))
        return []

    def _forget(self, item: Item) -> None:
        self._known.pop((item.task, item.encoded), None)
