"""The statements that run all the time look things up; none of them reads a table from end to end.

The statements are not copied here: the real functions are run, and what they asked SQLite is explained.
Whoever adds a statement that runs with each search or each document adds its function here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from pi_rag.memory_types import Caller, Which
from pi_rag.store import (
    Connection,
    citing,
    documents,
    export,
    identity,
    job_rows,
    jobs,
    query_vectors,
    removal,
    sources,
    steering,
    upkeep,
    vectors,
    watches,
)
from pi_rag.store.memory import changes, keys, memories, sessions, which
from pi_rag.store.memory import vectors as memory_vectors
from pi_rag.store.query_vectors import Changes, KeptQuery
from pi_rag.store.rows import all_rows
from pi_rag.store.watches import File
from pi_rag.types import Item, NewItem, Refusal
from tests.store.making import FINGERPRINT, axis, put
from tests.store.memory.keeping import fact

NO = Refusal("no", "document_binary", "It is no text.", "")
GONE = Refusal("s0", "path_not_found", "It is not there.", "")
EMPTY = Refusal("s0", "document_empty", "There is nothing in it.", "")
CALLER = Caller("agent", 1000, "test")
KEPT = KeptQuery(b"h", b"v", 2, 1.0)

HOT: dict[str, Callable[[Connection], Any]] = {
    "passages by id": lambda db: citing.passages(db, [3, 1, 99]),
    "documents of passages": lambda db: citing.documents_of(db, [3, 1, 99]),
    "around a passage": lambda db: citing.around(db, 3, 4, 2),
    "a piece of a document": lambda db: documents.excerpt(db, 3, 0, 5),
    "vectors by passage": lambda db: vectors.of(db, [3, 1, 99]),
    "vectors by hash": lambda db: documents.known_vectors(db, [b"0" * 16, b"no"]),
    "whether a document is known": lambda db: documents.content_hash(db, "default", "s3"),
    "one document": lambda db: documents.get(db, 3),
    "a page of documents": lambda db: documents.listing(db, None, 10, 5),
    "a document to export": lambda db: export.following(db, None, 5, made_by=FINGERPRINT),
    "one of a collection": lambda db: export.following(db, "other", 5, made_by=FINGERPRINT),
    "a document by its key": lambda db: export.stored(db, "default", "s3"),
    "storing": lambda db: put(db, "new", ["tea", "milk"]),
    "replacing": lambda db: put(db, "s4", ["tea", "milk"]),
    "removing by number": lambda db: removal.document(db, 5, 1.0),
    "removing by source": lambda db: removal.source(db, "s6", None, 1.0),
    "removing by source and collection": lambda db: removal.source(db, "s7", "default", 1.0),
    "claiming and finishing": lambda db: jobs.finish(db, _claimed(db), "done", 1, None, 2.0),
    "putting back": lambda db: jobs.put_back(db, _claimed(db), counted=True),
    "when the next is due": lambda db: jobs.due_in_s(db, 1.0),
    "what was given up": lambda db: job_rows.dead_letters(db, 10, 5),
    "queueing": lambda db: jobs.enqueue(
        db, "default", [NewItem("bytes", "new", "", b"tea")], 1000, 1.0, key="k", queue_bytes_max=10_000
    ),
    "forgetting old jobs": lambda db: jobs.forget_old(db, 3, 2, 5),
    "forgetting reasons below a folder": lambda db: sources.forget_below(db, "/home", None),
    "forgetting old reasons": lambda db: sources.forget_old(db, 3),
    "a folder becomes its files": lambda db: jobs.expand(
        db, _claimed(db), [NewItem("path", "new")], [NO], 2.0, ["s5"]
    ),
    "giving up": lambda db: jobs.fail(db, _claimed(db), NO, 2.0),
    "refusing": lambda db: watches.refused(db, _claimed(db), EMPTY, 2.0),
    "what is not there any more": lambda db: jobs.finish(db, _claimed(db), "refused", 0, GONE, 2.0),
    "stored as it is": lambda db: documents.came_with(db, _claimed(db), 2.0),
    "a page of sources": lambda db: sources.listing(db, limit=5, after=("s2", "default")),
    "sources below a folder": lambda db: sources.listing(
        db, under="/home", collection="default", skipped=True, limit=5
    ),
    "the contents of watched files": lambda db: watches.made_from(db, watches.one(db, 1), ["s1"]),
    "watched files that nobody wants": lambda db: watches.unwanted(db, watches.one(db, 1)),
    "devices of watched files": lambda db: watches.elsewhere(db, 1, ["s1"]),
    "watched files as stored": lambda db: watches.queued(
        db, watches.one(db, 1), [File("s1", 1, 1, elsewhere=0)], 2.0, as_stored=["s1"]
    ),
    "whether there are siblings": lambda db: watches.has_siblings(db, watches.one(db, 1)),
    "watched folders": watches.listing,
    "cancelling": lambda db: steering.cancel(db, 9, 1.0),
    "one job": lambda db: job_rows.job(db, 1, 10),
    "what is in hand": lambda db: jobs.in_hand(db, "default"),
    "watched files below a folder": lambda db: watches.stamps(db, 1, "s"),
    "noting watched files": lambda db: watches.queued(
        db, watches.one(db, 1), [File("s1", 1, 1, elsewhere=0, refusal=NO)], 1.0
    ),
    "watched files that wait": lambda db: watches.waiting(db, watches.one(db, 1), ["s1", "no"]),
    "a watched file moves": lambda db: watches.moved(
        db, watches.one(db, 1), "s2", File("new", 1, 1, elsewhere=0), {}, 1.0, read_again=False
    ),
    "a watched file goes": lambda db: watches.forget(db, watches.one(db, 1), ["s3"], 1.0),
    "a page of watched files": lambda db: watches.files(
        db, watches.one(db, 1), skipped=True, limit=5, after=""
    ),
    "the model": identity.fingerprint,
    "remembering": lambda db: memories.add(db, fact("new", "t/new"), b"new"),
    "memories by id": lambda db: memories.get(db, [3, 1, 99]),
    "facts on a topic": lambda db: memories.on_topic(db, "user", "t/3"),
    "facts of the same words": lambda db: memories.same_words(db, "user", b"3"),
    "what took another's place": lambda db: memories.lineage(db, 3),
    "all that was kept on a topic": lambda db: memories.topic_history(db, None, "t/3"),
    "forgetting a memory": lambda db: memories.put_away(db, [3], "forgotten", 1.0),
    "bringing it back": lambda db: memories.restore(db, [3]),
    "saying it again": lambda db: memories.said_again(db, 3, 1.0),
    "recalling": lambda db: memories.used(db, {3: 1, 4: 1}, 1.0),
    "memories of a session": lambda db: which.matching(db, Which(session_id=1), None, 1.0),
    "memories by number": lambda db: which.matching(db, Which(ids=(3, 4)), ("user",), 1.0),
    "an event's place": lambda db: sessions.took_event(db, 1, 1.0),
    "one session": lambda db: sessions.get(db, 1, 1.0, 1.0),
    "the changes of a memory": lambda db: changes.of(db, [3]),
    "a page of changes": lambda db: changes.listing(db, None, limit=5, after=9),
    "a client's last change": lambda db: changes.last_of(db, CALLER),
    "noting a change": lambda db: changes.add(db, 1.0, "forget", [3], "user", CALLER),
    "an answer by its key": lambda db: keys.find(db, "me", "3"),
    "keeping an answer": lambda db: keys.keep(db, "me", "new", b"h", {}, memory_id=3, keys_max=1000),
    "memories that wait for vectors": lambda db: memory_vectors.waiting(db, 5),
    "vectors of a memory": lambda db: memory_vectors.add(db, 3, axis(3), FINGERPRINT),
    "saving queries": lambda db: query_vectors.save(db, Changes([KEPT], [KEPT], [b"gone"])),
}

HARMLESS = re.compile(
    r"SCAN (older$|newer$|memory_scopes\b|memory_pending$"  # few; in order, for one page
    r"|CONSTANT ROW|\(subquery|\w+ VIRTUAL TABLE INDEX (?!0:$)"  # json_each; words that are looked up
    r"|jobs USING INDEX jobs_open"  # the open ones in their order, until one has something to do
    r"|(job_items|dead_letters) USING COVERING INDEX"  # counted; settings bound how many there are
    r"|jobs USING COVERING INDEX jobs_ended|skipped$|watches\b|page$"  # as many as are kept; few; one page
    r"|(documents|job_items) USING INDEX \w+_by_source)"  # in their order, until a page is full
)


def _claimed(db: Connection) -> Item:
    item = jobs.claim(db, 3, 1.0, 300.0)
    assert item is not None
    return item


@pytest.fixture(params=["without statistics", "with statistics"])
def full(request: pytest.FixtureRequest, db: Connection) -> Iterator[Connection]:
    """Enough of everything for a choice of the planner to matter."""
    watch = watches.add(db, "/home", "default", [], [], 10, 1.0)
    for number in range(300):
        put(db, f"s{number}", [f"tea {number}", "milk"], collection="other" if number % 3 else "default")
        jobs.enqueue(db, "default", [NewItem("text", f"s{number}", "", b"tea")], 1000, 1.0)
        watches.queued(db, watch, [File(f"s{number}", 1, 1, elsewhere=0)], 1.0)
    put(db, "/home/s2", ["tea"])
    started = [sessions.start(db, f"agent:{number}", "", CALLER, 1.0) for number in range(300)]
    session_id = started[0]
    for number in range(300):
        new = fact(f"fact {number}", f"t/{number}")
        if number % 2:
            new = replace(new, type="event", session_id=session_id, seq=number)
        kept = memories.add(db, new, str(number).encode()).id
        changes.add(db, 1.0, "remember", [kept], "user", CALLER)
        keys.keep(db, "me", str(number), b"h", {}, memory_id=kept, keys_max=1000)
    if request.param == "with statistics":
        upkeep.plan(db)
    yield db


def plans(db: Connection, run: Callable[[Connection], Any]) -> list[tuple[str, str]]:
    """(statement, step of its plan) of everything that `run` asks. Triggers and foreign keys are in none."""
    asked: list[tuple[str, Any]] = []

    def note(_: object, sql: str, bindings: Any) -> bool:
        asked.append((sql, bindings))
        return True

    db.exec_trace = note
    try:
        run(db)
    finally:
        db.exec_trace = None
    return [
        (" ".join(sql.split()), str(row[3]))
        for sql, bindings in asked
        if not sql.lstrip().upper().startswith(("PRAGMA", "SAVEPOINT", "RELEASE", "ANALYZE"))
        for row in all_rows(db, f"EXPLAIN QUERY PLAN {sql}", bindings or ())
    ]


@pytest.mark.parametrize("name", HOT)
def test_nothing_that_runs_all_the_time_reads_a_table_from_end_to_end(full: Connection, name: str) -> None:
    """Whether the planner has statistics or not: a million passages must cost no more than a thousand."""
    found = plans(full, HOT[name])
    assert found != []
    assert [each for each in found if each[1].startswith("SCAN") and not HARMLESS.match(each[1])] == []


@pytest.mark.parametrize("name", ["what is not there any more", "cancelling"])
def test_whether_a_source_is_stored_is_not_looked_for_in_all_of_its_collection(
    full: Connection, name: str
) -> None:
    """Of an archive too: a job with a hundred thousand sources asks it of each."""
    steps = [step for _, step in plans(full, HOT[name]) if step.startswith("SEARCH documents")]
    assert steps != []
    assert [each for each in steps if "source" not in each.partition("(")[2]] == []


def test_a_scan_would_be_seen(full: Connection) -> None:
    """The nearest vectors without a RAM index are found by reading them all, and that shows here."""
    found = plans(full, lambda db: vectors.nearest(db, axis(1), 3))
    assert any(step.startswith("SCAN vectors") and not HARMLESS.match(step) for _, step in found)
    words = plans(full, lambda db: all_rows(db, "SELECT rowid FROM chunks_fts"))
    assert any(not HARMLESS.match(step) for _, step in words)


def test_what_refers_to_a_row_is_found_by_an_index(db: Connection) -> None:
    """A row that goes makes SQLite look for those that refer to it; without an index it reads them all."""
    sql = """
        SELECT tables.name AS child, keys."from" AS col FROM sqlite_schema AS tables,
        pragma_foreign_key_list(tables.name) AS keys WHERE tables.type = 'table'
    """
    for child, column in all_rows(db, sql):
        step = all_rows(db, f'EXPLAIN QUERY PLAN SELECT 1 FROM "{child}" WHERE "{column}" = 1')[0][3]
        assert step.startswith("SEARCH"), f"{child}.{column}: {step}"
