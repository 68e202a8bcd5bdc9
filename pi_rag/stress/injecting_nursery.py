"""The real nursery, one of whose workers leaks when that is called for: see `injecting`."""

from __future__ import annotations

import os
import socket
import sys
import threading
import time

from pi_rag.embedder import nursery
from pi_rag.embedder.engine import Engine
from pi_rag.embedder.worker import work
from pi_rag.processes.right_of_way import Aside
from pi_rag.stress.orders import LOOK_S, Orders, orders

KEPT: list[bytes] = []


def leaking_work(
    sock: socket.socket, engine: Engine, frame_bytes_max: int, beat_s: float, nice: int, aside: Aside | None
) -> None:
    """A worker's life, with a thread beside it that leaks for as long as it is told to."""
    threading.Thread(target=_leak_when_told, args=(orders(),), daemon=True).start()
    work(sock, engine, frame_bytes_max, beat_s, nice, aside)


def _leak_when_told(called_for: Orders) -> None:
    """One worker takes the order: it writes its name, and who finds another's name lets it be."""
    while True:
        called_for.look()
        mib_s = called_for.amount("worker_leak")
        if mib_s and called_for.taker("worker_leak", os.getpid()) == os.getpid():
            KEPT.append(b"\x01" * int(mib_s * LOOK_S * 2**20))
        time.sleep(LOOK_S)


if __name__ == "__main__":
    vars(nursery)["work"] = leaking_work
    sys.exit(nursery.main(sys.argv[1:]))
