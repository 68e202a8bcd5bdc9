"""Every fault in turn, in an order of the seed, while guests search: answered or told why, soon normal again,
and nothing acknowledged is lost.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field

from pi_rag.client import Client
from pi_rag.errors import PiRagError
from pi_rag.stress import ending, faults, workload
from pi_rag.stress.faults import Fault, NotDone
from pi_rag.stress.patience import asked, until
from pi_rag.stress.types import Scenario, Stage

KNOWN, KNOWN_QUICK = 40, 12
"""Documents that are there before the first fault."""
SEARCHES, SEARCHES_QUICK = 20, 5
"""While each fault lasts, one after the other."""
ASK_S_MAX = 10.0
"""A guest waits no longer: whoever stands still for longer does not answer."""
STILL_S_MAX = 1.5
"""The same while the service itself is stopped."""
STORED_S_MAX = 60.0
GUESTS = 2
PACE_S = 0.2


@dataclass
class _House:
    """What was acknowledged, and new documents and questions."""

    stage: Stage
    acknowledged: dict[str, str] = field(default_factory=dict)
    """The text of each source."""

    def __post_init__(self) -> None:
        self._documents = workload.documents(self.stage.seed)
        self._questions = workload.questions(self.stage.seed)

    def add(self, *, wait: bool = False, seconds: float = ASK_S_MAX) -> str:
        """One more document; the code of what came of it."""
        document = next(self._documents)
        try:
            self._client(seconds).add_documents([document], wait=wait)
        except PiRagError as error:
            return error.code
        self.acknowledged[document["source"]] = document["text"]
        self.stage.acknowledged([document])
        return ""

    def search(self, seconds: float = ASK_S_MAX) -> str:
        """A new question; the code of what came of it. An answer without a hit is `empty`."""
        try:
            answer = self._client(seconds).search(next(self._questions))
        except PiRagError as error:
            return error.code
        return "degraded" if answer["degraded"] else "" if answer["hits"] else "empty"

    def is_normal(self) -> bool:
        """Ready, with nothing given up, and a search is answered whole."""
        status = self._client(ASK_S_MAX).status()
        return bool(status["ready"]) and not status["degraded"] and self.search() == ""

    def wrong(self) -> str:
        """What is not there once nothing waits any more, though it was acknowledged; empty: nothing."""
        if not until(lambda: self._client(ASK_S_MAX).status()["counts"]["items_queued"] == 0, STORED_S_MAX):
            return f"not worked off within {STORED_S_MAX:g} s"
        try:
            lost = sum(not self._is_there(source) for source in self.acknowledged)
        except PiRagError as error:
            # A search that is refused has lost nothing; that it still is refused is not well either.
            return f"looking for what was acknowledged: {error.code}"
        return f"{lost} of {len(self.acknowledged)} lost" if lost else ""

    def _is_there(self, source: str) -> bool:
        """Found by the word that no other has."""
        mark, client = source.removesuffix(".txt"), self._client(ASK_S_MAX)
        hits = asked(lambda: client.search(mark, mode="text", k=3))["hits"]
        return any(hit["source"] == source for hit in hits)

    def _client(self, seconds: float) -> Client:
        return Client(self.stage.service.socket, answer_s_max=seconds)


def run(stage: Stage) -> None:
    """Each of them once, whatever becomes of the one before."""
    house = _House(stage)
    for _ in range(KNOWN_QUICK if stage.is_quick else KNOWN):
        house.add(wait=True, seconds=STORED_S_MAX)
    order = list(faults.ALL)
    stage.dice.shuffle(order)
    done = 0
    with stage.crowd(GUESTS, {"search": 1.0}, pace_s=PACE_S):
        for fault in order:
            if not stage.left_s():
                stage.check(fault.name, fault.about, ending.why(stage), None)
            elif reason := fault.lacking():
                stage.check(fault.name, fault.about, reason, None)
            else:
                done += _one(stage, house, fault)
    stage.figure("faults_done", done)


def _one(stage: Stage, house: _House, fault: Fault) -> bool:
    """Do it, ask meanwhile, see that it passes, and that nothing is lost; whether it could be done."""
    try:
        with fault.hurt(stage) as detail:
            stage.mark(fault.name, detail)
            searches, adds = _meanwhile(stage, house, fault)
    except NotDone as reason:
        stage.check(fault.name, fault.about, str(reason), None)
        return False
    ended_s = time.monotonic()
    normal = until(house.is_normal, fault.normal_s_max)
    normal_s = time.monotonic() - ended_s
    stage.mark(f"{fault.name} over")
    added = house.add(wait=True, seconds=STORED_S_MAX)
    wrong = house.wrong()
    is_kept = (
        searches.keys() <= fault.searches and adds.keys() <= fault.adds and normal and not (wrong or added)
    )
    promised = f"{_codes(fault.searches)}; normal within {fault.normal_s_max:g} s; 0 lost"
    seen = (
        f"searches {_counted(searches)}; adding {_counted(adds)}; normal after {normal_s:.1f} s"
        f"{'' if normal else ' not yet'}; adding then {added or 'stored'}; "
        f"{wrong or f'0 of {len(house.acknowledged)} lost'}"
    )
    stage.check(fault.name, promised, seen, is_kept)
    return True


def _meanwhile(stage: Stage, house: _House, fault: Fault) -> tuple[Counter[str], Counter[str]]:
    """What became of searches and of adding while the fault lasted, by code."""
    searches: Counter[str] = Counter()
    adds: Counter[str] = Counter()
    seconds = STILL_S_MAX if "deadline_exceeded" in fault.searches else ASK_S_MAX
    for _ in range(SEARCHES_QUICK if stage.is_quick else SEARCHES):
        searches[house.search(seconds)] += 1
        if seconds == STILL_S_MAX and searches["deadline_exceeded"]:
            break
    if fault.adds:
        adds[house.add(seconds=seconds)] += 1
    return searches, adds


def _codes(codes: frozenset[str]) -> str:
    return "searches " + " or ".join(sorted(code or "whole" for code in codes))


def _counted(codes: Counter[str]) -> str:
    return ", ".join(f"{count} {code or 'whole'}" for code, count in sorted(codes.items())) or "none"


SCENARIO = Scenario(
    name="faults",
    about="every fault in turn, in an order of the seed: answered or told why, soon normal, nothing lost",
    minutes=30.0,
    quick_minutes=15.0,
    run=run,
    # It is started many times, and one of each kind of process is enough to do a fault to.
    environ={"PI_RAG_WORKERS": "1"},
)
