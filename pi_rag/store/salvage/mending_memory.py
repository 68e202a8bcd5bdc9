"""What agents remember, out of the rows that were found: nothing is made up, and nothing hangs loose.

A fact's words are known by a hash, so a flipped bit in one shows. Of events and summaries there is no second
copy: what is readable is taken as it is. Vectors that are gone are made by the service, as those of anything
new are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from pi_rag.store import Connection
from pi_rag.store.rows import all_rows, value
from pi_rag.store.salvage.filling import Filled
from pi_rag.store.salvage.witnesses import Witnesses
from pi_rag.store.spelling import TOKENIZE, spelled
from pi_rag.text.parts import parts

WordsHash = Callable[[str], bytes]
"""By which a fact is known again."""

NOWHERE = "project:recovered"
"""The scope of what nothing says the scope of."""


@dataclass(slots=True)
class Memories:
    """What became of them."""

    saved: dict[str, int] = field(default_factory=dict)
    """By type: fact, event, summary."""
    sessions: int = 0
    lost: list[str] = field(default_factory=list)
    partial: list[str] = field(default_factory=list)
    waiting: int = 0
    """Those whose vectors are made when the service starts."""


def mend(db: Connection, filled: Filled, told: Witnesses, words_hash: WordsHash, now: float) -> Memories:
    """Judge all of it, make their words anew, and count them."""
    found = Memories()
    _give_rows_to_texts(db, found, now)
    _name_scopes(db, told, found)
    _give_sessions(db, found)
    _drop_without_text(db, found)
    _doubt(db, filled, words_hash, found)
    _words_anew(db)
    _signs_anew(db)
    _count(db)
    for kind, number in all_rows(db, "SELECT type, count(*) FROM memories GROUP BY type"):
        found.saved[kind] = number
    found.sessions = value(db, "SELECT count(*) FROM memory_sessions")
    found.waiting = value(db, "SELECT count(*) FROM memory_pending")
    return found


def _give_rows_to_texts(db: Connection, found: Memories, now: float) -> None:
    """A text without its memory becomes a fact again, in the scope that the log of changes says."""
    sql = """
        SELECT memory_id, text FROM memory_texts
        WHERE text <> '' AND memory_id NOT IN (SELECT id FROM memories)
    """
    for memory_id, _ in all_rows(db, sql):
        scope_id = value(
            db,
            "SELECT scope_id FROM memory_changed JOIN memory_changes ON id = change_id WHERE memory_id = ?",
            (memory_id,),
        )
        db.execute(
            """
            INSERT INTO memories (id, type, scope_id, kind, importance, confidence, tags, trust, at,
                                  created_at, revision, door, client, last_said_at)
            VALUES (?, 'fact', ?, 'note', 0.5, 0.5, '[]', 'agent', ?, ?, 1, 'person', 'pi-rag recover', ?)
            """,
            (memory_id, scope_id or _nowhere(db), now, now, now),
        )
        found.partial.append(f"memory {memory_id}: only its text was left")


def _nowhere(db: Connection) -> int:
    db.execute("INSERT OR IGNORE INTO memory_scopes (name) VALUES (?)", (NOWHERE,))
    return int(value(db, "SELECT id FROM memory_scopes WHERE name = ?", (NOWHERE,)))


def _name_scopes(db: Connection, told: Witnesses, found: Memories) -> None:
    """Scopes that are gone get their names again by the index of names, or one that says what happened."""
    sql = """
        SELECT scope_id FROM memories UNION SELECT scope_id FROM memory_sessions
        UNION SELECT scope_id FROM memory_changes EXCEPT SELECT id FROM memory_scopes
    """
    for (scope_id,) in all_rows(db, sql):
        name = told.scopes.get(scope_id)
        if name is None or value(db, "SELECT 1 FROM memory_scopes WHERE name = ?", (name,)):
            name = f"project:recovered-{scope_id}"
            found.partial.append(f"the name of scope {scope_id} is gone; it is {name} now")
        db.execute("INSERT OR IGNORE INTO memory_scopes (id, name) VALUES (?, ?)", (scope_id, name))


def _give_sessions(db: Connection, found: Memories) -> None:
    """What was logged in a session that is gone stays together."""
    sql = """
        SELECT session_id, min(scope_id), min(at), max(at), max(coalesce(seq, 0)), min(client) FROM memories
        WHERE session_id IS NOT NULL AND session_id NOT IN (SELECT id FROM memory_sessions)
        GROUP BY session_id
    """
    for session_id, scope_id, began_at, last_at, last_seq, client in all_rows(db, sql):
        db.execute(
            """
            INSERT INTO memory_sessions (id, scope_id, title, started_at, ended_at, last_at, last_seq, door,
                                         client)
            VALUES (?, ?, 'recovered', ?, ?, ?, ?, 'person', ?)
            """,
            (session_id, scope_id, began_at, last_at, last_at, last_seq, client),
        )
        found.partial.append(f"session {session_id}: its title is gone")


def _drop_without_text(db: Connection, found: Memories) -> None:
    sql = """
        SELECT memories.id, type, coalesce(topic, ''), name FROM memories
        JOIN memory_scopes ON memory_scopes.id = scope_id
        WHERE memories.id NOT IN (SELECT memory_id FROM memory_texts)
    """
    for memory_id, kind, topic, scope in all_rows(db, sql):
        found.lost.append(f"{kind} {memory_id} of {scope}" + (f", on {topic}" if topic else ""))
        db.execute("DELETE FROM memories WHERE id = ?", (memory_id,))
    db.execute("DELETE FROM memory_texts WHERE text <> '' AND memory_id NOT IN (SELECT id FROM memories)")


def _doubt(db: Connection, filled: Filled, words_hash: WordsHash, found: Memories) -> None:
    """Name those of which something is known to be wrong; a fact's hash becomes that of its words."""
    damaged = filled.suspect.get("memories", set()) | filled.suspect.get("memory_texts", set())
    rows = "SELECT id, text, words_hash FROM memories JOIN memory_texts ON memory_id = id ORDER BY id"
    for memory_id, text, hashed in all_rows(db, rows):
        is_other = hashed is not None and words_hash(text) != hashed
        if is_other or memory_id in damaged:
            found.partial.append(f"memory {memory_id}: its text or its tags differ from what they were")
        if is_other:
            db.execute("UPDATE memories SET words_hash = ? WHERE id = ?", (words_hash(text), memory_id))


def _words_anew(db: Connection) -> None:
    """The word index from the texts. Where parts are missing all are cut anew, and wait for their vectors."""
    db.execute(f"""
        DROP TABLE memory_fts;
        CREATE VIRTUAL TABLE memory_fts USING fts5 (
            topic, body, content = '', contentless_delete = 1, tokenize = "{TOKENIZE}"
        );
        DELETE FROM memory_parts WHERE memory_id NOT IN (SELECT id FROM memories);
        DELETE FROM memory_vectors WHERE part_id NOT IN (SELECT id FROM memory_parts);
        DELETE FROM memory_pending WHERE memory_id NOT IN (SELECT id FROM memories);
    """)
    rows = "SELECT id, topic, text FROM memories JOIN memory_texts ON memory_id = id ORDER BY id"
    for memory_id, topic, text in all_rows(db, rows):
        if not _is_complete(db, memory_id, text):
            db.execute("DELETE FROM memory_parts WHERE memory_id = ?", (memory_id,))
            add = "INSERT INTO memory_parts (memory_id, start, end) VALUES (?, ?, ?)"
            db.executemany(add, [(memory_id, start, end) for start, end in parts(text)])
            db.execute("INSERT OR IGNORE INTO memory_pending (memory_id) VALUES (?)", (memory_id,))
        of_it = "SELECT id, start, end FROM memory_parts WHERE memory_id = ? ORDER BY id"
        for part_id, start, end in all_rows(db, of_it, (memory_id,)):
            words = (part_id, spelled(topic or ""), spelled(text[start:end]))
            db.execute("INSERT INTO memory_fts (rowid, topic, body) VALUES (?, ?, ?)", words)
    db.execute("DELETE FROM memory_vectors WHERE part_id NOT IN (SELECT id FROM memory_parts)")


def _is_complete(db: Connection, memory_id: int, text: str) -> bool:
    """Whether its parts are what its text is cut into, and each has its vector or none is to have one yet."""
    sql = """
        SELECT start, end, part_id IS NOT NULL FROM memory_parts LEFT JOIN memory_vectors ON part_id = id
        WHERE memory_id = ? ORDER BY id
    """
    rows = all_rows(db, sql, (memory_id,))
    if [(start, end) for start, end, _ in rows] != parts(text):
        return False
    waits = bool(value(db, "SELECT 1 FROM memory_pending WHERE memory_id = ?", (memory_id,)))
    return waits or all(has for _, _, has in rows)


def _signs_anew(db: Connection) -> None:
    """The bits by which vectors are proposed, from the vectors."""
    db.execute("""
        DELETE FROM memory_signs;
        INSERT INTO memory_signs (scope_id, type, part_id, signs)
            SELECT scope_id, type, part_id, vec_quantize_binary(vector)
            FROM memory_vectors CROSS JOIN memory_parts ON memory_parts.id = part_id
            CROSS JOIN memories ON memories.id = memory_id WHERE length(vector) % 32 = 0;
    """)


def _count(db: Connection) -> None:
    sums = ", ".join(
        f"{column} = (SELECT count(*) FROM memories WHERE scope_id = memory_scopes.id AND {which})"
        for column, which in (
            ("facts", "gone IS NULL AND type = 'fact'"),
            ("events", "gone IS NULL AND type = 'event'"),
            ("summaries", "gone IS NULL AND type = 'summary'"),
            ("gone", "gone IS NOT NULL"),
        )
    )
    db.execute(f"UPDATE memory_scopes SET {sums}")
