"""What counts as a near-duplicate, at which similarity, and what looking for them costs.

    python -m benchmarks.duplicates [--root FOLDER] [--quick] [--json FILE]

Edited copies and other texts of `benchmarks.letters` say what each similarity takes for a near-duplicate; the
documents of the retrieval sets, how often texts of different authors would be. The cost is processor time for
one passage with 20,000 in the store: to look for it and link it, beside embedding it and storing it.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.letters import LETTERS, NEAR, OWN, Letter
from benchmarks.model import benchmark_model
from benchmarks.report import Figures, arguments, publish
from benchmarks.searching.vectors import extended, real
from benchmarks.sets import DEFAULT_ROOT
from pi_rag.clock import SystemClock
from pi_rag.config import IngestSettings, Settings
from pi_rag.embedder.engine import Engine
from pi_rag.embedder.llama import Model
from pi_rag.ingest import duplicates as looking
from pi_rag.ingest.cutting import Embedded
from pi_rag.store import Connection, documents, duplicates, identity
from pi_rag.store.keeper import Keeper
from pi_rag.store.store import Store
from pi_rag.types import Chunk, Fingerprint, NewDocument

if TYPE_CHECKING:
    from pi_rag.types import Vectors

SHIPPED = IngestSettings().duplicate_similarity_min
LIMITS = (0.90, 0.93, 0.95, 0.97, 0.98)
STORED = 20_000
TIMED = 400
"""Passages whose cost is taken, each a document."""


def main() -> int:
    """Measure and print."""
    parser = arguments(__doc__ or "")
    parser.add_argument("--root", type=Path, default=DEFAULT_ROOT, help="folder of the retrieval sets")
    args = parser.parse_args()
    if not (args.root / "scifact").is_dir():
        print(f"There is no set 'scifact' in {args.root}.", file=sys.stderr)
        return 2
    publish(measure(args.root, quick=args.quick), args.json)
    return 0


def measure(root: Path, *, quick: bool) -> Figures:
    """All figures."""
    model = Model.load(benchmark_model().path)
    engine = Engine(model, 256)
    alike = {name: _alike(engine, edit) for name, edit in {**NEAR, **OWN}.items()}
    vectors, _ = real(root)
    nearest = _nearest_older(vectors)
    cost = asyncio.run(_cost(engine, root, 40 if quick else TIMED))
    near = np.concatenate([alike[name] for name in NEAR])
    own = np.concatenate([alike[name] for name in OWN])
    return Figures(
        headline={
            f"precision_at_{SHIPPED}": _precision(near, own, SHIPPED),
            "cost_ratio": cost["with"] / cost["without"],
        },
        rows=[_edit_row(name, found) for name, found in alike.items()],
        notes={
            **{f"at {limit}": _said(near, own, nearest, limit) for limit in LIMITS},
            "texts": f"{len(LETTERS)} letters, {len(near)} edited copies, {len(own)} others; "
            f"{len(vectors)} documents of three retrieval sets",
            "processor time of a passage, ms": ", ".join(f"{name} {ms:.2f}" for name, ms in cost.items()),
            "model": "all-MiniLM-L6-v2 Q8_0",
        },
    )


def _alike(engine: Engine, edit: Callable[[Letter], str]) -> Vectors:
    """The cosine of each letter with what the edit makes of it, as passages under their files' names."""
    before = engine.embed([f"{letter.name}\n{letter.text}" for letter in LETTERS])
    after = engine.embed([f"copy-{letter.name}\n{edit(letter)}" for letter in LETTERS])
    return np.asarray((before * after).sum(axis=1))


def _nearest_older(vectors: Vectors) -> Vectors:
    """The cosine of each row with the nearest of those before it."""
    found = np.full(len(vectors), -1.0, dtype=np.float32)
    for at in range(0, len(vectors), 1000):
        near = vectors[at : at + 1000] @ vectors[: at + 1000].T
        rows = np.arange(len(near))[:, None]
        near[np.arange(near.shape[1])[None, :] >= at + rows] = -1.0
        found[at : at + 1000] = near.max(axis=1)
    return found


def _precision(near: Vectors, own: Vectors, limit: float) -> float:
    right, wrong = int((near >= limit).sum()), int((own >= limit).sum())
    return right / (right + wrong)


def _edit_row(name: str, found: Vectors) -> Mapping[str, str | float]:
    row: dict[str, str | float] = {"what": name, "least": float(found.min()), "mean": float(found.mean())}
    return row | {f">= {limit}": f"{int((found >= limit).sum())} of {len(found)}" for limit in LIMITS}


def _said(near: Vectors, own: Vectors, nearest: Vectors, limit: float) -> str:
    return (
        f"precision {_precision(near, own, limit):.3f}, recall {float((near >= limit).mean()):.3f}, "
        f"documents of the sets {int((nearest >= limit).sum())}"
    )


async def _cost(engine: Engine, root: Path, timed: int) -> dict[str, float]:
    """Milliseconds of processor time for one passage: embedding, and all of ingest without and with links."""
    rows = np.load(extended(real(root)[0], STORED + 2 * timed))[: STORED + 2 * timed]
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings()
        store = Store.open(Path(folder) / "pi-rag.db", settings.store, SystemClock(), settings.index)
        await store.write(identity.claim_fingerprint, Fingerprint("rows", "0" * 64, "mean", "", 384, 1))
        for at in range(0, STORED, 10):
            await store.write(_put, at, rows[at : at + 10])
        await Keeper(store, SystemClock()).look()
        put = await _timed(store, rows, STORED, timed, look=False)
        linked = await _timed(store, rows, STORED + timed, timed, look=True)
        await store.close()
    embedded = _embedding_ms(engine)
    return {"embed": embedded, "without": embedded + put, "with": embedded + linked}


async def _timed(store: Store, rows: Vectors, first: int, count: int, *, look: bool) -> float:
    begun_s = time.process_time()
    for at in range(first, first + count):
        embedded = Embedded(rows[at].tobytes(), [at.to_bytes(16, "little")])
        near = await looking.candidates(store, "default", str(at), embedded, 0.95) if look else None
        await store.write(_put, at, rows[at : at + 1], near)
    return (time.process_time() - begun_s) / count * 1000


def _put(db: Connection, first: int, rows: Vectors, near: Sequence[Sequence[int]] | None = None) -> None:
    """A document of so many passages; the words do not matter here, only that each has its own."""
    texts = [f"Passage {first + at}. " + LETTERS[(first + at) % len(LETTERS)].text for at in range(len(rows))]
    starts = np.cumsum([0, *(len(text) + 1 for text in texts)]).tolist()
    chunks = [
        Chunk(seq, start, start + len(text), text, "", None, 90)
        for seq, (text, start) in enumerate(zip(texts, starts, strict=False))
    ]
    new = NewDocument("default", str(first), "", "text", "\n".join(texts), str(first), {})
    hashes = [(first + at).to_bytes(16, "little") for at in range(len(rows))]
    document_id, _ = documents.put(db, new, chunks, rows.tobytes(), 0.0, hashes)
    if near is not None:
        duplicates.link(db, document_id, near, 0.95)


def _embedding_ms(engine: Engine) -> float:
    texts = [f"{letter.name}\n{letter.text} {letter.other}" for letter in LETTERS]
    engine.embed(texts)
    begun_s = time.process_time()
    engine.embed(texts)
    return (time.process_time() - begun_s) / len(texts) * 1000


if __name__ == "__main__":
    sys.exit(main())
