"""A second index is made beside the first and takes its place, whole."""

from __future__ import annotations

import asyncio
import hashlib
import struct
from concurrent.futures import Future
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pi_rag.config import StoreSettings
from pi_rag.errors import ModelMismatch, RequestInvalid, VectorInvalid
from pi_rag.store import Connection, by_hash, checkup, connection, documents, identity, migrations, reindex
from pi_rag.store.nearest import exact
from pi_rag.store.reindex import Made
from pi_rag.store.rows import all_rows, value
from pi_rag.store.store import Store
from pi_rag.types import Scope
from tests.store.making import FINGERPRINT, put, vector_of

WIDE = 16
NEXT = replace(FINGERPRINT, model_name="next", model_sha256="1" * 64, dimensions=WIDE)


def next_vector(text: str) -> bytes:
    """Some unit vector of the next model, the same for the same text."""
    numbers = [byte - 127.5 for byte in hashlib.sha256(text.encode()).digest()[:WIDE]]
    length = sum(number * number for number in numbers) ** 0.5
    return struct.pack(f"<{WIDE}f", *(number / length for number in numbers))


def hash_of(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=16).digest()


def fill(db: Connection, count: int) -> int:
    """Make vectors for the next `count` passages; how many there were."""
    found = reindex.waiting(db, count)
    texts = [each.chunk.text for each in found]
    made = Made(
        [each.chunk_id for each in found],
        b"".join(map(next_vector, texts)),
        [hash_of(each) for each in texts],
    )
    reindex.put(db, made, WIDE)
    return len(found)


def tables(db: Connection) -> set[str]:
    sql = "SELECT name FROM sqlite_schema WHERE name LIKE 'vectors%' OR name = 'documents_to_cut'"
    return {row[0] for row in all_rows(db, sql)}


def test_the_second_index_takes_the_place_of_the_first(db: Connection) -> None:
    """Until the swap the old vectors answer, from then on the new ones, of another width; none is lost."""
    put(db, "a", ["tea", "milk"])
    reindex.begin(db, NEXT, 5.0)
    while fill(db, 1):
        assert exact(db, vector_of("milk"), 1, Scope())[0][1] == pytest.approx(1.0)
    assert reindex.swap(db, 6.0)

    assert exact(db, next_vector("milk"), 1, Scope())[0][1] == pytest.approx(1.0)
    assert identity.fingerprint(db) == NEXT
    assert checkup.check(db) == []
    with pytest.raises(ModelMismatch):
        identity.expect(db, FINGERPRINT)
    ended = reindex.current(db)
    assert ended == reindex.Reindex(NEXT, FINGERPRINT, "done", 5.0, 6.0)


def test_it_is_not_swapped_while_a_passage_is_missing(db: Connection) -> None:
    """A document that came late is waited for."""
    put(db, "a", ["tea"])
    reindex.begin(db, NEXT, 5.0)
    fill(db, 10)
    put(db, "b", ["late"])

    assert not reindex.swap(db, 6.0)
    assert identity.fingerprint(db) == FINGERPRINT
    assert [each.chunk.text for each in reindex.waiting(db, 10)] == ["late"]
    fill(db, 10)
    assert reindex.swap(db, 7.0)


def test_what_waits_is_all_that_a_vector_is_made_of(db: Connection) -> None:
    """Title, heading and text come along, in the order of their numbers."""
    put(db, "a", ["tea", "milk"], title="T", heading="H")
    reindex.begin(db, NEXT, 5.0)

    found = reindex.waiting(db, 10)
    assert [(each.title, each.chunk.heading, each.chunk.text, each.chunk.seq) for each in found] == [
        ("T", "H", "tea", 0),
        ("T", "H", "milk", 1),
    ]


def test_a_passage_removed_on_the_way_is_passed_over(db: Connection) -> None:
    """A document may be forgotten between its reading and its vector; its neighbours are stored."""
    gone = put(db, "a", ["tea"])
    put(db, "b", ["milk"])
    reindex.begin(db, NEXT, 5.0)
    found = reindex.waiting(db, 10)
    documents.remove(db, gone)
    texts = ["tea", "milk"]
    vectors = b"".join(map(next_vector, texts))
    reindex.put(db, Made([each.chunk_id for each in found], vectors, list(map(hash_of, texts)), [gone]), WIDE)

    assert reindex.swap(db, 6.0)
    assert checkup.check(db) == []
    assert reindex.next_to_cut(db) is None


@given(st.lists(st.tuples(st.sampled_from("parf"), st.integers(0, 4)), max_size=30), st.integers(1, 4))
def test_whatever_comes_and_goes_the_second_index_is_whole(
    steps: list[tuple[str, int]], at_once: int
) -> None:
    """Documents are put, replaced and removed between the steps: at the swap nothing is amiss."""
    db = Connection(":memory:")
    connection.apply(db, connection.EVERY_CONNECTION, StoreSettings())
    migrations.migrate(db)
    identity.claim_fingerprint(db, FINGERPRINT)
    put(db, "0", ["first"])
    reindex.begin(db, NEXT, 5.0)
    for number, (step, which) in enumerate(steps):
        if step == "f":
            fill(db, at_once)
        elif step == "r":
            documents.remove_source(db, str(which), None)
        else:
            put(db, str(which), [f"text {number} {part}" for part in range(which)])
    while not reindex.swap(db, 6.0):
        assert fill(db, at_once)
    vectors = all_rows(db, "SELECT text, vector FROM chunks JOIN vectors ON chunk_id = chunks.id")

    assert checkup.check(db) == []
    assert all(vector == next_vector(text) for text, vector in vectors)
    db.close()


def test_one_that_was_broken_off_goes_on(db: Connection) -> None:
    """The same model finds what was made for it; how much that is can be asked."""
    put(db, "a", ["tea", "milk", "rum"])
    reindex.begin(db, NEXT, 5.0)
    fill(db, 2)
    reindex.fail(db, {"code": "model_corrupt"}, 6.0)
    failed = reindex.current(db)
    again = reindex.begin(db, NEXT, 7.0)

    assert failed is not None and (failed.state, failed.failure) == ("failed", {"code": "model_corrupt"})
    assert (again.state, again.failure, again.begun_at) == ("running", None, 5.0)
    assert reindex.done(db) == 2
    assert [each.chunk.text for each in reindex.waiting(db, 10)] == ["rum"]


def test_one_for_another_model_begins_anew(db: Connection) -> None:
    """Vectors of two models are never mixed."""
    put(db, "a", ["tea"])
    reindex.begin(db, NEXT, 5.0)
    fill(db, 10)
    other = replace(NEXT, model_sha256="2" * 64)
    begun = reindex.begin(db, other, 6.0)

    assert (begun.wanted, begun.begun_at) == (other, 6.0)
    assert reindex.done(db) == 0


def test_the_model_that_is_there_needs_none(db: Connection) -> None:
    """Also under another name; nothing is begun."""
    with pytest.raises(RequestInvalid, match="already"):
        reindex.begin(db, replace(FINGERPRINT, model_name="renamed"), 5.0)
    assert reindex.current(db) is None


def test_a_cancelled_one_leaves_nothing(db: Connection) -> None:
    """The first index goes on as if nothing had been."""
    put(db, "a", ["tea"])
    reindex.begin(db, NEXT, 5.0)
    fill(db, 10)

    assert reindex.cancel(db)
    assert not reindex.cancel(db)
    assert tables(db) == {"vectors"}
    assert reindex.current(db) is None
    assert exact(db, vector_of("tea"), 1, Scope())[0][1] == pytest.approx(1.0)


def test_vectors_of_another_width_are_refused(db: Connection) -> None:
    """The second index holds vectors of its model only."""
    put(db, "a", ["tea"])
    reindex.begin(db, NEXT, 5.0)
    with pytest.raises(VectorInvalid):
        reindex.put(db, Made([1], vector_of("tea"), [hash_of("tea")]), WIDE)


def test_copies_are_found_in_the_second_index_only(db: Connection) -> None:
    """A vector of the first index is none for the second, though its text is the same."""
    put(db, "a", ["tea"])
    db.execute("UPDATE chunks SET text_hash = ?", (hash_of("tea"),))
    by_hash.create(db)
    reindex.begin(db, NEXT, 5.0)
    before = reindex.known_vectors(db, [hash_of("tea")])
    fill(db, 1)

    assert before == {}
    assert reindex.known_vectors(db, [hash_of("tea"), hash_of("rum")]) == {hash_of("tea"): next_vector("tea")}


def test_a_hash_that_is_not_of_the_vector_is_forgotten(db: Connection) -> None:
    """A title that another model cuts elsewhere makes another text: its vector is not found under the old."""
    put(db, "a", ["tea", "milk"])
    db.execute("UPDATE chunks SET text_hash = CASE text WHEN 'tea' THEN ? ELSE x'00' END", (hash_of("tea"),))
    reindex.begin(db, NEXT, 5.0)
    fill(db, 10)

    assert all_rows(db, "SELECT text_hash FROM chunks ORDER BY id") == [(hash_of("tea"),), (None,)]


def test_the_old_vectors_are_cleared_away_after_the_swap(db: Connection) -> None:
    """They are looked at in parts and then dropped; asking when there are none harms nothing."""
    put(db, "a", ["tea", "milk"])
    reindex.begin(db, NEXT, 5.0)
    fill(db, 10)
    reindex.swap(db, 6.0)
    last = reindex.look_at_old(db, 0)
    rest = reindex.look_at_old(db, last or 0)
    reindex.drop_old(db)
    reindex.drop_old(db)

    assert (last, rest, reindex.look_at_old(db, 0)) == (2, None, None)
    assert tables(db) == {"vectors", "documents_to_cut"}


def test_documents_to_cut_anew_are_remembered_until_they_are(db: Connection) -> None:
    """They survive the swap, and go with their document."""
    ids = [put(db, name, [name]) for name in "abc"]
    reindex.begin(db, NEXT, 5.0)
    found = reindex.waiting(db, 10)
    vectors = b"".join(next_vector(each.chunk.text) for each in found)
    hashes = [hash_of(each.chunk.text) for each in found]
    reindex.put(db, Made([each.chunk_id for each in found], vectors, hashes, ids), WIDE)
    reindex.swap(db, 6.0)
    documents.remove(db, ids[0])
    count, first = reindex.to_cut(db), reindex.next_to_cut(db)
    reindex.was_cut(db, ids[1])

    assert (count, first, reindex.next_to_cut(db)) == (2, ids[1], ids[2])


def test_the_room_it_needs_is_told(db: Connection) -> None:
    """About the bytes of all vectors; what is made already needs none."""
    put(db, "a", [f"text {number}" for number in range(100)])
    reindex.begin(db, NEXT, 5.0)
    needed, _ = reindex.bytes_needed(db, WIDE)
    fill(db, 60)
    rest, free = reindex.bytes_needed(db, WIDE)

    assert needed >= 100 * WIDE * 4
    assert rest == pytest.approx(needed * 0.4, abs=1)
    assert free == 0


def test_the_snapshot_of_the_old_index_is_forgotten(db: Connection) -> None:
    """Codes of one model propose nothing for another."""
    db.execute("INSERT INTO meta VALUES ('index_snapshot', 'x'); INSERT INTO removed_chunks VALUES (7)")
    reindex.begin(db, NEXT, 5.0)
    reindex.swap(db, 6.0)

    assert value(db, "SELECT count(*) FROM meta WHERE key = 'index_snapshot'") == 0
    assert value(db, "SELECT count(*) FROM removed_chunks") == 0


async def test_a_reader_keeps_its_index_to_the_end(store: Store) -> None:
    """A search that began before the swap sees the old vectors to its end, and keeps nobody waiting."""
    await store.write(put, "a", ["tea"])
    await store.write(reindex.begin, NEXT, 5.0)
    await store.write(fill, 10)
    seen: list[object] = []

    def look(db: Connection) -> None:
        seen.append(identity.fingerprint(db))
        swapping.result()
        seen.append(identity.fingerprint(db))
        seen.append(len(value(db, "SELECT vector FROM vectors")))

    swapping: Future[bool] = Future()
    reading = asyncio.create_task(store.read(look))
    while not seen:
        await asyncio.sleep(0)
    swapping.set_result(await store.write(reindex.swap, 6.0))
    await reading

    assert seen == [FINGERPRINT, FINGERPRINT, FINGERPRINT.dimensions * 4]
    assert await store.read(identity.fingerprint) == NEXT
