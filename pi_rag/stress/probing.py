"""Questions whose answers are known, asked all the while: by a word that one document alone has, and by
meaning.

Each question is asked in words nobody used before, so that no cache answers it. With each goes how long those
whom it had to pass stood in line for a processor meanwhile (/proc/PID/schedstat of the kernel's sched-stats):
what is slow because the machine has other work can so be told from what is slow by itself.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from itertools import count
from pathlib import Path
from typing import Literal

from pi_rag.client import Client
from pi_rag.errors import PiRagError
from pi_rag.stress import family
from pi_rag.stress.types import Probe

EVERY_S = 0.1
ANSWER_S_MAX = 10.0
HITS = 5
WORKERS_S = 1.0
"""How often it is looked who they are."""

Way = Literal["words", "meaning"]

KNOWN = (
    ("zkalbatross", "The albatross sleeps in flight and crosses whole oceans without a beat of its wings."),
    ("zkbasalt", "Basalt columns form where lava cools slowly and cracks into six-sided pillars."),
    ("zkcello", "A cello has four strings, tuned in fifths an octave below those of the viola."),
    ("zkdynamo", "The dynamo on the front wheel of the tandem gives three watts to the headlight."),
    ("zkeclipse", "During a total eclipse the corona of the sun can be seen with the naked eye."),
    ("zkferment", "Sauerkraut ferments for six weeks in brine, weighed down so that no air gets in."),
    ("zkglacier", "The glacier has lost two hundred metres of its tongue since the map was drawn."),
    ("zkheron", "A grey heron stands motionless in shallow water until a fish comes within reach."),
    ("zkinsulin", "Insulin must be kept cool, but it must never freeze, or it loses its strength."),
    ("zkjavelin", "Her javelin flew seventy metres and won the medal on the last throw of the day."),
    ("zkkimono", "The silk kimono of the grandmother lies folded in camphor paper in the long chest."),
    ("zklatin", "Latin verbs of the fourth conjugation keep their long vowel in the infinitive."),
    ("zkmagnet", "Heated beyond the Curie point, a magnet forgets which way was north."),
    ("zknebula", "In the nebula of Orion new stars are born from dust and hydrogen."),
    ("zkorchid", "The vanilla orchid opens for a single morning and is pollinated by hand."),
    ("zkpassport", "Both passports expire in spring; the office needs photographs and eight weeks."),
    ("zkquartz", "A crystal of quartz swings thirty-two thousand times a second in every wristwatch."),
    ("zkrapids", "Below the second rapids the canoe must be carried around the fallen spruce."),
    ("zksourdough", "Feed the sourdough with rye flour on the evening before bread is baked."),
    ("zktelegraph", "The first telegraph cable under the Atlantic worked for three weeks only."),
    ("zkumbrella", "The conductor left an umbrella and the score of an opera on the night train."),
    ("zkvaccine", "The tetanus vaccine is due again after ten years, for adults as for children."),
    ("zkwalnut", "Walnut ink is boiled from green husks and darkens on paper within a day."),
    ("zkxylem", "Through the xylem of a redwood water climbs higher than any pump could suck it."),
)
"""A word that nobody else uses, and a sentence unlike all others."""


def documents() -> list[dict[str, str]]:
    """What must be stored for the questions to have answers."""
    return [
        {"source": f"{word}.txt", "title": word, "text": f"{text} Filed as {word}."} for word, text in KNOWN
    ]


class Prober:
    """Asks while the block lasts, and hands on each probe."""

    def __init__(
        self,
        client: Client,
        supervisor: Callable[[], int | None],
        elapsed_s: Callable[[], float],
        keep: Callable[[Probe], None],
    ) -> None:
        self._client = client
        self._line = Line(supervisor)
        self._elapsed_s = elapsed_s
        self._keep = keep
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="prober", daemon=True)

    def __enter__(self) -> Prober:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join(ANSWER_S_MAX + 1.0)

    def _run(self) -> None:
        for number in count():
            began_s = time.monotonic()
            self._keep(self.ask(number))
            if self._is_over.wait(max(0.0, EVERY_S - (time.monotonic() - began_s))):
                return

    def ask(self, number: int) -> Probe:
        """The question of this number, now by a word, now by meaning."""
        way: Way = "meaning" if number % 2 else "words"
        word, text = KNOWN[number // 2 % len(KNOWN)]
        question, mode = (f"{text} ({number})", "vector") if number % 2 else (f"{word} {number}", "text")
        code, sources = "", []
        before, began_s = self._line.stood_s(way), time.monotonic()
        try:
            answer = self._client.search(question, k=HITS, mode=mode)
            code = "degraded" if answer["degraded"] else ""
            sources = [hit["source"] for hit in answer["hits"]]
        except PiRagError as error:
            code = error.code
        except Exception as error:  # an answer in no form of ours; the next question is asked all the same
            code = type(error).__name__
        latency_ms = (time.monotonic() - began_s) * 1000
        waited_ms = self._line.waited_ms(before, self._line.stood_s(way))
        at_s = self._elapsed_s()
        return Probe(at_s, way, round(latency_ms, 3), round(waited_ms, 3), code, f"{word}.txt" in sources)


class Line:
    """How long those whom a question must pass have stood in line for a processor, as of now, in seconds.

    That is the supervisor's first thread, and by meaning a worker: which one is not known from outside, so it
    is the one that stood longest. Both are 0 where the kernel does not say.
    """

    def __init__(self, supervisor: Callable[[], int | None]) -> None:
        self._supervisor = supervisor
        self._workers: list[int] = []
        self._looked_s = -WORKERS_S

    def stood_s(self, way: Way) -> dict[int, float]:
        """By process."""
        supervisor = self._supervisor()
        if supervisor is None:
            return {}
        if time.monotonic() - self._looked_s >= WORKERS_S:
            self._workers = family.family(supervisor).get("worker", [])
            self._looked_s = time.monotonic()
        return {pid: _stood_s(pid) for pid in (supervisor, *(self._workers if way == "meaning" else ()))}

    def waited_ms(self, before: Mapping[int, float], after: Mapping[int, float]) -> float:
        """Between two looks."""
        more = {pid: max(0.0, stood_s - before.get(pid, stood_s)) for pid, stood_s in after.items()}
        first = more.pop(self._supervisor() or 0, 0.0)
        return 1000 * (first + max(more.values(), default=0.0))


def _stood_s(pid: int) -> float:
    """The second number of its first thread's schedstat; 0 when it is gone."""
    try:
        told = Path(f"/proc/{pid}/task/{pid}/schedstat").read_text(encoding="ascii")
        return int(told.split()[1]) / 1e9
    except (OSError, IndexError, ValueError):
        return 0.0
