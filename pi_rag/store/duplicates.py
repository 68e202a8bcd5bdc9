"""Near-duplicates: passages that say nearly what an older one says. They are linked to it, never removed.

A link goes from a passage to its original: an older passage that is itself no near-duplicate. So links make
stars, not chains, and every link was measured (single-pass "leader" clustering: Hartigan, Clustering
Algorithms, 1975, chapter 3). Copies are found by a hash of their text, the rest by vectors.

It knows no model: what counts as near is the caller's number.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pi_rag.store import Connection, by_hash
from pi_rag.store.rows import Row, all_rows, one_row, value
from pi_rag.store.vectors import Scored, cosine
from pi_rag.types import Original, Repeated, SharedText

NEIGHBOURS = 8
"""Passages looked at for each new one. The nearest are mostly of one star, so a few are enough."""

HEIRS_MAX = 8
"""When an original goes, its near-duplicates are led by at most this many new ones; the rest stand alone.
Each is a pass over those that are left, and a footer may have thousands of copies."""

ROUNDING = 1e-6
"""A cosine from float32 is off by less. Without it two equal vectors may be less than 1.0 alike."""


@dataclass(frozen=True, slots=True)
class _Link:
    original: int
    similarity: float


def copy_hash(text: str) -> int:
    """64 bits that stand for a passage's words, whatever their case and the spaces between them."""
    folded = " ".join(text.casefold().split())
    digest = hashlib.blake2b(folded.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True)


def passages_of(db: Connection, collection: str, source: str) -> dict[bytes, int]:
    """The passages of a stored document by what their vectors were made of; none for a new one.

    One of which that is not known stands under its number, which is shorter than any hash.
    """
    sql = """
        SELECT coalesce(text_hash, CAST(chunks.id AS BLOB)), chunks.id FROM collections
        CROSS JOIN documents ON documents.collection_id = collections.id
        CROSS JOIN chunks ON chunks.document_id = documents.id
        WHERE collections.name = ? AND documents.source = ?
    """
    return dict(all_rows(db, sql, (collection, source)))


def are_few(db: Connection, most: int) -> bool:
    """Whether there are at most so many passages. Counts no further than that."""
    counted = "SELECT count(*) FROM (SELECT 1 FROM chunks LIMIT ?)"
    return bool(value(db, counted, (most + 1,)) <= most)


def candidates(
    db: Connection,
    before: Mapping[bytes, int],
    made_of: Sequence[tuple[bytes, bytes]],
    nearest: Callable[[bytes], Scored],
    similarity_min: float,
) -> list[list[int]]:
    """For each (text_hash, vector) of a document that is about to be stored, passages it may repeat.

    `before` is what the document has now (`passages_of`), and is no candidate. A passage that stays is not
    searched for again: what it is linked to, or what is linked to it, is known. `nearest` gives the nearest
    NEIGHBOURS of a vector.
    """
    own = set(before.values())
    return [
        _kin(db, before[text_hash]) if text_hash in before else _near(nearest(vector), own, similarity_min)
        for text_hash, vector in made_of
    ]


def link(
    db: Connection, document_id: int, near: Sequence[Sequence[int]], similarity_min: float
) -> Repeated | None:
    """Link the passages of a document that was just put, in its transaction; what it repeats of others.

    `near` has the candidates of each passage, in order. They are measured again, since they were found before
    this transaction; passages that came meanwhile are found by their text alone.
    """
    sql = "SELECT id, start, copy_hash FROM chunks WHERE document_id = ? ORDER BY seq"
    for (chunk_id, start, hash_), ids in zip(all_rows(db, sql, (document_id,)), near, strict=True):
        found = _copied(db, chunk_id, document_id, start, hash_) or _nearest(
            db, chunk_id, ids, similarity_min
        )
        if found is not None:
            _write(db, chunk_id, found)
    return _repeated(db, document_id)


def release(db: Connection, document_id: int) -> None:
    """Before a document's passages go: those of other documents that repeat them get a new original.

    It is the oldest of them; the others are linked to it if they are as near to it as the farthest of them
    was to the one that goes, and else to the next.
    """
    sql = """
        SELECT of_chunk_id, chunk_id, similarity FROM duplicates
        WHERE of_chunk_id IN (SELECT id FROM chunks WHERE document_id = ?) AND document_id <> ?
        ORDER BY chunk_id
    """
    _release_copies(db, document_id)
    stars: dict[int, list[tuple[int, float]]] = {}
    for original, chunk_id, similarity in all_rows(db, sql, (document_id, document_id)):
        stars.setdefault(original, []).append((chunk_id, similarity))
    for star in stars.values():
        _lead_anew(db, [chunk_id for chunk_id, _ in star], min(similarity for _, similarity in star))


def originals(db: Connection, chunk_ids: Sequence[int]) -> dict[int, int]:
    """For those of these passages that are near-duplicates: the passage each repeats."""
    sql = "SELECT chunk_id, of_chunk_id FROM json_each(?) CROSS JOIN duplicates ON chunk_id = value"
    return dict(all_rows(db, sql, (json.dumps(list(chunk_ids)),)))


def repeats(db: Connection, chunk_ids: Sequence[int]) -> dict[int, tuple[Original | None, int]]:
    """For each of these passages its original, if it has one, and how many newer ones repeat it."""
    sql = """
        SELECT value, (SELECT count(*) FROM duplicates WHERE of_chunk_id = value),
               of_chunk_id, of_document_id, collections.name, documents.source, similarity
        FROM json_each(?) LEFT JOIN duplicates ON chunk_id = value
        LEFT JOIN documents ON documents.id = of_document_id
        LEFT JOIN collections ON collections.id = documents.collection_id
    """
    rows = all_rows(db, sql, (json.dumps(list(chunk_ids)),))
    return {row[0]: (Original(*row[2:]) if row[2] is not None else None, row[1]) for row in rows}


def listing(
    db: Connection, share_min: float, limit: int, after: tuple[int, int] = (0, 0)
) -> list[SharedText]:
    """Up to `limit` pairs of documents of which the first repeats `share_min` or more of its passages from
    the second; by their numbers, those after `after`."""
    sql = """
        WITH pairs AS (
            SELECT document_id, of_document_id, count(*) AS passages, avg(similarity) AS similarity
            FROM duplicates
            WHERE (document_id, of_document_id) > (?, ?) AND document_id <> of_document_id
            GROUP BY document_id, of_document_id
        )
        SELECT ours.id, our_set.name, ours.source, theirs.id, their_set.name, theirs.source,
               passages, ours.chunk_count, similarity
        FROM pairs
        CROSS JOIN documents AS ours ON ours.id = pairs.document_id
        CROSS JOIN documents AS theirs ON theirs.id = pairs.of_document_id
        CROSS JOIN collections AS our_set ON our_set.id = ours.collection_id
        CROSS JOIN collections AS their_set ON their_set.id = theirs.collection_id
        WHERE passages >= ? * ours.chunk_count
        ORDER BY pairs.document_id, pairs.of_document_id LIMIT ?
    """
    return [SharedText(*row) for row in all_rows(db, sql, (*after, share_min, limit))]


def _kin(db: Connection, chunk_id: int) -> list[int]:
    """The passages that a stored one is linked to, or that are linked to it: the oldest of them."""
    sql = """
        SELECT of_chunk_id FROM duplicates WHERE chunk_id = ?
        UNION ALL SELECT chunk_id FROM duplicates WHERE of_chunk_id = ? ORDER BY 1 LIMIT ?
    """
    return [row[0] for row in all_rows(db, sql, (chunk_id, chunk_id, NEIGHBOURS))]


def _near(found: Scored, own: set[int], similarity_min: float) -> list[int]:
    wanted = similarity_min - ROUNDING
    return [chunk_id for chunk_id, similarity in found if similarity >= wanted and chunk_id not in own]


def _copied(db: Connection, chunk_id: int, document_id: int, start: int, hash_: int | None) -> _Link | None:
    """What the oldest passage with the same words is linked to, or that passage itself.

    Within a document, passages that overlap do not count.
    """
    if hash_ is None:
        return None
    sql = f"""
        SELECT coalesce(of_chunk_id, id), coalesce(similarity, 1.0)
        FROM {by_hash.TABLE} CROSS JOIN chunks ON id = {by_hash.TABLE}.rowid
        LEFT JOIN duplicates ON duplicates.chunk_id = chunks.id
        WHERE {by_hash.TABLE} MATCH ? AND {by_hash.TABLE}.rowid < ?
            AND copy_hash = ? AND (chunks.document_id <> ? OR end <= ?)
        ORDER BY {by_hash.TABLE}.rowid LIMIT 1
    """
    row = one_row(db, sql, (by_hash.same_words(hash_), chunk_id, hash_, document_id, start))
    return _Link(*row) if row else None


def _nearest(db: Connection, chunk_id: int, ids: Sequence[int], similarity_min: float) -> _Link | None:
    """The oldest original among the candidates and what they are linked to, if it is near enough."""
    if not ids:
        return None
    sql = """
        SELECT DISTINCT coalesce(of_chunk_id, value)
        FROM json_each(?) LEFT JOIN duplicates ON duplicates.chunk_id = value
        WHERE value < ?
    """
    roots = sorted(row[0] for row in all_rows(db, sql, (json.dumps(list(ids)), chunk_id)))
    measured = _similarities(db, chunk_id, roots)
    near = [root for root in roots if measured.get(root, 0.0) >= similarity_min - ROUNDING]
    return _Link(near[0], measured[near[0]]) if near else None


def _similarities(db: Connection, chunk_id: int, others: Sequence[int]) -> dict[int, float]:
    """Cosine similarity of a passage with others; those that are gone by now are left out."""
    sql = """
        SELECT theirs.chunk_id, vec_distance_l2(theirs.vector, ours.vector)
        FROM vectors AS ours CROSS JOIN json_each(?) CROSS JOIN vectors AS theirs ON theirs.chunk_id = value
        WHERE ours.chunk_id = ?
    """
    rows = all_rows(db, sql, (json.dumps(list(others)), chunk_id))
    return {other: cosine(distance) for other, distance in rows}


def _lead_anew(db: Connection, star: Sequence[int], similarity_min: float) -> None:
    """Near-duplicates without their original, oldest first: the first leads those near it, and so on."""
    db.executemany("DELETE FROM duplicates WHERE chunk_id = ?", ((chunk_id,) for chunk_id in star))
    left = list(star)
    for _ in range(HEIRS_MAX):
        if len(left) < 2:
            return
        heir, *others = left
        measured = _similarities(db, heir, others) | dict.fromkeys(_copies(db, heir, others), 1.0)
        near = {other for other in others if measured.get(other, 0.0) >= similarity_min - ROUNDING}
        for other in sorted(near):
            _write(db, other, _Link(heir, measured[other]))
        left = [other for other in others if other not in near]


def _release_copies(db: Connection, document_id: int) -> None:
    """A passage may be linked for its words, which another of the star has too and whose vector is near. When
    that other goes and no third has them, it stays linked if it is as near by itself.
    """
    gone = """
        SELECT DISTINCT of_chunk_id, copy_hash FROM chunks CROSS JOIN duplicates ON chunk_id = chunks.id
        WHERE chunks.document_id = ? AND copy_hash IS NOT NULL
    """
    alike = f"""
        SELECT chunks.id, similarity FROM {by_hash.TABLE} CROSS JOIN chunks ON id = {by_hash.TABLE}.rowid
        CROSS JOIN duplicates ON chunk_id = chunks.id
        WHERE {by_hash.TABLE} MATCH ?
            AND copy_hash = ? AND of_chunk_id = ? AND chunks.document_id <> ? LIMIT 2
    """
    for original, hash_ in all_rows(db, gone, (document_id,)):
        left = all_rows(db, alike, (by_hash.same_words(hash_), hash_, original, document_id))
        if len(left) != 1 or _copies(db, original, [left[0][0]]):
            continue
        [(chunk_id, similarity)] = left
        if _similarities(db, original, [chunk_id]).get(chunk_id, 0.0) < similarity - ROUNDING:
            db.execute("DELETE FROM duplicates WHERE chunk_id = ?", (chunk_id,))


def _copies(db: Connection, chunk_id: int, others: Sequence[int]) -> list[int]:
    sql = """
        SELECT chunks.id FROM json_each(?) CROSS JOIN chunks ON chunks.id = value
        WHERE copy_hash = (SELECT copy_hash FROM chunks WHERE id = ?)
    """
    return [row[0] for row in all_rows(db, sql, (json.dumps(list(others)), chunk_id))]


def _write(db: Connection, chunk_id: int, found: _Link) -> None:
    sql = """
        INSERT INTO duplicates (chunk_id, of_chunk_id, document_id, of_document_id, similarity)
        SELECT ours.id, theirs.id, ours.document_id, theirs.document_id, ?
        FROM chunks AS ours CROSS JOIN chunks AS theirs WHERE ours.id = ? AND theirs.id = ?
    """
    db.execute(sql, (min(found.similarity, 1.0), chunk_id, found.original))


def _repeated(db: Connection, document_id: int) -> Repeated | None:
    """How much of a document is of other documents, and which of them it repeats most."""
    sql = """
        SELECT ours.source, ours.chunk_count, sum(count(*)) OVER (), theirs.source, count(*) OVER (),
               collections.name
        FROM duplicates
        CROSS JOIN documents AS ours ON ours.id = duplicates.document_id
        CROSS JOIN documents AS theirs ON theirs.id = of_document_id
        CROSS JOIN collections ON collections.id = theirs.collection_id
        WHERE document_id = ? AND document_id <> of_document_id
        GROUP BY of_document_id ORDER BY count(*) DESC, of_document_id LIMIT 1
    """
    row: Row | None = one_row(db, sql, (document_id,))
    return Repeated(*row) if row is not None else None
