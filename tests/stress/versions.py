"""Documents of several kinds and sizes, each in several versions, and what a service makes of each of them.

What is right is what a service has made of the same bytes that nobody disturbed: text, passages, vectors.
"""

from __future__ import annotations

import asyncio
import base64
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pi_rag.clock import SystemClock
from pi_rag.config import IndexSettings, StoreSettings
from pi_rag.store import Connection, checkup, identity
from pi_rag.store.rows import Row, all_rows, value
from pi_rag.store.store import Store
from pi_rag.stress.running import RunningService
from tests.ingest.making import docx, pdf
from tests.stress.truth import until
from pi_rag.stress.workload import ACTS, THINGS, marker

VERSIONS = 3
LINES = (1, 1, 4, 12, 80)
"""From one passage to some ten."""

UNDISTURBED_S_MAX = 300.0


@dataclass(frozen=True)
class Version:
    """One version of a document."""

    name: str
    number: int
    data: bytes

    def given(self, source: str) -> dict[str, str]:
        """As a request has it: what can be sent as text half of the time as such."""
        if self.number % 2 and not self.name.endswith((".pdf", ".docx")):
            return {"source": source, "title": self.name, "text": self.data.decode()}
        content = base64.b64encode(self.data).decode()
        return {"source": source, "title": self.name, "content_base64": content}


def versions(seed: int, names: int) -> Iterator[Version]:
    """`VERSIONS` of each of `names` documents; the same seed gives the same ones."""
    dice = random.Random(seed)
    for count in range(names):
        suffix = (".txt", ".md", ".py", ".html", ".pdf", ".docx")[count % 6]
        for number in range(1, VERSIONS + 1):
            mark = marker(seed, count * VERSIONS + number)
            said = [
                f"The {dice.choice(THINGS)} number {line} was {dice.choice(ACTS)} by {mark}."
                for line in range(dice.choice(LINES))
            ]
            yield Version(f"paper-{count}{suffix}", number, _written(suffix, said))


def _written(suffix: str, said: list[str]) -> bytes:
    """These sentences as a file of the kind."""
    match suffix:
        case ".md":
            return "\n\n".join(f"## Part {n}\n\n{line}" for n, line in enumerate(said)).encode()
        case ".py":
            return "\n\n".join(
                f'def part_{n}():\n    return "{line}"' for n, line in enumerate(said)
            ).encode()
        case ".html":
            body = "".join(f"<p>{line}</p>" for line in said)
            return f"<html><head><title>Paper</title></head><body>{body}</body></html>".encode()
        case ".pdf":
            return pdf(said)
        case ".docx":
            return docx(*said)
    return "\n".join(said).encode()


@dataclass(frozen=True, eq=False)
class Whole:
    """A stored document: kind and text, each passage with its place, and their vectors, shape (n, d)."""

    text: tuple[str, str]
    passages: tuple[Row, ...]
    vectors: npt.NDArray[np.float32]

    def is_as(self, other: Whole) -> bool:
        """The same; vectors as near as those that were computed in other company are."""
        if (self.text, self.passages) != (other.text, other.passages):
            return False
        return self.vectors.shape == other.vectors.shape and bool(
            np.all((self.vectors * other.vectors).sum(axis=1) > 0.999)
        )


@dataclass(frozen=True)
class Contents:
    """All that a database holds: its documents by source, what is wrong with it, and what it was doing."""

    documents: Mapping[str, Whole]
    problems: list[str]
    in_hand: int
    indexed: bool
    """The RAM index was loaded from its snapshot, so it is among what was looked at."""


def contents(folder: Path) -> Contents:
    """What lies in a data folder that no service uses. Opening it changes it: give a copy."""
    return asyncio.run(_contents(folder))


async def _contents(folder: Path) -> Contents:
    store = Store.open(folder / "pi-rag.db", StoreSettings(), SystemClock(), IndexSettings())
    try:
        problems = await store.read(checkup.check)
        found = await store.read(_documents)
        indexed = await _index(store)
        problems += [] if indexed is None or indexed == _ids(found) else ["the RAM index has other passages"]
        in_hand = await store.read(value, "SELECT count(*) FROM job_items WHERE state = 'running'")
    finally:
        await store.close()
    wholes = {source: whole for source, (whole, _) in found.items()}
    return Contents(wholes, problems, in_hand, indexed is not None)


def _ids(found: Mapping[str, tuple[Whole, list[int]]]) -> set[int]:
    return {chunk_id for _, ids in found.values() for chunk_id in ids}


async def _index(store: Store) -> set[int] | None:
    """All passages that the RAM index proposes; None when there is none."""
    model = await store.read(identity.fingerprint)
    index = store.derived.usable(model)[0] if model else None
    if model is None or index is None:
        return None
    return set(index.propose(np.eye(1, model.dimensions, dtype="<f4").tobytes(), 100_000))


def _documents(db: Connection) -> dict[str, tuple[Whole, list[int]]]:
    found = {}
    listed = "SELECT id, source, kind, text FROM documents JOIN document_texts ON document_id = id"
    for document_id, source, kind, text in all_rows(db, listed):
        sql = """
            SELECT seq, start, "end", page, heading, text, token_count, id, vector
            FROM chunks LEFT JOIN vectors ON chunk_id = id WHERE document_id = ? ORDER BY seq
        """
        rows = all_rows(db, sql, (document_id,))
        vectors = np.array([np.frombuffer(row[8] or b"", "<f4") for row in rows], dtype="<f4")
        whole = Whole((kind, text), tuple(row[:7] for row in rows), vectors)
        found[source] = whole, [row[7] for row in rows]
    return found


def undisturbed(
    pool: list[Version], service: RunningService, folder: Path
) -> dict[tuple[str, int], list[Whole]]:
    """What becomes of each version in a service that nothing happens to, sent and as a file below `folder`:
    they differ in their title, and so in their vectors. The service is stopped afterwards.
    """
    given = [version.given(f"{version.number}/{version.name}") for version in pool]
    for version in pool:
        path = folder / str(version.number) / version.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(version.data)
    client = service.client
    asked = (client.add_documents(given), client.add_paths([str(folder)]))
    until(lambda: client.status()["counts"]["items_queued"] == 0, UNDISTURBED_S_MAX)
    for job in (client.job(answer["job"]["id"])["job"] for answer in asked):
        assert (job["state"], job["items_done"]) == ("done", len(pool)), job["refusals"]
    assert service.stop() == 0
    found = contents(service.data)
    assert found.problems == []
    return {
        (each.name, each.number): [
            found.documents[f"{place}{each.number}/{each.name}"] for place in ("", f"{folder}/")
        ]
        for each in pool
    }
