"""The vectors of queries that are kept over a restart."""

from __future__ import annotations

from pi_rag.store import Connection
from pi_rag.store.query_vectors import Changes, KeptQuery, save, take_over
from pi_rag.store.rows import value


def kept(name: bytes, uses: int, used_at: float = 0.0) -> KeptQuery:
    return KeptQuery(name, name * 4, uses, used_at)


def new(*queries: KeptQuery) -> Changes:
    return Changes(new=queries, used=(), gone=())


def test_what_is_saved_comes_back_most_used_first(db: Connection) -> None:
    """Of those used as often, the one used last is first."""
    take_over(db, b"maker", 10)
    a, b, c = kept(b"a", 2, 5.0), kept(b"b", 9), kept(b"c", 2, 7.0)
    save(db, new(a, b, c))
    assert take_over(db, b"maker", 10) == [b, c, a]


def test_those_beyond_the_count_are_gone_with_their_vectors(db: Connection) -> None:
    """The table never holds more than is wanted of it."""
    take_over(db, b"maker", 10)
    save(db, new(kept(b"a", 2), kept(b"b", 9), kept(b"c", 3)))
    assert [each.hash for each in take_over(db, b"maker", 2)] == [b"b", b"c"]
    assert take_over(db, b"maker", 0) == []
    assert value(db, "SELECT count(*) FROM query_vectors") == 0


def test_another_maker_finds_nothing_and_leaves_nothing(db: Connection) -> None:
    """Vectors of two models cannot be compared."""
    take_over(db, b"one", 10)
    save(db, new(kept(b"a", 2)))
    assert take_over(db, b"other", 10) == []
    assert take_over(db, b"one", 10) == []
    assert value(db, "SELECT count(*) FROM query_vectors") == 0


def test_a_second_start_writes_nothing(db: Connection) -> None:
    """Looking at what is there does not wear the card."""
    take_over(db, b"maker", 10)
    save(db, new(kept(b"a", 2)))
    before = db.total_changes()
    take_over(db, b"maker", 10)
    assert db.total_changes() == before


def test_a_count_is_changed_without_its_vector_and_a_gone_one_goes_whole(db: Connection) -> None:
    """Changes of both kinds in one go."""
    take_over(db, b"maker", 10)
    save(db, new(kept(b"a", 2), kept(b"b", 3)))
    save(db, Changes(new=(), used=(KeptQuery(b"a", b"ignored", 7, 1.0),), gone=(b"b",)))
    assert take_over(db, b"maker", 10) == [KeptQuery(b"a", b"aaaa", 7, 1.0)]
    assert value(db, "SELECT count(*) FROM query_vectors") == 1
