"""The real nursery, whose workers leak when they are told to: see faulty_service."""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from pathlib import Path

from pi_rag.embedder import nursery
from pi_rag.embedder.engine import Engine
from pi_rag.embedder.worker import work
from pi_rag.processes.right_of_way import Aside

LEAKED: list[bytes] = []
LOOK_S = 0.1


def leaking_work(
    sock: socket.socket, engine: Engine, frame_bytes_max: int, beat_s: float, nice: int, aside: Aside | None
) -> None:
    """A worker's life, with a thread beside it that waits for the order to leak."""
    threading.Thread(target=_leak_when_told, daemon=True).start()
    work(sock, engine, frame_bytes_max, beat_s, nice, aside)


def _leak_when_told() -> None:
    order = Path(os.environ["FAULTS"]) / "leak"
    while (told := _taken(order)) is None:
        time.sleep(LOOK_S)
    first_mib, mib_s = told
    LEAKED.append(os.urandom(first_mib * 2**20))
    while mib_s:
        LEAKED.append(os.urandom(int(mib_s * LOOK_S * 2**20)))
        time.sleep(LOOK_S)


def _taken(order: Path) -> tuple[int, int] | None:
    """MiB, and MiB a second, when the order was there and is ours: of several workers one gets it."""
    ours = order.with_name(f"leaks-{os.getpid()}")
    try:
        order.rename(ours)
    except FileNotFoundError:
        return None
    first_mib, mib_s = ours.read_text(encoding="ascii").split()
    return int(first_mib), int(mib_s)


if __name__ == "__main__":
    vars(nursery)["work"] = leaking_work
    sys.exit(nursery.main(sys.argv[1:]))
