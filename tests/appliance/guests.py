"""Guests who come at the same time and keep account of what they were told."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pi_rag.client import Client
from pi_rag.errors import PiRagError
from pi_rag.stress.workload import documents, questions
from tests.appliance.machine import wait_until


class Guests:
    """What the guests were told so far. It grows while they are there."""

    def __init__(self) -> None:
        self.acknowledged: list[str] = []
        """Sources of documents that the service took."""
        self.waits_s: list[float] = []
        """How long each answered question took."""
        self.refusals: list[PiRagError] = []
        self._left = threading.Event()

    @contextmanager
    def there(self, *what: Callable[[], None]) -> Iterator[Guests]:
        """Each does one thing after another in a thread of its own, until the block is left."""
        threads = [threading.Thread(target=self._repeat, args=(each,), daemon=True) for each in what]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self._left.set()
            for thread in threads:
                thread.join(90)
        assert not any(thread.is_alive() for thread in threads), "a guest was left without any answer"

    def wait_for_answers(self, number: int) -> None:
        """Until so many more questions were answered."""
        wanted = len(self.waits_s) + number
        wait_until(lambda: len(self.waits_s) >= wanted, 60, "the guests to be served")

    def p99_s(self, seconds: float) -> float:
        """What all but one in a hundred questions took at most, while so many seconds went by."""
        before = len(self.waits_s)
        time.sleep(seconds)
        answered = self.waits_s[before:]
        assert len(answered) >= 100, "too few were answered"
        return statistics.quantiles(answered, n=100)[-1]

    def asking(self, client: Client, seed: int) -> Callable[[], None]:
        """A guest who asks one new question after another."""
        asked = questions(seed)

        def ask() -> None:
            begun_s = time.monotonic()
            client.search(next(asked))
            self.waits_s.append(time.monotonic() - begun_s)

        return ask

    def adding(self, client: Client, seed: int) -> Callable[[], None]:
        """A guest who adds one new document after another, without waiting until it is stored."""
        written = documents(seed)

        def add() -> None:
            document = next(written)
            client.add_documents([document])
            self.acknowledged.append(document["source"])

        return add

    def _repeat(self, what: Callable[[], None]) -> None:
        while not self._left.is_set():
            try:
                what()
            except PiRagError as error:
                self.refusals.append(error)
                self._left.wait(0.05)


def sources(client: Client) -> set[str]:
    """The sources of all documents that are stored."""
    page = client.documents(limit=200)
    found = {each["source"] for each in page["documents"]}
    while page["next"] is not None:
        page = client.documents(limit=200, after=page["next"])
        found |= {each["source"] for each in page["documents"]}
    return found
