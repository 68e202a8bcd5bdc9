"""One process of guests, `python -m pi_rag.stress.guest`: each is a thread that asks, and asks again.

It is told what to do in one line of JSON, and sends back lines of JSON: what was answered and what was
acknowledged. It ends when the other end of its socket says anything or hangs up. It knows the client and the
workload, and nothing of records, reports or processes.
"""

from __future__ import annotations

import json
import random
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pi_rag.errors import BadInput, PiRagError, ServiceDown, TryLater
from pi_rag.memory_client import MemoryClient
from pi_rag.processes.child import attach
from pi_rag.stress import workload
from pi_rag.stress.ledger import Entry

TELL_S = 0.5
"""How often answers are handed over."""

OWN_DOCUMENTS_MAX = 200
"""A guest that has so many documents stored removes its oldest before it adds: the memory does not grow."""

WAITED_ADDS = 4
"""Each so manieth add waits until its document can be found; the others until they are acknowledged. So a
guest cannot queue more than it waits for."""

OWN_TOPICS, OWN_EVENTS_MAX = 50, 100
"""So many topics a guest has facts on, each of which takes the place of the one before; and so many of its
events are looked for in the end."""

DOWN_S = 0.1
"""How long a guest waits before it asks a service again that is not there."""


@dataclass(frozen=True)
class Order:
    """What a process of guests is to do."""

    socket: str
    seed: int
    guests: list[int]
    """Their numbers, in no other process of the run."""
    mix: dict[str, float]
    pace_s: float
    began_s: float
    """When the run began, by this machine's monotonic clock, which all processes share."""
    answer_s_max: float

    def as_line(self) -> bytes:
        """For the wire."""
        return json.dumps(asdict(self)).encode() + b"\n"


class Guest:
    """One client. Each method is one request; `entries` is what is to be noted of it afterwards."""

    def __init__(self, number: int, order: Order, client: MemoryClient) -> None:
        self.dice = random.Random(f"{order.seed}/{number}")
        # Seeds of two guests must never meet: a marker names one document of all.
        seed = (order.seed % 1_000_000) * 10_000 + number
        self._client = client
        self._documents = workload.documents(seed)
        self._questions = workload.questions(seed)
        self._facts = workload.facts(seed)
        self._number = number
        self._adds = 0
        self._stored: deque[str] = deque()
        self._events: deque[str] = deque()
        self.entries: list[Entry] = []
        self.doing: dict[str, Callable[[], Mapping[str, Any]]] = {
            "search": self.search,
            "add": self.add,
            "remove": self.remove,
            "remember": self.remember,
            "event": self.event,
            "recall": self.recall,
        }

    def next_operation(self, mix: Mapping[str, float]) -> str:
        """By chance; what would outgrow its bound makes room first."""
        chosen = self.dice.choices(list(mix), list(mix.values()))[0]
        if chosen == "add" and len(self._stored) >= OWN_DOCUMENTS_MAX:
            return "remove"
        return "search" if chosen == "remove" and not self._stored else chosen

    def search(self) -> Mapping[str, Any]:
        """A question nobody has asked before."""
        return self._client.search(f"{next(self._questions)} in house {self._number}")

    def add(self) -> Mapping[str, Any]:
        """A document of its own."""
        document = next(self._documents)
        source = document["source"]
        self._adds += 1
        try:
            answer = self._client.add_documents([document], wait=self._adds % WAITED_ADDS == 0)
        except PiRagError as error:
            self._unsure(source, error)
            raise
        if answer["job"]["items_refused"] or answer["job"]["items_failed"]:
            raise NotTaken(source)
        self._stored.append(source)
        self.entries.append(("added", source, workload.digest(document["text"])))
        return answer

    def remove(self) -> Mapping[str, Any]:
        """Its oldest document."""
        source = self._stored.popleft()
        try:
            gone = self._client.remove_source(source)
        except PiRagError as error:
            self._unsure(source, error)
            raise
        self.entries.append(("removed", source, ""))
        return gone

    def remember(self) -> Mapping[str, Any]:
        """A fact on one of its topics, in place of the one before."""
        text, topic = next(self._facts), f"house/{self.dice.randrange(OWN_TOPICS)}"
        name = f"fact {self._scope} {topic}"
        try:
            answer = self._client.remember(text, scope=self._scope, topic=topic)
        except PiRagError as error:
            self._unsure(name, error)
            raise
        self.entries.append(("added", name, workload.digest(text)))
        return answer

    def event(self) -> Mapping[str, Any]:
        """Something that has happened."""
        text = next(self._facts)
        answer = self._client.log_event(text, scope=self._scope)
        name = f"event {answer['memory']['id']}"
        self._events.append(name)
        self.entries.append(("added", name, workload.digest(text)))
        if len(self._events) > OWN_EVENTS_MAX:
            self.entries.append(("dropped", self._events.popleft(), ""))
        return answer

    def recall(self) -> Mapping[str, Any]:
        """What its scope knows of something."""
        return self._client.recall(next(self._questions), scopes=[self._scope])

    @property
    def _scope(self) -> str:
        return f"agent:guest-{self._number}"

    def _unsure(self, name: str, error: PiRagError) -> None:
        """What was refused has not happened; of all else nobody knows."""
        if isinstance(error, BadInput) or error.code == "busy":
            return
        self.entries.append(("unsure", name, ""))


class NotTaken(Exception):
    """A sound document was refused or given up."""

    code = "not_taken"


class Talk:
    """What all guests of this process have to tell, handed over now and then."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._lock = threading.Lock()
        self._answers: list[list[Any]] = []
        self._entries: list[Entry] = []

    def note(self, answer: list[Any], entries: list[Entry]) -> None:
        """One answer and what it has to do with the ledger."""
        with self._lock:
            self._answers.append(answer)
            self._entries += entries

    def tell(self, *, is_first: bool = False, is_last: bool = False) -> None:
        """Hand over what there is. Raises OSError when nobody listens any more."""
        with self._lock:
            answers, self._answers = self._answers, []
            entries, self._entries = self._entries, []
        line = {"answers": answers, "entries": entries, "is_first": is_first, "is_last": is_last}
        self._sock.sendall(json.dumps(line).encode() + b"\n")


def main(argv: list[str]) -> int:
    """Until the other end says so."""
    sock, _ = attach(argv)
    order = Order(**json.loads(_line(sock)))
    talk, is_over = Talk(sock), threading.Event()
    threads = [
        threading.Thread(target=_live, args=(number, order, talk, is_over), daemon=True)
        for number in order.guests
    ]
    try:
        talk.tell(is_first=True)
        for each in threads:
            each.start()
        sock.settimeout(TELL_S)
        while not _is_told_to_end(sock):
            talk.tell()
        is_over.set()
        sock.settimeout(None)
        for each in threads:
            each.join()
        talk.tell(is_last=True)
    except OSError:
        return 1  # the harness has gone
    return 0


def _live(number: int, order: Order, talk: Talk, is_over: threading.Event) -> None:
    """One guest until the end."""
    client = MemoryClient(Path(order.socket), answer_s_max=order.answer_s_max)
    guest = Guest(number, order, client)
    # Guests that all begin in the same moment would stay in step.
    is_over.wait(guest.dice.random() * min(order.pace_s or 0.1, 1.0))
    for operation in _operations(guest, order, is_over):
        wait_s = order.pace_s
        asked_s = time.monotonic()
        try:
            answer = guest.doing[operation]()
            code = "degraded" if answer.get("degraded") else ""
        except Exception as error:
            # Also one that nobody thought of: a guest who ends unseen would ask nothing more.
            code = str(getattr(error, "code", type(error).__name__))
            wait_s = max(wait_s, _patience_s(error, guest.dice))
        answered_s = time.monotonic()
        entries, guest.entries = guest.entries, []
        taken = round(answered_s - order.began_s, 4), operation, round((answered_s - asked_s) * 1000, 3), code
        talk.note(list(taken), entries)
        is_over.wait(wait_s)


def _operations(guest: Guest, order: Order, is_over: threading.Event) -> Iterator[str]:
    while not is_over.is_set():
        yield guest.next_operation(order.mix)


def _patience_s(error: Exception, dice: random.Random) -> float:
    """How long a polite guest waits after an error; longer by chance, so that not all come at once."""
    if isinstance(error, TryLater):
        return (error.retry_after_ms or 100) / 1000 * (1 + dice.random() / 2)
    return DOWN_S if isinstance(error, ServiceDown) or not isinstance(error, PiRagError) else 0.0


def _line(sock: socket.socket) -> bytes:
    line = b""
    while not line.endswith(b"\n"):
        data = sock.recv(65536)
        if not data:
            raise SystemExit(1)
        line += data
    return line


def _is_told_to_end(sock: socket.socket) -> bool:
    """Whether anything comes, or the end, within the socket's time limit."""
    try:
        sock.recv(1)
    except TimeoutError:
        return False
    return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
