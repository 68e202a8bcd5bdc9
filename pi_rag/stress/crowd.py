"""Guests in processes of their own, and what comes back from them.

The processes are started and ended here; a thread listens to all of them. It knows not what guests ask
(`guest.py`), and hands on what they say to whoever keeps it.
"""

from __future__ import annotations

import json
import selectors
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pi_rag.errors import RequestInvalid
from pi_rag.processes.child import Child
from pi_rag.stress.guest import Order
from pi_rag.stress.ledger import Ledger
from pi_rag.stress.tally import Histogram, Tally
from pi_rag.stress.types import Answer, Operation

PROCESSES_MAX = 4
CLIENTS_MAX = 1000

ANSWER_S_MAX = 30.0
"""A guest waits no longer for one answer. A later one counts as `deadline_exceeded`."""

END_S_MAX = ANSWER_S_MAX + 5.0
"""Until the last request has its answer, and a little for handing that over."""

START_S_MAX = 15.0
"""The crowd's time begins when all its processes are there, or after so long without one of them."""

LINE_BYTES_MAX = 16 << 20
"""Of what one process tells at once. One that says more is out of order."""


@dataclass(frozen=True)
class Place:
    """Where guests go, and who keeps what they say."""

    socket: str
    seed: int
    began_s: float
    """When the run began, by the monotonic clock."""
    keep: Callable[[list[Answer]], None]
    ledger: Ledger
    lock: threading.Lock
    """Of the ledger."""


class Guests:
    """So many clients while the block lasts. See `types.Crowd`."""

    def __init__(
        self, place: Place, first: int, clients: int, mix: Mapping[Operation, float], pace_s: float
    ) -> None:
        if not 1 <= clients <= CLIENTS_MAX:
            raise RequestInvalid(f"A crowd has 1 to {CLIENTS_MAX} clients, not {clients}.")
        self._place = place
        self._tally = Tally()
        self._lock = threading.Lock()
        self._are_there = threading.Event()
        self._told = 0
        self._children: list[Child] = []
        self._orders = [self._order(numbers, mix, pace_s) for numbers in shared_out(first, clients)]
        self._listener = threading.Thread(target=self._listen, name="crowd", daemon=True)
        self.lost_processes = 0
        """How many processes of guests were not heard to their end. None should be."""

    def _order(self, numbers: list[int], mix: Mapping[Operation, float], pace_s: float) -> Order:
        place = self._place
        shares = {str(operation): share for operation, share in mix.items() if share > 0}
        return Order(place.socket, place.seed, numbers, shares, pace_s, place.began_s, ANSWER_S_MAX)

    def __enter__(self) -> Guests:
        try:
            for order in self._orders:
                child = Child.spawn("pi_rag.stress.guest")
                self._children.append(child)
                child.sock.sendall(order.as_line())
        except BaseException:
            self._kill()
            raise
        self._listener.start()
        self._are_there.wait(START_S_MAX)
        return self

    def __exit__(self, *_: object) -> None:
        """They finish what they have asked, and are gone."""
        try:
            for child in self._children:
                _tell_to_end(child.sock)
            self._listener.join(END_S_MAX)
        finally:
            self._kill()

    def _kill(self) -> None:
        """The processes first: the listener then hears the end of each socket before that is closed."""
        for child in self._children:
            child.process.kill()
        if self._listener.is_alive():
            self._listener.join()
        for child in self._children:
            child.kill()

    def seen(self, operation: Operation) -> Histogram:
        """What became of these guests' requests of one kind."""
        with self._lock:
            return self._tally.whole(operation)

    def _listen(self) -> None:
        """Until every process has said its last, or has gone."""
        with selectors.DefaultSelector() as selector:
            for child in self._children:
                selector.register(child.sock, selectors.EVENT_READ, bytearray())
            while selector.get_map():
                for key, _ in selector.select():
                    sock, buffer = key.fileobj, key.data
                    assert isinstance(sock, socket.socket)
                    if not self._understood(sock, buffer):
                        selector.unregister(sock)

    def _understood(self, sock: socket.socket, buffer: bytearray) -> bool:
        """Whether more will come. One who talks nonsense is lost, and the others are heard on."""
        try:
            return self._hear(sock, buffer)
        except Exception:
            self.lost_processes += 1
            return False

    def _hear(self, sock: socket.socket, buffer: bytearray) -> bool:
        """Take what has come; whether more will."""
        try:
            data = sock.recv(1 << 18)
        except OSError:
            data = b""
        if not data or len(buffer) + len(data) > LINE_BYTES_MAX:
            self.lost_processes += 1
            return False
        buffer += data
        *lines, rest = bytes(buffer).split(b"\n")
        buffer[:] = rest
        return not [each for each in lines if self._take(json.loads(each))]

    def _take(self, told: Mapping[str, Any]) -> bool:
        """Hand on what a process tells; whether it was its last."""
        self._told += bool(told["is_first"])
        if self._told == len(self._children):
            self._are_there.set()
        answers = [Answer(*each) for each in told["answers"]]
        with self._lock:
            self._tally.add(answers)
        with self._place.lock:
            self._place.ledger.take(told["entries"])
        self._place.keep(answers)
        return bool(told["is_last"])


def shared_out(first: int, clients: int) -> list[list[int]]:
    """The numbers of guests for each process, as even as can be."""
    processes = min(clients, PROCESSES_MAX)
    return [list(range(first + each, first + clients, processes)) for each in range(processes)]


def _tell_to_end(sock: socket.socket) -> None:
    try:
        sock.sendall(b"\n")
    except OSError:
        return  # it has gone already, which the listener has noted
