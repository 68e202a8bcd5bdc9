"""How well and how fast memory is recalled: recall@5 and MRR on a year of chats, milliseconds among many.

    python -m benchmarks.remembering [--root FOLDER] [--facts N] [--events N] [--quick] [--json FILE]

Each of LiHua-World's 442 chats is logged as an event at its own time, through the desk, with the real model;
then each of its questions is asked. "plain words" is BM25 over whole chats (FTS5, the same spelling and stop
words), "plain vectors" the best cosine of a chat's parts; neither knows times or anything else. "held out"
are the questions whose id has an odd CRC-32: nothing was tuned on them. The second table times recalls whose
vector is known, one after the other, in a scope filled up with facts and events that are mixtures of those
chats.
"""

from __future__ import annotations

import asyncio
import random
import struct
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean, quantiles
from typing import Any

from benchmarks.measures import recall, reciprocal
from benchmarks.model import benchmark_model
from benchmarks.quality import held_out
from benchmarks.report import Figures, arguments, publish
from benchmarks.sets import DEFAULT_ROOT, RetrievalSet, load
from pi_rag.clock import SystemClock
from pi_rag.config import CacheSettings, EmbedderSettings, QuerySettings, RememberSettings, StoreSettings
from pi_rag.embedder.pool import Pool
from pi_rag.errors import PiRagError
from pi_rag.memory.desk import MemoryDesk
from pi_rag.memory.means import Maker, Means
from pi_rag.memory_types import Caller, Logged, Memory, NewEvent, Recall
from pi_rag.query import QueryDesk
from pi_rag.query_cache import QueryCache
from pi_rag.service.meaning import fingerprint
from pi_rag.store import Connection, identity, words
from pi_rag.store.memory import memories, vectors
from pi_rag.store.rows import all_rows
from pi_rag.store.spelling import TOKENIZE, spelled
from pi_rag.store.store import Store
from pi_rag.store.vectors import cosine
from pi_rag.text.parts import parts
from pi_rag.types import Fingerprint

SET = "lihua_world"
CALLER = Caller("agent", 0, "benchmark")
DEPTH = 60
DEADLINE_S = 600.0
BUDGET = 100_000
AT_ONCE = 8
"""Chats that are logged side by side."""
TIMED = 100
"""Questions that are timed, each once its vector is known."""

Ranked = Mapping[str, Sequence[str]]


class YearsEnd(SystemClock):
    """Wall time stands on the day after the last chat; time passes as ever."""

    def __init__(self, now: float) -> None:
        self._now = now

    def wall_s(self) -> float:
        """Unix seconds."""
        return self._now


@dataclass(frozen=True)
class Place:
    """A desk over a database of its own, with the real model."""

    desk: MemoryDesk
    store: Store
    made_by: Fingerprint
    now: float


def main() -> int:
    """Measure and print."""
    parser = arguments(__doc__ or "")
    parser.add_argument("--root", type=Path, default=DEFAULT_ROOT, help="folder of the retrieval sets")
    parser.add_argument("--facts", type=int, default=10_000, help="facts of the timed scope")
    parser.add_argument("--events", type=int, default=100_000, help="events of the timed scope")
    args = parser.parse_args()
    if not (args.root / SET / "corpus.jsonl").is_file():
        print(f"There is no set {SET!r} in {args.root}.", file=sys.stderr)
        return 2
    sizes = (500, 2000) if args.quick else (args.facts, args.events)
    try:
        for figures in asyncio.run(measure(load(args.root / SET), *sizes, quick=args.quick)):
            publish(figures, args.json)
            args.json = None
    except PiRagError as error:
        print(f"{error.message} {error.hint or ''}", file=sys.stderr)
        return error.exit_code
    return 0


async def measure(data: RetrievalSet, facts: int, events: int, *, quick: bool) -> list[Figures]:
    """Both tables."""
    keys = list(data.judged)[: 40 if quick else None]
    with tempfile.TemporaryDirectory() as folder:
        async with place(Path(folder), max(map(moment, data.corpus)) + 86_400) as at:
            names = await logged(at, data)
            ranked = {
                "plain words": await at.store.read(plain_words, data, keys),
                "plain vectors": await at.store.read(plain_vectors, await asked(at, data, keys), names),
            }
            for way, mode in (("words alone", "text"), ("vectors alone", "vector"), ("recall", "hybrid")):
                ranked[way] = await recalled(at, data, keys, names, mode)
            quality = _quality(ranked, data, keys)
            await at.store.write(fill, at.made_by, facts, events, at.now)
            return [quality, await latency(at, data, keys[:TIMED], facts, events)]


@asynccontextmanager
async def place(folder: Path, now: float) -> AsyncIterator[Place]:
    """A desk with nothing in it."""
    card, clock = benchmark_model(), YearsEnd(now)
    made_by = fingerprint(card)
    store = Store.open(folder / "data" / "pi-rag.db", StoreSettings(), clock)
    pool = Pool(card, EmbedderSettings(), clock)
    await pool.start()
    cache = QueryCache(store, pool, b"benchmark", CacheSettings(), clock, lambda: None)
    try:
        await store.write(identity.claim_fingerprint, made_by)
        await cache.start()
        prefix = card.query_prefix
        query = QueryDesk(
            store,
            cache,
            query_prefix=prefix,
            query_s_max=DEADLINE_S,
            settings=QuerySettings(),
            clock=clock,
        )
        query.adopt(prefix, made_by)
        maker = Maker(pool, made_by, prefix, card.tokens_max)
        # In one of the chats somebody is given a password.
        settings = replace(RememberSettings(), secrets="allow")
        means = Means(store, cache, query.search, lambda: maker, settings, DEADLINE_S, clock)
        yield Place(MemoryDesk(means), store, made_by, now)
    finally:
        await cache.stop()
        await pool.stop()
        await store.close()


def moment(key: str) -> float:
    """When a chat was, by its name: week18/20260506_1200. One without an hour was at midnight."""
    day = Path(key).name[:13]
    pattern = "%Y%m%d_%H%M" if "_" in day else "%Y%m%d"
    return datetime.strptime(day, pattern).replace(tzinfo=UTC).timestamp()


async def logged(at: Place, data: RetrievalSet) -> dict[int, str]:
    """Every chat as an event; the names of the chats by the numbers of the events."""
    events = [NewEvent(text, at=moment(key), kind="message") for key, (_, text) in data.corpus.items()]
    turns = asyncio.Semaphore(AT_ONCE)

    async def log(event: NewEvent) -> Logged:
        async with turns:
            return await at.desk.log_event(event, CALLER)

    kept = await asyncio.gather(*map(log, events))
    if any(each.degraded for each in kept):
        raise RuntimeError("An event has no vector.")
    return {each.memory.id: key for each, key in zip(kept, data.corpus, strict=True)}


async def recalled(
    at: Place, data: RetrievalSet, keys: Sequence[str], names: Mapping[int, str], mode: Any
) -> Ranked:
    """The chats that are recalled for each question."""
    ranked = {}
    for key in keys:
        wanted = Recall(data.queries[key], types=("event",), k=DEPTH, token_budget=BUDGET, mode=mode)
        found = await at.desk.recall(wanted, CALLER)
        ranked[key] = [names[hit.memory.id] for hit in found.hits if hit.memory]
    return ranked


def plain_words(_: Connection, data: RetrievalSet, keys: Sequence[str]) -> Ranked:
    """BM25 over whole chats, in a database in RAM."""
    db = Connection(":memory:")
    db.execute(f'CREATE VIRTUAL TABLE chats USING fts5 (body, tokenize = "{TOKENIZE}")')
    texts = [(row, spelled(text)) for row, (_, text) in enumerate(data.corpus.values(), start=1)]
    db.executemany("INSERT INTO chats (rowid, body) VALUES (?, ?)", texts)
    names = list(data.corpus)
    ranked = {}
    for key in keys:
        wanted = words.asked(data.queries[key])
        sql = "SELECT rowid FROM chats WHERE chats MATCH ? ORDER BY rank, rowid LIMIT ?"
        found = all_rows(db, sql, (wanted.expression, DEPTH)) if wanted else []
        ranked[key] = [names[row - 1] for (row,) in found]
    db.close()
    return ranked


async def asked(at: Place, data: RetrievalSet, keys: Sequence[str]) -> dict[str, bytes]:
    """The vector of each question."""
    prefix = at.desk.means.maker().query_prefix
    texts = {key: prefix + data.queries[key] for key in keys}
    cache = at.desk.means.cache
    return {key: (await cache.vector(text, deadline_s=DEADLINE_S))[0] for key, text in texts.items()}


def plain_vectors(db: Connection, questions: Mapping[str, bytes], names: Mapping[int, str]) -> Ranked:
    """By the best cosine of a chat's parts, all of them compared."""
    sql = """
        SELECT memory_id, min(vec_distance_l2(vector, ?)) AS distance
        FROM memory_parts CROSS JOIN memory_vectors ON part_id = memory_parts.id
        GROUP BY memory_id ORDER BY distance LIMIT ?
    """
    return {
        key: [names[row[0]] for row in all_rows(db, sql, (vector, DEPTH)) if cosine(row[1]) > -1.0]
        for key, vector in questions.items()
    }


def _quality(ranked: Mapping[str, Ranked], data: RetrievalSet, keys: Sequence[str]) -> Figures:
    halves = {
        "all": list(keys),
        "tuned on": [key for key in keys if not held_out(SET, key)],
        "held out": [key for key in keys if held_out(SET, key)],
    }
    rows: list[dict[str, Any]] = [
        {
            "way": way,
            "queries": half,
            "number": len(chosen),
            "recall5": fmean(recall(found[key], data.judged[key], 5) for key in chosen),
            "mrr": fmean(reciprocal(found[key], data.judged[key]) for key in chosen),
        }
        for way, found in ranked.items()
        for half, chosen in halves.items()
        if chosen
    ]
    best = next(row for row in rows if row["way"] == "recall")
    head = {"recall@5": float(best["recall5"]), "MRR": float(best["mrr"])}
    card = benchmark_model()
    return Figures(head, rows, {"model": f"{card.name} {card.quantisation}", "events": len(data.corpus)})


def fill(db: Connection, made_by: Fingerprint, facts: int, events: int, now: float) -> None:
    """A scope of its own with so many: sentences of what is there, and vectors that are near real ones."""
    chance = random.Random(0)
    stored = "SELECT id, text FROM memories CROSS JOIN memory_texts ON memory_id = id WHERE type = 'event'"
    turns = [line for _, text in all_rows(db, stored) for line in text.splitlines()[1:] if len(line) > 40]
    known = [row[0] for row in all_rows(db, "SELECT vector FROM memory_vectors")]
    pattern = all_rows(db, "SELECT id FROM memories WHERE type = 'event' LIMIT 1")[0][0]
    model = memories.get(db, [pattern])[0]
    for number in range(facts + events):
        text = chance.choice(turns) if number < facts else "\n".join(chance.sample(turns, 2))
        like = _fact(model, text, now) if number < facts else _event(model, text, now - number)
        memory = memories.add(db, like)
        made = b"".join(_mixed(chance, known, made_by.dimensions) for _ in parts(text))
        vectors.add(db, memory.id, made, made_by)


def _event(model: Memory, text: str, at: float) -> Memory:
    return replace(model, id=0, scope="project:many", text=text, at=at, created_at=at)


def _fact(model: Memory, text: str, at: float) -> Memory:
    return replace(_event(model, text, at), type="fact", kind="note", session_id=None, seq=None)


def _mixed(chance: random.Random, known: Sequence[bytes], dimensions: int) -> bytes:
    """A unit vector between two real ones."""
    form, share = f"<{dimensions}f", chance.uniform(0.5, 0.9)
    one, other = (struct.unpack(form, chance.choice(known)) for _ in range(2))
    row = [share * a + (1 - share) * b for a, b in zip(one, other, strict=True)]
    length = sum(number * number for number in row) ** 0.5
    return struct.pack(form, *(number / length for number in row))


async def latency(at: Place, data: RetrievalSet, keys: Sequence[str], facts: int, events: int) -> Figures:
    """Recalls of known questions in the large scope, one after the other."""
    many = ("project:many",)
    kinds: dict[str, Callable[[str], Recall]] = {
        f"{facts} facts": lambda query: Recall(query, many, ("fact",)),
        f"{events} events": lambda query: Recall(query, many, ("event",)),
        "both": lambda query: Recall(query, many, ("fact", "event", "summary")),
        "both, a walk": lambda query: Recall(query, many, ("fact", "event", "summary"), walk=True),
        "the chats beside them": lambda query: Recall(query, ("user",), ("event",)),
    }
    rows: list[dict[str, Any]] = []
    for name, made in kinds.items():
        for key in keys:
            await at.desk.recall(made(data.queries[key]), CALLER)
        took = [await _took(at, made(data.queries[key])) for key in keys]
        stages = {stage: fmean(each[stage] for each in took) for stage in ("text", "vector", "read", "total")}
        totals = [each["total"] for each in took]
        rows.append(
            {
                "recall of": name,
                "p50_ms": quantiles(totals)[1],
                "p95_ms": quantiles(totals, n=20)[18],
                **stages,
            }
        )
    head = {"p95 of both, ms": float(rows[2]["p95_ms"])}
    return Figures(head, rows, {"questions": len(keys)})


async def _took(at: Place, wanted: Recall) -> dict[str, float]:
    begun_s = time.monotonic()
    found = await at.desk.recall(wanted, CALLER)
    return {
        "text": 0.0,
        "vector": 0.0,
        "read": 0.0,
        **found.took_ms,
        "total": (time.monotonic() - begun_s) * 1000,
    }


if __name__ == "__main__":
    sys.exit(main())
