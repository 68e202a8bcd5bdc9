"""One ranking of what both ways have found, over a real database."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pi_rag.clock import SystemClock
from pi_rag.config import QuerySettings, StoreSettings
from pi_rag.query.course import Course
from pi_rag.query.fusing import Looked, one_ranking
from pi_rag.store import Connection, citing, connection, identity, migrations
from pi_rag.store.by_words import worded
from pi_rag.store.chances import Chances
from pi_rag.store.nearest import exact
from pi_rag.types import Scope
from tests.store.making import FINGERPRINT, put, vector_of


@pytest.fixture
def db() -> Iterator[Connection]:
    """Forty passages, one of which speaks of E-104."""
    made = Connection(":memory:")
    connection.apply(made, connection.EVERY_CONNECTION, StoreSettings())
    migrations.migrate(made)
    identity.claim_fingerprint(made, FINGERPRINT)
    for number in range(40):
        put(made, f"{number}", [f"the boiler says E-{100 + number}" if number == 4 else f"a word {number}"])
    yield made
    made.close()


def looked(db: Connection, query: str, vector: bytes | None, depth: int = 10) -> Looked:
    words = worded(db, query, depth, Scope(), 1.5, 1.2)
    near = exact(db, vector, depth, Scope()) if vector is not None else None
    return Looked(vector, near, words)


def sources(db: Connection, ids: list[int]) -> list[str]:
    return [passage.source for passage in citing.passages(db, ids)]


def test_a_code_that_one_passage_holds_puts_it_first(db: Connection) -> None:
    """Also when its meaning is far from the question's, and the answer says how it was weighed."""
    course = Course(SystemClock())
    [first, *_] = one_ranking(db, looked(db, "E-104", vector_of("else")), Chances(), QuerySettings(), course)
    assert sources(db, [first.id]) == ["4"]
    assert course.explain["fusion"] == "calibrated"
    assert course.explain["weights"]["text"] == QuerySettings().words_weight
    assert course.explain["weights"]["covered"] == 1.0


def test_what_the_words_alone_have_found_has_its_exact_cosine(db: Connection) -> None:
    """It is compared with the query as if the vectors had found it."""
    vector = vector_of("else")
    every = dict(exact(db, vector, 40, Scope()))
    found = one_ranking(
        db, looked(db, "boiler", vector, 3), Chances(), QuerySettings(), Course(SystemClock())
    )
    [worded_only] = [each for each in found if "vector" not in each.ranks]
    assert worded_only.scores["vector"] == pytest.approx(every[worded_only.id])


def test_without_a_vector_the_words_keep_their_order(db: Connection) -> None:
    """A search whose model is away is BM25's."""
    words = looked(db, "boiler word 7", None)
    found = list(one_ranking(db, words, Chances(), QuerySettings(), Course(SystemClock())))
    assert [each.id for each in found] == [item for item, _ in words.lists["text"]]
    assert found[0].score == 1.0


def test_ranks_decide_by_setting_and_where_there_is_too_little_to_learn_from(db: Connection) -> None:
    """And it is said."""
    by_setting, by_need = Course(SystemClock()), Course(SystemClock())
    both = looked(db, "boiler", vector_of("else"))
    ranked = one_ranking(db, both, Chances(), QuerySettings(fusion="reciprocal_rank"), by_setting)
    db.execute("DELETE FROM vectors WHERE chunk_id > 15")
    assert one_ranking(db, both, Chances(), QuerySettings(), by_need) == ranked
    assert by_setting.explain == {"fusion": "reciprocal_rank", "rrf_k": 60.0}
    assert by_need.explain["why"] == "there are too few passages to calibrate"
