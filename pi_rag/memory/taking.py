"""What is done with every text before it is kept: secrets are looked for, entities found, its vectors made.

All of it happens before the write, so that nobody waits for it but who sent the text. When the embedder
cannot answer in time the text is kept all the same: it waits for its vectors, is found by its words, and says
so.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from pi_rag.config import RememberSettings
from pi_rag.errors import DeadlineExceeded, PiRagError, SecretRefused
from pi_rag.ingest.aside import aside
from pi_rag.memory import evicting, parts
from pi_rag.memory.means import Means
from pi_rag.memory_types import Caller, Memory, MemoryType, Trust
from pi_rag.store import Connection
from pi_rag.store.memory import memories, mentions, scopes, vectors
from pi_rag.text.entities import Entity, entities_in
from pi_rag.text.secrets import masked, secrets_in
from pi_rag.types import Fingerprint, Lane


@dataclass(frozen=True, slots=True)
class Taken:
    """A text on its way into memory."""

    text: str
    topic: str | None = None
    tags: tuple[str, ...] = ()
    entities: tuple[Entity, ...] = ()
    vectors: bytes | None = None
    """One row a part; None: they could not be made now."""
    made_by: Fingerprint | None = None
    warnings: tuple[str, ...] = ()
    degraded: tuple[str, ...] = ()


async def taken(means: Means, text: str, topic: str | None = None, tags: Sequence[str] = ()) -> Taken:
    """All that is known of a text before it is kept. Raises SecretRefused."""
    looked = await aside(len(text), looked_at, Taken(text, topic, tuple(tags)), means.settings)
    return await _with_vectors(looked, means)


def fresh(
    type_: MemoryType, kind: str, scope: str, text: str, caller: Caller, trust: Trust, now: float
) -> Memory:
    """A memory of now by this guest, as it will be stored; its id comes with that."""
    return Memory(
        id=0,
        type=type_,
        scope=scope,
        kind=kind,
        text=text,
        topic=None,
        importance=0.5,
        confidence=1.0,
        tags=(),
        pinned=False,
        trust=trust,
        at=now,
        valid_to=None,
        expires_at=None,
        created_at=now,
        gone_at=None,
        gone=None,
        supersedes=None,
        superseded_by=None,
        revision=1,
        session_id=None,
        seq=None,
        door=caller.door,
        uid=caller.uid,
        client=caller.client,
        document_id=None,
        source=None,
        repeats=0,
        last_said_at=now,
        uses=0,
        used_at=None,
    )


def kept(db: Connection, memory: Memory, it: Taken, words_hash: bytes | None = None) -> Memory:
    """Store a memory with all that belongs to it, and give it back as it is stored."""
    memory_id = memories.add(db, memory, words_hash).id
    mentions.mention(db, memory_id, it.entities)
    if it.vectors is not None and it.made_by is not None and vectors.takes(db, it.made_by):
        vectors.add(db, memory_id, it.vectors, it.made_by)
    found = memories.one(db, memory_id)
    assert found is not None, "it was stored in this transaction"
    return found


def degraded(db: Connection, it: Taken) -> tuple[str, ...]:
    """Why it is found by its words alone for a while."""
    if it.made_by is not None and not vectors.takes(db, it.made_by):
        return ("model_mismatch",)
    return it.degraded


def room_for(
    db: Connection,
    memory: Memory,
    settings: RememberSettings,
    caller: Caller,
    now: float,
    last: Collection[int] = (),
) -> tuple[str, ...]:
    """Make room in its scope, and say how near that is to its limit; `last` go after all others.

    Raises ScopeFull.
    """
    scopes.claim(db, memory.scope, settings.scopes_max, now - settings.session_idle_h * 3600)
    return evicting.make_room(db, memory.scope, memory.type, settings, caller, now, last)


def without_secret(label: str, param: str, settings: RememberSettings) -> None:
    """A word by which something is called: to mask half of it would leave no word. Raises SecretRefused."""
    if settings.secrets != "allow" and (found := secrets_in(label)):
        kinds = ", ".join(sorted({secret.kind for secret in found}))
        raise SecretRefused(f"It holds what looks like a secret: {kinds}.", param=param)


def looked_at(it: Taken, settings: RememberSettings) -> Taken:
    """Without its secrets, or with what it mentions. Raises SecretRefused."""
    if settings.secrets != "allow":
        it = _without_secrets(it, refuse=settings.secrets == "refuse")
    return replace(it, entities=entities_in(it.text, it.tags))


def _without_secrets(it: Taken, *, refuse: bool) -> Taken:
    said = (it.text, it.topic or "", *it.tags)
    found = [secrets_in(each) for each in said]
    kinds = sorted({secret.kind for each in found for secret in each})
    if not kinds:
        return it
    if refuse:
        raise SecretRefused(f"It holds what looks like a secret: {', '.join(kinds)}.", param="text")
    text, topic, *tags = (masked(each, secrets) for each, secrets in zip(said, found, strict=True))
    return replace(
        it, text=text, topic=topic or None, tags=tuple(tags), warnings=(f"Masked: {', '.join(kinds)}.",)
    )


async def _with_vectors(it: Taken, means: Means) -> Taken:
    maker = means.maker()
    if maker.made_by is None:
        return replace(it, degraded=("embedder_unavailable",))
    # A short text is somebody who waits, as a query is. A long one waits its turn among the documents.
    lane: Lane = "query" if len(parts.texts(it.topic, it.text)) == 1 else "ingest"
    try:
        [rows] = await parts.vectors_of(
            maker.embedder, [(it.topic, it.text)], lane=lane, deadline_s=means.wait_s_max
        )
    except PiRagError as error:
        is_late = isinstance(error, DeadlineExceeded)
        return replace(it, degraded=("embedder_timeout" if is_late else "embedder_unavailable",))
    return replace(it, vectors=rows, made_by=maker.made_by)
