"""The audit log: written once, read by memory, by client and by page."""

from __future__ import annotations

import dataclasses

from pi_rag.memory_types import Caller, Change
from pi_rag.store import Connection
from pi_rag.store.memory import changes
from tests.store.memory.keeping import fact, keep
from tests.store.memory.test_erasing import CALLER


def _add(db: Connection, *ids: int, scope: str = "user", caller: Caller = CALLER, **detail: int) -> Change:
    return changes.add(db, 1.5, "change", ids, scope, caller, detail)


def test_a_line_is_read_as_it_was_written(db: Connection) -> None:
    """Each memory in it once, and the caller as the service saw it."""
    written = _add(db, 3, 1, 3, before=4)
    assert written.memory_ids == (1, 3) and written.detail == {"before": 4}
    assert changes.get(db, written.id) == written
    assert (written.door, written.uid, written.client) == ("agent", 1000, "test")
    assert changes.get(db, 99) is None


def test_lines_are_listed_newest_first_by_scope(db: Connection) -> None:
    """A page goes on below the last of the one before."""
    one, two = _add(db, 1), _add(db, 2, scope="agent:a")
    assert changes.listing(db, None, limit=9) == [two, one]
    assert changes.listing(db, None, limit=9, after=two.id) == [one]
    assert changes.listing(db, ("agent:a",), limit=9) == [two]
    assert changes.listing(db, None, limit=1) == [two]


def test_the_lines_of_a_memory_are_found_oldest_first(db: Connection) -> None:
    """Each once, also when it tells of several of them."""
    one, two = _add(db, 1, 2), _add(db, 2)
    _add(db, 3)
    assert changes.of(db, [2, 1]) == [one, two]


def test_of_many_lines_of_a_memory_the_newest_are_told(db: Connection) -> None:
    """In the same order; one that tells of several memories counts once."""
    lines = [_add(db, 1, 2) for _ in range(4)]
    assert changes.of(db, [1, 2], 3) == lines[1:]
    assert changes.of(db, [1, 2]) == changes.of(db, [1, 2], 4) == lines


def test_the_last_of_a_client_is_its_own_and_can_be_undone(db: Connection) -> None:
    """Others' lines, undone ones and undoings are passed over; so is what its scopes do not let it see, and
    what was done to memories that are not there any more.
    """
    for text in "abcd":
        keep(db, fact(text))
    first, last = _add(db, 1), _add(db, 2, scope="agent:a")
    _add(db, 3, caller=dataclasses.replace(CALLER, uid=7))
    _add(db, 4, caller=dataclasses.replace(CALLER, client="other"))
    _add(db, 99)
    assert changes.last_of(db, CALLER) == last
    assert changes.last_of(db, dataclasses.replace(CALLER, scopes=("user",))) == first
    undoing = changes.add(db, 2.0, "undo", [2], "agent:a", CALLER)
    changes.undone(db, last.id, undoing.id)
    assert changes.last_of(db, CALLER) == first
    found = changes.get(db, last.id)
    assert found is not None and found.undone_by == undoing.id
    changes.undone(db, last.id, None)
    assert changes.last_of(db, CALLER) == last


def test_a_program_is_known_by_its_door_and_its_name(db: Connection) -> None:
    """In any version of it, and not by a name alone: an agent that calls itself so is another."""
    for text in "abcd":
        keep(db, fact(text))
    here = dataclasses.replace(CALLER, door="person", client="pi-rag/2.0")
    last = _add(db, 1, caller=dataclasses.replace(here, client="pi-rag/1.9 (old)"))
    others = ("pi-rag-x/2.0", "pi-rag0", "pi-ra", "pi-rag.", "Pi-rag/2.0")
    for client in others:
        _add(db, 2, caller=dataclasses.replace(here, client=client))
    _add(db, 3, caller=dataclasses.replace(here, door="agent"))
    assert changes.last_of(db, here) == last
    bare = _add(db, 4, caller=dataclasses.replace(here, client="pi-rag"))
    assert changes.last_of(db, here) == bare
    assert changes.last_of(db, dataclasses.replace(here, client="pi")) is None


def test_the_log_is_bounded(db: Connection) -> None:
    """The oldest lines go, with the numbers of their memories."""
    lines = [_add(db, number) for number in range(5)]
    assert changes.forget_old(db, 2) == 3
    assert changes.listing(db, None, limit=9) == lines[:2:-1]
    assert changes.of(db, [0]) == []
