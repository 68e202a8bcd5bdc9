"""What was erased is in no table and in no byte of the files; what was not stays whole."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import random
import string
from pathlib import Path
from typing import Any

import apsw
import pytest

from pi_rag.clock import SystemClock
from pi_rag.config import StoreSettings
from pi_rag.memory_types import Caller
from pi_rag.store import Connection, checkup, erased, identity, upkeep
from pi_rag.store.folder import wal_path
from pi_rag.store.memory import changes, erasing, keys, memories, mentions, sessions, words
from pi_rag.store.memory.seen import Seen
from pi_rag.store.rows import all_rows, value
from pi_rag.store.store import Store
from pi_rag.text.entities import Entity
from tests.store.making import FINGERPRINT, axis
from tests.store.memory.keeping import fact, keep

CALLER = Caller("agent", 1000, "test")


def _bytes(path: Path) -> bytes:
    """Everything that lies in the folder, lower case as the word index has it."""
    wal = wal_path(path)
    return (path.read_bytes() + (wal.read_bytes() if wal.exists() else b"")).lower()


def _mark(dice: random.Random) -> str:
    """A word that nothing else holds, and that is no part of another."""
    return "".join(dice.choices(string.ascii_lowercase, k=20))


def _rows_of(db: Connection) -> dict[str, int]:
    tables = [row[0] for row in all_rows(db, "SELECT name FROM sqlite_schema WHERE name LIKE 'memor%'")]
    plain = [name for name in tables if name.split("_by_")[0] == name and "_fts" not in name]
    known = {row[0] for row in all_rows(db, "SELECT name FROM sqlite_schema WHERE type = 'table'")}
    return {name: value(db, f"SELECT count(*) FROM {name}") for name in plain if name in known}


def test_an_erased_memory_leaves_no_row_that_tells_of_it(db: Connection) -> None:
    """Its place among the texts stays, empty, and the line of the log that it was there, without detail."""
    other = keep(db, fact("The kettle is blue."), axis(1))
    before = _rows_of(db)
    gone = keep(db, fact("Ada keeps the key.", topic="home/key"), axis(0))
    mentions.mention(db, gone, [Entity("name", "ada", "Ada")])
    keys.keep(db, "me", "k1", b"h", {"id": gone}, memory_id=gone, keys_max=10)
    effects = [{"ids": [gone], "set": {"tags": ["[]", '["ada"]']}}, {"ids": [other, gone], "set": {}}]
    change = changes.add(db, 1.0, "change", [gone, other], "user", CALLER, {"effects": effects})

    assert erasing.erase(db, [gone]) == 1

    left = _rows_of(db)
    assert left.pop("memory_texts") == before.pop("memory_texts") + 1
    assert left.pop("memory_changes") == 1 == before.pop("memory_changes") + 1
    assert left.pop("memory_changed") == 2 == before.pop("memory_changed") + 2
    assert left == before
    assert value(db, "SELECT text FROM memory_texts WHERE memory_id = ?", (gone,)) == ""
    found = changes.get(db, change.id)
    assert found is not None and found.detail == {
        "effects": [{"ids": [], "set": {}}, {"ids": [other], "set": {}}]
    }
    assert memories.get(db, [gone, other]) == [memories.one(db, other)]
    assert checkup.check(db) == []


def test_an_erased_memory_is_found_by_no_word(db: Connection) -> None:
    """The words of another are found as ever."""
    erased, other = keep(db, fact("blue kettle")), keep(db, fact("blue lamp"))
    erasing.erase(db, [erased])
    seen = Seen(None, ("fact",), 2000.0)
    found = words.worded(db, "blue kettle", 10, seen).ranked
    assert len(found) == 1
    part_of = value(db, "SELECT memory_id FROM memory_parts WHERE id = ?", (found[0][0],))
    assert part_of == other


def test_what_an_erased_one_was_linked_to_stays_without_the_link(db: Connection) -> None:
    """Its successor is in force as before, and an id that was erased is given to no other."""
    old = keep(db, fact("tea"))
    new = keep(db, dataclasses.replace(fact("coffee"), supersedes=old))
    memories.put_away(db, [old], "superseded", 5.0, superseded_by=new)
    erasing.erase(db, [old])
    stays = memories.one(db, new)
    assert stays is not None and stays.supersedes is None and stays.gone is None
    erasing.erase(db, [new])
    assert keep(db, fact("water")) > new


def test_the_title_of_a_session_goes_with_its_last_memory(db: Connection) -> None:
    """It is a text like others; one that has ended goes whole, and one without memories stays untouched."""
    open_one, ended, other = [sessions.start(db, "user", f"night {n}", CALLER, 1.0) for n in range(3)]
    sessions.end(db, ended, 2.0)
    first, second, last = [
        keep(db, dataclasses.replace(fact(f"cup {n}"), session_id=n)) for n in (open_one, open_one, ended)
    ]

    def titles() -> list[str | None]:
        found = [sessions.get(db, each, 2.0, 100.0) for each in (open_one, ended, other)]
        return [each.title if each else None for each in found]

    erasing.erase(db, [first])
    assert titles() == ["night 0", "night 1", "night 2"]
    erasing.erase(db, [second, last])
    assert titles() == ["", None, "night 2"]


def test_a_sessions_summary_can_be_erased(db: Connection) -> None:
    """The session is there without it."""
    session_id = sessions.start(db, "user", "night shift", CALLER, 1.0)
    summary = dataclasses.replace(fact("All done."), type="summary", session_id=session_id)
    erasing.erase(db, [keep(db, summary)])
    session = sessions.get(db, session_id, 2.0, 100.0)
    assert session is not None and session.summary is None


@pytest.mark.parametrize("seed", [1, 2])
async def test_no_text_that_was_erased_is_left_in_the_files(path: Path, seed: int) -> None:
    """Memories come, change and go at random, long and short, while pages are given back and statistics made.

    Of no text is anything left; of the keys of topics and of names next to none is (erasing.py says why).
    What is in force can all be read in the file, which shows that the look for it would find the rest.
    """
    dice = random.Random(seed)
    store = Store.open(path, StoreSettings(), SystemClock())
    await store.write(identity.claim_fingerprint, FINGERPRINT)
    alive: dict[int, tuple[str, ...]] = {}
    dead: list[tuple[str, ...]] = []
    for turn in range(60):
        alive |= await store.write(_some, dice)
        await store.write(memories.used, dict.fromkeys(list(alive)[-40:], 1), 2000.5 + turn)
        if turn % 3 == 2:
            going = dice.sample(sorted(alive), k=min(len(alive), dice.choice([1, 2, 20])))
            await store.write(erasing.erase, going)
            dead += [alive.pop(each) for each in going]
        await store.write(upkeep.plan if turn % 10 == 5 else upkeep.merge_step)
        await store.write(upkeep.give_back_step, 4)
    assert await erasing.emptied(store)
    left = _bytes(path)
    assert [text for text, _, _ in dead if text.encode() in left] == []
    labels = [label for _, *both in dead for label in both]
    assert len(dead) > 100
    assert sum(label.encode() in left for label in labels) <= len(labels) // 50
    assert all(mark.encode() in left for marks in alive.values() for mark in marks[:1])
    assert await store.read(checkup.check) == []
    assert await store.close()


def _some(db: Connection, dice: random.Random) -> dict[int, tuple[str, ...]]:
    """A few memories, and the words by which each can be told: in its text, its topic, and as an entity."""
    made: dict[int, tuple[str, ...]] = {}
    for _ in range(dice.randint(1, 12)):
        marks = tuple(_mark(dice) for _ in range(3))
        text = f"{marks[0]} " + "lorem ipsum dolor sit amet " * dice.choice([1, 3, 20, 100, 700])
        memory_id = keep(db, fact(text, topic=f"t/{marks[1]}"), *[])
        mentions.mention(db, memory_id, [Entity("name", marks[2], marks[2])])
        made[memory_id] = marks
    return made


async def test_the_log_is_emptied_as_soon_as_nobody_reads(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader in the way is waited for."""
    monkeypatch.setattr(erasing, "TRY_S_BETWEEN", 0.0)
    await store.write(keep, fact("tea"))
    reading, may_end = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def read(db: Connection) -> Any:
        all_rows(db, "SELECT id FROM memories")
        loop.call_soon_threadsafe(reading.set)
        return asyncio.run_coroutine_threadsafe(may_end.wait(), loop).result()

    reader = asyncio.create_task(store.read(read))
    await reading.wait()
    await store.write(keep, fact("milk"))
    emptied = asyncio.create_task(erasing.emptied(store))
    assert not await store.empty_log()
    may_end.set()
    await reader
    assert await emptied
    assert store.wal_bytes == 0


async def test_what_was_erased_goes_from_the_log_after_a_reader_or_a_kill(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The note that it is in the log outlives a start, and the first look of the upkeep empties the log."""
    monkeypatch.setattr(erasing, "TRIES", 1)
    store = Store.open(path, StoreSettings(), SystemClock())
    await store.write(identity.claim_fingerprint, FINGERPRINT)
    one = await store.write(keep, fact("Quetzalcoatlus sleeps here."))
    with contextlib.closing(apsw.Connection(str(path))) as reader:
        reader.execute("BEGIN; SELECT count(*) FROM memories").fetchall()
        await store.write(erasing.erase, [one])
        assert not await erasing.emptied(store)
    kept = upkeep.Upkeep(store, StoreSettings(), SystemClock())
    assert b"quetzalcoatlus" in _bytes(path)
    assert await kept.look() == "empty_log"
    assert b"quetzalcoatlus" not in _bytes(path)
    assert await store.read(erased.noted) is None
    assert [await kept.look() for _ in range(3)].count("empty_log") == 0
    assert await store.close()
