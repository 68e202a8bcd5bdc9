"""The words in which agents' memory is spoken of: facts, events, sessions, and what is done with them.

Small frozen values without behaviour, for every room that has to do with memory. It imports nothing of ours.
A fact is a durable statement (semantic memory), an event is dated and never changed (episodic memory), a
summary is what a session's agent left for the next one. All three are memories.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

MemoryType = Literal["fact", "event", "summary"]
"""What a memory is."""

HitType = Literal["fact", "event", "summary", "document"]
"""What a recall may find."""

FactKind = Literal["preference", "decision", "instruction", "state", "note"]
"""What a fact is about: it decides how fast it fades in the ranking. A state ("the boiler is off") fades
within weeks; a preference, a decision or an instruction hardly does."""

Door = Literal["agent", "person"]
"""By which door a guest came in: MCP is for agents; the command line and plain HTTP are for people."""

Trust = Literal["web", "document", "agent", "person"]
"""Whose word a text is, the least first. A fact is never trusted more than what it was taken from."""

TRUSTS: Final[tuple[Trust, ...]] = ("web", "document", "agent", "person")

Outcome = Literal["created", "merged", "superseded", "conflict"]
"""What became of what somebody asked to remember. created: stored, like nothing else. merged: known already,
in other words at most; it counts once more. superseded: stored in the place of an older one on its topic.
conflict: stored beside others that say something else, which are given."""

Gone = Literal["superseded", "forgotten", "evicted"]
"""Why a memory is not in force any more. It is kept, for `history` and `undo`, until it is erased."""

Operation = Literal["remember", "merge", "supersede", "change", "forget", "evict", "erase", "undo"]
"""What the audit log knows."""

SessionState = Literal["open", "ended", "expired"]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, as the service has seen it. Nothing of it can be said by the guest in a request's body."""

    door: Door
    uid: int | None = None
    """The user at the other end of the socket; None where the kernel does not tell."""
    client: str = ""
    """The name and version by which the guest's program introduces itself, at most 100 characters."""
    scopes: tuple[str, ...] | None = None
    """The only scopes it may see or change, when it was bound to some at its start; None: all."""


@dataclass(frozen=True, slots=True)
class NewFact:
    """A statement that is to be kept."""

    text: str
    scope: str = "user"
    """"user", "project:NAME" or "agent:NAME"."""
    topic: str | None = None
    """What it is about, as a key within its scope ("home/wifi"): a newer fact takes an older one's place."""
    kind: FactKind = "note"
    importance: float = 0.5
    """From 0 to 1."""
    confidence: float = 1.0
    """From 0 to 1."""
    tags: tuple[str, ...] = ()
    valid_from: float | None = None
    """From when on it is true, Unix seconds; None: from now on."""
    valid_to: float | None = None
    """Until when it is true; None: as long as nobody says otherwise."""
    expires_at: float | None = None
    """From when on it is offered for forgetting, and recalled no more."""
    pinned: bool = False
    """Never evicted, and never superseded by somebody less trusted."""
    document_id: int | None = None
    """The stored document that it was taken from."""
    session_id: int | None = None
    supersedes: int | None = None
    """The memory whose place it takes, where that has another topic or none."""
    key: str | None = None
    """Idempotency key: the same key with the same request gives the first answer again."""


@dataclass(frozen=True, slots=True)
class NewEvent:
    """Something that has happened."""

    text: str
    session_id: int | None = None
    """None: an event of its own, in no session."""
    scope: str = "user"
    """Where it belongs, when it is in no session; a session's events are in the scope of the session."""
    kind: str = "event"
    """A word for what it was: message, tool, decision, error ... At most 40 characters."""
    at: float | None = None
    """When it happened, Unix seconds; None: now."""
    tags: tuple[str, ...] = ()
    document_id: int | None = None
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Memory:
    """One memory as it is kept."""

    id: int
    type: MemoryType
    scope: str
    kind: str
    text: str
    topic: str | None
    importance: float
    confidence: float
    tags: tuple[str, ...]
    pinned: bool
    trust: Trust
    at: float
    """When it happened, or from when on it is true. Unix seconds, as all times here."""
    valid_to: float | None
    expires_at: float | None
    created_at: float
    """When it was stored."""
    gone_at: float | None
    gone: Gone | None
    """Why it is in force no more; None while it is."""
    supersedes: int | None
    superseded_by: int | None
    revision: int
    """1 for the first on its topic, 2 for what took its place, ..."""
    session_id: int | None
    seq: int | None
    """The place of an event in its session, from 1."""
    door: Door
    uid: int | None
    client: str
    document_id: int | None
    source: str | None
    """Of the document it was taken from, as long as that is there."""
    repeats: int
    """How often it was said once more."""
    last_said_at: float
    uses: int
    """How often it was recalled."""
    used_at: float | None
    entities: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Candidate:
    """A memory in force that a new one resembles, or stands against."""

    memory: Memory
    similarity: float
    """Cosine; 0 where one of them has no vector yet."""
    why: Literal["topic", "numbers", "negation", "trust", "pinned", "similar"]
    """The same topic, other numbers, one denies what the other says, less trusted, pinned, or merely near."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """What became of a fact."""

    outcome: Outcome
    memory: Memory
    """The one that is in force: the new one, or the one that it was merged with."""
    previous: Memory | None = None
    """What was superseded."""
    candidates: tuple[Candidate, ...] = ()
    change_id: int | None = None
    """By which `undo` takes it back."""
    warnings: tuple[str, ...] = ()
    """What was masked, and how near the scope is to its limit."""
    degraded: tuple[str, ...] = ()
    """embedder_unavailable: it is found by its words alone until its vector is made."""


@dataclass(frozen=True, slots=True)
class Logged:
    """An event that is kept."""

    memory: Memory
    warnings: tuple[str, ...] = ()
    degraded: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Which:
    """Which memories are meant. An empty one means none; all must be said."""

    ids: tuple[int, ...] = ()
    scope: str | None = None
    type: MemoryType | None = None
    kind: str | None = None
    topic: str | None = None
    """This topic, or with a `/*` at its end all beneath."""
    tag: str | None = None
    session_id: int | None = None
    client: str | None = None
    before: float | None = None
    """Stored before this time."""
    since: float | None = None
    expired: bool = False
    """Only what has expired."""
    all: bool = False
    """Everything in the scope, or in all scopes the caller may see."""


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What was forgotten, or would be."""

    dry_run: bool
    hard: bool
    count: int
    memories: tuple[Memory, ...]
    """The first of them."""
    confirm: str | None = None
    """Of a dry run: to be given for the same to be done. It fits no more once something else is meant."""
    change_id: int | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """A line of the audit log."""

    id: int
    at: float
    operation: Operation
    memory_ids: tuple[int, ...]
    scope: str
    door: Door | Literal["service"]
    """"service": nobody asked for it."""
    uid: int | None
    client: str
    detail: Mapping[str, Any] = field(default_factory=dict)
    """What was changed, before and after; never a text that was erased."""
    undone_by: int | None = None


@dataclass(frozen=True, slots=True)
class Session:
    """A bounded run of an agent."""

    id: int
    scope: str
    title: str
    state: SessionState
    started_at: float
    ended_at: float | None
    last_at: float
    """When something was logged last."""
    events: int
    summary: Memory | None
    """The newest that was left, by a checkpoint or at the end."""
    door: Door
    uid: int | None
    client: str
    warnings: tuple[str, ...] = ()
    """Of a summary that was just left: what was masked in it, and how near the scope is to its limit."""
    degraded: tuple[str, ...] = ()
    """Of the same: why it is found by its words alone for a while."""


@dataclass(frozen=True, slots=True)
class Started:
    """A session that has begun, and what the one before it in this scope has left."""

    session: Session
    previous: Session | None
    pinned: tuple[Memory, ...]
    """Facts of the scope that are pinned: what to know first."""
    warnings: tuple[str, ...] = ()
    """What was masked in the title, and how near the scope is to its limit of sessions."""


@dataclass(frozen=True, slots=True)
class Recall:
    """What is looked for in memory. Where None stands, the setting of that name decides."""

    query: str
    scopes: tuple[str, ...] = ("user",)
    types: tuple[HitType, ...] = ("fact", "event", "summary", "document")
    k: int = 8
    token_budget: int | None = None
    """At most so many tokens of text in all; the last one is cut at a sentence, and says so."""
    as_of: float | None = None
    """As it was known and true at this time; None: now."""
    since: float | None = None
    until: float | None = None
    kind: str | None = None
    topic: str | None = None
    tag: str | None = None
    collection: str | Sequence[str] | None = None
    """Of the documents."""
    walk: bool = False
    """Whether what shares an entity with the best hits comes too, marked as such."""
    mode: Literal["hybrid", "vector", "text"] = "hybrid"


@dataclass(frozen=True, slots=True)
class Recalled:
    """One hit of a recall: a memory or a passage of a document, labelled."""

    type: HitType
    text: str
    trust: Trust
    score: float
    """From 0 to 1."""
    memory: Memory | None
    """None for a passage of a document."""
    document_id: int | None
    chunk_id: int | None
    source: str | None
    title: str | None
    at: float
    scores: Mapping[str, float]
    """Each signal: vector, text, fused, recency, importance, confidence, uses, links, trust ..."""
    linked_by: tuple[str, ...] = ()
    """The entities over which it was reached by a walk."""
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Recollection:
    """The answer to a recall, best first."""

    hits: tuple[Recalled, ...]
    tokens: int
    """About how many tokens the texts have in all."""
    left_out: int
    """How many more would have fitted but for the budget."""
    pending: int
    """How many memories in these scopes wait for their vectors."""
    degraded: tuple[str, ...]
    took_ms: Mapping[str, float]
    explain: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Timeline:
    """Events and summaries in the order in which they happened, around one or from a time on."""

    memories: tuple[Memory, ...]
    around: int | None
    earlier: bool
    """Whether there are more before the first."""
    later: bool


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Something that may be put in order, if somebody says so."""

    id: str
    """Stable as long as what it is about stays the same."""
    what: Literal["expired", "duplicates", "contradiction", "ended", "unused"]
    memories: tuple[Memory, ...]
    reason: str
    proposal: str
    """What accepting it does, in a sentence."""


@dataclass(frozen=True, slots=True)
class ScopeUse:
    """How full a scope is."""

    scope: str
    facts: int
    facts_max: int
    events: int
    events_max: int
    sessions: int
    gone: int
    """No more in force, and not erased yet."""
    gone_max: int
    """Beyond it the oldest of these are erased."""
    pending: int
