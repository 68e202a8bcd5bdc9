"""What memories mention, and how one leads to another by it."""

from __future__ import annotations

from dataclasses import replace

from pi_rag.memory_types import Memory
from pi_rag.store import Connection
from pi_rag.store.memory import memories, mentions
from pi_rag.store.memory.seen import Seen
from pi_rag.store.rows import all_rows
from pi_rag.text.entities import entities_in
from tests.store.memory.keeping import fact, keep

ALL = Seen(None, ("fact", "event", "summary"), now=2000.0)


def kept(db: Connection, memory: Memory) -> int:
    memory_id = keep(db, memory)
    mentions.mention(db, memory_id, entities_in(memory.text, memory.tags))
    return memory_id


def test_a_memory_knows_what_it_mentions(db: Connection) -> None:
    """What was found in its text, and its tags, stand beside it."""
    memory_id = kept(db, replace(fact("Ann keeps it in notes.md"), tags=("home",)))

    found = memories.one(db, memory_id)
    assert found is not None and found.entities == ("Ann", "home", "notes.md")


def test_one_step_leads_to_what_mentions_the_same(db: Connection) -> None:
    """What shares more, and what shares the rarer, comes first, and says by what."""
    seed = kept(db, fact("Today Ann edits notes.md"))
    both = kept(db, fact("Who knows that Ann wrote notes.md?"))
    one = kept(db, fact("We met Ann"))
    kept(db, fact("We met Bob"))

    links = mentions.linked(db, [seed], ALL, 10)

    assert [link.memory_id for link in links] == [both, one]
    assert links[0].names == ("notes.md", "Ann")
    assert 1 > links[0].weight > links[1].weight > 0


def test_it_is_known_who_names_what_a_query_names(db: Connection) -> None:
    """Names in a question count by themselves, whatever its other words are."""
    both = kept(db, fact("We met Ann, who wrote notes.md"))
    one = kept(db, fact("We met Ann"))
    none = kept(db, fact("We met Bob"))

    found = mentions.naming(db, entities_in("Did Ann or Carl write notes.md?"), [both, one, none])

    assert found == {both: 2, one: 1}


def test_nothing_is_reached_out_of_sight(db: Connection) -> None:
    """Another scope, and what is out of force, is not reached over a shared name."""
    seed = kept(db, fact("We met Ann"))
    kept(db, replace(fact("They met Ann"), scope="project:x"))
    gone = kept(db, fact("Somebody met Ann"))
    memories.put_away(db, [gone], "forgotten", 1500.0)

    assert mentions.linked(db, [seed], replace(ALL, scopes=("user",)), 10) == []


def test_what_all_mention_links_nothing(db: Connection) -> None:
    """A name that is everywhere is passed over, and is not read for each walk."""
    seed = kept(db, fact("We met Ann"))
    for _ in range(mentions.MENTIONS_MAX):
        kept(db, fact("We met Ann"))

    assert mentions.linked(db, [seed], ALL, 10) == []


def test_names_are_erased_with_the_last_that_mentions_them(db: Connection) -> None:
    """Of an erased memory no name is left; what another mentions too stays."""
    first = kept(db, fact("We met Ann and Bob"))
    kept(db, fact("We met Ann"))

    mentions.forget(db, [first])

    assert all_rows(db, "SELECT name FROM memory_entities", ()) == [("Ann",)]
    assert mentions.linked(db, [first], ALL, 10) == []
