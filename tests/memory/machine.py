"""Random operations on the real desk and on the plain model, side by side: after each both must say the same.

hypothesis chooses them. What is compared is every value of an answer, the code of every error, and after each
step every memory, session and line of the audit log.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from pi_rag.errors import EmbedderUnavailable, PiRagError
from pi_rag.memory.filling import Filling
from pi_rag.memory_types import (
    Caller,
    FactKind,
    HitType,
    Memory,
    NewEvent,
    NewFact,
    Recall,
    Remembered,
    Session,
    Trust,
    Which,
)
from tests.embedder.fake import FakeEmbedder
from tests.memory.housing import QUERY_S_MAX, HandClock, Housed, housed, settings_of
from tests.memory.model import SECONDS_PER_HOUR, Effect, Judged, Model, Run
from tests.memory.sayings import Saying, contrasts, everything
from tests.store.making import document as made_document

T = TypeVar("T")
R = TypeVar("R")

SAYINGS = {saying.text: saying for saying in everything()}
SETTINGS = settings_of(candidates_max=50, session_idle_h=24.0, facts_max=10_000)
EVERYTHING = 1000

PERSON = Caller("person", 1000, "pi-rag/1")
AGENT = Caller("agent", 1000, "claude-code/2")
BOUND = Caller("agent", 1001, "codex/3", ("project:house", "agent:codex"))
CALLERS = (PERSON, AGENT, BOUND)
MEMORIES: tuple[HitType, ...] = ("fact", "event", "summary")
SCOPES = ("user", "project:house", "agent:codex")
TOPICS = (None, "house/heat", "house/light", "garden")

callers = st.sampled_from(CALLERS)
scopes = st.sampled_from((*SCOPES, "project:house", "project:house"))
texts = st.builds(
    lambda saying, family: replace(saying, family=family).text,
    st.sampled_from([saying for saying in everything() if saying.family == 0]),
    st.sampled_from((0, 0, 1)),
)
picks = st.integers(0, 10_000)
"""Stands for something that is there by then."""
keys = st.sampled_from((None, None, None, "key-1", "key-2"))
ahead_s = st.sampled_from((None, None, None, 60.0, 90_000.0))


OPERATIONS: list[tuple[str, dict[str, st.SearchStrategy[Any]]]] = []
"""By name, with what they are given; as often as they are to be chosen."""


def operation(
    weight: int, **given: st.SearchStrategy[Any]
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """One of what is done at random. hypothesis's own rules are chosen equally often, or not at all."""

    def taken(method: Callable[..., None]) -> Callable[..., None]:
        OPERATIONS.extend([(method.__name__, given)] * weight)
        return method

    return taken


class Machine(RuleBasedStateMachine):
    """One database, from empty on."""

    settings = SETTINGS

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="pirag"))
        self.runner = asyncio.Runner()
        self.clock = HandClock()
        self.house: Housed = self._run(self._house())
        self.vectors = _Vectors()
        self.model = Model(
            self.settings,
            self.clock.wall_s,
            self.vectors.alike,
            lambda one, other: contrasts(SAYINGS[one], SAYINGS[other]),
            lambda one, other: SAYINGS[one].plain == SAYINGS[other].plain,
            {},
        )

    def teardown(self) -> None:
        self._run(self.house.close())
        self.runner.close()
        shutil.rmtree(self.folder)

    def _house(self) -> Awaitable[Housed]:
        return housed(self.folder / "data" / "pi-rag.db", self.clock, self.settings)

    def _run(self, work: Awaitable[T]) -> T:
        async def waited() -> T:
            return await work

        return self.runner.run(waited())

    def both(self, real: Awaitable[T], plain: Callable[[], R]) -> tuple[T, R] | None:
        """Both answers; None where both have refused, for the same reason."""
        refused = expected = None
        try:
            answer = self._run(real)
        except PiRagError as error:
            refused = error
        try:
            told = plain()
        except PiRagError as error:
            expected = error
        assert _code(refused) == _code(expected), f"desk: {refused!r}, model: {expected!r}"
        return None if refused else (answer, told)

    def some(self, pick: int) -> int:
        """The id of a memory; at times of one that never was."""
        return pick % (self.model.last_id + 2)

    @initialize()
    def documents(self) -> None:
        """One of the web and one of the house."""
        kept: dict[int, tuple[Trust, str]] = {}
        sources: dict[str, Trust] = {"https://example.org/page": "web", "/home/notes.md": "document"}
        for source, trust in sources.items():
            kept[self._run(self.house.store.write(_put, source))] = (trust, source)
        self.model.documents = kept

    @rule(data=st.data())
    def step(self, data: st.DataObject) -> None:
        """One of all operations."""
        name, given = OPERATIONS[data.draw(st.integers(0, len(OPERATIONS) - 1), "operation")]
        getattr(self, name)(**{key: data.draw(value, f"{name} {key}") for key, value in given.items()})

    # Facts

    @operation(
        10,
        text=texts,
        scope=scopes,
        caller=callers,
        topic=st.sampled_from(TOPICS),
        kind=st.sampled_from(("preference", "decision", "instruction", "state", "note")),
        importance=st.sampled_from((0.0, 0.5, 1.0)),
        tags=st.sampled_from(((), ("a",), ("a", "b"))),
        from_s=st.sampled_from((None, None, None, None, -3600.0, 3600.0, 7200.0)),
        for_s=ahead_s,
        expires_s=ahead_s,
        pinned=st.sampled_from((False, False, False, True)),
        document=st.sampled_from((None, None, None, 1, 2, 99)),
        supersedes=st.one_of(st.none(), st.none(), st.none(), picks),
        key=keys,
    )
    def remember(
        self,
        text: str,
        scope: str,
        caller: Caller,
        topic: str | None,
        kind: FactKind,
        importance: float,
        tags: tuple[str, ...],
        from_s: float | None,
        for_s: float | None,
        expires_s: float | None,
        pinned: bool,
        document: int | None,
        supersedes: int | None,
        key: str | None,
    ) -> None:
        fact = NewFact(
            text,
            scope,
            topic,
            kind,
            importance,
            tags=tags,
            valid_from=self.at(from_s),
            valid_to=self.at(for_s),
            expires_at=self.at(expires_s),
            pinned=pinned,
            document_id=document,
            supersedes=None if supersedes is None else self.some(supersedes),
            key=key,
        )
        self.remembered(fact, caller)

    def remembered(self, fact: NewFact, caller: Caller) -> None:
        """Both are told the same."""
        answers = self.both(self.house.desk.remember(fact, caller), lambda: self.model.remember(fact, caller))
        if answers is not None:
            self.compare_remembered(*answers)

    def compare_remembered(self, answer: Remembered, judged: Judged) -> None:
        outcome, memory_id, previous, candidates = judged
        said = (answer.outcome, answer.memory.id)
        assert said == (outcome, memory_id), f"desk: {said}, model: {(outcome, memory_id)}"
        assert (answer.previous and answer.previous.id) == previous
        assert {each.memory.id: each.why for each in answer.candidates} == candidates

    def at(self, seconds: float | None) -> float | None:
        return None if seconds is None else self.clock.now + seconds

    @operation(
        2,
        pick=picks,
        caller=callers,
        fields=st.fixed_dictionaries(
            {},
            optional={
                "pinned": st.booleans(),
                "importance": st.sampled_from((0.1, 0.9)),
                "expires_at": ahead_s,
                "valid_to": ahead_s,
            },
        ),
    )
    def change(self, pick: int, caller: Caller, fields: dict[str, Any]) -> None:
        memory_id = self.some(pick)
        fields = {name: self.at(value) if _is_time(name) else value for name, value in fields.items()}
        answers = self.both(
            self.house.desk.change(memory_id, caller, **fields),
            lambda: self.model.change(memory_id, caller, **fields),
        )
        if answers is not None:
            assert bare(answers[0].memory) == bare(answers[1])

    # Forgetting

    @operation(2, caller=callers, pick=picks, hard=st.booleans())
    def forget_one(self, caller: Caller, pick: int, hard: bool) -> None:
        self.forget(Which(ids=(self.some(pick),)), caller, hard)

    @operation(
        1,
        caller=callers,
        hard=st.booleans(),
        late=st.sampled_from((False, False, True)),
        which=st.builds(
            Which,
            scope=st.sampled_from((None, *SCOPES)),
            type=st.sampled_from((None, "fact", "event", "summary")),
            topic=st.sampled_from((None, None, "garden", "house/*", "house/heat")),
            tag=st.sampled_from((None, None, "b")),
            expired=st.sampled_from((False, False, True)),
        ),
    )
    def forget_fitting(self, caller: Caller, hard: bool, late: bool, which: Which) -> None:
        self.forget(which, caller, hard, late=late)

    def forget(self, which: Which, caller: Caller, hard: bool, *, late: bool = False) -> None:
        """A dry run first where a filter is meant; `late`: something is said in between."""
        confirm, confirmed = None, None
        if which.ids == ():
            answers = self.both(
                self.house.desk.forget(which, caller, dry_run=True, hard=hard),
                lambda: self.model.forget(which, caller, dry_run=True, hard=hard, confirmed=None),
            )
            if answers is None:
                return
            assert answers[0].count == len(answers[1])
            assert set(ids(answers[0].memories)) <= set(answers[1])
            confirm, confirmed = answers[0].confirm, answers[1]
        if late:
            self.remembers_plainly()
        done = self.both(
            self.house.desk.forget(which, caller, dry_run=False, hard=hard, confirm=confirm),
            lambda: self.model.forget(which, caller, dry_run=False, hard=hard, confirmed=confirmed),
        )
        if done is not None:
            assert done[0].count == len(done[1])

    def remembers_plainly(self) -> None:
        fact = NewFact(SAYING_APART, "project:house", "garden")
        answers = self.both(self.house.desk.remember(fact, PERSON), lambda: self.model.remember(fact, PERSON))
        assert answers is not None

    # Undoing

    @operation(2, caller=callers, pick=st.one_of(st.none(), picks))
    def undo(self, caller: Caller, pick: int | None) -> None:
        number = None if pick is None else pick % (len(self.model.log) + 2)
        answers = self.both(self.house.desk.undo(number, caller), lambda: self.model.undo(number, caller))
        if answers is not None:
            assert answers[0].operation == "undo"

    # Sessions and events

    @operation(1, scope=scopes, caller=callers)
    def start(self, scope: str, caller: Caller) -> None:
        answers = self.both(
            self.house.desk.start_session(scope, "work", caller),
            lambda: self.model.start(scope, "work", caller),
        )
        if answers is not None:
            started, (run, previous, pinned) = answers
            self.compare_session(started.session, run)
            assert (started.previous and started.previous.id) == previous
            assert set(ids(started.pinned)) == pinned

    @operation(
        2,
        pick=st.one_of(st.none(), picks),
        scope=scopes,
        caller=callers,
        text=texts,
        at_s=st.sampled_from((None, None, -100.0, 3600.0, 100_000.0)),
        key=keys,
    )
    def log_event(
        self, pick: int | None, scope: str, caller: Caller, text: str, at_s: float | None, key: str | None
    ) -> None:
        run_id = None if pick is None else self.some_run(pick)
        event = NewEvent(text, run_id, scope if run_id is None else "user", at=self.at(at_s), key=key)
        answers = self.both(
            self.house.desk.log_event(event, caller), lambda: self.model.log_event(event, caller)
        )
        if answers is not None:
            assert bare(answers[0].memory) == bare(answers[1])

    def some_run(self, pick: int) -> int:
        return pick % (len(self.model.runs) + 1) + 1

    @operation(1, pick=picks, caller=callers, text=st.one_of(st.none(), texts))
    def end_session(self, pick: int, caller: Caller, text: str | None) -> None:
        self.compare_runs(
            self.house.desk.end_session(self.some_run(pick), text, caller),
            lambda: self.model.end(self.some_run(pick), text, caller),
        )

    @operation(1, pick=picks, caller=callers, text=texts)
    def checkpoint(self, pick: int, caller: Caller, text: str) -> None:
        self.compare_runs(
            self.house.desk.checkpoint(self.some_run(pick), text, caller),
            lambda: self.model.checkpoint(self.some_run(pick), text, caller),
        )

    def compare_runs(self, real: Awaitable[Session], plain: Callable[[], Run]) -> None:
        answers = self.both(real, plain)
        if answers is not None:
            self.compare_session(*answers)

    def compare_session(self, session: Session, run: Run) -> None:
        said = (run.id, run.scope, run.title, self.model.state(run), run.started_at, run.ended_at)
        assert said == (
            session.id,
            session.scope,
            session.title,
            session.state,
            session.started_at,
            session.ended_at,
        )
        assert (session.last_at, session.events) == (run.last_at, run.events)
        assert (session.summary and session.summary.id) == self.model.summary(run)

    # Recalling

    @operation(
        2,
        text=texts,
        caller=callers,
        among=st.sampled_from((("user",), ("project:house",), ("project:house", "agent:codex"), SCOPES)),
        hours_ago=st.sampled_from((None, None, 0.0, 1.0, 20.0)),
    )
    def recall(self, text: str, caller: Caller, among: tuple[str, ...], hours_ago: float | None) -> None:
        as_of = None if hours_ago is None else self.clock.now - hours_ago * SECONDS_PER_HOUR
        asked = Recall(text, among, MEMORIES, k=100, token_budget=100_000, as_of=as_of)
        answers = self.both(
            self.house.desk.recall(asked, caller), lambda: self.model.recallable(among, caller, as_of)
        )
        if answers is None:
            return
        found = {hit.memory.id for hit in answers[0].hits if hit.memory is not None}
        said = {
            each for each in answers[1] if SAYINGS[self.model.rows[each].text].plain == SAYINGS[text].plain
        }
        assert found <= answers[1]
        assert said <= found, "what was said in these words is found by them"
        assert all(
            bare(hit.memory) == bare(self.model.rows[hit.memory.id]) for hit in answers[0].hits if hit.memory
        )

    @operation(
        1,
        caller=callers,
        scope=st.sampled_from((None, *SCOPES)),
        pick=st.one_of(st.none(), picks),
        at_s=st.sampled_from((None, 0.0, -50.0, -3600.0)),
        before=st.integers(0, 4),
        after=st.integers(0, 4),
    )
    def timeline(
        self, caller: Caller, scope: str | None, pick: int | None, at_s: float | None, before: int, after: int
    ) -> None:
        run_id = None if pick is None or scope is not None else self.some_run(pick)
        at = self.at(at_s)
        wanted: dict[str, Any] = {
            "at": at,
            "session_id": run_id,
            "scope": scope,
            "before": before,
            "after": after,
        }
        answers = self.both(
            self.house.desk.timeline(caller, **wanted), lambda: self.model.passed(scope, run_id, caller)
        )
        if answers is not None:
            line, passed = answers
            times = [self.model.rows[each].at for each in passed]
            now = (len(passed) if before else 0) if at is None else sum(time < at for time in times)
            assert ids(line.memories) == passed[max(0, now - before) : now + after]
            assert (line.earlier, line.later) == (now > before, len(passed) > now + after)

    # Time and accidents

    @operation(1)
    def embedder_goes(self) -> None:
        self.house.embedder.broken = EmbedderUnavailable("It rests.")
        self.model.blind = True

    @operation(1)
    def embedder_returns(self) -> None:
        self.house.embedder.broken = None
        self.model.blind = False
        self._run(self._filled())
        self.model.vectorless.clear()

    async def _filled(self) -> None:
        filling = Filling(lambda: self.house.desk.means, QUERY_S_MAX)
        while await filling.look():
            pass

    @operation(1, hours=st.sampled_from((0.01, 0.01, 1.0, 30.0)))
    def time_passes(self, hours: float) -> None:
        self.clock.now += hours * SECONDS_PER_HOUR

    @operation(1)
    def restart(self) -> None:
        self._run(self.house.close())
        self.house = self._run(self._house())
        self.model.blind = False

    # What must always be the same

    @invariant()
    def every_memory_is_the_same(self) -> None:
        desk = self.house.desk
        for caller in (PERSON, BOUND):
            for gone in (False, True):
                found = self._run(desk.listing(Which(), caller, limit=EVERYTHING, gone=gone))
                assert list(map(bare, found)) == list(
                    map(bare, self.model.listed(Which(), caller, gone=gone))
                )

    @invariant()
    def every_session_is_the_same(self) -> None:
        found = self._run(self.house.desk.sessions(None, None, PERSON, limit=EVERYTHING))
        assert [session.id for session in found] == sorted(self.model.runs, reverse=True)
        for session in found:
            self.compare_session(session, self.model.runs[session.id])

    @invariant()
    def every_change_is_the_same(self) -> None:
        found = self._run(self.house.desk.changes(PERSON, limit=EVERYTHING))
        real = [
            (each.id, each.operation, frozenset(each.memory_ids), each.client, each.undone_by)
            for each in found
        ]
        assert real == [_line(effect) for _, effect in sorted(self.model.log.items(), reverse=True)]


class Crowded(Machine):
    """The same where little fits: a scope is full from the start, and what is worth least is evicted."""

    settings = settings_of(candidates_max=50, session_idle_h=24.0, facts_max=12)

    @initialize()
    def a_full_scope(self) -> None:
        """Facts that stand beside each other, some of a person's, some of an agent's."""
        texts = [each.text for each in everything() if each == Saying(0, each.number, each.denied, each.file)]
        assert len(texts) == self.settings.facts_max
        for number, text in enumerate(texts):
            fact = NewFact(text, "project:house", importance=number % 3 / 2)
            self.remembered(fact, PERSON if number < 3 else AGENT)


SAYING_APART = next(text for text, saying in SAYINGS.items() if saying.family == 2)
"""Like nothing that the rules say."""


class _Vectors:
    """How alike texts are, as far as the fake embedder has it."""

    def __init__(self) -> None:
        self._embedder = FakeEmbedder()
        self._known: dict[str, Any] = {}

    def alike(self, one: Memory, other: Memory) -> float:
        return float(self._unit(one) @ self._unit(other))

    def _unit(self, memory: Memory) -> Any:
        text = memory.text if memory.topic is None else f"{memory.topic}\n{memory.text}"
        if text not in self._known:
            row = self._embedder._row(text)
            self._known[text] = row / np.linalg.norm(row)
        return self._known[text]


def bare(memory: Memory) -> Memory:
    """Without what other tests are about."""
    return replace(memory, uses=0, used_at=None, entities=())


def ids(memories: tuple[Memory, ...]) -> list[int]:
    return [memory.id for memory in memories]


def _code(error: PiRagError | None) -> str | None:
    return None if error is None else error.code


def _is_time(name: str) -> bool:
    return name in ("expires_at", "valid_to")


def _line(effect: Effect) -> tuple[Any, ...]:
    return (effect.id, effect.operation, effect.memory_ids, effect.client, effect.undone_by)


def _put(db: Any, source: str) -> int:
    from pi_rag.store import documents

    return documents.put(db, made_document(source, []), [], b"", 1.0)[0]
