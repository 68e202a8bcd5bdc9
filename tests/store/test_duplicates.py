"""Near-duplicates are linked to an older passage, and no link leads nowhere or around."""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from functools import partial

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pi_rag.config import StoreSettings
from pi_rag.store import Connection, checkup, connection, documents, duplicates, identity, migrations
from pi_rag.store.nearest import exact
from pi_rag.store.rows import Row, all_rows, value
from pi_rag.types import Original, Repeated, Scope, SharedText
from tests.store.making import FINGERPRINT, axis, cut, document, tilted, vector_of

MIN = 0.95


def take_in(
    db: Connection,
    source: str,
    texts: Sequence[str],
    vectors: Sequence[bytes] | None = None,
    *,
    collection: str = "default",
    near: Sequence[Sequence[int]] | None = None,
) -> Repeated | None:
    """A document as the story of ingest takes it in: look, put, link."""
    rows = [vector_of(text) for text in texts] if vectors is None else list(vectors)
    hashes = [text.encode() for text in texts]
    before = duplicates.passages_of(db, collection, source)
    near_to = partial(exact, db, k=duplicates.NEIGHBOURS, within=Scope())
    found = duplicates.candidates(db, before, list(zip(hashes, rows, strict=True)), near_to, MIN)
    new = document(source, texts, collection=collection)
    document_id, _ = documents.put(db, new, cut(texts), b"".join(rows), 1.0, hashes)
    return duplicates.link(db, document_id, found if near is None else near, MIN)


def links(db: Connection) -> dict[str, tuple[str, float]]:
    """From the text of each near-duplicate to the text of its original and how alike they are."""
    sql = """
        SELECT ours.text, theirs.text, similarity FROM duplicates
        JOIN chunks AS ours ON ours.id = chunk_id JOIN chunks AS theirs ON theirs.id = of_chunk_id
    """
    return {row[0]: (row[1], round(row[2], 3)) for row in all_rows(db, sql)}


def places(db: Connection) -> list[tuple[str, str]]:
    """(source, source of the original) of each link, in order."""
    sql = """
        SELECT ours.source, theirs.source FROM duplicates
        JOIN documents AS ours ON ours.id = document_id
        JOIN documents AS theirs ON theirs.id = of_document_id ORDER BY chunk_id
    """
    return [(row[0], row[1]) for row in all_rows(db, sql)]


def test_what_is_near_enough_is_linked_and_what_is_not_is_not(db: Connection) -> None:
    """At 0.95: 0.96 is a near-duplicate, 0.94 is a passage of its own."""
    take_in(db, "a", ["original"], [axis(0)])
    told = take_in(db, "b", ["near", "far"], [tilted(1, 0.96), tilted(2, 0.94)])
    assert links(db) == {"near": ("original", 0.96)}
    assert told == Repeated("b", 2, 1, of_source="a", of_documents=1, of_collection="default")


def test_the_same_words_are_a_copy_whatever_their_vector(db: Connection) -> None:
    """The title is part of a passage's vector, so a copy under another name may have a distant one."""
    take_in(db, "a", ["Dear Ada,  the boiler"], [axis(0)])
    take_in(db, "b", ["dear ada, the\tBOILER"], [axis(1)])
    assert links(db) == {"dear ada, the\tBOILER": ("Dear Ada,  the boiler", 1.0)}


def test_a_copy_that_came_meanwhile_is_seen_without_having_been_looked_for(db: Connection) -> None:
    """Two documents of one text in hand at once: whichever is stored second is linked."""
    take_in(db, "a", ["tea"], [axis(0)], near=[[]])
    take_in(db, "b", ["tea"], [axis(0)], near=[[]])
    assert places(db) == [("b", "a")]


def test_an_original_is_the_oldest_and_no_near_duplicate_itself(db: Connection) -> None:
    """A third passage is linked to the first, not to the second; links make stars."""
    take_in(db, "a", ["one"], [axis(0)])
    take_in(db, "b", ["two"], [tilted(1, 0.97)])
    take_in(db, "c", ["three"], [tilted(1, 0.96)])
    assert {original for original, _ in links(db).values()} == {"one"}


def test_near_to_a_near_duplicate_alone_is_not_enough(db: Connection) -> None:
    """Small steps must not lead from a passage to another one that says something else."""
    take_in(db, "a", ["one"], [axis(0)])
    take_in(db, "b", ["two"], [tilted(1, 0.96)])
    take_in(db, "c", ["three"], [tilted(1, 0.90)])  # 0.98 to "two"
    assert links(db) == {"two": ("one", 0.96)}


def test_of_candidates_that_are_gone_or_far_by_now_none_is_linked(db: Connection) -> None:
    """They were found before the transaction, in which they are measured again."""
    take_in(db, "a", ["one"], [axis(0)])
    take_in(db, "b", ["two"], [axis(1)], near=[[1, 999]])
    assert links(db) == {}


def test_passages_that_overlap_do_not_count_but_the_same_words_elsewhere_do(db: Connection) -> None:
    """Within a document, a form that comes again is a repeat; the shared end of two neighbours is not."""
    rows = axis(0) + axis(1) + axis(2)
    chunks = cut(["a form"]) * 3
    starts = [(0, 6), (3, 9), (20, 26)]
    chunks = [
        type(chunk)(seq, start, end, chunk.text, "", None, 2)
        for seq, (chunk, (start, end)) in enumerate(zip(chunks, starts, strict=True))
    ]
    document_id, _ = documents.put(db, document("a", ["a form and another: a form"]), chunks, rows, 1.0)
    assert duplicates.link(db, document_id, [[]] * 3, MIN) is None  # nothing of another document
    assert all_rows(db, "SELECT chunk_id, of_chunk_id FROM duplicates") == [(3, 1)]


def test_an_edited_file_is_no_near_duplicate_of_what_it_was(db: Connection) -> None:
    """Its old passages go in the same transaction."""
    take_in(db, "a", ["one", "two"], [axis(0), axis(1)])
    told = take_in(db, "a", ["one", "two!"], [axis(0), tilted(1, 0.0)])
    assert told is None
    assert links(db) == {}


def test_an_edited_file_keeps_what_it_repeats_and_what_repeats_it(db: Connection) -> None:
    """The passages that stay are not searched for again: their links are known."""
    take_in(db, "a", ["one"], [axis(0)])
    take_in(db, "b", ["near one", "own"], [tilted(1, 0.96), axis(2)])
    take_in(db, "c", ["near own"], [tilted(2, 0.0)[:4] + axis(2)[4:]])
    before = links(db)
    take_in(db, "b", ["near one", "own", "new"], [tilted(1, 0.96), axis(2), axis(3)])
    assert links(db)["near one"] == before["near one"] == ("one", 0.96)
    assert links(db)["own"] == ("near own", 1.0)  # the oldest is the one that has been stored longest


def test_what_repeats_a_removed_passage_stands_in_for_it(db: Connection) -> None:
    """The oldest near-duplicate becomes the original, and the others are linked to it."""
    for source, share in (("a", 1.0), ("b", 0.97), ("c", 0.96)):
        take_in(db, source, [f"text {source}"], [tilted(1, share)])
    documents.remove_source(db, "a", None)
    (repeat,) = links(db).items()
    assert repeat[0] == "text c"
    assert repeat[1][0] == "text b"
    assert repeat[1][1] > 0.99


def test_what_is_not_near_to_the_heir_gets_another_or_stands_alone(db: Connection) -> None:
    """Two passages may each be near to a third and not to one another."""
    take_in(db, "a", ["middle"], [axis(0)])
    take_in(db, "b", ["left"], [tilted(1, 0.96)])
    take_in(db, "c", ["right"], [tilted(2, 0.96)])
    take_in(db, "d", ["right too"], [tilted(2, 0.965)])
    documents.remove_source(db, "a", None)
    assert links(db) == {"right too": ("right", 1.0)}


def test_copies_stay_together_when_their_original_goes(db: Connection) -> None:
    """Their words are the same, so their vectors need not be near."""
    take_in(db, "a", ["tea"], [axis(0)])
    take_in(db, "b", ["Tea"], [axis(1)])
    take_in(db, "c", ["TEA"], [axis(2)])
    documents.remove_source(db, "a", None)
    assert links(db) == {"TEA": ("Tea", 1.0)}


def test_the_heirs_of_a_passage_are_bounded(db: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is left over after so many heirs is an original each; nothing is hidden or lost."""
    monkeypatch.setattr(duplicates, "HEIRS_MAX", 1)
    take_in(db, "a", ["middle"], [axis(0)])
    for number in (1, 2, 3):
        take_in(db, f"b{number}", [f"way {number}"], [tilted(number, 0.96)])
    take_in(db, "c", ["way 3 too"], [tilted(3, 0.96)])
    documents.remove_source(db, "a", None)
    assert links(db) == {}


def test_originals_says_only_what_repeats(db: Connection) -> None:
    """A passage of its own, one that others repeat and one that is not there have no original."""
    take_in(db, "a", ["tea", "coffee"])
    take_in(db, "b", ["tea"])
    assert duplicates.originals(db, [1, 2, 3, 99]) == {3: 1}


def test_a_passage_knows_what_it_repeats_and_how_many_repeat_it(db: Connection) -> None:
    """Both ends of a link, and a passage that has none."""
    take_in(db, "a", ["tea", "coffee"])
    take_in(db, "b", ["tea"])
    take_in(db, "c", ["Tea"])
    copy = Original(chunk_id=1, document_id=1, collection="default", source="a", similarity=1.0)
    assert duplicates.repeats(db, [1, 2, 3]) == {1: (None, 2), 2: (None, 0), 3: (copy, 0)}


def test_documents_are_listed_with_how_much_they_share(db: Connection) -> None:
    """The share is of the repeating document; half of its passages here."""
    take_in(db, "a", ["one", "two", "three"])
    take_in(db, "b", ["one", "own"], collection="other")
    (found,) = duplicates.listing(db, 0.5, 10)
    assert found == SharedText(2, "other", "b", 1, "default", "a", passages=1, chunk_count=2, similarity=1.0)
    assert duplicates.listing(db, 0.51, 10) == []


def test_the_listing_goes_on_after_a_pair(db: Connection) -> None:
    """Page by page, each pair comes once, by the numbers of the two documents."""
    for number in range(3):
        take_in(db, f"original-{number}", [f"text {number}"])
    take_in(db, "all", ["text 0", "text 1", "text 2"])
    take_in(db, "two", ["text 2"])
    seen: list[tuple[int, int]] = []
    after = (0, 0)
    while page := duplicates.listing(db, 0.0, 2, after):
        seen += [(row.document_id, row.of_document_id) for row in page]
        after = seen[-1]
    assert seen == [(4, 1), (4, 2), (4, 3), (5, 3)]


def test_a_document_that_repeats_itself_is_no_pair(db: Connection) -> None:
    """It is one document, however often it says so."""
    take_in(db, "a", ["tea", "tea", "tea"])
    assert len(all_rows(db, "SELECT * FROM duplicates")) == 2
    assert duplicates.listing(db, 0.0, 10) == []


PASSAGE = st.tuples(
    st.sampled_from(["x", "X", "y", "z"]), st.integers(1, 3), st.sampled_from([1.0, 0.97, 0.955, 0.9])
)
WORK = st.lists(
    st.tuples(
        st.sampled_from("abcd"),
        st.lists(PASSAGE, max_size=3),
        st.none() | st.lists(st.integers(1, 20)),
    ),
    max_size=12,
)
"""(source, its passages or none to remove it, candidates that were found in some other way)."""


COPIED = [("a", ("x", 3, 0.9)), ("d", ("z", 3, 0.97)), ("b", ("z", 1, 1.0))]
"""The last is linked for the words of the second, whose vector is near. When that goes, no reason is left."""


@example([*((source, [passage], None) for source, passage in COPIED), ("d", [], None)])
@settings(max_examples=150)
@given(WORK)
def test_whatever_is_put_and_removed_links_are_sound(
    work: list[tuple[str, list[tuple[str, int, float]], list[int] | None]],
) -> None:
    """Each leads to an older passage that is there and is itself linked to none; each is near, or has the
    same words as another of its star."""
    db = Connection(":memory:")
    connection.apply(db, connection.EVERY_CONNECTION, StoreSettings())
    migrations.migrate(db)
    identity.claim_fingerprint(db, FINGERPRINT)
    for source, passages, found in work:
        if passages:
            near = None if found is None else [found] * len(passages)
            vectors = [tilted(number, share) for _, number, share in passages]
            take_in(db, source, [text for text, _, _ in passages], vectors, near=near)
        else:
            documents.remove_source(db, source, None)
    _assert_sound(db)
    db.close()


def _assert_sound(db: Connection) -> None:
    assert checkup.check(db) == []
    sql = "SELECT chunk_id, of_chunk_id, similarity, document_id, of_document_id FROM duplicates"
    found = all_rows(db, sql)
    at: dict[int, int] = dict(all_rows(db, "SELECT id, document_id FROM chunks"))
    stars: dict[int, set[str]] = {}
    for chunk_id, original, *_ in found:
        stars.setdefault(original, set()).update(_words(db, chunk_id, original, found))
    assert not stars.keys() & {row[0] for row in found}
    for chunk_id, original, similarity, document_id, of_document_id in found:
        assert original < chunk_id
        assert (at[chunk_id], at[original]) == (document_id, of_document_id)
        assert MIN - 1e-5 <= similarity <= 1.0
        assert _cosine(db, chunk_id, original) >= MIN - 1e-5 or _text(db, chunk_id) in stars[original]


def _words(db: Connection, chunk_id: int, original: int, found: Sequence[Row]) -> set[str]:
    """What the original and the others of the star say."""
    others = [row[0] for row in found if row[1] == original and row[0] != chunk_id]
    return {_text(db, each) for each in (original, *others)}


def _text(db: Connection, chunk_id: int) -> str:
    return str(value(db, "SELECT text FROM chunks WHERE id = ?", (chunk_id,))).casefold()


def _cosine(db: Connection, one: int, other: int) -> float:
    sql = "SELECT vector FROM vectors WHERE chunk_id IN (?, ?)"
    first, second = (struct.unpack("<8f", row[0]) for row in all_rows(db, sql, (one, other)))
    return float(sum(a * b for a, b in zip(first, second, strict=True)))


@given(st.text(), st.text())
def test_equal_words_have_equal_hashes(one: str, other: str) -> None:
    """Case and white space say nothing; anything else does."""
    same = one.casefold().split() == other.casefold().split()
    assert (duplicates.copy_hash(one) == duplicates.copy_hash(other)) == same
    assert duplicates.copy_hash(f" {one.replace(' ', '  ')}\n") == duplicates.copy_hash(one)


def test_no_statement_reads_a_whole_table_but_the_search_exact(db: Connection) -> None:
    """Linking a passage and letting one go cost the same in a small memory and in a large one."""
    take_in(db, "a", ["one", "two"])
    take_in(db, "b", ["one", "near two"], [axis(0), tilted(1, 0.97)])
    asked: set[str] = set()

    def note(_: object, sql: str, __: object) -> bool:
        asked.add(sql)
        return True

    db.exec_trace = note
    take_in(db, "c", ["one", "near two", "own"])
    take_in(db, "b", ["one", "else"])
    documents.remove_source(db, "a", None)
    duplicates.listing(db, 0.5, 10)
    duplicates.originals(db, [1])
    duplicates.repeats(db, [1])
    db.exec_trace = None
    plans = {sql: _plan(db, sql) for sql in asked if "duplicates" in sql or "copy_hash" in sql}
    assert len(plans) > 8
    assert {
        sql: plan for sql, plan in plans.items() if re.search(r"SCAN (chunks|vectors|dup|ours|theirs)", plan)
    } == {}


def _plan(db: Connection, sql: str) -> str:
    """How SQLite goes about a statement. What is bound has no part in it."""
    return "\n".join(row[3] for row in all_rows(db, f"EXPLAIN QUERY PLAN {sql}", (None,) * sql.count("?")))
