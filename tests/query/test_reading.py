"""From chosen passages to hits: what is shown is what stands in the document, at the place that is said."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pi_rag.clock import SystemClock
from pi_rag.config import QuerySettings, StoreSettings
from pi_rag.query.choosing import Choice
from pi_rag.query.course import Course
from pi_rag.query.question import Hit, Question
from pi_rag.query.reading import hits
from pi_rag.rank.fusion import Fused
from pi_rag.rank.recency import DAY_S
from pi_rag.store import Connection, connection, documents, identity, migrations
from pi_rag.types import Chunk, NewDocument
from tests.store.making import FINGERPRINT, axis

NOW_S = 1_800_000_000.0
SETTINGS = QuerySettings()


@pytest.fixture(scope="module")
def db() -> Iterator[Connection]:
    """A database in RAM with the newest schema."""
    made = Connection(":memory:")
    connection.apply(made, connection.EVERY_CONNECTION, StoreSettings())
    migrations.migrate(made)
    identity.claim_fingerprint(made, FINGERPRINT)
    yield made
    made.close()


def store(
    db: Connection, text: str, cuts: list[tuple[int, int]], *, updated_at: float = NOW_S, **metadata: object
) -> list[int]:
    """The chunk ids of a document that is cut at these places, in place of the one before."""
    document = NewDocument("c", str(metadata), "T", "text", text, "h", metadata)
    chunks = [Chunk(seq, *cut, text[slice(*cut)], "", None, 1) for seq, cut in enumerate(cuts)]
    document_id, _ = documents.put(db, document, chunks, axis(0) * len(chunks), updated_at)
    rows = db.execute("SELECT id FROM chunks WHERE document_id = ? ORDER BY seq", (document_id,)).fetchall()
    return [int(str(row[0])) for row in rows]


def read(db: Connection, chunk_ids: list[int], question: Question) -> tuple[Hit, ...]:
    """The hits when these passages were chosen, in this order."""
    choices = [Choice(Fused(chunk_id, 1.0 - place / 100, {}, {})) for place, chunk_id in enumerate(chunk_ids)]
    return hits(db, choices, question, SETTINGS, Course(SystemClock()), NOW_S)


TEXT = "One stands first. Two comes next.\n\nThree is apart.\n\n\nFour ends it."
CUTS = [(0, 17), (10, 33), (35, 50), (53, 66)]
"""The second begins within the first; white space lies between the others."""


def test_passages_that_touch_are_one_hit(db: Connection) -> None:
    """It stands where the best of them stood, and has the text from the first to the last."""
    one, two, three, four = store(db, TEXT, CUTS)
    joined = read(db, [two, four, one], Question("q"))

    assert [(hit.start, hit.end, hit.text) for hit in joined] == [(0, 33, TEXT[0:33]), (53, 66, TEXT[53:66])]
    assert [hit.chunk_ids for hit in joined] == [(one, two), (four,)]
    assert joined[0].passage.chunk_id == two
    assert [hit.score for hit in joined] == [1.0, 0.99]
    assert len(read(db, [two, four, one], Question("q", join=False))) == 3
    assert [hit.text for hit in read(db, [three, four, two, one], Question("q"))] == [TEXT]


def test_neighbours_stand_around_a_hit(db: Connection) -> None:
    """Without repeating what the hit holds already, with what lies between, and no more than there is."""
    _, two, three, four = store(db, TEXT, CUTS)
    (hit,) = read(db, [three], Question("q", neighbours=1))
    assert (hit.before, hit.text, hit.after) == (TEXT[10:35], TEXT[35:50], TEXT[50:66])
    (hit,) = read(db, [two], Question("q", neighbours=1))
    assert (hit.before, hit.after) == (TEXT[:10], TEXT[33:50])
    (hit,) = read(db, [four], Question("q", neighbours=9))
    assert (hit.before, hit.after) == (TEXT[:53], "")
    (hit,) = read(db, [three], Question("q"))
    assert (hit.before, hit.after) == ("", "")


@st.composite
def cut_texts(draw: st.DrawFn) -> tuple[str, list[tuple[int, int]], list[int]]:
    """A text of any script, cut into passages that overlap or leave gaps, and some of them in any order."""
    letters = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=80)
    text = draw(letters)
    starts = sorted(draw(st.sets(st.integers(0, len(text) - 1), min_size=1, max_size=6)))
    cuts: list[tuple[int, int]] = []
    for start in starts:
        end = draw(st.integers(start + 1, len(text)))
        if not cuts or end > cuts[-1][1]:
            cuts.append((start, end))
    picked = draw(st.lists(st.integers(0, len(cuts) - 1), min_size=1, unique=True))
    return text, cuts, picked


@given(cut_texts(), st.integers(0, 3), st.booleans())
def test_what_is_shown_is_what_stands_in_the_document(
    db: Connection, given_: tuple[str, list[tuple[int, int]], list[int]], neighbours: int, join: bool
) -> None:
    """Offsets hold in every script; each passage is in one hit; joined hits do not overlap."""
    text, cuts, picked = given_
    ids = store(db, text, cuts)
    found = read(db, [ids[place] for place in picked], Question("q", neighbours=neighbours, join=join))

    for hit in found:
        assert hit.text == text[hit.start : hit.end]
        first, last = hit.start - len(hit.before), hit.end + len(hit.after)
        assert hit.before + hit.text + hit.after == text[first:last]
        assert bool(hit.before or hit.after) <= bool(neighbours)
    assert sorted(chunk_id for hit in found for chunk_id in hit.chunk_ids) == sorted(
        ids[place] for place in picked
    )
    if join:
        spans = sorted((hit.start, hit.end) for hit in found)
        assert all(one[1] < other[0] for one, other in pairwise(spans))


def test_age_moves_hits_but_takes_none_away(db: Connection) -> None:
    """The newer of two equals comes first; a document's own date goes before when it was stored."""
    old = store(db, TEXT, CUTS, updated_at=NOW_S - 365 * DAY_S, name="old")[0]
    dated = store(db, TEXT, CUTS, updated_at=NOW_S, name="dated", date="2001-09-09")[0]
    new = store(db, TEXT, CUTS, updated_at=NOW_S, name="new")[0]
    ahead = store(db, TEXT, CUTS, updated_at=NOW_S, name="ahead", date="2999")[0]
    chosen = [old, dated, new, ahead]

    plain = read(db, chosen, Question("q"))
    aged = read(db, chosen, Question("q", recency_half_life_days=30))

    assert [hit.passage.chunk_id for hit in plain] == chosen
    assert [hit.passage.chunk_id for hit in aged] == [new, ahead, old, dated]
    assert [hit.recency for hit in aged][:2] == [1.0, 1.0]
    assert all(hit.score >= (1 - SETTINGS.recency_weight) * hit.fused.score for hit in aged)
    assert [hit.recency for hit in plain] == [None] * 4


def test_the_setting_decides_where_a_question_is_silent(db: Connection) -> None:
    """And a question that says 0 is not silent."""
    chunk_id = store(db, TEXT, CUTS, updated_at=NOW_S - 30 * DAY_S)[0]
    choices = [Choice(Fused(chunk_id, 1.0, {}, {}))]
    settings = replace(SETTINGS, recency_half_life_days=30.0)
    recencies = [
        hits(db, choices, question, settings, Course(SystemClock()), NOW_S)[0].recency
        for question in (Question("q"), Question("q", recency_half_life_days=0.0))
    ]

    assert recencies == [0.75, None]


def test_a_passage_that_is_gone_is_left_out(db: Connection) -> None:
    """The others are shown."""
    kept = store(db, TEXT, CUTS)[0]

    assert [hit.passage.chunk_id for hit in read(db, [10**9, kept], Question("q"))] == [kept]
