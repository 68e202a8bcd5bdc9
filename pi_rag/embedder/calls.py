"""Callers' requests, the texts in them, and the batches that texts travel in.

A text that several callers want at the same time is one text here, and is computed once. A batch is the work
of one frame to a worker; it may hold texts of many callers. It does not know workers or sockets.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from pi_rag.embedder import wire
from pi_rag.errors import PiRagError, RequestTooLarge

if TYPE_CHECKING:
    from pi_rag.types import Lane, Text, Vectors

    Part = np.ndarray | int
    """The answer for one text: its vector, or how many tokens it has."""

CHARACTERS_PER_TOKEN = 4
"""Of English prose. It only says how batches are put together; the worker counts what it computes."""


class Call:
    """A request and the future of its answer, which is the list of its texts' answers."""

    def __init__(self, task: wire.Task, texts: int, lane: Lane, deadline_s: float) -> None:
        """`deadline_s` is on the monotonic clock."""
        self.task = task
        self.lane = lane
        self.deadline_s = deadline_s
        self.answer: asyncio.Future[list[Part]] = asyncio.get_running_loop().create_future()
        self.items: list[Item] = []
        """Its texts, as they wait or are at work, perhaps for others too."""
        self._texts = texts
        self._parts: dict[int, Part] = {}

    @property
    def open(self) -> bool:
        """False once it is answered, has failed or its caller has left."""
        return not self.answer.done()

    def add(self, number: int, part: Part) -> None:
        """One text is answered; the last one answers the call."""
        self._parts[number] = part
        if self.open and len(self._parts) == self._texts:
            self.answer.set_result([self._parts[number] for number in range(self._texts)])

    def fail(self, error: PiRagError) -> None:
        """Give its caller an error instead, unless it has an answer already."""
        if self.open:
            self.answer.set_exception(error.again())


@dataclass(eq=False, slots=True)
class Item:
    """A text to embed or to count, and the callers that wait for it."""

    task: wire.Task
    encoded: bytes
    tokens: int
    """About how many, [CLS] and [SEP] included."""
    lane: Lane
    since_s: float
    deadline_s: float
    """The latest of its callers'."""
    alone: bool = False
    faults: int = 0
    """Workers that crashed or hung over it, or answered nonsense."""
    kills: int = 0
    """Workers that were killed, by a person or the kernel, while they had it."""
    callers: list[tuple[Call, int]] = field(default_factory=list)

    @property
    def wanted(self) -> bool:
        """False once nobody waits for it any more."""
        return any(call.open for call, _ in self.callers)

    def answer(self, part: Part) -> None:
        """Give all callers their answer."""
        for call, number in self.callers:
            call.add(number, part)

    def fail(self, error: PiRagError) -> None:
        """Give all callers the error."""
        for call, _ in self.callers:
            call.fail(error)


@dataclass(eq=False, slots=True, frozen=True)
class Batch:
    """Texts of one task and one lane, on their way to a worker."""

    task: wire.Task
    lane: Lane
    items: Sequence[Item]

    def payload(self, request_id: int) -> bytes:
        """Its frame."""
        yields = self.lane == "ingest"
        return wire.request(request_id, self.task, [item.encoded for item in self.items], yields=yields)

    def parsed(self, payload: bytes, request_id: int, dimensions: int) -> Sequence[Part]:
        """The checked answer, one part an item. Raises VectorInvalid, or what the worker answered."""
        if self.task == "count":
            return wire.parsed_counts(payload, request_id, len(self.items))
        return list(wire.parsed_vectors(payload, request_id, len(self.items), dimensions))


def encoded(text: Text, task: wire.Task, bytes_max: int) -> bytes:
    """A text that fits a frame. The model sees only its beginning: to embed, the rest can stay here.

    Raises RequestTooLarge for one that is to be counted, since counting half of it would be a lie.
    """
    whole = wire.encoded_text(text)
    room = bytes_max - wire.REQUEST_OVERHEAD_BYTES
    if len(whole) <= room:
        return whole
    if task == "count":
        raise RequestTooLarge(
            f"A text of {len(whole)} bytes cannot be counted in one go; at most {room} are taken.",
            hint="Split the text, or raise embedder.frame_mib_max.",
        )
    # No character and no token id takes more than a dozen bytes of JSON.
    return wire.encoded_text(text[: room // 12 - 1])


def tokens_about(text: Text, task: wire.Task, tokens_max: int) -> int:
    """How many tokens must be computed, [CLS] and [SEP] included and cut to the window: exact for token ids.

    Counting costs a thousandth of that, so that next to nothing is computed for a short text.
    """
    if task == "count":
        return len(text) // CHARACTERS_PER_TOKEN // 1000
    count = len(text) // CHARACTERS_PER_TOKEN if isinstance(text, str) else len(text)
    return min(count + 2, tokens_max)


def stacked(parts: Sequence[Vectors], dimensions: int) -> Vectors:
    """One row a text, in order."""
    return np.stack(parts) if parts else np.empty((0, dimensions), dtype=np.float32)
