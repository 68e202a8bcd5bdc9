"""The vectors of what agents remember."""

from __future__ import annotations

import dataclasses
import random
import struct

import pytest

from pi_rag.errors import VectorInvalid
from pi_rag.store import Connection
from pi_rag.store.memory import vectors, words
from pi_rag.store.memory.seen import Seen
from pi_rag.store.rows import value
from tests.store.making import DIMENSIONS, FINGERPRINT, axis
from tests.store.memory.keeping import fact, keep

NOW = 2000.0
SEEN = Seen(("user",), ("fact", "event"), NOW)
OTHER = dataclasses.replace(FINGERPRINT, model_sha256="1" * 64)
LONG = "The boiler was looked after by the plumber, who said that it is old. " * 20


def near(db: Connection, vector: bytes, k: int = 3, seen: Seen = SEEN) -> list[tuple[int, float]]:
    """(memory, cosine) of the nearest parts."""
    found = vectors.nearest(db, vector, k, seen)
    owners = vectors.parts_of(db, [part for part, _ in found])
    return [(owners[part].memory_id, round(score, 3)) for part, score in found]


def some(seed: int) -> bytes:
    """A unit vector."""
    chance = random.Random(seed)
    numbers = [chance.gauss(0, 1) for _ in range(DIMENSIONS)]
    length = sum(number * number for number in numbers) ** 0.5
    return struct.pack(f"<{DIMENSIONS}f", *(number / length for number in numbers))


def test_a_memory_waits_for_its_vectors(db: Connection) -> None:
    """Until they are there; the newest come first, and only what is seen is counted."""
    first, second = keep(db, fact("One.", topic="a")), keep(db, fact("Two."))
    assert vectors.waiting(db, 10) == [(second, None, "Two."), (first, "a", "One.")]
    vectors.add(db, first, axis(0), FINGERPRINT)
    assert vectors.waiting(db, 10) == [(second, None, "Two.")]
    assert vectors.pending(db, SEEN) == 1
    assert vectors.pending(db, dataclasses.replace(SEEN, scopes=("project:x",))) == 0


def test_each_part_has_a_vector(db: Connection) -> None:
    """No more and no fewer; the best of them finds the memory."""
    long = keep(db, fact(LONG))
    parts = value(db, "SELECT count(*) FROM memory_parts")
    assert parts > 1
    with pytest.raises(VectorInvalid):
        vectors.add(db, long, axis(0), FINGERPRINT)
    vectors.add(db, long, b"".join(axis(place) for place in range(parts)), FINGERPRINT)
    assert near(db, axis(1), 1) == [(long, 1.0)]


def test_the_nearest_come_first_and_only_what_is_seen(db: Connection) -> None:
    """A memory of another scope is not there, however near it is."""
    one, other = keep(db, fact("One."), axis(0)), keep(db, fact("Two."), axis(1))
    keep(db, dataclasses.replace(fact("Three."), scope="project:x"), axis(0))
    assert near(db, axis(0)) == [(one, 1.0), (other, 0.0)]


def test_of_many_the_bits_propose_and_exact_vectors_decide(
    db: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same comes out as where all are compared."""
    for seed in range(120):
        keep(db, fact(f"Number {seed}."), some(seed))
    exact = [near(db, some(1000 + seed), 5) for seed in range(10)]
    monkeypatch.setattr(vectors, "EXACT_MAX", 10)
    assert [near(db, some(1000 + seed), 5) for seed in range(10)] == exact
    monkeypatch.setattr(vectors, "PROPOSALS", 0)
    assert near(db, some(5), 1) == [(6, 1.0)], "the bits alone know the very same vector"


def test_vectors_of_another_model_make_all_wait(db: Connection) -> None:
    """What was there goes, since it cannot be compared; nothing waits twice."""
    kept, waits = keep(db, fact("One."), axis(0)), keep(db, fact("Two."))
    assert vectors.model(db) == FINGERPRINT
    assert not vectors.takes(db, OTHER)
    vectors.renew(db, OTHER)
    assert vectors.model(db) == OTHER
    assert near(db, axis(0)) == []
    assert [each for each, _, _ in vectors.waiting(db, 10)] == [waits, kept]
    assert value(db, "SELECT count(*) FROM memory_signs") == 0


def test_the_same_model_cut_anew_is_the_same(db: Connection) -> None:
    """How documents are cut says nothing about memories."""
    keep(db, fact("One."), axis(0))
    vectors.renew(db, dataclasses.replace(FINGERPRINT, chunker_version=9))
    assert vectors.waiting(db, 10) == []


def test_similar_facts_are_told_by_all_of_a_new_one(db: Connection) -> None:
    """The nearest first, of facts in force in this scope; what is alike in a part only is not alike."""
    one, other = keep(db, fact("One."), axis(0)), keep(db, fact("Two."), axis(1))
    keep(db, dataclasses.replace(fact("Event."), type="event"), axis(0))
    alike = dict(vectors.similar(db, axis(0), "user", NOW, 5, FINGERPRINT))
    assert list(alike) == [one, other]
    assert alike == pytest.approx({one: 1.0, other: 0.0}, abs=1e-6)
    in_a_part = dict(vectors.similar(db, axis(0) + axis(1), "user", NOW, 5, FINGERPRINT))
    assert in_a_part == pytest.approx({one: 0.0, other: 0.0}, abs=1e-6)
    assert vectors.similar(db, axis(0), "user", NOW, 5, OTHER) == []
    assert vectors.similar(db, axis(0), "project:x", NOW, 5, FINGERPRINT) == []
    assert vectors.similar(db, b"", "user", NOW, 5, FINGERPRINT) == []


def test_an_erased_memory_has_no_vectors(db: Connection) -> None:
    """They go with its parts."""
    erased = keep(db, fact("One."), axis(0))
    words.remove(db, [erased])
    assert value(db, "SELECT count(*) FROM memory_vectors") == 0
    assert value(db, "SELECT count(*) FROM memory_signs") == 0
