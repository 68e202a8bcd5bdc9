"""A program that becomes the service, with faults inside it that a run calls for: `python -m` this, then the
service's own command line. The service as it is shipped knows nothing of it, and no other module imports it.

The service is the real one, and so is all that it does, until a file appears in the folder `orders` beside
its data: see `orders`. The file's name is the fault and its text how much:

slow             ms, for every search                   leak          MiB a second, in the supervisor
slow_tenth       ms, for every tenth search             worker_leak   MiB a second, in one worker
errors           of ten searches so many fail           descriptors   so many a second
lost_words       of ten passages so many are gone       threads       so many a second
lost_meaning     the same, from the vectors

A fault ends when its file is gone; what has leaked stays. See `injecting_nursery` for the workers.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import runpy
import sys
import threading
import time
from dataclasses import replace
from typing import Any

from pi_rag.answer_cache import AnswerCache
from pi_rag.embedder import links
from pi_rag.errors import InternalError
from pi_rag.query import Answer, Question, desk
from pi_rag.rank.fusion import Ranked
from pi_rag.store.by_words import worded as plain_worded
from pi_rag.store.nearest import Nearest
from pi_rag.store.nearest import nearest as plain_nearest
from pi_rag.store.worded import Worded
from pi_rag.stress.orders import LOOK_S, Orders, orders


class Leaks:
    """What was taken and is never given back."""

    def __init__(self, called_for: Orders) -> None:
        self._orders = called_for
        self._owed: dict[str, float] = {}
        self.kept: list[object] = []

    def take(self, seconds: float) -> None:
        """What so long a time is worth."""
        self.kept.append(b"\x01" * int(self._orders.amount("leak") * seconds * 2**20))
        for _ in range(self._due("descriptors", seconds)):
            self.kept.append(os.open(os.devnull, os.O_RDONLY))
        for _ in range(self._due("threads", seconds)):
            thread = threading.Thread(target=threading.Event().wait, daemon=True)
            thread.start()
            self.kept.append(thread)

    def _due(self, fault: str, seconds: float) -> int:
        """Whole ones; what is less than one is owed."""
        self._owed[fault] = self._owed.get(fault, 0.0) + self._orders.amount(fault) * seconds
        whole = int(self._owed[fault])
        self._owed[fault] -= whole
        return whole


def spoil(called_for: Orders) -> None:
    """Put what obeys the orders in the place of what does not."""
    links.NURSERY = "pi_rag.stress.injecting_nursery"
    _spoil_searches(called_for)
    _spoil_words(called_for)
    _spoil_meaning(called_for)
    threading.Thread(target=_obey, args=(called_for,), daemon=True).start()


def _obey(called_for: Orders) -> None:
    leaks, last_s = Leaks(called_for), time.monotonic()
    while True:
        called_for.look()
        now_s = time.monotonic()
        leaks.take(now_s - last_s)
        last_s = now_s
        time.sleep(LOOK_S)


def _spoil_searches(called_for: Orders) -> None:
    plain, numbers = AnswerCache.search, itertools.count()

    async def search(self: AnswerCache, question: Question) -> Answer:
        number = next(numbers)
        if number % 10 < called_for.amount("errors"):
            raise InternalError("This was asked for.")
        tenth_ms = called_for.amount("slow_tenth") if number % 10 == 0 else 0.0
        await asyncio.sleep((called_for.amount("slow") + tenth_ms) / 1000.0)
        return await plain(self, question)

    AnswerCache.search = search  # type: ignore[method-assign]


def _spoil_words(called_for: Orders) -> None:
    def worded(*args: Any, **more: Any) -> Worded:
        found = plain_worded(*args, **more)
        return replace(found, ranked=list(_kept(found.ranked, called_for.amount("lost_words"))))

    vars(desk)["worded"] = worded


def _spoil_meaning(called_for: Orders) -> None:
    def nearest(*args: Any, **more: Any) -> Nearest:
        found = plain_nearest(*args, **more)
        return replace(found, found=list(_kept(found.found, called_for.amount("lost_meaning"))))

    vars(desk)["nearest"] = nearest


def _kept(ranked: Ranked, lost_of_ten: float) -> Ranked:
    """Always the same passages are gone, as they are when an index has lost them."""
    return [each for each in ranked if each[0] % 10 >= lost_of_ten]


if __name__ == "__main__":
    spoil(orders())
    # What follows is an interpreter, `-m` and a module: what would have been started otherwise.
    module, *arguments = sys.argv[sys.argv.index("-m") + 1 :]
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
