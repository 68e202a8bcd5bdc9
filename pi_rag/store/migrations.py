"""The schema, as small numbered steps. A step is appended, never edited: databases out there have taken it.

Step n turns schema version n-1 into n. All pending steps and the new version number are one transaction, so a
failing step leaves the old schema.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pi_rag.errors import SchemaNewer, StoreUnusable
from pi_rag.store import Connection, by_hash, by_words
from pi_rag.store.spelling import TOKENIZE

APPLICATION_ID = 0x70695261
"""`piRa` in ASCII: tells our database from any other SQLite file."""

Step = Callable[[Connection], None]


def s01_meta(db: Connection) -> None:
    """Single facts about the whole: the fingerprint of the model that made the vectors."""
    db.execute("CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID")


def s02_documents(db: Connection) -> None:
    """Documents. Their texts lie apart, so that a listing does not read them."""
    db.execute("""
        CREATE TABLE collections (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
        CREATE TABLE documents (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            collection_id INTEGER NOT NULL REFERENCES collections (id),
            source TEXT NOT NULL,
            title TEXT NOT NULL,
            kind TEXT NOT NULL,
            content_hash TEXT NOT NULL,
            metadata TEXT NOT NULL CHECK (json_valid(metadata)),
            char_count INTEGER NOT NULL,
            chunk_count INTEGER NOT NULL,
            created_at REAL NOT NULL,
            updated_at REAL NOT NULL,
            UNIQUE (collection_id, source)
        ) STRICT;
        CREATE INDEX documents_by_source ON documents (source);
        CREATE INDEX documents_by_collection ON documents (collection_id);
        CREATE TABLE document_texts (
            document_id INTEGER PRIMARY KEY REFERENCES documents (id) ON DELETE CASCADE,
            text TEXT NOT NULL
        ) STRICT;
    """)


def s03_chunks(db: Connection) -> None:
    """Passages. AUTOINCREMENT: the number of a removed one never comes back to mean another."""
    db.execute("""
        CREATE TABLE chunks (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            document_id INTEGER NOT NULL REFERENCES documents (id) ON DELETE CASCADE,
            seq INTEGER NOT NULL,
            start INTEGER NOT NULL,
            end INTEGER NOT NULL,
            page INTEGER,
            heading TEXT NOT NULL,
            text TEXT NOT NULL,
            token_count INTEGER NOT NULL,
            UNIQUE (document_id, seq)
        ) STRICT;
    """)


def s04_words(db: Connection) -> None:
    """The words of each passage, without a second copy of its text."""
    db.execute("""
        CREATE VIRTUAL TABLE chunks_fts USING fts5 (
            title, heading, body, content = '', contentless_delete = 1, tokenize = 'porter unicode61'
        );
    """)


def s05_jobs(db: Connection) -> None:
    """The queue. `job_items` holds only what is still to be done; a job keeps the counts of the rest.

    Payloads lie apart: changing an item's state would else write tens of mebibytes to the card again.
    """
    db.execute("""
        CREATE TABLE jobs (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            collection TEXT NOT NULL,
            created_at REAL NOT NULL,
            finished_at REAL,
            items_total INTEGER NOT NULL,
            items_done INTEGER NOT NULL DEFAULT 0,
            items_unchanged INTEGER NOT NULL DEFAULT 0,
            items_refused INTEGER NOT NULL DEFAULT 0,
            chunks INTEGER NOT NULL DEFAULT 0
        ) STRICT;
        CREATE TABLE job_items (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            job_id INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
            kind TEXT NOT NULL,
            source TEXT NOT NULL,
            title TEXT NOT NULL,
            metadata TEXT NOT NULL CHECK (json_valid(metadata)),
            state TEXT NOT NULL DEFAULT 'queued' CHECK (state IN ('queued', 'running')),
            attempts INTEGER NOT NULL DEFAULT 0
        ) STRICT;
        CREATE TABLE item_payloads (
            item_id INTEGER PRIMARY KEY REFERENCES job_items (id) ON DELETE CASCADE,
            payload BLOB NOT NULL
        ) STRICT;
        CREATE INDEX job_items_by_state ON job_items (state, job_id);
        CREATE INDEX job_items_by_job ON job_items (job_id);
        CREATE TABLE job_refusals (
            id INTEGER PRIMARY KEY,
            job_id INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
            source TEXT NOT NULL,
            code TEXT NOT NULL,
            message TEXT NOT NULL,
            hint TEXT NOT NULL
        ) STRICT;
        CREATE INDEX job_refusals_by_job ON job_refusals (job_id);
    """)


def s06_query_vectors(db: Connection) -> None:
    """Vectors of queries asked before, under a hash. Counting a use again does not write its vector again."""
    db.execute("""
        CREATE TABLE query_uses (
            hash BLOB PRIMARY KEY,
            uses INTEGER NOT NULL,
            used_at REAL NOT NULL
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE query_vectors (
            hash BLOB PRIMARY KEY REFERENCES query_uses (hash) ON DELETE CASCADE,
            vector BLOB NOT NULL
        ) STRICT;
    """)


def s07_text_hashes(db: Connection) -> None:
    """What each vector was made of, as a hash, to find it again. Passages from before have none."""
    db.execute("""
        ALTER TABLE chunks ADD COLUMN text_hash BLOB;
        CREATE INDEX chunks_by_text_hash ON chunks (text_hash) WHERE text_hash IS NOT NULL;
    """)


def s08_vectors(db: Connection) -> None:
    """Vectors in an ordinary table, which finds a few of them ten times as fast as sqlite-vec's own.

    The virtual table of older databases is emptied into it. It was made with the first model, so a fresh
    database has none.
    """
    db.execute("""
        CREATE TABLE vectors (
            chunk_id INTEGER PRIMARY KEY REFERENCES chunks (id) ON DELETE CASCADE,
            vector BLOB NOT NULL
        ) STRICT;
    """)
    if db.table_exists("main", "chunks_vec"):
        db.execute("""
            INSERT INTO vectors SELECT chunk_id, embedding FROM chunks_vec
                WHERE chunk_id IN (SELECT id FROM chunks);
            DROP TABLE chunks_vec;
        """)


def s09_index_journal(db: Connection) -> None:
    """Which passages went since the snapshot of the RAM index was made, as long as there is one."""
    db.execute("""
        CREATE TABLE removed_chunks (chunk_id INTEGER PRIMARY KEY) STRICT;
        CREATE TRIGGER chunks_removed AFTER DELETE ON chunks
        WHEN EXISTS (SELECT 1 FROM meta WHERE key = 'index_snapshot')
        BEGIN
            INSERT OR IGNORE INTO removed_chunks VALUES (old.id);
        END;
    """)


def s10_duplicates(db: Connection) -> None:
    """Which passages say nearly what an older one says. Passages from before have no hash of their words.

    An original is older than what repeats it, so links cannot make a circle.
    """
    db.execute("""
        ALTER TABLE chunks ADD COLUMN copy_hash INTEGER;
        CREATE INDEX chunks_by_copy_hash ON chunks (copy_hash) WHERE copy_hash IS NOT NULL;
        CREATE TABLE duplicates (
            chunk_id INTEGER PRIMARY KEY REFERENCES chunks (id) ON DELETE CASCADE,
            of_chunk_id INTEGER NOT NULL REFERENCES chunks (id) ON DELETE CASCADE,
            document_id INTEGER NOT NULL,
            of_document_id INTEGER NOT NULL,
            similarity REAL NOT NULL,
            CHECK (of_chunk_id < chunk_id)
        ) STRICT;
        CREATE INDEX duplicates_by_original ON duplicates (of_chunk_id);
        CREATE INDEX duplicates_by_documents ON duplicates (document_id, of_document_id, similarity);
        CREATE TABLE job_duplicates (
            id INTEGER PRIMARY KEY,
            job_id INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
            source TEXT NOT NULL,
            chunks INTEGER NOT NULL,
            near_duplicates INTEGER NOT NULL,
            of_source TEXT NOT NULL,
            of_documents INTEGER NOT NULL
        ) STRICT;
        CREATE INDEX job_duplicates_by_job ON job_duplicates (job_id, near_duplicates);
    """)


def s11_spelled_words(db: Connection) -> None:
    """The word index anew, as texts are spelled for it since (`spelling.py`), of every passage there is."""
    by_words.create(db)


def s12_queue(db: Connection) -> None:
    """What a queue needs beyond order: priorities, pauses, back-off, keys, and what was given up.

    What was given up lies apart with all it takes to try it again, so that the queue itself stays short.
    """
    db.execute("""
        ALTER TABLE jobs ADD COLUMN priority INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE jobs ADD COLUMN paused INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE jobs ADD COLUMN key TEXT;
        ALTER TABLE jobs ADD COLUMN request_hash BLOB;
        ALTER TABLE jobs ADD COLUMN items_failed INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE jobs ADD COLUMN items_cancelled INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE job_items ADD COLUMN not_before REAL NOT NULL DEFAULT 0;
        CREATE INDEX job_items_waiting ON job_items (not_before) WHERE not_before > 0;
        CREATE INDEX jobs_open ON jobs (priority DESC, id) WHERE finished_at IS NULL;
        CREATE UNIQUE INDEX jobs_by_key ON jobs (key) WHERE key IS NOT NULL;
        CREATE TABLE dead_letters (
            id INTEGER PRIMARY KEY,
            job_id INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
            kind TEXT NOT NULL,
            source TEXT NOT NULL,
            title TEXT NOT NULL,
            metadata TEXT NOT NULL CHECK (json_valid(metadata)),
            payload BLOB NOT NULL,
            attempts INTEGER NOT NULL,
            code TEXT NOT NULL,
            message TEXT NOT NULL,
            hint TEXT NOT NULL,
            died_at REAL NOT NULL
        ) STRICT;
        CREATE INDEX dead_letters_by_job ON dead_letters (job_id);
    """)


def s13_watches(db: Connection) -> None:
    """Folders that are watched, and the files that were seen in them, as they were when they were queued.

    A file's size and time tell whether it has changed, so that an unchanged one is never read again. Why a
    file was not taken is noted by whoever finds out: the queue forgets its jobs, a folder does not.
    """
    db.execute("""
        CREATE TABLE watches (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            root TEXT NOT NULL,
            collection TEXT NOT NULL,
            include TEXT NOT NULL CHECK (json_valid(include)),
            exclude TEXT NOT NULL CHECK (json_valid(exclude)),
            created_at REAL NOT NULL,
            device INTEGER,
            UNIQUE (root, collection)
        ) STRICT;
        CREATE TABLE watch_files (
            watch_id INTEGER NOT NULL REFERENCES watches (id) ON DELETE CASCADE,
            path TEXT NOT NULL,
            size INTEGER NOT NULL,
            mtime_ns INTEGER NOT NULL,
            elsewhere INTEGER NOT NULL,
            job_id INTEGER,
            code TEXT,
            message TEXT,
            hint TEXT,
            PRIMARY KEY (watch_id, path)
        ) STRICT, WITHOUT ROWID;
    """)
    # Of all that is refused, what a watched file was last queued for is its own; a later success ends it.
    for table in ("job_refusals", "dead_letters"):
        db.execute(f"""
            CREATE TRIGGER watch_{table} AFTER INSERT ON {table} BEGIN
                UPDATE watch_files SET code = new.code, message = new.message, hint = new.hint
                WHERE job_id = new.job_id AND (watch_id, path) IN (
                    SELECT id, substr(new.source, length(root) + 2) FROM watches
                    WHERE substr(new.source, 1, length(root) + 1) = root || '/'
                );
            END;
        """)
    for name, event in (("new", "INSERT"), ("renewed", "UPDATE OF updated_at")):
        db.execute(f"""
            CREATE TRIGGER watch_{name}_document AFTER {event} ON documents BEGIN
                UPDATE watch_files SET code = NULL, message = NULL, hint = NULL
                WHERE code IS NOT NULL AND (watch_id, path) IN (
                    SELECT watches.id, substr(new.source, length(root) + 2) FROM watches
                    JOIN collections ON collections.name = watches.collection
                    WHERE collections.id = new.collection_id
                        AND substr(new.source, 1, length(root) + 1) = root || '/'
                );
            END;
        """)


def s14_document_items(db: Connection) -> None:
    """Which place in the queue each document came from last, so that an older one cannot replace it."""
    db.execute("""
        CREATE TABLE document_items (
            document_id INTEGER PRIMARY KEY REFERENCES documents (id) ON DELETE CASCADE,
            item_id INTEGER NOT NULL
        ) STRICT
    """)


def s15_sources(db: Connection) -> None:
    """What became of every source: when it was last seen and with what it was given, or why it is not taken.

    Reasons lie by source, whoever asked for it, and watched files have none of their own any more. How large
    payloads are is known without reading them, and what the queue looks up with each request has its index.
    """
    db.execute("""
        ALTER TABLE document_items ADD COLUMN seen_at REAL;
        ALTER TABLE document_items ADD COLUMN title TEXT NOT NULL DEFAULT '';
        ALTER TABLE document_items ADD COLUMN metadata TEXT NOT NULL DEFAULT '{}';
        CREATE TABLE skipped (
            id INTEGER PRIMARY KEY,
            collection TEXT NOT NULL,
            source TEXT NOT NULL,
            code TEXT NOT NULL,
            message TEXT NOT NULL,
            hint TEXT NOT NULL,
            seen_at REAL NOT NULL,
            UNIQUE (source, collection)
        ) STRICT;
        INSERT INTO skipped (collection, source, code, message, hint, seen_at)
            SELECT collection, root || '/' || path, code, message, hint, created_at
            FROM watch_files JOIN watches ON id = watch_id WHERE code IS NOT NULL;
        DROP TRIGGER watch_job_refusals;
        DROP TRIGGER watch_dead_letters;
        DROP TRIGGER watch_new_document;
        DROP TRIGGER watch_renewed_document;
        ALTER TABLE watch_files DROP COLUMN code;
        ALTER TABLE watch_files DROP COLUMN message;
        ALTER TABLE watch_files DROP COLUMN hint;
        ALTER TABLE job_items ADD COLUMN payload_bytes INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE dead_letters ADD COLUMN payload_bytes INTEGER NOT NULL DEFAULT 0;
        UPDATE job_items SET payload_bytes = length(payload) FROM item_payloads WHERE item_id = job_items.id;
        UPDATE dead_letters SET payload_bytes = length(payload) WHERE payload != x'';
        CREATE INDEX job_items_with_payload ON job_items (payload_bytes) WHERE payload_bytes > 0;
        CREATE INDEX dead_letters_with_payload ON dead_letters (payload_bytes) WHERE payload_bytes > 0;
        CREATE INDEX job_items_by_source ON job_items (source);
        CREATE INDEX jobs_ended ON jobs (id, finished_at, items_failed)
            WHERE finished_at IS NOT NULL AND items_failed = 0;
    """)


def s16_watched_files(db: Connection) -> None:
    """What the queue holds of a watched file is found by its source, whoever asked for it."""
    db.execute("ALTER TABLE watch_files DROP COLUMN job_id")


def s17_memories(db: Connection) -> None:
    """What agents keep: facts, events and summaries of sessions, apart from the documents."""
    _memory_scopes_and_sessions(db)
    _memories(db)
    _memories_counted(db)
    _memory_texts_words_and_vectors(db)
    _memory_changes_and_keys(db)
    _memory_entities(db)


def _memory_scopes_and_sessions(db: Connection) -> None:
    db.execute("""
        CREATE TABLE memory_scopes (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            name TEXT NOT NULL UNIQUE,
            facts INTEGER NOT NULL DEFAULT 0,
            events INTEGER NOT NULL DEFAULT 0,
            summaries INTEGER NOT NULL DEFAULT 0,
            gone INTEGER NOT NULL DEFAULT 0
        ) STRICT;
        CREATE TABLE memory_sessions (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            scope_id INTEGER NOT NULL REFERENCES memory_scopes (id),
            title TEXT NOT NULL,
            started_at REAL NOT NULL,
            ended_at REAL,
            last_at REAL NOT NULL,
            last_seq INTEGER NOT NULL DEFAULT 0,
            door TEXT NOT NULL,
            uid INTEGER,
            client TEXT NOT NULL
        ) STRICT;
        CREATE INDEX memory_sessions_by_scope ON memory_sessions (scope_id);
    """)


def _memories(db: Connection) -> None:
    """`words_hash` is of a fact's words, by which it is known again when somebody says it once more.

    `pinned_by` is how far whoever pinned it is trusted; NULL: it is not pinned.
    """
    db.execute("""
        CREATE TABLE memories (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            type TEXT NOT NULL CHECK (type IN ('fact', 'event', 'summary')),
            scope_id INTEGER NOT NULL REFERENCES memory_scopes (id),
            kind TEXT NOT NULL,
            topic TEXT,
            importance REAL NOT NULL,
            confidence REAL NOT NULL,
            tags TEXT NOT NULL CHECK (json_valid(tags)),
            pinned_by TEXT,
            trust TEXT NOT NULL,
            at REAL NOT NULL,
            valid_to REAL,
            expires_at REAL,
            created_at REAL NOT NULL,
            gone_at REAL,
            gone TEXT CHECK (gone IN ('superseded', 'forgotten', 'evicted')),
            supersedes INTEGER,
            superseded_by INTEGER,
            revision INTEGER NOT NULL,
            session_id INTEGER REFERENCES memory_sessions (id),
            seq INTEGER,
            door TEXT NOT NULL,
            uid INTEGER,
            client TEXT NOT NULL,
            document_id INTEGER,
            repeats INTEGER NOT NULL DEFAULT 0,
            last_said_at REAL NOT NULL,
            uses INTEGER NOT NULL DEFAULT 0,
            used_at REAL,
            words_hash BLOB,
            CHECK ((gone IS NULL) = (gone_at IS NULL))
        ) STRICT;
        CREATE INDEX memories_by_scope ON memories (scope_id, type);
        CREATE INDEX memories_in_force ON memories (scope_id, type, at) WHERE gone IS NULL;
        CREATE INDEX memories_by_topic ON memories (scope_id, topic) WHERE topic IS NOT NULL;
        CREATE INDEX memories_by_words ON memories (scope_id, words_hash) WHERE words_hash IS NOT NULL;
        CREATE INDEX memories_by_session ON memories (session_id, seq) WHERE session_id IS NOT NULL;
        CREATE INDEX memories_by_time ON memories (scope_id, at) WHERE type <> 'fact';
        CREATE INDEX memories_by_expiry ON memories (scope_id, expires_at) WHERE expires_at IS NOT NULL;
    """)


def _memories_counted(db: Connection) -> None:
    """How many a scope has is counted as they come and go: its limit is looked at with each of them."""
    for name, event, signed in (
        ("came", "INSERT", (("new", "+"),)),
        ("changed", "UPDATE OF gone", (("old", "-"), ("new", "+"))),
        ("went", "DELETE", (("old", "-"),)),
    ):
        steps = " ".join(_counted_in_its_scope(row, sign) for row, sign in signed)
        db.execute(f"CREATE TRIGGER memory_{name} AFTER {event} ON memories BEGIN {steps} END")


def _counted_in_its_scope(row: str, sign: str) -> str:
    """A statement of a trigger that counts the memory `row`, or takes it out of the count."""
    return f"""
        UPDATE memory_scopes SET
            facts = facts {sign} ({row}.gone IS NULL AND {row}.type = 'fact'),
            events = events {sign} ({row}.gone IS NULL AND {row}.type = 'event'),
            summaries = summaries {sign} ({row}.gone IS NULL AND {row}.type = 'summary'),
            gone = gone {sign} ({row}.gone IS NOT NULL)
        WHERE id = {row}.scope_id;
    """


def _memory_texts_words_and_vectors(db: Connection) -> None:
    """A text is written once, at the end of its table, and never changed. An erased one leaves an empty text:
    a row that goes makes SQLite move others, and copies of them would stay in the file.

    Words and vectors are of parts of it, short enough for a model. `memory_signs` holds the signs of the
    numbers of a vector, a bit each, which propose what is compared exactly. Those of one scope lie side by
    side: ten thousand are looked through in a millisecond.
    """
    db.execute(f"""
        CREATE TABLE memory_texts (
            memory_id INTEGER PRIMARY KEY,
            text TEXT NOT NULL
        ) STRICT;
        CREATE TABLE memory_parts (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            memory_id INTEGER NOT NULL REFERENCES memories (id) ON DELETE CASCADE,
            start INTEGER NOT NULL,
            end INTEGER NOT NULL
        ) STRICT;
        CREATE INDEX memory_parts_by_memory ON memory_parts (memory_id);
        CREATE VIRTUAL TABLE memory_fts USING fts5 (
            topic, body, content = '', contentless_delete = 1, tokenize = "{TOKENIZE}"
        );
        CREATE TABLE memory_vectors (
            part_id INTEGER PRIMARY KEY REFERENCES memory_parts (id) ON DELETE CASCADE,
            vector BLOB NOT NULL
        ) STRICT;
        CREATE TABLE memory_signs (
            scope_id INTEGER NOT NULL,
            type TEXT NOT NULL,
            part_id INTEGER NOT NULL REFERENCES memory_parts (id) ON DELETE CASCADE,
            signs BLOB NOT NULL,
            PRIMARY KEY (scope_id, type, part_id)
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX memory_signs_by_part ON memory_signs (part_id);
        CREATE TABLE memory_pending (
            memory_id INTEGER PRIMARY KEY REFERENCES memories (id) ON DELETE CASCADE
        ) STRICT;
    """)


def _memory_changes_and_keys(db: Connection) -> None:
    db.execute("""
        CREATE TABLE memory_changes (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            at REAL NOT NULL,
            operation TEXT NOT NULL,
            scope_id INTEGER NOT NULL REFERENCES memory_scopes (id),
            door TEXT NOT NULL,
            uid INTEGER,
            client TEXT NOT NULL,
            detail TEXT NOT NULL CHECK (json_valid(detail)),
            undone_by INTEGER
        ) STRICT;
        CREATE INDEX memory_changes_by_client ON memory_changes (client, uid);
        CREATE INDEX memory_changes_by_scope ON memory_changes (scope_id);
        CREATE TABLE memory_changed (
            change_id INTEGER NOT NULL REFERENCES memory_changes (id) ON DELETE CASCADE,
            memory_id INTEGER NOT NULL,
            PRIMARY KEY (change_id, memory_id)
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX memory_changed_by_memory ON memory_changed (memory_id);
        CREATE TABLE memory_keys (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            owner TEXT NOT NULL,
            key TEXT NOT NULL,
            request_hash BLOB NOT NULL,
            answer TEXT NOT NULL CHECK (json_valid(answer)),
            memory_id INTEGER,
            UNIQUE (owner, key)
        ) STRICT;
        CREATE INDEX memory_keys_by_memory ON memory_keys (memory_id);
    """)


def _memory_entities(db: Connection) -> None:
    db.execute("""
        CREATE TABLE memory_entities (
            id INTEGER PRIMARY KEY,
            kind TEXT NOT NULL,
            key TEXT NOT NULL,
            name TEXT NOT NULL,
            UNIQUE (kind, key)
        ) STRICT;
        CREATE TABLE memory_mentions (
            entity_id INTEGER NOT NULL REFERENCES memory_entities (id) ON DELETE CASCADE,
            memory_id INTEGER NOT NULL REFERENCES memories (id) ON DELETE CASCADE,
            PRIMARY KEY (entity_id, memory_id)
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX memory_mentions_by_memory ON memory_mentions (memory_id, entity_id);
        CREATE TABLE memory_dismissed (
            id TEXT PRIMARY KEY,
            memory_id INTEGER NOT NULL REFERENCES memories (id) ON DELETE CASCADE,
            at REAL NOT NULL
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX memory_dismissed_by_memory ON memory_dismissed (memory_id);
    """)


def s18_watched_ctimes(db: Connection) -> None:
    """A watched file whose place was taken by another of the same size and time is told from it.

    Of those known so far it is not known (0): each is read once more, which finds out what was missed.
    """
    db.execute("ALTER TABLE watch_files ADD COLUMN ctime_ns INTEGER NOT NULL DEFAULT 0")


def s19_hashes(db: Connection) -> None:
    """Passages by their hashes in an index of FTS5: in SQLite's own each hash was on a page of its own."""
    db.execute("DROP INDEX chunks_by_text_hash; DROP INDEX chunks_by_copy_hash")
    by_hash.create(db)


STEPS: tuple[Step, ...] = (
    s01_meta,
    s02_documents,
    s03_chunks,
    s04_words,
    s05_jobs,
    s06_query_vectors,
    s07_text_hashes,
    s08_vectors,
    s09_index_journal,
    s10_duplicates,
    s11_spelled_words,
    s12_queue,
    s13_watches,
    s14_document_items,
    s15_sources,
    s16_watched_files,
    s17_memories,
    s18_watched_ctimes,
    s19_hashes,
)


def refuse_stranger(db: Connection, steps: Sequence[Step] = STEPS) -> None:
    """Read, without writing, whose database this is.

    Raises StoreUnusable for another program's, SchemaNewer for one of a newer pi_rag.
    """
    owner, version = db.execute("PRAGMA application_id").get, schema_version(db)
    tables = db.execute("SELECT count(*) FROM sqlite_schema").get
    if owner != APPLICATION_ID and (owner or version or tables):
        raise StoreUnusable(
            f"{db.filename} is a database of another program.",
            hint="Choose another --data; it was not touched.",
        )
    if version > len(steps):
        raise SchemaNewer(f"{db.filename} has schema {version}; this pi_rag knows up to {len(steps)}.")


def is_behind(db: Connection) -> bool:
    """Whether there is something in the database that steps will have to turn into something else."""
    return 0 < schema_version(db) < len(STEPS)


def migrate(db: Connection, steps: Sequence[Step] = STEPS) -> None:
    """Take the steps that the database has not taken yet: all of them, or none when one fails."""
    version = schema_version(db)
    if version == len(steps):
        return
    db.execute("BEGIN IMMEDIATE")
    try:
        for step in steps[version:]:
            step(db)
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        db.execute(f"PRAGMA user_version = {len(steps)}")
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def schema_version(db: Connection) -> int:
    """How many steps the database has taken."""
    return int(db.execute("PRAGMA user_version").get)
