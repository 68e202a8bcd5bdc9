"""The nursery: `python -m pi_rag.embedder.nursery`, a small program that loads the model and forks workers.

It holds no thread and no database, so that a fork of it is safe; its workers share its weights, and a dead
one is replaced in milliseconds. The pool spawns it and speaks to it over one control socket, in the words
of `order.py`. It ends when that socket does, and its workers with it. It does not know requests or lanes.
"""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import json
import os
import selectors
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from pi_rag.embedder.engine import Engine
from pi_rag.embedder.llama import Model, linked
from pi_rag.embedder.order import CANARY, CONTROL_BYTES_MAX, FORK, Order
from pi_rag.embedder.worker import work
from pi_rag.errors import ModelCorrupt, ModelMissing, PiRagError
from pi_rag.models.checksum import sha256_of
from pi_rag.processes.child import attach, die_with_parent
from pi_rag.processes.frames import FrameError, send_frame
from pi_rag.processes.limits import Limits, apply, yield_to_oom
from pi_rag.processes.right_of_way import Aside

OOM_SCORE_ADJ = 500
"""Workers are what the kernel should take first: the pool forgets nothing when one is gone."""


def main(argv: list[str]) -> int:
    """Boot, say so, then fork and reap until the control socket ends."""
    control, arguments = attach(argv)
    faulthandler.enable()
    apply(Limits(network=True))
    order = Order.from_argument(arguments[0])
    with control:
        try:
            engine = boot(order)
        except PiRagError as error:
            _tell(control, {"failed": error.to_wire()})
            return error.exit_code
        [canary] = engine.embed([CANARY])
        told = {"dimensions": len(canary), "canary": canary.tolist(), "engine": linked()}
        _tell(control, {"booted": told})
        Nursery(control, partial(_live, engine=engine, order=order)).run()
    return 0


def boot(order: Order) -> Engine:
    """An engine of the very file that was installed. Raises ModelMissing, ModelCorrupt, ModelUnsupported.

    The one engine is made here and inherited by every fork, buffers and all: a worker has nothing to set up,
    and what does not work fails before any is forked. It holds no thread.
    """
    try:
        found = sha256_of(order.path)
    except OSError as error:
        raise ModelMissing(f"The model file {order.path} cannot be read: {error.strerror}.") from error
    if found != order.sha256:
        raise ModelCorrupt(f"{order.path} has sha256 {found[:12]}…; {order.sha256[:12]}… was installed.")
    model = Model.load(order.path)
    return Engine(model, order.tokens_max, order.texts_per_call_max, flash_tokens_min=order.flash_tokens_min)


class Nursery:
    """The loop that forks and reaps. `live` is a worker's whole life, given its socket."""

    def __init__(self, control: socket.socket, live: Callable[[socket.socket, int], None]) -> None:
        self._control = control
        self._live = live
        self._pid = os.getpid()
        self._selector = selectors.DefaultSelector()
        self._pidfds: dict[int, int] = {}
        """pid by the descriptor that becomes readable when it ends."""

    def run(self) -> None:
        """Until the control socket ends. Workers die with this process."""
        with contextlib.suppress(FrameError):
            self._run()

    def _run(self) -> None:
        # What is frozen is never looked at by the collector, so that its pages stay shared.
        gc.collect()
        gc.freeze()
        self._selector.register(self._control, selectors.EVENT_READ)
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is not self._control:
                    self._reap(key.fd)
                elif not self._fork_for_next():
                    return

    def _fork_for_next(self) -> bool:
        """Take one order from the control socket; False at its end."""
        try:
            order, descriptors, _, _ = socket.recv_fds(self._control, 1, 2)
        except ConnectionError:
            return False
        if order != FORK or len(descriptors) != 2:
            return False
        with socket.socket(fileno=descriptors[0]) as sock, _closing(descriptors[1]) as way:
            try:
                pid = os.fork()
            except OSError:
                return True  # no memory or process left: the pool sees this socket end, and waits
            if pid == 0:
                self._become_worker(sock, way)
        pidfd = os.pidfd_open(pid)
        self._pidfds[pidfd] = pid
        self._selector.register(pidfd, selectors.EVENT_READ)
        return True

    def _become_worker(self, sock: socket.socket, way: int) -> None:
        """The rest of a forked process's life. It never returns into the nursery's loop."""
        code = 1
        try:
            die_with_parent(self._pid)
            yield_to_oom(OOM_SCORE_ADJ)
            self._let_go()
            self._live(sock, way)
            code = 0
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            os._exit(code)

    def _let_go(self) -> None:
        """Close what a worker inherited but must not hold: it would keep dead peers' sockets open."""
        self._selector.close()
        self._control.close()
        for pidfd in self._pidfds:
            os.close(pidfd)

    def _reap(self, pidfd: int) -> None:
        self._selector.unregister(pidfd)
        os.close(pidfd)
        pid = self._pidfds.pop(pidfd)
        _, status = os.waitpid(pid, 0)
        _tell(self._control, {"ended": pid, "code": os.waitstatus_to_exitcode(status)})


def _live(sock: socket.socket, way: int, *, engine: Engine, order: Order) -> None:
    """A worker's life."""
    engine.use_threads(order.threads)
    aside = Aside(way, order.ingest_share, order.aside_s_max) if order.ingest_share < 1 else None
    work(sock, engine, order.frame_bytes_max, order.beat_s, order.nice, aside)


@contextlib.contextmanager
def _closing(descriptor: int) -> Iterator[int]:
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _tell(control: socket.socket, message: Mapping[str, Any]) -> None:
    send_frame(control, json.dumps(message).encode(), CONTROL_BYTES_MAX)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
