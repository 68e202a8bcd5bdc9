"""One caller's request: cut into pieces that fit a frame, and put together again from their answers.

Small pieces let one document's passages spread over the workers, let a query in soon, and make a worker's
death cost little. It does not know workers or sockets.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pi_rag.embedder import wire
from pi_rag.errors import RequestTooLarge

if TYPE_CHECKING:
    from pi_rag.types import Lane, Vectors

    Part = Vectors | list[int]


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one frame may hold."""

    texts_max: int
    bytes_wanted: int
    """A piece is closed when it would pass this; a longer single text goes alone."""
    bytes_max: int


@dataclass(eq=False, slots=True)
class Piece:
    """Some neighbouring texts of a call: the work of one frame."""

    call: Call
    number: int
    texts: list[bytes]
    faults: int = 0
    """Workers that crashed or hung over it, or answered nonsense."""
    kills: int = 0
    """Workers that were killed, by a person or the kernel, while they had it."""

    def payload(self, request_id: int) -> bytes:
        """Its frame."""
        return wire.request(request_id, self.call.task, self.texts)

    def parsed(self, payload: bytes, request_id: int, dimensions: int) -> Part:
        """The checked answer. Raises VectorInvalid, or the error that the worker answered."""
        if self.call.task == "count":
            return wire.parsed_counts(payload, request_id, len(self.texts))
        return wire.parsed_vectors(payload, request_id, len(self.texts), dimensions)


class Call:
    """A request and the future of its answer, which is the list of its pieces' answers."""

    def __init__(
        self, task: wire.Task, texts: Sequence[str], lane: Lane, deadline_s: float, bounds: Bounds
    ) -> None:
        """`deadline_s` is on the monotonic clock. Raises RequestTooLarge."""
        self.task = task
        self.lane = lane
        self.deadline_s = deadline_s
        encoded = [_encoded(text, task, bounds.bytes_max) for text in texts]
        self.pieces = [Piece(self, number, part) for number, part in enumerate(cut(encoded, bounds))]
        self.answer: asyncio.Future[list[Part]] = asyncio.get_running_loop().create_future()
        self._parts: dict[int, Part] = {}

    @property
    def open(self) -> bool:
        """False once it is answered, has failed or its caller has left."""
        return not self.answer.done()

    def add(self, piece: Piece, part: Part) -> None:
        """One piece is answered; the last one answers the call."""
        self._parts[piece.number] = part
        if self.open and len(self._parts) == len(self.pieces):
            self.answer.set_result([self._parts[number] for number in range(len(self.pieces))])

    def fail(self, error: Exception) -> None:
        """Give its caller an error instead, unless it has an answer already."""
        if self.open:
            self.answer.set_exception(error)


def cut(encoded: Sequence[bytes], bounds: Bounds) -> list[list[bytes]]:
    """Neighbours that share a frame, in order."""
    pieces: list[list[bytes]] = []
    size = 0
    for text in encoded:
        if pieces and len(pieces[-1]) < bounds.texts_max and size + len(text) <= bounds.bytes_wanted:
            pieces[-1].append(text)
            size += len(text) + 1
        else:
            pieces.append([text])
            size = len(text)
    return pieces


def joined_vectors(parts: Sequence[Vectors], dimensions: int) -> Vectors:
    """The rows of all parts, in order."""
    return np.concatenate([np.empty((0, dimensions), dtype=np.float32), *parts])


def _encoded(text: str, task: wire.Task, bytes_max: int) -> bytes:
    """A text that fits a frame. The model sees only its beginning: to embed, the rest can stay here."""
    encoded = wire.encoded_text(text)
    room = bytes_max - wire.REQUEST_OVERHEAD_BYTES
    if len(encoded) <= room:
        return encoded
    if task == "count":
        raise RequestTooLarge(
            f"A text of {len(encoded)} bytes cannot be counted in one go; at most {room} are taken.",
            hint="Split the text, or raise embedder.frame_mib_max.",
        )
    # No character takes more than six bytes of JSON.
    return wire.encoded_text(text[: room // 6 - 1])
