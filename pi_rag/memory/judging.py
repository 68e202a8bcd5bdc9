"""What becomes of a new fact beside those that are known: merged, put in their place, or stored beside them.

Pure. It is given the facts of the scope that are in force, true now and not expired, as far as they are on
the same topic, say the same words or are near in meaning, and decides:

1. Who repeats what is known merges with it. Only a person who says what somebody less trusted has said takes
   its place: an agent that says what it has read would else raise the trust of what was planted.
2. What is on the same topic, or is named in `supersedes`, gives way; but never to somebody less trusted than
   who said it, or than who pinned it. That is a conflict, and both stay.
3. What is near and has other numbers, or denies it, is a conflict as well: both stay.

A fact that was true takes the place only of what it names itself. One that will be true ends what it would
take the place of at its own beginning: until then that is in force (see memory/following.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from pi_rag.config import RememberSettings
from pi_rag.ingest.web import is_url
from pi_rag.memory_types import TRUSTS, Caller, Candidate, Memory, NewFact, Outcome, Trust
from pi_rag.text.contrast import Contrast, contrasts, surely_differ

Why = Literal["topic", "numbers", "negation", "trust", "pinned", "similar"]

CONTRARY = frozenset({"numbers", "negation"})
"""Differences by which two near facts stand against each other. With other names they speak of two things."""


@dataclass(frozen=True, slots=True)
class Known:
    """A fact that a new one is held against."""

    memory: Memory
    pinned_by: Trust | None
    """Who pinned it; None: nobody."""
    similarity: float
    """Cosine; 0 where one of them has no vector."""
    has_its_words: bool = False
    """It says the same word for word."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to be done."""

    outcome: Outcome
    into: Memory | None = None
    """What it merges with."""
    replaced: tuple[Memory, ...] = ()
    """Whose place it takes; the first is the one that it is the next revision of."""
    ended: tuple[Memory, ...] = ()
    """Whose place it takes later, when it begins."""
    candidates: tuple[Candidate, ...] = ()


def trust_of(caller: Caller, document: Trust | None, named: Trust | None) -> Trust:
    """Whose word a new fact is: the guest's, but no better than the document that it was taken from.

    An agent does not raise the trust of what it restates (`named`); a person's correction is a person's word.
    """
    words: list[Trust] = [caller.door]
    if document is not None:
        words.append(document)
    if named is not None and caller.door == "agent":
        words.append(named)
    return min(words, key=_rank)


def trust_of_source(source: str | None) -> Trust:
    """Whose word a stored document is, by where it came from."""
    return "web" if source is not None and is_url(source) else "document"


def is_true(fact: Memory | NewFact, now: float) -> bool:
    """Whether it holds at this time, by what was said of it.

    One that was to hold at once does so wherever the clock has jumped since.
    """
    return _has_begun(fact, now) and (fact.valid_to is None or now < fact.valid_to)


def _has_begun(fact: Memory | NewFact, now: float) -> bool:
    if isinstance(fact, Memory):
        return fact.at <= now or fact.at <= fact.created_at
    return fact.valid_from is None or fact.valid_from <= now


def is_planned(fact: Memory | NewFact, now: float) -> bool:
    """Whether it is not true yet, but will be."""
    if isinstance(fact, Memory) and (fact.type != "fact" or fact.gone is not None):
        return False
    start = fact.at if isinstance(fact, Memory) else fact.valid_from
    is_kept = fact.expires_at is None or start is None or max(start, now) < fact.expires_at
    return is_kept and not _has_begun(fact, now)


def is_judged(memory: Memory, now: float) -> bool:
    """Whether a new fact is held against this one. What has expired is not recalled and keeps nothing out."""
    in_force = memory.gone is None and (memory.expires_at is None or now < memory.expires_at)
    return memory.type == "fact" and in_force and is_true(memory, now)


def gives_way(older: Memory, pinned_by: Trust | None, trust: Trust) -> bool:
    """Whether the word of `trust` may take the place of an older one."""
    return _rank(trust) >= max(_rank(older.trust), 0 if pinned_by is None else _rank(pinned_by))


def judged(
    fact: NewFact, trust: Trust, known: Sequence[Known], settings: RememberSettings, now: float
) -> Verdict:
    """What becomes of `fact`, the word of `trust`. `known` holds what `supersedes` names, whatever it is."""
    case = _Case(fact, trust, known, settings, now)
    if is_planned(fact, now):
        return case.planned()
    if not is_true(fact, now):
        return case.beside()
    repeated = case.repeated()
    if repeated is not None and case.merges(repeated):
        return Verdict("merged", into=repeated.memory)
    return case.replacing(repeated)


class _Case:
    """A new fact, and what it is held against."""

    def __init__(
        self, fact: NewFact, trust: Trust, known: Sequence[Known], settings: RememberSettings, now: float
    ) -> None:
        self._fact = fact
        self._trust = trust
        self._now = now
        ordered = sorted(known, key=lambda each: (-self._likeness(each), -each.memory.id))
        self._plans = [each for each in ordered if self._is_plan(each)]
        self._known = [each for each in ordered if not self._is_plan(each)]
        self._settings = settings
        self._contrasts: dict[int, frozenset[Contrast]] = {}

    def repeated(self) -> Known | None:
        """The likest of those that say the same; None when the place of another is to be taken."""
        if self._fact.supersedes is not None:
            return None
        return next((each for each in self._known if self._says_the_same(each)), None)

    def merges(self, repeated: Known) -> bool:
        """Not a person with somebody less trusted, and not where the new one's topic would be lost for it."""
        is_raised = _rank(repeated.memory.trust) < _rank(self._trust)
        if is_raised and self._trust == "person":
            return self._hindrance(repeated) is not None
        return is_raised or repeated.memory.topic is not None or self._fact.topic is None

    def planned(self) -> Verdict:
        """It will be true: what it would take the place of ends where it begins.

        Not yet begun and to begin with it, or named by it: that gives way at once, nothing is lost by it.
        """
        start = self._fact.valid_from
        assert start is not None, "what has begun is not planned"
        named = [each for each in (*self._known, *self._plans) if self._is_named(each)]
        at_once = [each for each in named if self._goes_at_once(each, start)]
        ending = [each for each in named if each not in at_once and _goes_beyond(each.memory, start)]
        verdict = self._placed([*at_once, *ending])
        gone = tuple(each for each in verdict.replaced if any(each is one.memory for one in at_once))
        ended = tuple(each for each in verdict.replaced if each not in gone)
        outcome: Outcome = "superseded" if gone and verdict.outcome != "conflict" else "created"
        outcome = "conflict" if verdict.outcome == "conflict" else outcome
        verdict = replace(verdict, outcome=outcome, replaced=gone, ended=ended)
        others = (_candidate(each, "topic") for each in self._left(verdict) if self._is_on_topic(each))
        return self._with(verdict, outcome, others)

    def _goes_at_once(self, each: Known, start: float) -> bool:
        if is_judged(each.memory, self._now):
            return False
        return each.memory.id == self._fact.supersedes or each.memory.at == start

    def _is_plan(self, each: Known) -> bool:
        """What is to come is held against what is said now only where that names it."""
        return each.memory.id != self._fact.supersedes and is_planned(each.memory, self._now)

    def beside(self) -> Verdict:
        """It was true: only what it names gives way."""
        verdict = self._placed([each for each in self._known if each.memory.id == self._fact.supersedes])
        others = (_candidate(each, "topic") for each in self._left(verdict) if self._is_on_topic(each))
        return self._with(verdict, verdict.outcome, others)

    def replacing(self, repeated: Known | None) -> Verdict:
        """It is stored; the others of its topic give way, as far as they may."""
        targets = [each for each in self._known if self._is_named(each) or each is repeated]
        verdict = self._placed(targets)
        against = self._against(self._left(verdict))
        against += [_candidate(each, "topic") for each in self._plans if self._is_on_topic(each)]
        contrary = any(each.why in CONTRARY for each in against)
        return self._with(
            verdict, "conflict" if contrary and verdict.outcome == "created" else verdict.outcome, against
        )

    def _placed(self, targets: Sequence[Known]) -> Verdict:
        """The targets that give way, the one that `supersedes` names first; a conflict with the others."""
        giving = [each.memory for each in targets if self._hindrance(each) is None]
        giving.sort(key=lambda memory: (memory.id != self._fact.supersedes, -memory.id))
        blocked = tuple(
            _candidate(each, hindrance)
            for each in targets
            if self._is_named(each) and (hindrance := self._hindrance(each)) is not None
        )
        outcome: Outcome = "conflict" if blocked else "superseded" if giving else "created"
        return Verdict(outcome, replaced=tuple(giving), candidates=blocked)

    def _left(self, verdict: Verdict) -> list[Known]:
        """What neither gives way nor is in its way."""
        taken = {memory.id for memory in verdict.replaced}
        taken |= {candidate.memory.id for candidate in verdict.candidates}
        known = [*self._known, *self._plans] if is_planned(self._fact, self._now) else self._known
        return [each for each in known if each.memory.id not in taken]

    def _against(self, others: Iterable[Known]) -> list[Candidate]:
        """What is near, those that stand against it first. No more is looked at than can be shown."""
        near = (each for each in others if self._likeness(each) >= self._settings.conflict_similarity)
        contrary: list[Candidate] = []
        merely: list[Candidate] = []
        for each in near:
            why = _why(self._contrast(each))
            (contrary if why in CONTRARY else merely).append(_candidate(each, why))
            if len(contrary) == self._settings.candidates_max:
                break
        return [*contrary, *merely]

    def _with(self, verdict: Verdict, outcome: Outcome, more: Iterable[Candidate]) -> Verdict:
        shown = (*verdict.candidates, *more)[: self._settings.candidates_max]
        return replace(verdict, outcome=outcome, candidates=shown)

    def _likeness(self, each: Known) -> float:
        """The same words are the same, also where no vector says so."""
        return 1.0 if each.has_its_words else each.similarity

    def _says_the_same(self, each: Known) -> bool:
        topics = {each.memory.topic, self._fact.topic} - {None}
        if len(topics) > 1 or self._likeness(each) < self._settings.merge_similarity:
            return False
        if not each.has_its_words and surely_differ(each.memory.text, self._fact.text):
            return False
        return not self._contrast(each)

    def _contrast(self, each: Known) -> frozenset[Contrast]:
        """Looked at once: it takes longer than all else here."""
        if each.memory.id not in self._contrasts:
            found = frozenset() if each.has_its_words else contrasts(each.memory.text, self._fact.text)
            self._contrasts[each.memory.id] = found
        return self._contrasts[each.memory.id]

    def _is_on_topic(self, each: Known) -> bool:
        return self._fact.topic is not None and each.memory.topic == self._fact.topic

    def _is_named(self, each: Known) -> bool:
        return self._is_on_topic(each) or each.memory.id == self._fact.supersedes

    def _hindrance(self, each: Known) -> Why | None:
        """Why it does not give way; None when it does."""
        if _rank(each.memory.trust) > _rank(self._trust):
            return "trust"
        if each.pinned_by is not None and _rank(each.pinned_by) > _rank(self._trust):
            return "pinned"
        return None


def _goes_beyond(memory: Memory, start: float) -> bool:
    """Whether it would still hold from then on."""
    return memory.at < start and (memory.valid_to is None or memory.valid_to >= start)


def repeated_values(
    memory: Memory, pinned_by: Trust | None, fact: NewFact, trust: Trust, next_at: float | None = None
) -> dict[str, tuple[Any, Any]]:
    """What else changes of a fact that is said once more, beside its count: by column, before and after.

    Nothing, when who repeats it is trusted less than who said it. Times: the later; None is the latest. But
    where another is to take its place (`next_at`), it ends there at the latest, unless somebody has set more.
    """
    if _rank(trust) < _rank(memory.trust):
        return {}
    values = {
        "importance": max(memory.importance, fact.importance),
        "confidence": max(memory.confidence, fact.confidence),
        "tags": tuple(dict.fromkeys((*memory.tags, *fact.tags))),
        "valid_to": _repeated_end(memory.valid_to, fact.valid_to, next_at),
        "expires_at": _later(memory.expires_at, fact.expires_at),
        "pinned_by": _stronger(pinned_by, trust) if fact.pinned else pinned_by,
    }
    before = {name: pinned_by if name == "pinned_by" else getattr(memory, name) for name in values}
    return {name: (before[name], value) for name, value in values.items() if value != before[name]}


def _repeated_end(end: float | None, said: float | None, next_at: float | None) -> float | None:
    if next_at is None or end is None or end > next_at:
        return _later(end, said)
    return sooner(_later(end, said), next_at)


def sooner(one: float | None, other: float | None) -> float | None:
    """The earlier of two ends; None is no end."""
    return min((each for each in (one, other) if each is not None), default=None)


def _stronger(pinned_by: Trust | None, trust: Trust) -> Trust:
    return max(pinned_by or trust, trust, key=_rank)


def _later(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else max(one, other)


def _why(found: frozenset[Contrast]) -> Why:
    if "names" in found:
        return "similar"
    if "numbers" in found:
        return "numbers"
    return "negation" if "negation" in found else "similar"


def _candidate(each: Known, why: Why) -> Candidate:
    return Candidate(each.memory, each.similarity, why)


def _rank(trust: Trust) -> int:
    return TRUSTS.index(trust)
