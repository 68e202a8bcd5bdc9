"""The desk of agents' memory in plain Python: what it promises, without a database, a model or a process.

Everything is a list that is looked through from end to end. It raises what the desk raises, and answers with
the same values. It knows no vectors: how alike two texts are is given to it, and so is what sets them apart.
What the desk may choose freely (whom to evict) is told to it afterwards.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pi_rag.config import RememberSettings
from pi_rag.errors import (
    ChangeFinal,
    ChangeNotFound,
    DocumentNotFound,
    EraseFirstForget,
    ForgetAll,
    ForgetUnconfirmed,
    KeyReused,
    MemoryNotFound,
    MemoryTooLong,
    PersonsOnly,
    RequestInvalid,
    ScopeForbidden,
    ScopeFull,
    ScopeInvalid,
    SessionEnded,
    SessionNotFound,
    TimeInFuture,
)
from pi_rag.memory_types import (
    TRUSTS,
    Caller,
    Memory,
    NewEvent,
    NewFact,
    Operation,
    Outcome,
    SessionState,
    Trust,
    Which,
)

SECONDS_PER_HOUR = 3600.0

Fields = dict[int, dict[str, Any]]
"""Of memories by their ids: what was set."""

TIMED = frozenset({"gone", "valid_to", "expires_at"})
"""By which a fact comes into force, or holds for another time."""

COUNTED = frozenset({"repeats", "last_said_at"})

Judged = tuple[Outcome, int, int | None, dict[int, str]]
"""What became of a fact: outcome, the memory in force, what it superseded, why each candidate is shown."""


@dataclass(frozen=True)
class Effect:
    """A line of the audit log, and what it did to each memory."""

    id: int
    operation: Operation
    client: str
    scope: str
    memory_ids: frozenset[int]
    before: Fields
    after: Fields
    undoes: int | None = None
    undone_by: int | None = None
    together: tuple[int, ...] = ()
    """What else the same request has done, in other scopes."""

    def sets(self, memory_id: int) -> set[str]:
        """What it made other than it was."""
        before, after = self.before[memory_id], self.after[memory_id]
        return {name for name in before if before[name] != after.get(name)}


@dataclass
class Run:
    """A session."""

    id: int
    scope: str
    title: str
    started_at: float
    last_at: float
    caller: Caller
    ended_at: float | None = None
    events: int = 0


@dataclass
class Model:
    """The whole of memory. `now` is wall time; `alike` is the cosine of two texts with their topics."""

    settings: RememberSettings
    now: Callable[[], float]
    alike: Callable[[Memory, Memory], float]
    contrasts: Callable[[str, str], Iterable[str]]
    same_words: Callable[[str, str], bool]
    documents: Mapping[int, tuple[Trust, str]]
    """Trust and source of the stored documents."""
    rows: dict[int, Memory] = field(default_factory=dict)
    log: dict[int, Effect] = field(default_factory=dict)
    runs: dict[int, Run] = field(default_factory=dict)
    keys: dict[tuple[Caller, str], tuple[int, Any, Any]] = field(default_factory=dict)
    pinned_by: dict[int, Trust | None] = field(default_factory=dict)
    blind: bool = False
    """Whether no vectors can be made just now."""
    vectorless: set[int] = field(default_factory=set)
    last_id: int = 0
    last_run_id: int = 0
    near_max: int = 20
    """How many of the likest a new fact is held against."""

    # What may be seen

    def visible(self, memory_id: int, caller: Caller) -> Memory:
        """A memory in the caller's scopes, in force or not."""
        memory = self.rows.get(memory_id)
        if memory is None or not _may(caller, memory.scope):
            raise MemoryNotFound("")
        return memory

    def listed(self, which: Which, caller: Caller, *, gone: bool) -> list[Memory]:
        """The newest first."""
        if which.scope is not None:
            _let_in(which.scope, caller)
        found = [
            memory
            for memory in self.rows.values()
            if _may(caller, memory.scope) and (memory.gone is not None) == gone and self._fits(which, memory)
        ]
        return sorted(found, key=lambda memory: -memory.id)

    def _fits(self, which: Which, memory: Memory) -> bool:
        return all(
            (
                not which.ids or memory.id in which.ids,
                which.scope in (None, memory.scope),
                which.type in (None, memory.type),
                which.kind in (None, memory.kind),
                which.topic is None or _beneath(memory.topic, which.topic),
                which.tag is None or which.tag in memory.tags,
                which.session_id in (None, memory.session_id),
                which.client in (None, memory.client, memory.client.partition("/")[0]),
                which.before is None or memory.created_at < which.before,
                which.since is None or memory.created_at >= which.since,
                not which.expired or self._is_expired(memory),
            )
        )

    def _is_expired(self, memory: Memory) -> bool:
        return memory.expires_at is not None and memory.expires_at <= self.now()

    # Facts

    def remember(self, fact: NewFact, caller: Caller) -> Judged:
        """Keep a fact."""
        _let_in(fact.scope, caller)
        self._check_text(fact.text, self.settings.fact_chars_max)
        if fact.expires_at is not None and fact.expires_at <= self.now():
            raise RequestInvalid("")
        if fact.valid_to is not None and fact.valid_to <= (fact.valid_from or -math.inf):
            raise RequestInvalid("")
        known: Judged | None = self._replayed(fact.key, fact, caller)
        if known is not None:
            return known
        named = None if fact.supersedes is None else self._named(fact.supersedes, fact.scope, caller)
        if fact.session_id is not None:
            self.run(fact.session_id, caller)
        new = self._new_fact(fact, caller)
        if named is not None and caller.door == "agent":
            new = replace(new, trust=min(new.trust, named.trust, key=TRUSTS.index))
        judged = self._judged(new, named, caller)
        self._keep_key(fact.key, fact, caller, judged[1], judged)
        return judged

    def _new_fact(self, fact: NewFact, caller: Caller) -> Memory:
        now = self.now()
        return _memory(
            id=self.last_id + 1,
            type="fact",
            scope=fact.scope,
            kind=fact.kind,
            text=fact.text,
            topic=fact.topic,
            importance=fact.importance,
            confidence=fact.confidence,
            tags=fact.tags,
            pinned=fact.pinned,
            trust=self._trust(caller, fact.document_id),
            at=now if fact.valid_from is None else fact.valid_from,
            valid_to=fact.valid_to,
            expires_at=fact.expires_at,
            created_at=now,
            session_id=fact.session_id,
            caller=caller,
            document_id=fact.document_id,
            source=self._source(fact.document_id),
            repeats=0,
        )

    def _judged(self, new: Memory, named: Memory | None, caller: Caller) -> Judged:
        rivals = self._rivals(new.scope)
        likeness = self._nearest(new, rivals)
        on_topic = [rival for rival in rivals if new.topic is not None and rival.topic == new.topic]
        plans = [plan for plan in self._plans(new.scope) if new.topic is not None and plan.topic == new.topic]
        if self._is_plan(new):
            return self._planned(new, on_topic, plans, named, caller)
        if not self._is_true(new):
            shown = dict.fromkeys(_ids(on_topic), "topic")
            return self._placed(new, [named] if named else [], shown, caller, named)
        same = None if named else self._same(new, rivals, likeness)
        if same is not None and self._is_merely_repeated(new, same):
            return self._merge(new, same, caller)
        targets = on_topic + [each for each in (named, same) if each is not None]
        if same is not None and same not in on_topic and self._hindrance(new, same):
            targets.remove(same)
        near = [each for each in rivals if likeness.get(each.id, 0.0) >= self.settings.conflict_similarity]
        shown = {each.id: "topic" for each in plans} | {each.id: self._why(new, each) for each in near}
        return self._placed(new, targets, shown, caller, named)

    # What is to come

    def _is_plan(self, fact: Memory) -> bool:
        """It is not true yet; it will be, if it does not expire before."""
        return fact.at > self.now() and (fact.expires_at is None or fact.expires_at > fact.at)

    def _plans(self, scope: str) -> list[Memory]:
        return [fact for fact in self._facts(scope) if self._is_plan(fact)]

    def _planned(
        self,
        new: Memory,
        on_topic: list[Memory],
        plans: list[Memory],
        named: Memory | None,
        caller: Caller,
    ) -> Judged:
        """What is true ends when it begins, and so do plans for before; a plan for the same time goes."""
        targets = {each.id: each for each in [*on_topic, *plans, *([named] if named else [])]}
        known = _ids(self._rivals(new.scope))
        at_once = [
            each
            for each in targets.values()
            if each.id not in known and (each.at == new.at or (named and each.id == named.id))
        ]
        ending = [
            each
            for each in targets.values()
            if each not in at_once and each.at < new.at and (each.valid_to is None or each.valid_to >= new.at)
        ]
        blocked = [each for each in (*at_once, *ending) if self._hindrance(new, each)]
        shown = {each.id: "topic" for each in (*on_topic, *plans)}
        ended = [each for each in ending if each not in blocked]
        return self._placed(new, [*at_once, *blocked], shown, caller, named, ended)

    def _next(self, fact: Memory) -> float | None:
        """When something on its topic begins that may take its place."""
        later = [
            plan.at
            for plan in self._plans(fact.scope)
            if fact.topic is not None
            and plan.topic == fact.topic
            and plan.at > fact.at
            and self._hindrance(plan, fact) is None
        ]
        return min(later, default=None)

    def _given_back(self, gone: Iterable[int]) -> dict[int, float | None]:
        """The ends that were set for what goes now, before it began."""
        ends: dict[int, float | None] = {}
        for plan in [self.rows[each] for each in gone]:
            if plan.type != "fact" or plan.at <= self.now():
                continue
            for fact in self.rows.values():
                meant = fact.id == plan.supersedes or (
                    plan.topic is not None
                    and (fact.type, fact.scope, fact.topic) == ("fact", plan.scope, plan.topic)
                )
                if meant and fact.gone is None and fact.valid_to == plan.at:
                    lines = self._ends_set(fact.id)
                    if lines and lines[-1].operation != "change":
                        ends[fact.id] = _sooner(_wished(fact.id, lines), self._next(fact))
        return ends

    def _ends_set(self, memory_id: int) -> list[Effect]:
        """The changes that set the end of it, without those that were undone, and what undid them."""
        none: dict[str, Any] = {}
        return [
            line
            for _, line in sorted(self.log.items())
            if line.operation != "undo" and line.undone_by is None
            if "valid_to" in (after := line.after.get(memory_id, none))
            if after["valid_to"] != line.before[memory_id]["valid_to"]
        ]

    def _end(self, ends: Mapping[int, float | None], before: Fields, after: Fields) -> None:
        """Set these ends, as a part of a change."""
        for memory_id, end in ends.items():
            fact = self.rows[memory_id]
            if end != fact.valid_to:
                before.setdefault(memory_id, {})["valid_to"] = fact.valid_to
                after.setdefault(memory_id, {})["valid_to"] = end
                self._set(fact, valid_to=end)

    def _nearest(self, new: Memory, rivals: list[Memory]) -> dict[int, float]:
        """How alike the likest are; whoever says the same words is of them, and as alike as can be."""
        seen = [] if self.blind else [rival for rival in rivals if rival.id not in self.vectorless]
        alike = {rival.id: self.alike(new, rival) for rival in seen}
        likest = dict(sorted(alike.items(), key=lambda each: -each[1])[: self.near_max])
        said = {rival.id: 1.0 for rival in rivals if self.same_words(new.text, rival.text)}
        return likest | said

    def _rivals(self, scope: str) -> list[Memory]:
        """The facts that a new one is held against, the newest first."""
        facts = [fact for fact in self._facts(scope) if self._is_true(fact)]
        return sorted(facts, key=lambda memory: -memory.id)

    def _is_true(self, memory: Memory) -> bool:
        return memory.at <= self.now() and (memory.valid_to is None or self.now() < memory.valid_to)

    def _same(self, new: Memory, rivals: list[Memory], likeness: Mapping[int, float]) -> Memory | None:
        """The one that says this already, the most alike of them, the newest of those."""
        known = [
            rival
            for rival in rivals
            if likeness.get(rival.id, 0.0) >= self.settings.merge_similarity
            and (new.topic is None or rival.topic in (None, new.topic))
            and not set(self.contrasts(new.text, rival.text))
        ]
        return max(known, key=lambda rival: likeness[rival.id], default=None)

    def _is_merely_repeated(self, new: Memory, same: Memory) -> bool:
        """Neither by a person who is trusted more, nor with a topic that it lacked.

        An agent that says what a document says has read it, whatever topic it names.
        """
        if TRUSTS.index(new.trust) > TRUSTS.index(same.trust):
            return new.trust != "person"
        return same.topic is not None or new.topic is None

    def _why(self, new: Memory, rival: Memory) -> str:
        found = set(self.contrasts(new.text, rival.text))
        if "names" in found or not found & {"numbers", "negation"}:
            return "similar"
        return "numbers" if "numbers" in found else "negation"

    def _named(self, memory_id: int, scope: str, caller: Caller) -> Memory:
        """What a new fact is said to supersede."""
        memory = self.visible(memory_id, caller)
        if memory.gone is not None or memory.type != "fact" or memory.scope != scope:
            raise RequestInvalid("")
        return memory

    def _hindrance(self, new: Memory, target: Memory) -> str | None:
        """Why it does not give way: who said it or pinned it is trusted more."""
        if TRUSTS.index(target.trust) > TRUSTS.index(new.trust):
            return "trust"
        pinner = self.pinned_by.get(target.id)
        return "pinned" if pinner and TRUSTS.index(pinner) > TRUSTS.index(new.trust) else None

    def _placed(
        self,
        new: Memory,
        targets: list[Memory],
        shown: dict[int, str],
        caller: Caller,
        named: Memory | None = None,
        ended: Iterable[Memory] = (),
    ) -> Judged:
        """Store it, in the place of what may give way to it and beside what may not."""
        first = None if named is None else named.id
        blocked = {each.id: why for each in targets if (why := self._hindrance(new, each)) is not None}
        older = sorted({each.id for each in targets} - set(blocked), key=lambda each: (each != first, -each))
        candidates = {each: why for each, why in shown.items() if each not in older} | blocked
        contrary = not older and {"numbers", "negation"} & set(candidates.values())
        outcome: Outcome = "conflict" if blocked or contrary else "superseded" if older else "created"
        ending = sorted(_ids(ended), key=lambda each: (each != first, -each))
        if older or ending:
            revision = 1 + max(self.rows[each].revision for each in (*older, *ending))
            new = replace(new, supersedes=(*older, *ending)[0], revision=revision)
        self._make_room(new, older, {*candidates, *ending}, caller)
        self._add(new, older, caller, [each for each in ending if self.rows[each].gone is None])
        return outcome, new.id, older[0] if older else None, candidates

    # Where a scope is full

    def _make_room(self, new: Memory, older: list[int], last: set[int], caller: Caller) -> None:
        """What is worth least goes: what is over, then what is less trusted; never what is pinned."""
        facts = [
            row
            for row in self.rows.values()
            if (row.type, row.scope, row.gone) == ("fact", new.scope, None) and row.id not in older
        ]
        beyond = len(facts) - self.settings.facts_max
        if beyond < 0:
            return
        rank = TRUSTS.index(caller.door)
        may = [
            row for row in facts if not row.pinned and (self._is_over(row) or TRUSTS.index(row.trust) <= rank)
        ]
        may.sort(key=lambda row: (row.id in last, not self._is_over(row), *self._worth(row), row.id))
        going = _ids(may)[: beyond + max(1, self.settings.facts_max // 100)]
        if len(going) <= beyond:
            raise ScopeFull("")
        for each in older:
            self._set(self.rows[each], gone="superseded", gone_at=self.now(), superseded_by=new.id)
        self._evict(going, new.scope, caller)

    def _evict(self, going: list[int], scope: str, caller: Caller) -> None:
        before: Fields = {each: {"gone": None, "gone_at": None} for each in going}
        after: Fields = {each: {"gone": "evicted", "gone_at": self.now()} for each in going}
        for each in going:
            self._set(self.rows[each], **after[each])
        self._end(self._given_back(going), before, after)
        self._note("evict", caller, scope, before, after)

    def _is_over(self, row: Memory) -> bool:
        return any(end is not None and end <= self.now() for end in (row.expires_at, row.valid_to))

    def _worth(self, row: Memory) -> tuple[int, float]:
        """Whose word it is; what it was given, more for each time it was said, less for its age."""
        half_life_s = getattr(self.settings, f"half_life_{row.kind}_days") * 24 * SECONDS_PER_HOUR
        idle_s = self.now() - row.last_said_at
        fade = 0.5 ** (idle_s / half_life_s) if half_life_s else 1.0
        said = 1 + math.log2(1 + row.repeats)
        return TRUSTS.index(row.trust), row.importance * row.confidence * said * (0.5 + 0.5 * fade)

    def _trust(self, caller: Caller, document_id: int | None) -> Trust:
        if document_id is None:
            return caller.door
        if document_id not in self.documents:
            raise DocumentNotFound("")
        return min(caller.door, self.documents[document_id][0], key=TRUSTS.index)

    def _source(self, document_id: int | None) -> str | None:
        return None if document_id is None else self.documents[document_id][1]

    def _merge(self, new: Memory, same: Memory, caller: Caller) -> Judged:
        fields: dict[str, Any] = {}
        if TRUSTS.index(new.trust) >= TRUSTS.index(same.trust):
            fields = {
                "importance": max(new.importance, same.importance),
                "confidence": max(new.confidence, same.confidence),
                "tags": same.tags + tuple(tag for tag in new.tags if tag not in same.tags),
                "pinned_by": self._pinner(new, same),
                "valid_to": self._repeated_end(new, same),
                "expires_at": _later(new.expires_at, same.expires_at),
            }
        fields = {name: value for name, value in fields.items() if value != self._value(same, name)}
        fields |= {"repeats": same.repeats + 1, "last_said_at": self.now()}
        before = {name: self._value(same, name) for name in fields}
        self._set(same, **fields)
        self._note("merge", caller, same.scope, {same.id: before}, {same.id: fields})
        return "merged", same.id, None, {}

    def _repeated_end(self, new: Memory, same: Memory) -> float | None:
        """Who says it again without an end takes none away that was set for what is to come."""
        end, after = _later(new.valid_to, same.valid_to), self._next(same)
        is_ended = after is not None and same.valid_to is not None and same.valid_to <= after
        return _sooner(end, after) if is_ended else end

    def _pinner(self, new: Memory, same: Memory) -> Trust | None:
        """The most trusted of those who have pinned it."""
        before = self.pinned_by.get(same.id)
        now = new.trust if new.pinned else None
        return max((each for each in (before, now) if each), key=TRUSTS.index, default=None)

    def _add(self, new: Memory, older: list[int], caller: Caller, ending: Iterable[int]) -> None:
        self._keep(new)
        if new.pinned:
            self.pinned_by[new.id] = new.trust
        before: Fields = {new.id: {"gone": "forgotten"}}
        after: Fields = {new.id: {"gone": None}}
        for old in older:
            before[old] = {"gone": None, "gone_at": None, "superseded_by": None}
            after[old] = {"gone": "superseded", "gone_at": self.now(), "superseded_by": new.id}
            self._set(self.rows[old], **after[old])
        ends = self._given_back(older)
        ends |= {each: _sooner(ends.get(each, self.rows[each].valid_to), new.at) for each in ending}
        ends[new.id] = _sooner(new.valid_to, self._next(new))
        self._end(ends, before, after)
        self._note("supersede" if older else "remember", caller, new.scope, before, after)

    def _keep(self, new: Memory) -> None:
        self.last_id, self.rows[new.id] = new.id, new
        if self.blind:
            self.vectorless.add(new.id)

    def _set(self, memory: Memory, **fields: Any) -> None:
        if "pinned_by" in fields:
            self.pinned_by[memory.id] = fields.pop("pinned_by")
            fields["pinned"] = self.pinned_by[memory.id] is not None
        self.rows[memory.id] = replace(self.rows[memory.id], **fields)

    def _check_text(self, text: str, chars_max: int) -> None:
        if not text.strip():
            raise RequestInvalid("")
        if len(text) > chars_max:
            raise MemoryTooLong("")

    # Forgetting

    def forget(
        self, which: Which, caller: Caller, *, dry_run: bool, hard: bool, confirmed: Iterable[int] | None
    ) -> list[int]:
        """Which are forgotten. `confirmed`: what the dry run whose `confirm` is given back had found."""
        if which.scope is not None:
            _let_in(which.scope, caller)
        if replace(which, scope=None) == Which():
            raise ForgetAll("")
        for memory_id in which.ids:
            memory = self.visible(memory_id, caller)
            if hard and memory.gone is None:
                raise EraseFirstForget("")
        found = [memory.id for memory in self.listed(which, caller, gone=hard)]
        if dry_run:
            return found
        if which != Which(ids=which.ids) and (confirmed is None or set(confirmed) != set(found)):
            raise ForgetUnconfirmed("")
        if hard and caller.door == "agent" and any(map(self._is_a_persons, found)):
            raise PersonsOnly("")
        if found:
            self._erase(found, caller) if hard else self._put_away(found, caller)
        return found

    def _is_a_persons(self, memory_id: int) -> bool:
        return "person" in (self.rows[memory_id].trust, self.pinned_by.get(memory_id))

    def _put_away(self, ids: list[int], caller: Caller) -> None:
        together: tuple[int, ...] = ()
        for scope, those in self._by_scope(ids).items():
            for memory_id in those:
                self._set(self.rows[memory_id], gone="forgotten", gone_at=self.now())
            before: Fields = {memory_id: {"gone": None, "gone_at": None} for memory_id in those}
            after: Fields = {memory_id: {"gone": "forgotten", "gone_at": self.now()} for memory_id in those}
            self._end(self._given_back(those), before, after)
            line = self._note("forget", caller, scope, before, after)
            self.log[line.id] = replace(line, together=together)
            together = (*together, line.id)

    def _erase(self, ids: list[int], caller: Caller) -> None:
        """Nothing is left of it, nor of what refers to it."""
        for scope, those in self._by_scope(ids).items():
            self._note("erase", caller, scope, {}, {}, those)
        emptied = {self.rows[memory_id].session_id for memory_id in ids}
        for memory_id in ids:
            del self.rows[memory_id]
        self._forget_runs(emptied - {row.session_id for row in self.rows.values()})
        for memory in list(self.rows.values()):
            for name in ("supersedes", "superseded_by"):
                if getattr(memory, name) in ids:
                    self._set(memory, **{name: None})
        self.keys = {key: kept for key, kept in self.keys.items() if kept[0] not in ids}

    def _forget_runs(self, run_ids: Iterable[int | None]) -> None:
        """The title of a session goes with the last that it held, and so does one that has ended."""
        for run in [self.runs[each] for each in run_ids if each in self.runs]:
            run.title = ""
            if run.ended_at is not None:
                del self.runs[run.id]

    def _by_scope(self, ids: list[int]) -> dict[str, list[int]]:
        scopes: dict[str, list[int]] = {}
        for memory_id in sorted(ids):
            scopes.setdefault(self.rows[memory_id].scope, []).append(memory_id)
        return dict(sorted(scopes.items()))

    # Changing and undoing

    def change(self, memory_id: int, caller: Caller, **wanted: Any) -> Memory:
        """Change what may be changed of a fact in force."""
        memory = self.visible(memory_id, caller)
        if memory.gone is not None or memory.type != "fact":
            raise RequestInvalid("")
        if wanted.get("valid_to") is not None and wanted["valid_to"] <= memory.at:
            raise RequestInvalid("")
        if "pinned" in wanted and wanted["pinned"] != memory.pinned:
            wanted["pinned_by"] = caller.door if wanted["pinned"] else None
        before = {name: self._value(memory, name) for name in wanted}
        after = {name: value for name, value in wanted.items() if value != before[name]}
        if after:
            self._set(memory, **after)
            later = [name for name in TIMED & after.keys() if _is_later(before[name], after[name])]
            if later and self._takes_a_place(self.rows[memory_id]):
                self._set(memory, **before)
                raise RequestInvalid("")
            was = {name: before[name] for name in after}
            self._note("change", caller, memory.scope, {memory_id: was}, {memory_id: after})
        return self.rows[memory_id]

    def _value(self, memory: Memory, name: str) -> Any:
        return self.pinned_by.get(memory.id) if name == "pinned_by" else getattr(memory, name)

    def undo(self, change_id: int | None, caller: Caller) -> Effect:
        """Take a change back, wholly or not at all, and what was done with it in other scopes."""
        effect = self._undoable(change_id, caller)
        as_it_was = dict(self.rows), dict(self.pinned_by), dict(self.log)
        try:
            others = [self._taken_back(each, caller).id for each in self._others(effect, caller)]
            undoing = self._taken_back(effect, caller)
        except ChangeFinal:
            self.rows, self.pinned_by, self.log = as_it_was
            raise
        self.log[undoing.id] = replace(undoing, together=tuple(others))
        return self.log[undoing.id]

    def _others(self, effect: Effect, caller: Caller) -> list[Effect]:
        others = [self.log[each] for each in effect.together]
        return [
            each
            for each in others
            if _may(caller, each.scope) and each.undone_by is None and each.memory_ids & self.rows.keys()
        ]

    def _left_of(self, effect: Effect) -> Effect:
        """Without what was erased."""
        if not self._is_there(effect):
            raise ChangeFinal("")
        left = [each for each in effect.after if each in self.rows]
        before, after = ({each: fields[each] for each in left} for fields in (effect.before, effect.after))
        return replace(effect, before=before, after=after)

    def _erased(self, effect: Effect, caller: Caller) -> bool:
        return effect.operation == "erase" and effect.client == caller.client and _may(caller, effect.scope)

    def _is_there(self, effect: Effect) -> bool:
        """Of what the same had been done to, something is not erased."""
        kinds = {each: (effect.before[each], effect.after[each]) for each in effect.after}
        left = [kinds[each] for each in effect.after if each in self.rows]
        return all(kind in left for kind in kinds.values())

    def _taken_back(self, effect: Effect, caller: Caller) -> Effect:
        if effect.undone_by is not None or effect.operation == "erase":
            raise ChangeFinal("")
        whole, effect = effect, self._left_of(effect)
        for memory_id, fields in effect.after.items():
            now = self.rows[memory_id]
            if any(self._value(now, name) != fields[name] for name in set(fields) - COUNTED):
                raise ChangeFinal("")
        for memory_id, fields in effect.after.items():
            back = {name: effect.before[memory_id][name] for name in fields}
            self._take_back(self.rows[memory_id], back, fields)
        before, after = ({each: dict(kept[each]) for each in kept} for kept in (effect.after, effect.before))
        going = [each for each, fields in after.items() if fields.get("gone") is not None]
        ends = self._given_back(going)
        self._end(ends, before, after)
        timed = [each for each in effect.before if effect.sets(each) & TIMED]
        together = {*timed, *ends}
        if any(self._takes_a_place(self.rows[each], together) for each in together):
            raise ChangeFinal("")
        undoing = self._note("undo", caller, effect.scope, before, after, undoes=effect.id)
        self.log[effect.id] = replace(whole, undone_by=undoing.id)
        if effect.undoes is not None:
            self.log[effect.undoes] = replace(self.log[effect.undoes], undone_by=None)
        return undoing

    def _takes_a_place(self, memory: Memory, together: Iterable[int] = ()) -> bool:
        """Whether two would stand on one topic that would not, had they been said one after the other, nor
        come back together."""
        rivals = self._rivals(memory.scope)
        plans = self._plans(memory.scope)
        if memory not in (*rivals, *plans) or memory.topic is None:
            return False
        others = [
            each
            for each in (*rivals, *plans)
            if each != memory and each.topic == memory.topic and each.id not in together
        ]
        return any(self._clash(memory, other, memory in rivals and other in rivals) for other in others)

    def _clash(self, one: Memory, other: Memory, both_now: bool) -> bool:
        if both_now:
            older, newer = sorted((one, other), key=lambda each: each.id)
            return self._hindrance(newer, older) is None
        first, then = sorted((one, other), key=lambda each: (each.at, each.id))
        holds_on = first.valid_to is None or first.valid_to > then.at
        return holds_on and self._hindrance(then, first) is None

    def _undoable(self, change_id: int | None, caller: Caller) -> Effect:
        if change_id is None:
            own = [
                effect
                for effect in self.log.values()
                if (effect.client, effect.undone_by) == (caller.client, None)
                and effect.operation not in ("undo", "erase", "evict")
                and _may(caller, effect.scope)
                and effect.memory_ids & self.rows.keys()
                and self._is_there(effect)
            ]
            if not own:
                raise ChangeNotFound("")
            last = max(own, key=lambda effect: effect.id)
            if any(self._erased(effect, caller) for effect in self.log.values() if effect.id > last.id):
                raise ChangeFinal("")
            return last
        if change_id not in self.log or not _may(caller, self.log[change_id].scope):
            raise ChangeNotFound("")
        return self.log[change_id]

    def _take_back(self, memory: Memory, fields: Mapping[str, Any], left: Mapping[str, Any]) -> None:
        """Set `fields` where `left` was set; what was counted since is still counted."""
        fields = dict(fields)
        if "gone" in fields and "gone_at" not in fields:
            fields["gone_at"] = None if fields["gone"] is None else self.now()
        if "repeats" in fields:
            fields["repeats"] += memory.repeats - left["repeats"]
            if memory.last_said_at != left["last_said_at"]:
                del fields["last_said_at"]
        self._set(memory, **fields)

    def _note(
        self,
        operation: Operation,
        caller: Caller,
        scope: str,
        before: Fields,
        after: Fields,
        ids: Iterable[int] | None = None,
        undoes: int | None = None,
    ) -> Effect:
        touched = frozenset(before) if ids is None else frozenset(ids)
        effect = Effect(len(self.log) + 1, operation, caller.client, scope, touched, before, after, undoes)
        self.log[effect.id] = effect
        return effect

    # Sessions and events

    def start(self, scope: str, title: str, caller: Caller) -> tuple[Run, int | None, set[int]]:
        """A session; the one before it that left a summary; what is pinned."""
        _let_in(scope, caller)
        before = [run.id for run in self.runs.values() if run.scope == scope and self._left(run)]
        self.last_run_id += 1
        run = Run(self.last_run_id, scope, title, self.now(), self.now(), caller)
        self.runs[run.id] = run
        pinned = {row.id for row in self._rivals(scope) if row.pinned}
        return run, max(before, default=None), pinned

    def _left(self, run: Run) -> bool:
        return self.summary(run) is not None

    def summary(self, run: Run) -> int | None:
        """The newest of a session that is in force."""
        left = [row.id for row in self.rows.values() if row.type == "summary" and row.session_id == run.id]
        return max((each for each in left if self.rows[each].gone is None), default=None)

    def _facts(self, scope: str) -> list[Memory]:
        facts = [row for row in self.rows.values() if row.type == "fact" and row.scope == scope]
        return [fact for fact in facts if fact.gone is None and not self._is_expired(fact)]

    def run(self, run_id: int, caller: Caller) -> Run:
        """A session that the caller may see."""
        run = self.runs.get(run_id)
        if run is None or not _may(caller, run.scope):
            raise SessionNotFound("")
        return run

    def state(self, run: Run) -> SessionState:
        """How a session is now."""
        if run.ended_at is not None:
            return "ended"
        idle_s = self.settings.session_idle_h * SECONDS_PER_HOUR
        return "expired" if run.last_at + idle_s <= self.now() else "open"

    def _open(self, run_id: int, caller: Caller) -> Run:
        run = self.run(run_id, caller)
        if self.state(run) != "open":
            raise SessionEnded("")
        return run

    def log_event(self, event: NewEvent, caller: Caller) -> Memory:
        """Keep an event."""
        self._check_text(event.text, self.settings.event_chars_max)
        if event.at is not None and event.at > self.now() + self.settings.future_s_max:
            raise TimeInFuture("")
        if event.session_id is None:
            _let_in(event.scope, caller)
        if (known := self._replayed(event.key, event, caller)) is not None:
            return self.rows[known]
        run = None if event.session_id is None else self._open(event.session_id, caller)
        kept = self._new_event(event, run, caller)
        self._keep(kept)
        if run is not None:
            run.events, run.last_at = run.events + 1, self.now()
        self._keep_key(event.key, event, caller, kept.id, kept.id)
        return kept

    def _new_event(self, event: NewEvent, run: Run | None, caller: Caller) -> Memory:
        return _memory(
            id=self.last_id + 1,
            type="event",
            scope=event.scope if run is None else run.scope,
            kind=event.kind,
            text=event.text,
            tags=event.tags,
            trust=self._trust(caller, event.document_id),
            at=self.now() if event.at is None else event.at,
            created_at=self.now(),
            session_id=event.session_id,
            seq=None if run is None else run.events + 1,
            caller=caller,
            document_id=event.document_id,
            source=self._source(event.document_id),
        )

    def checkpoint(self, run_id: int, summary: str, caller: Caller, kind: str = "checkpoint") -> Run:
        """Leave a summary of what was done so far."""
        self._check_text(summary, self.settings.fact_chars_max)
        run = self._open(run_id, caller)
        kept = _memory(
            id=self.last_id + 1,
            type="summary",
            scope=run.scope,
            kind=kind,
            text=summary,
            trust=caller.door,
            at=self.now(),
            created_at=self.now(),
            session_id=run.id,
            caller=caller,
        )
        self._keep(kept)
        run.last_at = self.now()
        return run

    def end(self, run_id: int, summary: str | None, caller: Caller) -> Run:
        """End it; what has ended without one more summary stays as it is."""
        run = self.run(run_id, caller)
        if summary is not None:
            self.checkpoint(run_id, summary, caller, "end")
        if self.state(run) == "open":
            run.ended_at = self.now()
        return run

    # Recalling

    def recallable(self, scopes: Iterable[str], caller: Caller, as_of: float | None) -> set[int]:
        """What a recall may find; `as_of` a time, what it would have found then, without the forgotten."""
        for scope in scopes:
            _let_in(scope, caller)
        rows = [row for row in self.rows.values() if row.scope in scopes]
        return {row.id for row in rows if self._was_in_force(row, as_of)}

    def _was_in_force(self, row: Memory, as_of: float | None) -> bool:
        when = self.now() if as_of is None else as_of
        ends = [time for time in (row.valid_to, row.expires_at) if time is not None]
        if (row.type == "fact" and row.at > when) or any(end <= when for end in ends):
            return False
        if as_of is None:
            return row.gone is None
        known = max(row.created_at, row.at) <= as_of
        gone = row.gone == "forgotten" or (row.gone_at is not None and row.gone_at <= as_of)
        return known and not gone

    def passed(self, scope: str | None, run_id: int | None, caller: Caller) -> list[int]:
        """Events and summaries in force, in the order in which they happened."""
        if scope is not None:
            _let_in(scope, caller)
        if run_id is not None:
            self.run(run_id, caller)
        rows = [row for row in self.rows.values() if row.type != "fact" and row.gone is None]
        seen = [row for row in rows if _may(caller, row.scope)]
        meant = [row for row in seen if scope in (None, row.scope) and run_id in (None, row.session_id)]
        return _ids(sorted(meant, key=lambda row: (row.at, row.id)))

    # Idempotency keys

    def _replayed(self, key: str | None, request: Any, caller: Caller) -> Any:
        if key is None or (caller, key) not in self.keys:
            return None
        _, known, answer = self.keys[caller, key]
        if known != request:
            raise KeyReused("")
        return answer

    def _keep_key(self, key: str | None, request: Any, caller: Caller, memory_id: int, answer: Any) -> None:
        if key is not None:
            self.keys[caller, key] = (memory_id, request, answer)


def _memory(*, caller: Caller, **fields: Any) -> Memory:
    """A new one, with what most have."""
    most: dict[str, Any] = {
        "topic": None,
        "importance": 0.5,
        "confidence": 1.0,
        "tags": (),
        "pinned": False,
        "valid_to": None,
        "expires_at": None,
        "gone_at": None,
        "gone": None,
        "supersedes": None,
        "superseded_by": None,
        "revision": 1,
        "session_id": None,
        "seq": None,
        "document_id": None,
        "source": None,
        "repeats": 0,
        "uses": 0,
        "used_at": None,
    }
    stamped = {"door": caller.door, "uid": caller.uid, "client": caller.client}
    return Memory(**most | stamped | fields, last_said_at=fields["created_at"])


def _ids(memories: Iterable[Memory]) -> list[int]:
    return [memory.id for memory in memories]


def _wished(memory_id: int, lines: list[Effect]) -> float | None:
    """The end that it had before the plans of which these lines are, the newest last."""
    first = len(lines) - 1
    while first > 0 and lines[first - 1].operation not in ("change", "merge"):
        first -= 1
    end: float | None = lines[first].before[memory_id]["valid_to"]
    return end


def _is_later(before: float | None, after: float | None) -> bool:
    return before is not None and _later(before, after) != before


def _later(one: float | None, other: float | None) -> float | None:
    """None is never, which is the latest."""
    return None if one is None or other is None else max(one, other)


def _sooner(one: float | None, other: float | None) -> float | None:
    """None is never."""
    return other if one is None else one if other is None else min(one, other)


def _may(caller: Caller, scope: str) -> bool:
    return caller.scopes is None or scope in caller.scopes


def _let_in(scope: str, caller: Caller) -> None:
    if scope != "user" and scope.partition(":")[0] not in ("project", "agent"):
        raise ScopeInvalid("")
    if not _may(caller, scope):
        raise ScopeForbidden("")


def _beneath(topic: str | None, wanted: str) -> bool:
    if topic is None:
        return False
    return topic.startswith(wanted[:-1]) if wanted.endswith("/*") else topic == wanted
