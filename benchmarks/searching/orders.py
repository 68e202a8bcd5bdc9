"""An index as a child process: one JSON order a line, one JSON answer a line. It imports nothing of ours.

    {"do": "open", "kind": ..., "folder": ..., "options": {...}, "alone": bool}   {"about": ...}
    {"do": "build", "vectors": file, "rows": n}                       {"seconds": t}
    {"do": "load"}                                                    {"seconds": t}
    {"do": "search", "queries": file, "count": n, "k": k, "seconds": s}  {"ms": [...], "found": [[...]]}
    {"do": "insert", "vectors": file, "from": n, "batches": b, "rows": r}   {"per_s": rate or null}
    {"do": "weigh"}                                                   {"private_mib": ..., "mapped_mib": ...}

A row is known by its number in the file. An order that fails is answered with {"failed": why}.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

Order = dict[str, Any]
Rows = Any
"""A numpy array of shape (rows, dimensions), float32."""

SEARCHES_MIN = 20


class Index(Protocol):
    """One way of keeping vectors and finding the nearest. One process calls `build`, a later one `load`."""

    about: str
    """The library and its version."""

    def build(self, vectors: Rows) -> None:
        """Take all rows, numbered from 0, and leave everything in the folder."""

    def load(self) -> None:
        """Be ready to search what the folder holds."""

    def search(self, query: Rows, k: int) -> Sequence[int]:
        """The numbers of the nearest k rows, best first."""

    def insert(self, first: int, vectors: Rows) -> None:
        """Take more rows, numbered from `first`, at once. Raises NotImplementedError when it cannot."""

    def close(self) -> None:
        """Give the folder back."""


Opener = Callable[[Path, Mapping[str, Any]], Index]
"""Makes an index of a folder and options. It imports its library, so that the library's RAM is counted."""


def answer_orders(openers: Mapping[str, Opener]) -> None:
    """Answer order after order until the input ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    # Whatever a library prints goes to the log, not between the answers.
    os.dup2(2, 1)
    desk = Desk(openers)
    for line in sys.stdin:
        try:
            answer = desk.answer(json.loads(line))
        except Exception as error:
            answer = {"failed": f"{type(error).__name__}: {error}".splitlines()[0][:300]}
        print(json.dumps(answer), file=answers, flush=True)
    desk.close()


class Desk:
    """One index and its orders."""

    def __init__(self, openers: Mapping[str, Opener]) -> None:
        self._openers = openers
        self._index: Index | None = None
        self._bare = resident_mib()

    def answer(self, order: Order) -> Order:
        """What an order asks for. Raises what the library raises."""
        if order["do"] == "open":
            return self._open(order)
        if order["do"] == "weigh":
            return self._weight()
        assert self._index is not None, "the first order is open"
        if order["do"] == "search":
            return searched(self._index, order)
        if order["do"] == "insert":
            return {"per_s": inserted_per_s(self._index, order)}
        begun_s = time.perf_counter()
        if order["do"] == "build":
            self._index.build(np.load(order["vectors"], mmap_mode="r")[: order["rows"]])
        else:
            self._index.load()
        return {"seconds": time.perf_counter() - begun_s}

    def close(self) -> None:
        """End the index, if there is one."""
        if self._index is not None:
            self._index.close()

    def _open(self, order: Order) -> Order:
        if order["alone"]:
            # One core for the search, whatever threads a library starts.
            os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
        self._index = self._openers[order["kind"]](Path(order["folder"]), order["options"])
        return {"about": self._index.about}

    def _weight(self) -> Order:
        private, mapped = (now - bare for now, bare in zip(resident_mib(), self._bare, strict=True))
        return {"private_mib": private, "mapped_mib": mapped}


def searched(index: Index, order: Order) -> Order:
    """Each query after the other until all are asked, or the time is over and enough were."""
    found: Order = {"ms": [], "found": []}
    end_s = time.perf_counter() + order["seconds"]
    for query in np.load(order["queries"])[: order["count"]]:
        begun_s = time.perf_counter()
        if begun_s > end_s and len(found["ms"]) >= SEARCHES_MIN:
            break
        numbers = index.search(query, order["k"])
        found["ms"].append((time.perf_counter() - begun_s) * 1000)
        found["found"].append([int(number) for number in numbers])
    return found


def inserted_per_s(index: Index, order: Order) -> float | None:
    """Rows a second in batches, each of which is a transaction where there are any."""
    vectors, size = np.load(order["vectors"], mmap_mode="r"), order["rows"]
    places = [order["from"] + number * size for number in range(order["batches"])]
    batches = [np.array(vectors[at : at + size]) for at in places]
    begun_s = time.perf_counter()
    try:
        for at, batch in zip(places, batches, strict=True):
            index.insert(at, batch)
    except NotImplementedError:
        return None
    return float(len(batches) * size / (time.perf_counter() - begun_s))


def resident_mib() -> tuple[float, float]:
    """(anonymous, mapped from files) MiB of this process that are in RAM: /proc/self/smaps_rollup."""
    lines = Path("/proc/self/smaps_rollup").read_text(encoding="ascii").splitlines()[1:]
    kib = {line.split(":")[0]: int(line.split()[1]) for line in lines}
    return kib["Anonymous"] / 1024, (kib["Rss"] - kib["Anonymous"]) / 1024
