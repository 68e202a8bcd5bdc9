"""A small database full of everything that a house keeps, made by the store itself; and what it holds.

It is as large as a test can afford to damage a thousand times: some two hundred pages, tables of several
levels, texts that fill pages of their own, and a log with commits that are not in the database yet.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import shutil
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pi_rag.clock import SystemClock
from pi_rag.config import StoreSettings
from pi_rag.memory.remembering import words_hash
from pi_rag.memory_types import Caller, Memory, MemoryType
from pi_rag.store import Connection, connection, documents, folder, identity, jobs, sources, watches
from pi_rag.store.memory import changes, memories, mentions, sessions, vectors
from pi_rag.store.rows import all_rows
from pi_rag.store.store import Store
from pi_rag.text.entities import Entity
from pi_rag.text.parts import parts
from pi_rag.types import Chunk, Fingerprint, NewDocument, NewItem, Refusal

DIMENSIONS = 384
MODEL = Fingerprint("small", "0" * 64, "mean", "", DIMENSIONS, 2)
DOCUMENTS = 60
FACTS, EVENTS = 30, 30
ME = Caller("person", 1000, "test")
SCOPES = ("user", "project:garden")

_WORDS = (
    "boiler lamp garden tea cupboard window invoice harvest ladder battery solar meter shed apple winter "
    "valve pressure kettle neighbour fence letter school recipe onion bicycle chain paint brush Tür Küche "
    "naïve 水道"
).split()


def text_of(seed: str, words: int) -> str:
    """Some sentences, the same for the same seed."""
    dice = random.Random(seed)
    chosen = [dice.choice(_WORDS) for _ in range(words)]
    return " ".join(f"{word}." if number % 12 == 11 else word for number, word in enumerate(chosen))


def vector_of(text: str) -> bytes:
    """Some unit vector, the same for the same text."""
    dice = random.Random(hashlib.sha256(text.encode()).digest())
    numbers = [dice.gauss(0, 1) for _ in range(DIMENSIONS)]
    length = sum(each * each for each in numbers) ** 0.5
    return struct.pack(f"<{DIMENSIONS}f", *(each / length for each in numbers))


def passages_of(source: str, number: int) -> list[str]:
    """The passages of a document: some have one, one in ten has forty."""
    count = 40 if number % 10 == 9 else 1 + number % 4
    return [text_of(f"{source} {each}", 90) for each in range(count)]


def new_document(number: int) -> tuple[NewDocument, list[Chunk]]:
    """A document and how it is cut."""
    source = f"/home/anna/papers/{number:03}-{text_of(str(number), 2).replace(' ', '-')}.md"
    texts = passages_of(source, number)
    chunks, at = [], 0
    for seq, text in enumerate(texts):
        chunks.append(Chunk(seq, at, at + len(text), text, f"Part {seq // 5}", None, len(text.split())))
        at += len(text) + 2
    whole = "\n\n".join(texts)
    digest = hashlib.sha256(whole.encode()).hexdigest()
    collection = "letters" if number % 3 else "default"
    metadata = {"number": number, "tag": text_of(f"tag {number}", 1)}
    return NewDocument(
        collection, source, text_of(f"title {number}", 4), "markdown", whole, digest, metadata
    ), chunks


def put(db: Connection, number: int) -> int:
    """Store one."""
    document, chunks = new_document(number)
    rows = b"".join(vector_of(chunk.text) for chunk in chunks)
    hashes = [hashlib.blake2b(chunk.text.encode(), digest_size=16).digest() for chunk in chunks]
    return documents.put(db, document, chunks, rows, 1000.0 + number, hashes)[0]


def remember(db: Connection, number: int, kind: MemoryType, session: int | None = None) -> int:
    """Store a fact or an event, with its vectors."""
    text = text_of(f"{kind} {number}", 3 if number % 7 else 400)
    scope = SCOPES[number % 2]
    new = Memory(
        0, kind, scope, "note", f"{kind} {number} {text}", f"topic-{number}" if kind == "fact" else None,
        0.5, 0.8, ("house",), False, "person", 2000.0 + number, None, None, 2000.0, None, None, None, None, 1,
        session, number + 1 if session else None, "person", 1000, "test", None, None, 0, 2000.0, 0, None,
    )  # fmt: skip
    stored = memories.add(db, new, words_hash(new.text) if kind == "fact" else None)
    rows = b"".join(vector_of(new.text[start:end]) for start, end in parts(new.text))
    vectors.add(db, stored.id, rows, MODEL)
    mentions.mention(db, stored.id, [Entity("name", f"thing{number % 9}", f"Thing{number % 9}")])
    changes.add(db, 2000.0, "remember", [stored.id], scope, ME)
    return stored.id


async def build(path: Path) -> None:
    """Fill a new database, and leave the last commits in its log as a power cut would."""
    store = Store.open(path, StoreSettings(), SystemClock())
    await store.write(identity.claim_fingerprint, MODEL)
    for start in range(0, DOCUMENTS - 10, 10):
        await store.write(_put_ten, start)
    await store.write(_remember_some)
    await store.write(_other_things)
    await store.empty_log()
    for number in range(DOCUMENTS - 10, DOCUMENTS):
        await store.write(put, number)
    await store.write(lambda db: remember(db, 500, "fact"))
    copy = path.parent.with_name("copied")
    copy.mkdir()
    for each in (path, folder.wal_path(path)):
        shutil.copy(each, copy / each.name)
    await store.close()
    for each in (path, folder.wal_path(path)):
        shutil.copy(copy / each.name, each)
    shutil.rmtree(copy)


def _put_ten(db: Connection, start: int) -> None:
    for number in range(start, start + 10):
        put(db, number)


def _remember_some(db: Connection) -> None:
    began = sessions.start(db, "project:garden", "digging", ME, 2000.0)
    for number in range(FACTS):
        remember(db, number, "fact")
    for number in range(EVENTS):
        remember(db, 2 * number + 1, "event", began)


def _other_things(db: Connection) -> None:
    watch = watches.add(db, "/home/anna/papers", "default", ["*.md"], [], 10, 1000.0)
    files = [watches.File(f"{number:03}.md", 100 + number, 10**18 + number, 0) for number in range(50)]
    watches.queued(db, watch, files, 1000.0)
    items = [
        NewItem("text", f"waiting-{number}", payload=text_of(f"w{number}", 300).encode())
        for number in range(30)
    ]
    jobs.enqueue(db, "default", items, 1000, 1000.0)
    refused = [Refusal(f"/scan-{number}.pdf", "document_needs_ocr", "scan", "ocr") for number in range(20)]
    sources.skip(db, "default", refused, 1.0)


@dataclass(frozen=True, slots=True)
class Held:
    """What a database holds, by what people know it by."""

    documents: Mapping[tuple[str, str], tuple[Any, ...]]
    """(collection, source) -> (title, kind, metadata, text)"""
    passages: Mapping[tuple[str, str], tuple[Any, ...]]
    vectors: Mapping[str, bytes]
    """By the text of the passage."""
    memories: Mapping[int, tuple[Any, ...]]
    waiting: frozenset[str]


_NAMED = "FROM documents JOIN collections ON collections.id = collection_id"
_TEXTS = f"{_NAMED} JOIN document_texts ON document_id = documents.id"
_CHUNKS = f"{_NAMED} JOIN chunks ON documents.id = document_id ORDER BY chunks.id"
_MEMORIES = """
    FROM memories JOIN memory_scopes ON memory_scopes.id = scope_id
    JOIN memory_texts ON memory_id = memories.id
"""


def held(db: Connection) -> Held:
    """Read all of it. Raises apsw.CorruptError."""
    by_document: dict[tuple[str, str], tuple[Any, ...]] = {}
    for row in all_rows(db, f"SELECT name, source, seq, start, end, heading, chunks.text {_CHUNKS}"):
        by_document[row[:2]] = (*by_document.get(row[:2], ()), row[2:])
    found = all_rows(db, f"SELECT name, source, title, kind, metadata, document_texts.text {_TEXTS}")
    of_passages = all_rows(db, "SELECT text, vector FROM chunks JOIN vectors ON chunk_id = id")
    remembered = all_rows(db, f"SELECT memories.id, type, name, topic, text, at {_MEMORIES}")
    return Held(
        {row[:2]: row[2:] for row in found},
        by_document,
        dict(of_passages),
        {row[0]: row[1:] for row in remembered},
        frozenset(row[0] for row in all_rows(db, "SELECT source FROM job_items")),
    )


def held_at(path: Path) -> Held:
    """What a database at rest holds."""
    db = connection.open_reader(path, StoreSettings())
    try:
        return held(db)
    finally:
        db.close()


def build_at(path: Path) -> None:
    """As `build`, from code without a loop."""
    asyncio.run(build(path))
