"""Known questions, and how long those stood in line whom they had to pass."""

from __future__ import annotations

import os
import threading
import time

from pi_rag.client import Client
from pi_rag.errors import ServiceDown
from pi_rag.stress import probing
from pi_rag.stress.probing import Line, Prober
from pi_rag.stress.types import Probe
from tests.stress.truth import until


class Answering(Client):
    """Gives these sources, or fails."""

    def __init__(self, sources: list[str] | None, degraded: bool = False) -> None:
        self.found, self.degraded = sources, degraded
        self.asked: list[tuple[str, str]] = []

    def search(self, query: str, *, mode: str = "hybrid", **_: object) -> dict[str, object]:
        """What is known of it."""
        self.asked.append((query, mode))
        if self.found is None:
            raise ServiceDown("It is gone.")
        return {"hits": [{"source": each} for each in self.found], "degraded": ["model"] * self.degraded}


def probe(client: Client, number: int) -> Probe:
    return Prober(client, os.getpid, lambda: 5.0, lambda _: None).ask(number)


def test_a_probe_tells_what_became_of_a_question() -> None:
    """Found, not found, answered from less, not answered at all."""
    right = f"{probing.KNOWN[0][0]}.txt"

    assert probe(Answering([right]), 0).is_found
    assert not probe(Answering(["another.txt"]), 0).is_found
    assert probe(Answering([right], degraded=True), 0).code == "degraded"
    assert probe(Answering(None), 0).code == "service_down"
    assert not probe(Answering(None), 0).is_found


def test_an_answer_that_nobody_understands_is_an_error() -> None:
    """It has the error's name, and asking goes on."""

    class Strange(Client):
        def __init__(self) -> None:
            pass

        def search(self, *_: object, **__: object) -> dict[str, object]:
            return {"degraded": []}

    seen: list[Probe] = []
    with Prober(Strange(), os.getpid, lambda: 5.0, seen.append):
        until(lambda: len(seen) >= 2)
    assert {each.code for each in seen} == {"KeyError"}
    assert not any(each.is_found for each in seen)


def test_questions_are_asked_both_ways_and_never_twice() -> None:
    """By a word and by meaning in turn; all known ones come; no cache has seen them."""
    client = Answering([])
    ways = [probe(client, number).way for number in range(200)]

    assert ways[:4] == ["words", "meaning", "words", "meaning"]
    assert [mode for _, mode in client.asked[:2]] == ["text", "vector"]
    assert len({query for query, _ in client.asked}) == 200
    assert all(any(word in query for query, _ in client.asked) for word, _ in probing.KNOWN)


def test_the_known_are_told_apart() -> None:
    """Each has a word that no other text holds."""
    texts = [each["text"] for each in probing.documents()]

    assert all(sum(word in text for text in texts) == 1 for word, _ in probing.KNOWN)


def test_a_prober_asks_until_it_is_told_to_stop() -> None:
    """One question after the other, and none after the block."""
    seen: list[Probe] = []
    enough = threading.Event()

    def keep(each: Probe) -> None:
        seen.append(each)
        if len(seen) == 3:
            enough.set()

    with Prober(Answering([]), os.getpid, time.monotonic, keep):
        assert enough.wait(30.0)
    count = len(seen)
    time.sleep(2 * probing.EVERY_S)
    assert len(seen) == count


def test_standing_in_line_is_the_firsts_and_the_longest_of_the_others() -> None:
    """A question passes the supervisor, and one worker of several."""
    line = Line(lambda: 10)

    assert line.waited_ms({10: 1.0, 11: 5.0, 12: 5.0}, {10: 1.5, 11: 5.25, 12: 5.125}) == 750.0
    assert line.waited_ms({}, {10: 9.0}) == 0.0, "what was not seen before is not counted"
    assert line.waited_ms({10: 1.0}, {10: 0.0}) == 0.0, "what is gone did not wait"


def test_a_service_that_is_gone_has_not_waited() -> None:
    """Nothing is told of nobody."""
    assert Line(lambda: None).stood_s("meaning") == {}
    assert Line(lambda: 2**22 + 1).stood_s("words") == {2**22 + 1: 0.0}
