"""A worker's whole life: greet, then read a frame, compute, answer, until the socket ends.

It runs in a process that the nursery forked, with one socket. The loop that works also beats: a worker that
has nothing to do says so now and then, and one that says nothing at all is not well. It opens no file, no
network and no database. For documents it steps back behind the rest of the machine, on a thread of its own,
since what has stepped back may not come forward again. When anything goes wrong that has no name it simply
dies: the pool asks another worker and has a new one forked.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
from concurrent.futures import ThreadPoolExecutor

from pi_rag.clock import SystemClock, tick_s
from pi_rag.embedder import wire
from pi_rag.embedder.engine import Engine
from pi_rag.errors import PiRagError
from pi_rag.processes.frames import FrameError, recv_frame, send_frame
from pi_rag.processes.right_of_way import Aside


def work(
    sock: socket.socket,
    engine: Engine,
    frame_bytes_max: int,
    beat_s: float,
    nice: int = 0,
    aside: Aside | None = None,
) -> None:
    """Answer frames until the peer ends. A broken frame ends the work: whoever sent it is beyond help.

    `nice` says how far it steps back for requests that yield; between the parts of such a one it calls
    `aside`.
    """
    back = ThreadPoolExecutor(1, "back", initializer=os.nice, initargs=(nice,))
    with back, contextlib.suppress(FrameError):
        send_frame(sock, wire.hello(os.getpid()), frame_bytes_max)
        while True:
            _beat_until_asked(sock, frame_bytes_max, beat_s)
            payload = recv_frame(sock, frame_bytes_max)
            if payload is None:
                return
            request = wire.parsed_request(payload)
            if request.yields:
                send_frame(sock, back.submit(_yielding, engine, request, aside).result(), frame_bytes_max)
            else:
                send_frame(sock, answer(engine, request), frame_bytes_max)


def _yielding(engine: Engine, request: wire.Request, aside: Aside | None) -> bytes:
    if aside is None:
        return answer(engine, request)
    aside.begin()
    engine.between_parts(aside)
    try:
        return answer(engine, request)
    finally:
        engine.between_parts(None)


def answer(engine: Engine, request: wire.Request) -> bytes:
    """The payload that answers a request; an error that has a name is an answer too."""
    try:
        if request.task == "count":
            return wire.counts_answer(request.id, engine.count_tokens(request.texts))
        return wire.vectors_answer(request.id, engine.embed(request.texts))
    except PiRagError as error:
        return wire.error_answer(request.id, error)


def _beat_until_asked(sock: socket.socket, frame_bytes_max: int, beat_s: float) -> None:
    while not select.select([sock], [], [], tick_s(SystemClock(), beat_s))[0]:
        send_frame(sock, wire.BEAT, frame_bytes_max)
