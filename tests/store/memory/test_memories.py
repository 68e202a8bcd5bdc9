"""Memories are read as they were written; out of force and back; counted; never rewritten."""

from __future__ import annotations

import dataclasses

from hypothesis import given
from hypothesis import strategies as st

from pi_rag.memory_types import Memory
from pi_rag.store import Connection, migrations
from pi_rag.store.memory import memories, mentions, usage
from pi_rag.store.rows import value
from pi_rag.text.entities import Entity
from tests.store.making import put
from tests.store.memory.keeping import fact, keep

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)


@given(
    text=TEXTS,
    topic=st.none() | TEXTS,
    tags=st.lists(TEXTS, max_size=3).map(tuple),
    at=st.floats(0, 4e9),
    uid=st.none() | st.integers(0, 2**31),
    pinned=st.booleans(),
)
def test_a_memory_is_read_as_it_was_written(
    text: str, topic: str | None, tags: tuple[str, ...], at: float, uid: int | None, pinned: bool
) -> None:
    """Whatever its text is, and whatever is not known of it."""
    db = Connection(":memory:")
    migrations.migrate(db)
    new = dataclasses.replace(fact(text, topic), tags=tags, at=at, uid=uid, pinned=pinned)
    added = memories.add(db, new)
    assert added == dataclasses.replace(new, id=added.id) == memories.one(db, added.id)
    assert memories.pinned_by(db, added.id) == ("person" if pinned else None)
    db.close()


def test_memories_come_in_the_order_of_their_ids(db: Connection) -> None:
    """One that is not there is left out."""
    one, two = keep(db, fact("one")), keep(db, fact("two"))
    assert [each.text for each in memories.get(db, [two, 99, one])] == ["two", "one"]
    assert memories.one(db, 99) is None


def test_a_memory_says_where_its_document_came_from_while_that_is_there(db: Connection) -> None:
    """And what it mentions, by name."""
    document_id = put(db, "notes/tea.md", ["tea"])
    kept = keep(db, dataclasses.replace(fact("Tea is hot."), document_id=document_id))
    mentions.mention(db, kept, [Entity("name", "zoe", "Zoe"), Entity("name", "ada", "Ada")])
    found = memories.one(db, kept)
    assert found is not None and found.source == "notes/tea.md" and found.entities == ("Ada", "Zoe")
    assert memories.document_source(db, document_id) == "notes/tea.md"
    assert memories.document_source(db, 99) is None


def test_only_facts_in_force_stand_on_a_topic(db: Connection) -> None:
    """The newest first, and of this scope alone."""
    old, new = keep(db, fact("old", "home/wifi")), keep(db, fact("new", "home/wifi"))
    keep(db, dataclasses.replace(fact("other", "home/wifi"), scope="project:x"))
    keep(db, fact("no", "home/light"))
    assert [each.id for each in memories.on_topic(db, "user", "home/wifi")] == [new, old]
    memories.put_away(db, [old], "superseded", 5.0, superseded_by=new)
    assert [each.id for each in memories.on_topic(db, "user", "home/wifi")] == [new]
    assert memories.on_topic(db, "project:none", "home/wifi") == []
    assert [each.id for each in memories.topic_history(db, ("user",), "home/wifi")] == [old, new]


def test_a_fact_is_known_again_by_its_words(db: Connection) -> None:
    """In its own scope, while it is in force."""
    one = memories.add(db, fact("tea"), b"hash").id
    two = memories.add(db, fact("tea"), b"hash").id
    assert [each.id for each in memories.same_words(db, "user", b"hash")] == [two, one]
    assert memories.same_words(db, "project:x", b"hash") == []
    memories.put_away(db, [one, two], "forgotten", 5.0)
    assert memories.same_words(db, "user", b"hash") == []


def test_what_took_anothers_place_is_one_lineage_with_it(db: Connection) -> None:
    """From whichever of them one looks; a stranger is not in it."""
    ids = [keep(db, fact("v1"))]
    for version in ("v2", "v3"):
        ids.append(keep(db, dataclasses.replace(fact(version), supersedes=ids[-1])))
        memories.put_away(db, [ids[-2]], "superseded", 5.0, superseded_by=ids[-1])
    keep(db, fact("stranger"))
    for each in ids:
        assert [found.id for found in memories.lineage(db, each)] == ids
    assert memories.lineage(db, 99) == []


def test_no_lineage_leads_out_of_its_scope(db: Connection) -> None:
    """Not even where a database says so, in which an import has once made it so: neither back nor on."""
    older = keep(db, fact("v1"))
    newer = keep(db, dataclasses.replace(fact("v2"), scope="agent:a", supersedes=older))
    memories.put_away(db, [older], "superseded", 5.0, superseded_by=newer)

    assert [[found.id for found in memories.lineage(db, each)] for each in (older, newer)] == [
        [older],
        [newer],
    ]


def test_put_away_and_brought_back(db: Connection) -> None:
    """Only what is in force goes, only what is out of it comes back, and the counts follow."""
    one, two = keep(db, fact("one")), keep(db, fact("two"))
    assert memories.put_away(db, [one, 99], "forgotten", 5.0) == 1
    assert memories.put_away(db, [one, two], "evicted", 6.0) == 1
    assert [(each.gone, each.gone_at) for each in memories.get(db, [one, two])] == [
        ("forgotten", 5.0),
        ("evicted", 6.0),
    ]
    assert (usage.totals(db).facts, usage.totals(db).gone) == (0, 2)
    assert memories.restore(db, [one, 99]) == 1
    assert memories.restore(db, [one]) == 0
    back = memories.one(db, one)
    assert back is not None and back.gone is None and back.gone_at is None
    assert (usage.totals(db).facts, usage.totals(db).gone) == (1, 1)


def test_a_memory_is_counted_as_it_is_said_and_used(db: Connection) -> None:
    """And a repetition can be taken back."""
    kept = keep(db, fact("tea"))
    memories.said_again(db, kept, 7.0)
    memories.used(db, {kept: 3}, 8.0)
    found = memories.one(db, kept)
    assert found is not None
    assert (found.repeats, found.last_said_at, found.uses, found.used_at) == (1, 7.0, 3, 8.0)
    memories.said_less(db, kept, 1000.0)
    found = memories.one(db, kept)
    assert found is not None and (found.repeats, found.last_said_at) == (0, 1000.0)


def test_a_change_can_be_put_back(db: Connection) -> None:
    """What was noted before it sets everything as it was; the text was never in question."""
    kept = keep(db, fact("tea"))
    was = memories.one(db, kept)
    assert was is not None
    before = {"pinned_by": None, "importance": was.importance, "tags": "[]"}
    memories.change(db, kept, {"pinned_by": "agent", "importance": 0.9, "tags": '["hot"]'})
    changed = memories.one(db, kept)
    assert changed is not None and changed.pinned and changed.tags == ("hot",)
    memories.change(db, kept, before)
    assert memories.one(db, kept) == was
    memories.change(db, kept, {})
    assert value(db, "SELECT count(*) FROM memory_texts") == 1


def test_reading_makes_real_memories(db: Connection) -> None:
    """Types are those of the contract, whatever SQLite keeps."""
    found = memories.one(db, keep(db, fact("tea")))
    assert isinstance(found, Memory)
    assert found.pinned is False and found.tags == () and found.entities == ()
