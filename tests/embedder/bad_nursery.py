"""A nursery for the tests, without a model, whose first workers misbehave as told.

The order's path, or BAD_NURSERY in the environment, says how: `KIND:COUNT` makes the first COUNT workers do
KIND, and the later ones well.
"""

from __future__ import annotations

import faulthandler
import json
import os
import select
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from pi_rag.embedder import wire
from pi_rag.embedder.nursery import Nursery
from pi_rag.embedder.order import CANARY, CONTROL_BYTES_MAX, Order
from pi_rag.errors import BadInput, VectorInvalid
from pi_rag.processes.child import attach
from pi_rag.processes.frames import packed, recv_frame, send_frame
from pi_rag.types import Text

DIMENSIONS = 8
MIB = 1024 * 1024
LEAKED: list[bytearray] = []
DEATHS = {"die": signal.SIGABRT, "killed": signal.SIGKILL}
STUCK = "stuck"
"""A text over which any worker hangs."""
DEADLY = "deadly"
"""How a text begins over which any worker crashes."""


class BadNursery(Nursery):
    """Counts its forks, so that a worker knows how many went before."""

    forks = 0

    def _fork_for_next(self) -> bool:
        self.forks += 1
        return super()._fork_for_next()


def main(argv: list[str]) -> None:
    """As the real one, with `live` below as the workers' life."""
    control, arguments = attach(argv)
    order = Order.from_argument(arguments[0])
    kind, _, count = os.environ.get("BAD_NURSERY", order.path).partition(":")
    faulthandler.enable()
    if kind == "die_at_boot":
        os._exit(3)
    if kind == "silent_at_boot":
        time.sleep(600)
    dimensions = 9 if kind == "wrong_model" else DIMENSIONS
    told = {"booted": {"dimensions": dimensions, "canary": row(CANARY)}}
    send_frame(control, json.dumps(told).encode(), CONTROL_BYTES_MAX)
    nursery = BadNursery(
        control,
        lambda sock, _: live(sock, kind if nursery.forks <= int(count) else "well", order),
    )
    nursery.run()


def live(sock: socket.socket, kind: str, order: Order) -> None:
    """A worker's life, good or bad. All but one kind prove themselves first, as a good one does."""
    bytes_max = order.frame_bytes_max
    if kind == "die_before_hello":
        os._exit(4)
    if kind == "odd_hello":
        send_frame(sock, b"[]", bytes_max)
    send_frame(sock, wire.hello(os.getpid()), bytes_max)
    proven = False
    while True:
        while kind != "quiet" and not select.select([sock], [], [], order.beat_s)[0]:
            send_frame(sock, wire.BEAT, bytes_max)
        payload = recv_frame(sock, bytes_max)
        if payload is None:
            return
        asked = wire.parsed_request(payload)
        if asked.texts == [CANARY] and not _falls_silent(kind, proven):
            send_frame(sock, well(asked), bytes_max)
            if kind == "die_idle":
                os.kill(os.getpid(), signal.SIGSEGV)
            if kind == "speak_unasked":
                send_frame(sock, b"listen to me", bytes_max)
            proven = True
        else:
            misbehave(sock, kind, asked, bytes_max)


def _falls_silent(kind: str, proven: bool) -> bool:
    """Whether this canary does not sing: never, or no more."""
    return kind == "never_a_canary" or (kind == "lost_its_mind" and proven)


def misbehave(sock: socket.socket, kind: str, asked: wire.Request, bytes_max: int) -> None:
    """Answer as the kind does; most of them answer wrong."""
    if kind == "hang" or STUCK in asked.texts:
        time.sleep(600)
    if kind in DEATHS or any(str(text).startswith(DEADLY) for text in asked.texts):
        os.kill(os.getpid(), DEATHS.get(kind, signal.SIGABRT))
    if kind == "leak":
        LEAKED.append(bytearray(b"x" * MIB))
    if kind == "cut":
        sock.sendall(packed(well(asked), bytes_max)[:-5])
        os._exit(0)
    if kind == "too_large":
        sock.sendall(struct.pack(">I", bytes_max + 1))
        return
    send_frame(sock, BAD.get(kind, well)(asked), bytes_max)


def well(asked: wire.Request) -> bytes:
    """A right answer: each text is a number, and its row points that way."""
    if asked.task == "count":
        return wire.counts_answer(asked.id, [len(str(text).split()) for text in asked.texts])
    return wire.vectors_answer(asked.id, np.array([row(text) for text in asked.texts], dtype=np.float32))


def row(text: Text) -> list[float]:
    """The vector that a good worker gives for a number; any other text counts as one."""
    angle = 1.0 if text == CANARY else float(str(text))
    return [float(np.cos(angle)), float(np.sin(angle))] + [0.0] * (DIMENSIONS - 2)


def _broken(asked: wire.Request, value: float) -> bytes:
    rows = np.array([row(text) for text in asked.texts], dtype=np.float32)
    rows[-1, 0] = value
    return wire.vectors_answer(asked.id, rows)


def turned(asked: wire.Request) -> bytes:
    """Sound vectors, only not the right ones."""
    right = [row(text) for text in asked.texts]
    return wire.vectors_answer(asked.id, np.array([[-x for x in each] for each in right], dtype=np.float32))


BAD: dict[str, Callable[[wire.Request], bytes]] = {
    "never_a_canary": turned,
    "lost_its_mind": lambda asked: turned(asked) if asked.texts == [CANARY] else well(asked),
    "nan": lambda asked: _broken(asked, float("nan")),
    "infinite": lambda asked: _broken(asked, float("inf")),
    "long": lambda asked: _broken(asked, 2.0),
    "zero": lambda asked: wire.vectors_answer(
        asked.id, np.zeros((len(asked.texts), DIMENSIONS), dtype=np.float32)
    ),
    "wrong_dimension": lambda asked: wire.vectors_answer(
        asked.id, np.ones((len(asked.texts), DIMENSIONS + 1), dtype=np.float32)
    ),
    "one_too_few": lambda asked: well(replace(asked, texts=asked.texts[:-1])),
    "anothers_answer": lambda asked: well(replace(asked, id=asked.id + 1)),
    "counts_for_vectors": lambda asked: wire.counts_answer(asked.id, [1] * len(asked.texts)),
    "empty": lambda asked: b"",
    "garbage": lambda asked: b"\xff" * 40,
    "error": lambda asked: wire.error_answer(asked.id, VectorInvalid("It was not finite.")),
    "odd_error": lambda asked: wire.error_answer(asked.id, BadInput("A surprise."))[:-4],
}


if __name__ == "__main__":
    main(sys.argv[1:])
