"""Promises of pi_rag/embedder/worker.py, over a socketpair in one process."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, cast

import numpy as np
import pytest

from pi_rag.embedder import wire
from pi_rag.embedder.engine import Engine
from pi_rag.embedder.worker import work
from pi_rag.errors import VectorInvalid
from pi_rag.processes.frames import packed, recv_frame
from pi_rag.processes.right_of_way import Aside, RightOfWay

if TYPE_CHECKING:
    from pi_rag.types import Vectors

BYTES_MAX = 10_000


class FewWords:
    """An engine that knows `good` and fails on all else."""

    def embed(self, texts: Sequence[str]) -> Vectors:
        """One axis for every text."""
        if set(texts) != {"good"}:
            raise VectorInvalid("I do not know this word.")
        return np.tile(np.array([[1.0, 0.0]], dtype=np.float32), (len(texts), 1))

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Always three."""
        return [3 for _ in texts]


class WhoCalls(FewWords):
    """An engine that counts as many tokens as somebody is to be called between its parts."""

    def __init__(self) -> None:
        self._call: Callable[[], None] | None = None

    def between_parts(self, call: Callable[[], None] | None) -> None:
        """As Engine.between_parts."""
        self._call = call

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """One or none."""
        return [int(self._call is not None) for _ in texts]


class HowNice(FewWords):
    """An engine that counts as many tokens as whoever computes has stepped back."""

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """The nice of this thread."""
        return [os.getpriority(os.PRIO_PROCESS, 0) for _ in texts]


def frames_after(
    sent: bytes, engine: FewWords | None = None, nice: int = 0, aside: Aside | None = None
) -> list[bytes]:
    """Every frame that a worker gives to a peer that sent these bytes and then ended."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(sent)
        ours.shutdown(socket.SHUT_WR)
        work(theirs, cast(Engine, engine or FewWords()), BYTES_MAX, 60.0, nice, aside)
        theirs.close()
        answers = []
        while (payload := recv_frame(ours, BYTES_MAX)) is not None:
            answers.append(payload)
        return answers


def asking(request_id: int, task: wire.Task, *texts: str, yields: bool = False) -> bytes:
    """A request as a frame."""
    encoded = [wire.encoded_text(text) for text in texts]
    return packed(wire.request(request_id, task, encoded, yields=yields), BYTES_MAX)


def test_it_greets_then_answers_each_request_under_its_id() -> None:
    """Vectors, counts and errors; an error is an answer and does not end the work."""
    hello, first, second, third = frames_after(
        asking(1, "embed", "good", "good") + asking(2, "embed", "bad") + asking(3, "count", "x")
    )
    assert wire.parsed_hello(hello) == os.getpid()
    assert wire.parsed_vectors(first, 1, 2, 2).shape == (2, 2)
    with pytest.raises(VectorInvalid, match="this word"):
        wire.parsed_vectors(second, 2, 1, 2)
    assert wire.parsed_counts(third, 3, 1) == [3]


def test_it_steps_back_for_documents_and_for_nothing_else() -> None:
    """A query that comes after documents is computed as if there had been none."""
    now = os.getpriority(os.PRIO_PROCESS, 0)
    sent = [asking(1, "count", "x"), asking(2, "count", "x", yields=True), asking(3, "count", "x")]
    _, *answers = frames_after(b"".join(sent), HowNice(), nice=3)
    found = [wire.parsed_counts(each, number, 1) for number, each in enumerate(answers, start=1)]
    assert found == [[now], [now + 3], [now]]


def test_it_stands_aside_over_documents_and_over_nothing_else() -> None:
    """A query is computed without a look at who else is answered."""
    aside = Aside(RightOfWay().descriptor, 0.5, 1.0)
    sent = [asking(1, "count", "x"), asking(2, "count", "x", yields=True), asking(3, "count", "x")]
    _, *answers = frames_after(b"".join(sent), WhoCalls(), aside=aside)
    found = [wire.parsed_counts(each, number, 1) for number, each in enumerate(answers, start=1)]
    assert found == [[0], [1], [0]]


def test_a_worker_with_nothing_to_do_beats() -> None:
    """It is the loop that works which says so, until it is asked for something."""
    ours, theirs = socket.socketpair()
    worker = threading.Thread(target=work, args=(theirs, FewWords(), BYTES_MAX, 0.01))
    worker.start()
    with ours, theirs:
        heard = [recv_frame(ours, BYTES_MAX) for _ in range(4)]
        assert heard[1:] == [wire.BEAT] * 3
        ours.sendall(asking(7, "count", "x"))
        while (payload := recv_frame(ours, BYTES_MAX)) == wire.BEAT:
            pass
        assert wire.parsed_counts(payload or b"", 7, 1) == [3]
        ours.shutdown(socket.SHUT_WR)
        worker.join()


@pytest.mark.parametrize("broken", [b"", b"\0", b"\xff\xff\xff\xff", asking(1, "embed", "good")[:-3]])
def test_a_broken_frame_ends_the_work(broken: bytes) -> None:
    """After a hello it goes, without an answer and without a traceback."""
    assert len(frames_after(broken)) == 1
