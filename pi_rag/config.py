"""Settings: grouped, frozen, each with its unit, its reason and what happens when it is changed.

A value comes from, strongest first: a flag, an environment variable, the TOML file, the default. A key that
nobody knows is refused with the nearest one that exists. `docs/settings.md` and `configs/pi-rag.toml` are
generated from this file (`python -m docs.build`), so there is one place to change.

It reads one TOML file and the environment, and knows nothing of what the settings are used for.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from pi_rag.errors import SettingsInvalid

SOCKET_PATH_BYTES_MAX = 107
"""Linux keeps 108 bytes for a socket's path, the last one for its end mark."""


def setting(
    default: Any,
    unit: str,
    why: str,
    *,
    env: str | None = None,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
) -> Any:
    """A dataclass field that carries its own documentation and bounds."""
    meta = {"unit": unit, "why": why, "env": env, "low": low, "high": high, "choices": choices}
    return field(default=default, metadata=meta)


@dataclass(frozen=True)
class ServiceSettings:
    """The supervisor: where it lives, and how much a client may ask of it."""

    data: str = setting(
        "",
        "path",
        "Folder of the database and the models. Empty: the XDG data folder, `~/.local/share/pi-rag`.",
        env="PI_RAG_DATA",
    )
    socket: str = setting(
        "",
        "path",
        "The Unix socket that clients use. Empty: `pi-rag.sock` in the XDG runtime folder, or in the data "
        "folder where there is none. At most 107 bytes long. Where systemd holds the socket, clients ask "
        "here, and the service listens where its unit says: `sudo systemctl edit pi-rag.socket`.",
        env="PI_RAG_SOCKET",
    )
    socket_mode: str = setting(
        "600",
        "octal",
        "Rights of the socket. 600: only the user who runs the service. 660: the socket's group too. 666: "
        "every user of the machine, who can then read all that is remembered. A socket that systemd holds "
        "has the `SocketMode=` of its unit pi-rag.socket instead.",
        choices=("600", "660", "666"),
    )
    admin_group: str = setting(
        "",
        "name",
        "The group whose members may administer: remove documents, watch folders, pause all, change the "
        "model of the index, start the upkeep. Root and the service's own user may, too; others who may open "
        "the socket search and add. Empty: whoever may open it may do all. It can be reloaded with SIGHUP.",
    )
    request_mib_max: int = setting(
        96,
        "MiB",
        "Largest request body. Until it is queued it takes up to four times its size of RAM; where "
        "memory.budget_mib has no such room it is refused, `memory_short`. "
        "What `agents.message_mib_max`, `client.upload_mib` or `ingest.document_mib_max` (of a file that a "
        "client sends, in base64) allow beyond it is refused all the same, and the start says so.",
        low=1,
        high=1024,
    )
    requests_max: int = setting(
        64,
        "requests",
        "Requests in progress at once. One more is answered `busy` at once instead of waiting unseen.",
        low=1,
        high=1024,
    )
    waiting_max: int = setting(
        32,
        "requests",
        "Adds that may wait for their documents to be stored. One more is answered at once, with its job "
        "queued. It must be below requests_max, so that searches always find a place.",
        low=0,
        high=1024,
    )
    connections_max: int = setting(
        256,
        "connections",
        "Open connections. One more is answered 503 and closed; it bounds what idle clients can hold.",
        low=1,
        high=4096,
    )
    head_kib_max: int = setting(
        64,
        "KiB",
        "Largest head of a request, its address and header lines. A larger one is refused.",
        low=4,
        high=1024,
    )
    silence_s_max: float = setting(
        5.0,
        "s",
        "Longest a client may be silent before its request is whole, its head included. A slower one is "
        "cut off, so that it holds no place.",
        low=0.1,
        high=600,
    )
    request_s_max: float = setting(
        300.0,
        "s",
        "Longest any request may take, its body included. Past it the answer is `deadline_exceeded`; "
        "a queued job goes on.",
        low=1,
        high=86400,
    )
    embeddings_inputs_max: int = setting(
        2048,
        "inputs",
        "Most inputs in one request for vectors (`/v1/embeddings`). It is what clients of OpenAI's interface "
        "send at most; more would hold more RAM and take longer than a request may.",
        low=1,
        high=65536,
    )
    embeddings_bulk_max: int = setting(
        4,
        "requests",
        "Requests for many or long vectors in progress at once. One more is answered `busy`. The answer to "
        "the largest one takes some 30 MiB of RAM. With waiting_max it must be below requests_max, so that "
        "searches always find a place.",
        low=1,
        high=1024,
    )
    embeddings_query_chars_max: int = setting(
        256,
        "characters",
        "A single input of `/v1/embeddings` no longer than this is taken for a question and goes before all "
        "ingest, as a search does. All other inputs wait their turn in the ingest lane. 0: all of them do.",
        low=0,
        high=8000,
    )
    embeddings_model_names: str = setting(
        "",
        "names",
        "Other names by which `/v1/embeddings` takes the model in use, with commas between: for clients that "
        "ask for `text-embedding-3-small` and cannot be told otherwise. `*`: any name. The vectors are those "
        "of the model in use, whose name the answer says; never mix them with vectors of the other model.",
    )
    stop_s_max: float = setting(
        8.0,
        "s",
        "Time after SIGTERM to finish what is in progress. Queued documents are durable and go on at the "
        "next start. systemd's TimeoutStopSec must be longer.",
        low=0.5,
        high=60,
    )
    log_level: str = setting(
        "info",
        "name",
        "How much is logged. It can be reloaded with SIGHUP.",
        choices=("debug", "info", "warning", "error"),
    )
    log_texts: str = setting(
        "off",
        "switch",
        "on: what is asked stands in the log too, for finding out why an answer is as it is; with log_level "
        "debug each search is a line. Whoever reads the journal then reads the questions. It can be reloaded "
        "with SIGHUP.",
        choices=("on", "off"),
    )


@dataclass(frozen=True)
class EmbedderSettings:
    """The pool of worker processes that turns texts into vectors."""

    model: str = setting(
        "",
        "name or path",
        "Which model makes the vectors: a name from `pi-rag model list`, or the path of a GGUF. Empty: the "
        "one chosen with `pi-rag model use`.",
        env="PI_RAG_MODEL",
    )
    workers: int = setting(
        0,
        "processes",
        "Worker processes that embed documents and, when the others are busy, queries. 0: as many as `pi-rag "
        "tune` found fastest, else one for each core the service may use, four at most. More than cores gain "
        "nothing; each has about 8 MiB of its own.",
        env="PI_RAG_WORKERS",
        low=0,
        high=64,
    )
    query_workers: int = setting(
        1,
        "processes",
        "Worker processes beside those, which only answer queries: one is free at once while the others "
        "embed documents. 0: a query waits until a worker has finished its batch of passages.",
        low=0,
        high=16,
    )
    ingest_nice: int = setting(
        10,
        "nice",
        "How far workers step back behind queries and the rest of the machine while they embed documents, "
        "and the reading child always. 0: not at all; a query then shares its core with them. 19: as far as "
        "can be.",
        low=0,
        high=19,
    )
    ingest_share: float = setting(
        0.15,
        "of the time",
        "How much of the time a worker goes on embedding documents while somebody is being answered; else it "
        "stands aside. Two cores at work slow each other down, whatever their priorities. Less makes "
        "answers steadier beside an ingest, and the ingest slower while people search. 1: it never does, nor "
        "does a worker of several threads.",
        low=0.01,
        high=1,
    )
    threads: int = setting(
        0,
        "threads",
        "Threads of each worker. More threads and fewer workers answer a single query sooner and embed fewer "
        "passages; `pi-rag tune` shows by how much. 0: as it found fastest, else one.",
        low=0,
        high=16,
    )
    tokens_max: int = setting(
        512,
        "tokens",
        "Longest text a worker embeds; the rest is cut off. A model with a shorter window cuts at its own. "
        "Attention costs grow with the square of it.",
        low=32,
        high=512,
    )
    texts_per_call_max: int = setting(
        1,
        "texts",
        "Texts that may share one model call. With more, short texts are up to a fifth faster, and a text's "
        "vector depends a little on its company (docs/decisions/0006).",
        low=1,
        high=64,
    )
    batch_texts_max: int = setting(
        64,
        "texts",
        "Texts in one batch to a worker. How many there really are follows from their length and from what "
        "this machine was measured to do; this only bounds it.",
        low=1,
        high=1024,
    )
    batch_kib_max: int = setting(
        64,
        "KiB",
        "Text in one batch to a worker. A longer single text goes alone.",
        low=1,
        high=1024,
    )
    ingest_wait_s_max: float = setting(
        5.0,
        "s",
        "How long documents give way to queries. When they have waited longer, one worker does a batch of "
        "them before the next query, so that a flood of queries cannot stop an ingest for good.",
        low=0.1,
        high=600,
    )
    query_queue_max: int = setting(
        64, "requests", "Queries that may wait for a worker. One more is answered `busy`.", low=1, high=4096
    )
    ingest_queue_max: int = setting(
        128,
        "requests",
        "Requests of the ingest lane that may wait for a worker. One more is answered `busy`. Documents keep "
        "two of embed_texts passages for each worker under way, and leave six requests a worker to the rest: "
        "the counting of tokens, a reindex, and other programs' vectors. Smaller values slow them.",
        low=1,
        high=4096,
    )
    frame_mib_max: int = setting(
        8,
        "MiB",
        "Largest frame between the supervisor and a worker. A larger one is a fault.",
        low=1,
        high=64,
    )
    query_s_max: float = setting(
        3.0,
        "s",
        "Longest a query waits for its vector. Past it the answer comes from words alone and says so.",
        low=0.05,
        high=60,
    )
    ingest_s_max: float = setting(
        120.0,
        "s",
        "Longest a passage waits for its vector before its document is tried again.",
        low=1,
        high=3600,
    )
    beat_s: float = setting(
        2.0,
        "s",
        "How often a worker that has nothing to do says that it lives. It must be well below silence_s_max.",
        low=0.05,
        high=60,
    )
    silence_s_max: float = setting(
        8.0,
        "s",
        "Longest a worker may say nothing, at work or not. It is then asked for its stack, which goes to the "
        "log, killed and replaced; its texts are tried once more on another.",
        low=0.1,
        high=600,
    )
    examine_s: float = setting(
        180.0,
        "s",
        "How often each worker must show that it still computes the vector it did at first. One that does "
        "not, or that has grown by growth_mib_max, is replaced, one at a time.",
        low=0.1,
        high=86400,
    )
    growth_mib_max: int = setting(
        32,
        "MiB",
        "How much a worker's private memory may grow before it is replaced by a fresh one.",
        low=1,
        high=1024,
    )
    circuit_failures_max: int = setting(
        5,
        "failures",
        "So many failed starts and crashes within circuit_window_s stop all attempts for circuit_open_s; the "
        "service answers from words meanwhile. Workers that somebody killed do not count, nor those that "
        "ended over one bad text.",
        low=1,
        high=100,
    )
    circuit_window_s: float = setting(
        60.0, "s", "The time within which those failures are counted.", low=1, high=3600
    )
    circuit_open_s: float = setting(
        30.0, "s", "How long the embedder is left alone before one more attempt decides.", low=0.1, high=3600
    )
    boot_s_max: float = setting(
        60.0, "s", "Longest the model may take to load before the start counts as failed.", low=1, high=600
    )
    backoff_s_max: float = setting(
        60.0,
        "s",
        "Longest wait between two attempts to start the embedder. The first wait is a quarter of a second, "
        "each one doubles.",
        low=0.5,
        high=600,
    )

    tune_at_start: str = setting(
        "auto",
        "auto or off",
        "Whether the service measures this machine by itself, in the background, when the model, llama.cpp "
        "or the board is another than was measured. off: it uses what `pi-rag tune` measured, or a guess.",
        choices=("auto", "off"),
    )
    tune_s_max: float = setting(
        25.0,
        "s",
        "Longest such a measurement takes once its process runs. With less there are fewer repetitions, and "
        "some things are left out and named.",
        low=1,
        high=600,
    )
    tune_wait_s_max: float = setting(
        600.0,
        "s",
        "How long the service waits for a moment in which nobody needs it before it measures all the same.",
        low=0,
        high=86400,
    )

    @property
    def workers_wanted(self) -> int:
        """`workers`, or what this machine has cores for."""
        return self.workers or max(1, min(len(os.sched_getaffinity(0)), 4) // self.threads_wanted)

    @property
    def requests_at_once(self) -> int:
        """Of one kind of work in the ingest lane: two a worker; when one is done the next is there."""
        return min(2 * self.workers_wanted, self.ingest_queue_max)

    @property
    def threads_wanted(self) -> int:
        """`threads`, or one."""
        return self.threads or 1


@dataclass(frozen=True)
class StoreSettings:
    """The one SQLite file, its writer and its readers."""

    readers: int = setting(
        5,
        "connections",
        "Read connections that are kept open. Each costs up to store.cache_mib of RAM.",
        low=1,
        high=64,
    )
    readers_overflow_max: int = setting(
        5,
        "connections",
        "Read connections that may be opened beyond those, for a burst; they are closed after use.",
        low=0,
        high=64,
    )
    reader_wait_s_max: float = setting(
        5.0,
        "s",
        "Longest a read waits for a connection. Past it the answer is `store_busy`.",
        low=0.1,
        high=60,
    )
    busy_s_max: float = setting(
        5.0,
        "s",
        "Longest SQLite waits for a lock held by a stranger, such as a backup tool.",
        low=0.1,
        high=60,
    )
    cache_mib: int = setting(
        8,
        "MiB",
        "Page cache of each connection, taken as it is needed. With 2 a search by words among 100,000 "
        "passages took a fifth longer; more than 8 gained little.",
        low=1,
        high=256,
    )
    group_writes_max: int = setting(
        64,
        "writes",
        "Small writes of ingest that may share one transaction, which the disk confirms once. Only those "
        "share that would wait anyway. 1: each has its own.",
        low=1,
        high=1024,
    )
    group_ms_max: float = setting(
        100.0,
        "ms",
        "Such a transaction takes no further write once it has lasted so long, since all others wait for it.",
        low=0,
        high=10_000,
    )
    wal_mib_max: int = setting(
        64,
        "MiB",
        "Size of the write-ahead log at which the writer empties it into the database. A larger one makes "
        "fewer, longer pauses.",
        low=1,
        high=1024,
    )
    plan_h: float = setting(
        6.0,
        "h",
        "How often SQLite's statistics of the tables are made anew, when something was written since; after "
        "a thousand writes sooner. It takes milliseconds.",
        low=0.1,
        high=8760,
    )
    free_percent_max: int = setting(
        10,
        "%",
        "How much of the database may be free space of what was removed. When there is more, it is given "
        "back to the disk in small steps, down to half of this, while nobody writes. 100: never.",
        low=1,
        high=100,
    )
    upgrade_s_max: float = setting(
        3600.0,
        "s",
        "How long systemd is asked to wait at the first start after an update that changes the schema. A "
        "million passages take some minutes here; a start that is cut short changes nothing and begins anew.",
        low=60,
        high=86_400,
    )
    check_s_max: float = setting(
        1.0,
        "s",
        "Longest look at the database's structure at start. A large one is looked at in part; "
        "`pi-rag doctor` looks at all of it.",
        low=0,
        high=600,
    )
    close_s_max: float = setting(
        4.0,
        "s",
        "Longest the store waits at shutdown for reads and writes in progress. Past it they are stopped, and "
        "a stopped write leaves nothing behind. It must be below service.stop_s_max.",
        low=0.1,
        high=60,
    )


@dataclass(frozen=True)
class BackupSettings:
    """Copies of the database, for the day when a card gives up (docs/backup.md)."""

    folder: str = setting(
        "",
        "path",
        "Where `pi-rag backup` puts a copy when nobody says where. Empty: `backups` in the data folder, "
        "which mends a mistake but not a dead card: better a folder on another disk. systemd lets the "
        "service write there only when told to: docs/backup.md.",
    )
    keep_days: int = setting(
        7,
        "days",
        "After a backup into that folder, the newest of each of this many days is kept. Only days that have "
        "one count, so that a Pi that was off for a month loses none.",
        low=1,
        high=366,
    )
    keep_weeks: int = setting(
        4,
        "weeks",
        "And the newest of each of this many weeks. All others that this program has made of the same data "
        "folder are removed; the newest never is. More need their place on the disk.",
        low=0,
        high=520,
    )
    mib_s_max: float = setting(
        16.0,
        "MiB/s",
        "How fast a backup, and a check of everything, copy and hash. Less leaves searches and a slow card "
        "more in peace, and takes longer, in which the log grows.",
        low=0.25,
        high=4096,
    )
    snapshot_s_max: float = setting(
        1800.0,
        "s",
        "Longest a backup or `pi-rag verify` may hold its view of the database, which the log cannot be "
        "emptied beside. Past it it is given up. A larger database needs more of this, or more of mib_s_max.",
        low=1,
        high=86400,
    )
    log_mib_max: int = setting(
        512,
        "MiB",
        "How far the log may grow beside a backup or `pi-rag verify`, by what is written meanwhile. Past it "
        "that is given up, so that the disk does not fill.",
        low=16,
        high=65536,
    )


@dataclass(frozen=True)
class IndexSettings:
    """The RAM index, which proposes the passages that exact vectors decide on."""

    kind: str = setting(
        "auto",
        "name",
        "auto: a few bits of each number, in RAM. exact: none; every search reads all vectors. signs: one "
        "bit of each number, in numpy. hnsw: a graph, for those with RAM to spend and few changes; it needs "
        "the extra `pi-rag[hnsw]`.",
        choices=("auto", "exact", "signs", "hnsw"),
    )
    bits: int = setting(
        0,
        "bits",
        "Bits of each number that `auto` keeps: 2, 3 or 4. Fewer take less RAM and need more candidates. "
        "0: as many as memory_mib_max allows, and 2 on an x86 processor without AVX-512 (VBMI and VNNI), "
        "where each bit costs time.",
        low=0,
        high=4,
    )
    memory_mib_max: int = setting(
        128,
        "MiB",
        "RAM for the index. When 4 bits do not fit, 2 are kept: they take 100 MiB for a million "
        "passages of 384 numbers. Beyond that all vectors are read for each search, and status says so.",
        low=1,
        high=16_384,
    )
    exact_passages_max: int = setting(
        2000,
        "passages",
        "A memory or a filter with no more passages than this is searched by reading all their vectors: that "
        "takes about a millisecond and is exact.",
        low=0,
        high=1_000_000,
    )
    proposals_extra: int = setting(
        50,
        "passages",
        "How many passages more than were asked for the index proposes for the exact vectors to decide on. "
        "With 2 bits twice as many, beyond 200,000 passages four times; four times with hnsw, 32 times with "
        "signs. More find what the bits misplace, at some microseconds each.",
        low=10,
        high=10_000,
    )
    snapshot_changes: int = setting(
        20_000,
        "passages",
        "After so many passages added or removed the index is saved, and once more at a stop. The rest is "
        "taken from the database at the next start. Fewer writes spare the card, and a start takes longer.",
        low=1,
        high=10_000_000,
    )
    recall_s_between: float = setting(
        60.0,
        "s",
        "How often one search is done again with all vectors, to see what the index misses. It costs one "
        "reading of all vectors. 0: never.",
        low=0,
        high=86_400,
    )


@dataclass(frozen=True)
class IngestSettings:
    """Reading, cutting and queueing documents."""

    document_mib_max: int = setting(
        64, "MiB", "Largest file that is read. It is held in RAM while it is read.", low=1, high=512
    )
    document_chars_max: int = setting(
        20_000_000,
        "characters",
        "Longest text a document may turn into. It stops a small archive that unpacks to gigabytes.",
        low=1000,
        high=200_000_000,
    )
    chunk_tokens_max: int = setting(
        200,
        "tokens",
        "Longest passage. With its title and headings it must fit embedder.tokens_max.",
        low=16,
        high=500,
    )
    chunk_overlap_tokens: int = setting(
        20,
        "tokens",
        "How much of the end of a passage the next one repeats, so that no sentence loses its beginning.",
        low=0,
        high=250,
    )
    heading_tokens_max: int = setting(
        40,
        "tokens",
        "How much of the title and headings is put before a passage when its vector is made.",
        low=0,
        high=128,
    )
    queue_items_max: int = setting(
        100_000,
        "documents",
        "Documents that may wait in the durable queue. A request that would exceed it is answered `busy`. A "
        "folder counts as one until its turn comes, and then as its files, up to walk_files_max.",
        low=1,
        high=10_000_000,
    )
    queue_mib_max: int = setting(
        1024,
        "MiB",
        "Bytes of documents that were sent, or came out of archives, and wait in the queue. A request that "
        "would exceed it is answered `busy`, and an archive waits. They lie in the database file, which "
        "keeps the room for others when they have gone.",
        low=1,
        high=1_000_000,
    )
    walk_files_max: int = setting(
        100_000,
        "files",
        "Files that are taken from one folder and what lies below it; the rest is said and left out.",
        low=1,
        high=10_000_000,
    )
    roots: str = setting(
        "",
        "folders",
        "Absolute paths of folders with colons between, as in PATH: only files beneath them are read from "
        "their paths, and no link leads out of them. Empty: every file that the service's user may read. "
        "What a client sends itself is not bound by it. "
        "`pi-rag doctor` names one that is not there.",
    )
    web: str = setting(
        "off",
        "off or on",
        "Whether `pi-rag add https://...` fetches pages. Off: nothing leaves this machine. On, who may use "
        "the socket can make it call any address but those of the house.",
        choices=("off", "on"),
    )
    web_private: str = setting(
        "off",
        "off or on",
        "Whether addresses of the house are fetched too: loopback, link-local and private ones. On, who may "
        "use the socket can read what routers and other devices show to this machine alone.",
        choices=("off", "on"),
    )
    web_s_max: float = setting(
        30.0,
        "s",
        "Longest fetching one address may take, redirects included. A longer one holds up one of the hands "
        "that take documents in.",
        low=0.1,
        high=600,
    )
    web_redirects_max: int = setting(
        5, "redirects", "How often one address may lead to the next before it is given up.", low=0, high=20
    )
    attempts_max: int = setting(
        3,
        "attempts",
        "How often a document is begun before it is given up. Counted when it is begun, so that one which "
        "takes the service down with it cannot do so forever.",
        low=1,
        high=100,
    )
    retry_s_min: float = setting(
        2.0,
        "s",
        "How long a document waits for its second attempt; each further wait is twice as long, with some "
        "chance in it. What was a moment's trouble is over by then. "
        "Above `retry_s_max` that one holds.",
        low=0,
        high=3600,
    )
    retry_s_max: float = setting(
        300.0,
        "s",
        "Longest wait for the next attempt. One that would be longer is taken for a jump of the clock.",
        low=0,
        high=86_400,
    )
    lease_s: float = setting(
        600.0,
        "s",
        "How long work on one document may stand still before the attempt is ended. Every step and every "
        "batch of passages renews it. More than twice read_s_max, since documents wait for one reader.",
        low=0.1,
        high=86_400,
    )
    disk_s_max: float = setting(
        60.0,
        "s",
        "Longest the disk may take to answer about one file, or to give it. Then the attempt is ended, and "
        "until it answers nothing more is asked of the same mount: what lies there waits, all else goes on. "
        "Too short for a large file on a slow mount: that one is given up after attempts_max.",
        low=0.1,
        high=3600,
    )
    starts_failed_max: int = setting(
        3,
        "starts",
        "When the service has ended so often in a row with documents in hand, within a minute of its start "
        "and before it had finished one, ingest waits for `pi-rag jobs resume`; search and removal work.",
        low=1,
        high=100,
    )
    dead_letters_max: int = setting(
        10_000,
        "documents",
        "How many documents that were given up are kept to be tried again; of older ones the reason alone.",
        low=0,
        high=1_000_000,
    )
    dead_letters_mib_max: int = setting(
        256,
        "MiB",
        "How many bytes of such documents are kept, where they were sent and lie nowhere else; of older ones "
        "the reason alone.",
        low=0,
        high=1_000_000,
    )
    skipped_max: int = setting(
        100_000,
        "sources",
        "Of how many sources it is kept why they were not taken, for `pi-rag sources`. The oldest reasons go "
        "first.",
        low=0,
        high=10_000_000,
    )
    embed_texts: int = setting(
        4,
        "texts",
        "Passages in one request of the ingest lane. Fewer lets queries in sooner; more saves little.",
        low=1,
        high=64,
    )
    documents_per_worker: int = setting(
        4,
        "documents",
        "Documents in hand at once, for each worker: while one is embedded the next are read and cut, and "
        "small ones fill the workers together. Of those over 1 MiB there is one for each worker at most, "
        "but two where there is one worker.",
        low=1,
        high=64,
    )
    query_quiet_s: float = setting(
        2.0,
        "s",
        "How long after a search ingest leaves half of the workers alone. 0: not at all; a search then still "
        "goes before it, and waits only for the passages that are at the workers.",
        low=0,
        high=600,
    )
    available_mib_min: int = setting(
        256,
        "MiB",
        "Ingest takes less on at once when the machine has less than twice this memory available, down to "
        "one document at a time at this. 0: it does not look.",
        low=0,
        high=65_536,
    )
    temperature_c_max: float = setting(
        80.0,
        "degrees Celsius",
        "Fewer workers embed documents from ten degrees below on, down to one passage at a time at this. A "
        "Pi 5 slows all of its work down at 80, searches too.",
        low=40,
        high=120,
    )
    read_s_max: float = setting(
        60.0,
        "s",
        "Longest one document may take to read; its reader is killed after that.",
        low=0.1,
        high=3600,
    )
    archive_members_max: int = setting(
        1000,
        "files",
        "Files in one archive (zip, tar, gz, bz2, xz). One with more is refused: unpacked, it is a folder.",
        low=1,
        high=100_000,
    )
    archive_mib_max: int = setting(
        64,
        "MiB",
        "What all files of one archive may unpack to. It is held in RAM, and then in the queue on the disk.",
        low=1,
        high=512,
    )
    archive_ratio_max: int = setting(
        200,
        "times",
        "How many times its own size an archive may unpack to, from 1 MiB on. Text packs to a tenth; a bomb "
        "to a thousandth.",
        low=2,
        high=100_000,
    )
    ocr: str = setting(
        "off",
        "off or on",
        "Whether the pages of a PDF that are pictures are read by Tesseract, whose languages come from "
        "`sudo apt install tesseract-ocr`. On, each takes some seconds of a core and 300 MiB of RAM. Off, a "
        "scan is refused, and says why.",
        choices=("off", "on"),
    )
    ocr_languages: str = setting(
        "eng",
        "languages",
        "In which languages pictures of text are read, as Tesseract calls them: `eng+deu`. Each but English "
        "has a package: tesseract-ocr-deu. More of them take longer.",
    )
    ocr_pages_max: int = setting(
        200,
        "pages",
        "How many pages of one document are read by OCR; the rest is counted and left out.",
        low=1,
        high=100_000,
    )
    reader_memory_mib_max: int = setting(
        512,
        "MiB",
        "Memory of its own that the reading child may use for one file; what takes more is refused. It is a "
        "ceiling for a hostile file, not what is used.",
        low=256,
        high=65536,
    )
    reader_grown_mib_max: int = setting(
        256,
        "MiB",
        "When the reading child keeps more memory of its own than this after a file, a new one takes its "
        "place. Lower: less RAM between files, and a start of half a second more often. "
        "Unless it is below `reader_memory_mib_max` it never holds, which the start says.",
        low=32,
        high=65536,
    )
    reader_idle_s_max: float = setting(
        10.0,
        "s",
        "How long the reading child stays after its last file, before its RAM is given back.",
        low=0,
        high=3600,
    )
    duplicate_similarity_min: float = setting(
        0.95,
        "cosine",
        "How alike two passages are that count as near-duplicates. Lower: also those that only speak of the "
        "same. 0: they are not looked for in documents that are added from now on.",
        low=0,
        high=1,
    )
    refusals_shown_max: int = setting(
        1000,
        "lines",
        "How many refused files a job's answer lists. All of them are counted.",
        low=1,
        high=100_000,
    )
    jobs_kept_max: int = setting(
        1000,
        "jobs",
        "How many finished jobs are remembered; older ones are forgotten.",
        low=1,
        high=1_000_000,
    )


@dataclass(frozen=True)
class WatchSettings:
    """Watched folders."""

    folders_max: int = setting(
        32,
        "folders",
        "Folders that may be watched. Each holds a thread of its own, so that one on a dead network mount "
        "holds up none of the others.",
        low=1,
        high=256,
    )
    quiet_ms: int = setting(
        300,
        "ms",
        "How long nothing may change before changes are looked at: a program that saves a file touches it "
        "several times. Higher: fewer looks, and changes are found later. "
        "Above `quiet_ms_max` that one holds.",
        low=20,
        high=10_000,
    )
    quiet_ms_max: int = setting(
        1500,
        "ms",
        "Longest that changes wait for quiet, as in a folder where something is always written.",
        low=100,
        high=60_000,
    )
    sweep_s: float = setting(
        300.0,
        "s",
        "How often a folder is compared with what is known of it, whether or not the kernel tells of "
        "changes: it does not tell of those that another machine makes on a network mount. Names, sizes and "
        "times are compared; no file is read.",
        low=1,
        high=86_400,
    )
    sweep_blind_s: float = setting(
        30.0,
        "s",
        "The same where the kernel tells of no changes at all, since its limit on watches is reached.",
        low=1,
        high=86_400,
    )
    empty_files_min: int = setting(
        20,
        "files",
        "A folder that held at least so many files and is found empty is not believed: more likely a drive "
        "is away. Its documents stay until something is in it again.",
        low=1,
        high=1_000_000,
    )


@dataclass(frozen=True)
class QuerySettings:
    """Searching."""

    chars_max: int = setting(
        8000,
        "characters",
        "Longest query. Vectors see only its first tokens, so more would mislead.",
        low=16,
        high=1_000_000,
    )
    k_max: int = setting(100, "hits", "Most hits one search may ask for.", low=1, high=1000)
    candidates: int = setting(
        50,
        "passages",
        "How many passages each way proposes before they are fused. More find what both ways rank low, and "
        "make every search slower.",
        low=10,
        high=1000,
    )
    fusion: str = setting(
        "calibrated",
        "name",
        "How vectors and words become one ranking. calibrated: by what their scores are evidence of in this "
        "collection and for this query. reciprocal_rank: by their ranks alone, as most others do; it loses "
        "where one way is much weaker.",
        choices=("calibrated", "reciprocal_rank"),
    )
    words_weight: float = setting(
        2.8,
        "ratio",
        "How much the words' evidence counts beside the vectors', where fusion is calibrated. More helps "
        "names, numbers and rare words, less helps questions in other words than the answer's.",
        low=0,
        high=100,
    )
    rrf_k: float = setting(
        60.0,
        "ranks",
        "The constant of reciprocal rank fusion. Smaller trusts the first ranks more.",
        low=1,
        high=1000,
    )
    neighbours_max: int = setting(
        10,
        "passages",
        "Most passages before and after a hit that one search may ask for. Each costs one look at the "
        "document's text, however many there are; it bounds the size of an answer.",
        low=0,
        high=100,
    )
    diversity: float = setting(
        0.0,
        "ratio",
        "How much a passage loses for being like one above it, when a search does not say so itself. 0: "
        "nothing, the best come first. 1: only unlikeness counts after the first.",
        low=0,
        high=1,
    )
    diversity_candidates: int = setting(
        100,
        "passages",
        "How many of the best a diverse search chooses from. Each costs one look at its vector.",
        low=10,
        high=1000,
    )
    recency_half_life_days: float = setting(
        0.0,
        "days",
        "After how long what age may take from a score is half taken, when a search does not say so itself. "
        "0: age counts for nothing.",
        low=0,
        high=36_500,
    )
    recency_weight: float = setting(
        0.5,
        "ratio",
        "How much of its score an endlessly old hit loses, where age counts. It changes the order of the "
        "hits, never which they are.",
        low=0,
        high=1,
    )
    title_weight: float = setting(
        1.5, "ratio", "How much more a word in the title counts than one in the text.", low=0, high=100
    )
    heading_weight: float = setting(
        1.2, "ratio", "How much more a word in a heading counts than one in the text.", low=0, high=100
    )
    words_ranked_max: int = setting(
        1400,
        "passages",
        "About how many passages a query's rarest words may propose; the others weigh, in up to three "
        "times as many together. Fewer answers sooner where there are 100,000 passages, and finds less.",
        low=100,
        high=10_000_000,
    )
    reads_max: int = setting(
        0,
        "reads",
        "Looks into the database that searches may have under way at once; the others wait their turn. More "
        "than cores get in each other's way. It is read at start. 0: as many as cores.",
        low=0,
        high=64,
    )

    @property
    def reads_wanted(self) -> int:
        """`reads_max`, or one for each core the service may use."""
        return self.reads_max or len(os.sched_getaffinity(0))


@dataclass(frozen=True)
class CacheSettings:
    """Vectors of queries asked before, kept in RAM and over a restart; and answers, for some minutes."""

    query_mib_max: int = setting(
        4,
        "MiB",
        "RAM for them: about 500 queries each MiB at 384 dimensions. A query that is asked again then costs "
        "the model nothing. 0: none are kept, neither in RAM nor on the disk.",
        low=0,
        high=256,
    )
    policy: str = setting(
        "lru",
        "name",
        "What makes room for a new query. lru: the one asked longest ago. lfu: the one asked least often, "
        "which suits a house that asks the same few things again and again.",
        choices=("lru", "lfu"),
    )
    ttl_s: float = setting(
        604_800.0,
        "s",
        "Longest a query's vector is kept before it is made anew; a restart begins the time again. It does "
        "not grow stale: this bounds how long a trace of a question stays, and lets old favourites go.",
        low=1,
        high=31_536_000,
    )
    query_kept_max: int = setting(
        1000,
        "queries",
        "How many of the most used are written to the database, so that they are there after a restart: a "
        "hash and a vector, never the text. 0: none.",
        low=0,
        high=100_000,
    )
    save_s: float = setting(
        300.0,
        "s",
        "How often what has changed of them is written, and once more at a stop. Less often spares the "
        "card; a power cut loses what was asked first since then.",
        low=1,
        high=86_400,
    )
    available_mib_min: int = setting(
        128,
        "MiB",
        "When the machine has less memory available than this, what is cached in RAM is dropped. The queries "
        "come back from the database when there is a quarter more than this again. 0: never dropped.",
        low=0,
        high=65_536,
    )
    results_max: int = setting(
        500,
        "answers",
        "Answers kept in RAM, so that a question asked again is not searched again. A write drops those that "
        "were asked in its collection; degraded ones are not kept. 0: none.",
        low=0,
        high=100_000,
    )
    results_ttl_s: float = setting(
        300.0,
        "s",
        "Longest an answer is kept. A write drops it anyway, so this only bounds how old its recency and its "
        "trace in RAM may be.",
        low=1,
        high=86_400,
    )
    results_mib_max: int = setting(
        8,
        "MiB",
        "RAM for them, whatever their number. An answer of eight passages takes some 20 KiB. 0: none are "
        "kept.",
        low=0,
        high=1024,
    )
    results_warm: int = setting(
        8,
        "answers",
        "How many of the answers that a write has dropped and that had been asked for again are made anew "
        "when the service has nothing else to do, the most used first. Each costs a search. 0: none.",
        low=0,
        high=1000,
    )


@dataclass(frozen=True)
class HealthSettings:
    """How long each part of the service may be silent before that is an alert, and what systemd is told."""

    look_s: float = setting(
        1.0,
        "s",
        "How often it is looked who has given a sign of life. systemd is told that all is well after half of "
        "its WatchdogSec=, and only when the event loop, the store and the embedder have each done so since.",
        low=0.05,
        high=60,
    )
    turn_s: float = setting(
        5.0,
        "s",
        "A store that has had nothing to do for so long is given a read and a write that change nothing, so "
        "that it is known whether it could. They touch no disk.",
        low=0.05,
        high=60,
    )
    status_s_min: float = setting(
        5.0,
        "s",
        "The line that `systemctl status` shows is not written more often than this.",
        low=0.1,
        high=600,
    )
    loop_silence_s_max: float = setting(
        5.0,
        "s",
        "Longest silence of the event loop. While it stands still, nobody is answered.",
        low=0.1,
        high=3600,
    )
    writer_silence_s_max: float = setting(
        30.0,
        "s",
        "Longest silence of the thread that writes. One large document on a slow card takes some seconds.",
        low=0.1,
        high=3600,
    )
    readers_silence_s_max: float = setting(
        30.0, "s", "Longest time in which no read of the database has ended.", low=0.1, high=3600
    )
    embedder_silence_s_max: float = setting(
        30.0,
        "s",
        "Longest time in which no worker has been heard. It must be longer than "
        "embedder.silence_s_max, after which a worker is replaced.",
        low=0.1,
        high=3600,
    )
    ingest_silence_s_max: float = setting(
        60.0,
        "s",
        "Longest silence of what works off the queue. A document in hand may take ingest.lease_s without "
        "moving; past that it counts as silence too.",
        low=0.1,
        high=3600,
    )
    watching_silence_s_max: float = setting(
        900.0,
        "s",
        "Longest silence of what keeps a watched folder. To look at a million files on a slow disk takes "
        "minutes.",
        low=0.1,
        high=86_400,
    )
    index_silence_s_max: float = setting(
        900.0,
        "s",
        "Longest silence of what keeps the RAM index. It rests for five minutes after a failure.",
        low=0.1,
        high=86_400,
    )
    upkeep_silence_s_max: float = setting(
        300.0, "s", "Longest silence of the database's upkeep.", low=0.1, high=86_400
    )
    filling_silence_s_max: float = setting(
        300.0,
        "s",
        "Longest silence of what makes the vectors that memories wait for. One step may take "
        "embedder.ingest_s_max.",
        low=0.1,
        high=86_400,
    )
    memory_silence_s_max: float = setting(
        60.0, "s", "Longest silence of what watches memory.", low=0.1, high=86_400
    )
    queries_silence_s_max: float = setting(
        300.0, "s", "Longest silence of what keeps the queries asked before.", low=0.1, high=86_400
    )
    answers_silence_s_max: float = setting(
        300.0, "s", "Longest silence of what keeps the answers given before.", low=0.1, high=86_400
    )


@dataclass(frozen=True)
class AlertSettings:
    """When a measure is a reason for a person to look: it is logged, and shown by `pi-rag status`."""

    look_s: float = setting(5.0, "s", "How often the measures are looked at.", low=0.05, high=600)
    hold_s: float = setting(
        30.0,
        "s",
        "So long a measure that wavers must be beyond its limit before the alert fires, and back within it "
        "before it clears. What is a fact and no measure fires at once.",
        low=0,
        high=3600,
    )
    search_p95_ms_max: float = setting(
        500.0,
        "ms",
        "The target for searches: 95 of 100 of the last minutes answered within it. It clears at four "
        "fifths. 0: no target.",
        low=0,
        high=60_000,
    )
    cache_hits_percent_min: float = setting(
        0.0,
        "%",
        "The target for questions answered from what was asked before, among the last 200. A house that "
        "seldom asks the same twice misses any, so there is none until you set one.",
        low=0,
        high=100,
    )
    memory_percent_max: float = setting(
        80.0,
        "%",
        "Memory of all processes together, of their budget. It clears at nine tenths.",
        low=1,
        high=100,
    )
    dead_letters_max: int = setting(
        0,
        "documents",
        "Documents that were given up and can be tried again: `pi-rag jobs` shows them.",
        low=0,
        high=1_000_000,
    )
    log_mib_max: float = setting(
        192.0,
        "MiB",
        "Size of the write-ahead log. The writer empties it at store.wal_mib_max; three times as much says "
        "that something reads without an end. It clears at half.",
        low=1,
        high=65_536,
    )
    disk_free_mib_min: float = setting(
        512.0,
        "MiB",
        "Free space where the data is. It clears at a quarter more. 0: none is asked for.",
        low=0,
        high=1_048_576,
    )
    recall_percent_min: float = setting(
        90.0,
        "%",
        "How many of the truly nearest passages the RAM index finds, as measured now and then. 0: no target.",
        low=0,
        high=100,
    )
    temperature_c_max: float = setting(
        80.0,
        "°C",
        "Temperature of the processor. A Pi 5 begins to slow down at 80, and does so by much at 85. It "
        "clears five degrees below.",
        low=30,
        high=120,
    )


@dataclass(frozen=True)
class MemorySettings:
    """How much RAM all processes of the service may take together, and when it gives some up."""

    budget_mib: int = setting(
        0,
        "MiB",
        "RAM for the whole service. As it comes near, it drops caches, refuses documents, replaces workers "
        "and keeps fewer of them (docs/decisions/memory.md). 0: a quarter of the board's, so 1 GiB of 4. Too "
        "little to work with is raised to the least that does, and said.",
        low=0,
        high=1_048_576,
    )
    shed_percent: float = setting(
        90.0,
        "%",
        "At this part of the budget the caches are dropped. Documents are refused at 3 % more, workers are "
        "replaced at 6, fewer are kept at 10, and at 14 words alone answer.",
        low=50,
        high=90,
    )
    calm_s: float = setting(
        8.0,
        "s",
        "How long memory must have been free again before one step is taken back. Shorter: sooner back to "
        "normal, and more coming and going.",
        low=1,
        high=600,
    )
    pressure_percent_max: float = setting(
        10.0,
        "%",
        "Share of ten seconds in which some program waited for memory, where the kernel tells (PSI), from "
        "which caches are dropped; at twice this documents are refused. 0: it does not look.",
        low=0,
        high=50,
    )
    available_mib_min: int = setting(
        64,
        "MiB",
        "When the board has no more than twice this left for all programs, caches are dropped; at this "
        "documents are refused; at half of it workers are given up. 0: it does not look.",
        low=0,
        high=65_536,
    )
    recycles_h_max: int = setting(
        30,
        "workers",
        "How many workers may be replaced for their size within an hour. More would only hide what is wrong; "
        "then there are fewer of them.",
        low=0,
        high=1000,
    )
    look_s: float = setting(
        1.0,
        "s",
        "How often the size of each process is looked at, which costs some microseconds. While all is well "
        "and no process moves, the rest is looked at a quarter as often.",
        low=0.2,
        high=60,
    )
    measure_s: float = setting(
        15.0,
        "s",
        "How often it is measured well, which takes some milliseconds a process; at once when it has grown, "
        "an eighth as often while none moves, and more seldom when measuring would take more than a "
        "hundredth of a core.",
        low=0.2,
        high=600,
    )


@dataclass(frozen=True)
class RememberSettings:
    """What agents may keep, how it is told apart, and how it fades. Not RAM: that is [memory]."""

    facts_max: int = setting(
        10_000,
        "facts",
        "Facts in force in one scope. From nine tenths on each answer says so; then those of least value are "
        "evicted, which `history` still knows. All their vectors are read for a recall: 10,000 are 15 MB.",
        low=10,
        high=1_000_000,
    )
    events_max: int = setting(
        100_000,
        "events",
        "Events and summaries in one scope. Beyond it the oldest are evicted. Fewer make a recall faster.",
        low=10,
        high=10_000_000,
    )
    gone_max: int = setting(
        20_000,
        "memories",
        "What one scope keeps of what is superseded, evicted or forgotten, for `history` and `undo`. Beyond "
        "it the oldest are erased for good, but not what a person pinned, nor what was forgotten within a "
        "day. More takes more of the disk.",
        low=10,
        high=10_000_000,
    )
    sessions_max: int = setting(
        10_000,
        "sessions",
        "Sessions in one scope. From nine tenths on each start says so; then the oldest that are over give "
        "way, those that hold nothing first, and those with a summary last. What they held stays, in no "
        "session. Open ones give way to none: a start is refused.",
        low=10,
        high=1_000_000,
    )
    scopes_max: int = setting(
        1000,
        "scopes",
        "Scopes that hold something, beside `user`. It keeps an agent that makes up names from filling the "
        "disk past all other limits. One in which nothing is left counts no more.",
        low=1,
        high=100_000,
    )
    fact_chars_max: int = setting(
        4000,
        "characters",
        "Longest fact or summary. A longer text is a document.",
        low=100,
        high=100_000,
    )
    event_chars_max: int = setting(
        20_000,
        "characters",
        "Longest event. Each 800 characters or so have a vector of their own, which takes time to make.",
        low=100,
        high=1_000_000,
    )
    merge_similarity: float = setting(
        0.95,
        "cosine",
        "From this likeness on a new fact is one that is known already, if neither numbers nor names nor a "
        "negation tell them apart. Lower merges what differs, higher keeps the same twice.",
        low=0.5,
        high=1,
    )
    conflict_similarity: float = setting(
        0.8,
        "cosine",
        "From this likeness on a fact with other numbers, or that denies the other, is shown as a conflict "
        "with it: of 24 pairs that contradict each other 21 are so near with MiniLM, of 12 others one. Lower "
        "shows more that are none. It must not be above merge_similarity.",
        low=0.3,
        high=1,
    )
    candidates_max: int = setting(
        5, "memories", "How many that a new fact resembles or contradicts are shown at most.", low=1, high=50
    )
    secrets: str = setting(
        "refuse",
        "name",
        "What becomes of a text that holds a key, a token or a password. refuse: it is not stored. mask: it "
        "is stored without it. allow: it is stored as it is, for every agent to read.",
        choices=("refuse", "mask", "allow"),
    )
    session_idle_h: float = setting(
        24.0,
        "h",
        "A session without an event for so long has expired: it takes no more, and is not waited for.",
        low=0.01,
        high=8760,
    )
    future_s_max: float = setting(
        86_400.0,
        "s",
        "How far ahead of the clock an event may say that it happened; a day allows for time zones gone "
        "wrong. More ahead is refused.",
        low=0,
        high=31_536_000,
    )
    half_life_preference_days: float = setting(
        0.0,
        "days",
        "After how long what age may take from the score of a preference is half taken. 0: never.",
        low=0,
        high=36_500,
    )
    half_life_decision_days: float = setting(730.0, "days", "The same of a decision.", low=0, high=36_500)
    half_life_instruction_days: float = setting(
        0.0, "days", "The same of an instruction.", low=0, high=36_500
    )
    half_life_state_days: float = setting(
        14.0,
        "days",
        "The same of a state: what is on, where something lies, who is away.",
        low=0,
        high=36_500,
    )
    half_life_note_days: float = setting(180.0, "days", "The same of a note.", low=0, high=36_500)
    half_life_event_days: float = setting(30.0, "days", "The same of an event.", low=0, high=36_500)
    half_life_summary_days: float = setting(
        90.0, "days", "The same of a session's summary.", low=0, high=36_500
    )
    k_max: int = setting(100, "memories", "Most hits or rows one question may ask for.", low=1, high=1000)
    token_budget: int = setting(
        2000,
        "tokens",
        "How much text a recall gives an agent that does not say itself. More fills its window.",
        low=50,
        high=100_000,
    )
    audit_max: int = setting(
        100_000,
        "changes",
        "Lines of the audit log. The oldest go first, and cannot be undone then.",
        low=100,
        high=10_000_000,
    )
    keys_max: int = setting(
        10_000,
        "keys",
        "Idempotency keys that are known. One sent again after so many others is a new request.",
        low=100,
        high=1_000_000,
    )


@dataclass(frozen=True)
class AgentsSettings:
    """The door for agents, /mcp: how much they may send and are sent at once."""

    message_mib_max: float = setting(
        4.0,
        "MiB",
        "Largest message of an agent. It is held in RAM some four times over while it is read. What is "
        "larger is a file, of which `ingest` takes the path.",
        low=0.1,
        high=96,
    )
    answer_tokens: int = setting(
        4000,
        "tokens",
        "About how much text an answer brings to an agent that names no `token_budget`. More text leaves it "
        "less room to think; with less it asks more often. "
        "Above `answer_tokens_max` that one holds.",
        low=200,
        high=100_000,
    )
    answer_tokens_max: int = setting(
        20_000,
        "tokens",
        "The most that a `token_budget` may ask for. Programs that talk to agents cut, or refuse, answers "
        "that are much larger.",
        low=200,
        high=1_000_000,
    )
    wait_s_max: float = setting(
        45.0,
        "s",
        "Longest that `ingest` waits for its job where the agent's program asks for no progress; the job "
        "goes on. Such programs give up after 60 s, and many then send the same again.",
        low=1,
        high=3600,
    )


@dataclass(frozen=True)
class MetricsSettings:
    """The metrics file: lines about the past that outlive the journal (`pi-rag metrics`)."""

    line_s: float = setting(
        60.0,
        "s",
        "How often a line about the service is written to the metrics file. More often wears a card more: a "
        "line is less than 2 KiB, and costs a page of the disk.",
        low=1,
        high=3600,
    )
    file_mib_max: int = setting(
        2,
        "MiB",
        "Size of one metrics file. What would make it larger begins the next.",
        low=1,
        high=1024,
    )
    files_max: int = setting(
        5,
        "files",
        "How many of them are kept, the oldest is deleted for a new one. With file_mib_max it bounds the "
        "space: 10 MiB hold a week or so of minutes.",
        low=2,
        high=100,
    )


@dataclass(frozen=True)
class ClientSettings:
    """The command line and other guests: how long and how much they take from the service."""

    answer_s_max: float = setting(
        60.0,
        "s",
        "Longest a client waits for one answer. It is longer than any search takes; jobs are asked for "
        "again and again instead of waited for.",
        low=0.1,
        high=3600,
    )
    away_s_max: float = setting(
        20.0,
        "s",
        "How long `pi-rag mcp` holds an agent's request while the service is away, as in a restart, before "
        "it says so. Shorter than most agents wait for a tool, so that they read why.",
        low=0,
        high=600,
    )
    answer_mib_max: int = setting(
        128,
        "MiB",
        "Largest answer a client reads. The text of the longest document fits; more would be a fault.",
        low=1,
        high=1024,
    )
    upload_mib: int = setting(
        8,
        "MiB",
        "How much `pi-rag add` sends in one request when it reads files for the service. Only a larger "
        "file goes beyond it, alone. Smaller keeps RAM low on both sides.",
        low=1,
        high=512,
    )


@dataclass(frozen=True)
class GpioSettings:
    """A lamp and a button on the pins of a Raspberry Pi, for `pi-rag gpio` (docs/led.md)."""

    led_pin: int = setting(
        0,
        "GPIO number",
        "The pin of the lamp, by its GPIO number, as `pinout` shows it: 17 is pin 11 of the board. 0: none. "
        "Name no pin that a board on top uses.",
        low=0,
        high=27,
    )
    led_active_high: str = setting(
        "on",
        "switch",
        "on: the lamp is between the pin and ground, and lit when the pin is high. off: it is between 3.3 V "
        "and the pin, and lit when the pin is low.",
        choices=("on", "off"),
    )
    button_pin: int = setting(
        0,
        "GPIO number",
        "The pin of the button, which joins it to ground while it is pressed. 0: no button.",
        low=0,
        high=27,
    )
    press: str = setting(
        "pause",
        "name",
        "What a short press does. pause: adding is paused, and the next press lets it go on. off: nothing.",
        choices=("pause", "off"),
    )
    hold: str = setting(
        "off",
        "name",
        "What a long press does. service: it stops the service, until somebody starts it. machine: it shuts "
        "the machine down. Both need a right that is given on purpose (docs/led.md). off: nothing.",
        choices=("off", "service", "machine"),
    )
    hold_s: float = setting(
        3.0,
        "s",
        "How long a press must be to be a long one. With less, a hand that leans on the button stops things.",
        low=1,
        high=30,
    )
    debounce_ms: int = setting(
        50,
        "ms",
        "A press or its end counts when the contact has held still for so long. Longer for a worn button; a "
        "press shorter than this is none.",
        low=1,
        high=500,
    )
    poll_s: float = setting(
        1.0,
        "s",
        "How often the lamp's program asks the service how it is. Longer costs less, and the lamp is later.",
        low=1,
        high=60,
    )


@dataclass(frozen=True)
class Settings:
    """All groups, checked against each other."""

    service: ServiceSettings = field(default_factory=ServiceSettings)
    embedder: EmbedderSettings = field(default_factory=EmbedderSettings)
    store: StoreSettings = field(default_factory=StoreSettings)
    backup: BackupSettings = field(default_factory=BackupSettings)
    index: IndexSettings = field(default_factory=IndexSettings)
    ingest: IngestSettings = field(default_factory=IngestSettings)
    watch: WatchSettings = field(default_factory=WatchSettings)
    query: QuerySettings = field(default_factory=QuerySettings)
    cache: CacheSettings = field(default_factory=CacheSettings)
    health: HealthSettings = field(default_factory=HealthSettings)
    alerts: AlertSettings = field(default_factory=AlertSettings)
    memory: MemorySettings = field(default_factory=MemorySettings)
    remember: RememberSettings = field(default_factory=RememberSettings)
    agents: AgentsSettings = field(default_factory=AgentsSettings)
    metrics: MetricsSettings = field(default_factory=MetricsSettings)
    client: ClientSettings = field(default_factory=ClientSettings)
    gpio: GpioSettings = field(default_factory=GpioSettings)

    @property
    def data_path(self) -> Path:
        """Folder of the database and the models."""
        return Path(self.service.data) if self.service.data else default_data_path()

    @property
    def socket_path(self) -> Path:
        """The Unix socket that clients use."""
        if self.service.socket:
            return Path(self.service.socket)
        runtime = os.environ.get("XDG_RUNTIME_DIR")
        return (Path(runtime) if runtime else self.data_path) / "pi-rag.sock"

    @property
    def database_path(self) -> Path:
        """The one SQLite file."""
        return self.data_path / "pi-rag.db"

    @property
    def models_path(self) -> Path:
        """Folder of the installed models."""
        return self.data_path / "models"

    @property
    def backup_path(self) -> Path:
        """Folder of the backups that nobody named another for."""
        return Path(self.backup.folder) if self.backup.folder else self.data_path / "backups"

    @property
    def metrics_path(self) -> Path:
        """Folder of the metrics files."""
        return self.data_path / "metrics"

    @property
    def tuning_path(self) -> Path:
        """What was measured of this machine."""
        return self.data_path / "tuning.json"


def default_data_path() -> Path:
    """`pi-rag` in the XDG data folder (XDG Base Directory Specification 0.8)."""
    xdg = os.environ.get("XDG_DATA_HOME")
    base = Path(xdg) if xdg and Path(xdg).is_absolute() else Path.home() / ".local" / "share"
    return base / "pi-rag"


def default_config_path() -> Path | None:
    """The first settings file that exists: the user's own, then the machine's."""
    xdg = os.environ.get("XDG_CONFIG_HOME")
    base = Path(xdg) if xdg and Path(xdg).is_absolute() else Path.home() / ".config"
    candidates = (base / "pi-rag" / "pi-rag.toml", Path("/etc/pi-rag/pi-rag.toml"))
    return next((path for path in candidates if os.access(path, os.R_OK)), None)


def load(config: str | None = None, *, flags: Mapping[str, Any] | None = None) -> Settings:
    """The settings in force.

    `flags` are values by dotted name (`service.data`); None values are skipped. Raises SettingsInvalid.
    """
    chosen = config or os.environ.get("PI_RAG_CONFIG") or default_config_path()
    values = _from_file(Path(chosen)) if chosen else {}
    origins = dict.fromkeys(values, f"the settings file {chosen}")
    known = names()
    for name, value in _from_environment().items():
        values[name], origins[name] = value, f"the environment variable {env_name(name, known[name])}"
    for name, value in (flags or {}).items():
        if value is not None:
            values[name] = value
            origins.pop(name, None)
    return from_values(values, origins)


def from_values(values: Mapping[str, Any], origins: Mapping[str, str] | None = None) -> Settings:
    """Settings from dotted names; each value is checked, then their relations. Raises SettingsInvalid.

    `origins` says of names where their values come from, for the person who has to change one.
    """
    known = names()
    groups: dict[str, dict[str, Any]] = {group.name: {} for group in fields(Settings)}
    for name, value in values.items():
        origin = (origins or {}).get(name)
        if name not in known:
            there = f" in {origin}" if origin else ""
            raise SettingsInvalid(f"There is no setting {name!r}{there}.", hint=_nearest(name, list(known)))
        group, key = name.split(".", 1)
        try:
            groups[group][key] = _checked(name, value, known[name])
        except SettingsInvalid as error:
            raise SettingsInvalid(error.message + (f" It comes from {origin}." if origin else "")) from None
    settings = Settings(**{name: _GROUPS[name](**given) for name, given in groups.items()})
    _check_relations(settings)
    _check_likeness(settings.remember)
    return settings


def names() -> dict[str, Any]:
    """Every setting by its dotted name, in the order of the file."""
    return {f"{group}.{item.name}": item for group, kind in _GROUPS.items() for item in fields(kind)}


def to_toml(settings: Settings) -> str:
    """Every setting as a settings file has it, but for what is secret."""
    import json  # only where a backup is made: light commands should not pay for it

    lines: list[str] = []
    for group, kind in _GROUPS.items():
        lines.append(f"[{group}]")
        of_group = getattr(settings, group)
        for item in fields(kind):
            if not SECRET.intersection(item.name.split("_")):
                # A basic string of TOML takes what JSON writes.
                lines.append(f"{item.name} = {json.dumps(getattr(of_group, item.name))}")
        lines.append("")
    return "\n".join(lines)


SECRET = frozenset({"token", "secret", "password", "key"})
"""A setting with such a word in its name is told to nobody."""


def env_name(name: str, item: Any) -> str:
    """The environment variable of a setting: its own short one, or PI_RAG_GROUP_NAME."""
    return str(item.metadata["env"] or "PI_RAG_" + name.replace(".", "_").upper())


_GROUPS: dict[str, Any] = {
    "service": ServiceSettings,
    "embedder": EmbedderSettings,
    "store": StoreSettings,
    "backup": BackupSettings,
    "index": IndexSettings,
    "ingest": IngestSettings,
    "watch": WatchSettings,
    "query": QuerySettings,
    "cache": CacheSettings,
    "health": HealthSettings,
    "alerts": AlertSettings,
    "memory": MemorySettings,
    "remember": RememberSettings,
    "agents": AgentsSettings,
    "metrics": MetricsSettings,
    "client": ClientSettings,
    "gpio": GpioSettings,
}


def _from_file(path: Path) -> dict[str, Any]:
    import tomllib  # only where there is a file: light commands should not pay for it

    try:
        text = path.read_text(encoding="utf-8-sig")  # Windows begins it with a mark
    except FileNotFoundError:
        raise SettingsInvalid(f"The settings file {path} does not exist.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsInvalid(f"The settings file {path} cannot be read: {error}.") from error
    try:
        tree = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        # Beside what is no TOML: a name with a NUL, numbers of thousands of digits, brackets within brackets.
        hint = _where_it_stands(text, str(error))
        raise SettingsInvalid(f"The settings file {path} is not valid TOML: {error}.", hint=hint) from error
    return _flattened(tree, path)


def _where_it_stands(text: str, problem: str) -> str | None:
    """For a section that stands there twice, as when lines of a page were added at the end: where it is."""
    twice = re.match(r"Cannot declare \('(\w+)',\) twice", problem)
    if twice is None:
        return None
    name = twice[1]
    header = re.compile(rf"\s*\[\s*[\"']?{name}[\"']?\s*\]")
    at = [number for number, line in enumerate(text.splitlines(), 1) if header.match(line)]
    if len(at) < 2:
        return None  # the other is no section of its own, as `gpio.led_pin = 17`
    return (
        f"[{name}] stands at line {at[0]} already: put the lines below that one, without a second [{name}]."
    )


def _flattened(tree: Mapping[str, Any], path: Path) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for group, table in tree.items():
        if group not in _GROUPS or not isinstance(table, dict):
            hint = _nearest(group, [*_GROUPS, *names()])
            raise SettingsInvalid(f"{path} has an unknown section or key {group!r}.", hint=hint)
        flat |= {f"{group}.{key}": value for key, value in table.items()}
    for name, item in names().items():
        # Only the environment has to write its numbers as texts.
        if isinstance(flat.get(name), str) and not isinstance(item.default, str):
            raise SettingsInvalid(f"{name} is the text {flat[name]!r} in {path}; write it without quotes.")
    return flat


def _from_environment() -> dict[str, Any]:
    by_env = {env_name(name, item): name for name, item in names().items()}
    ours = [key for key in os.environ if key.startswith("PI_RAG_")]
    unknown = [key for key in ours if key not in by_env and key not in _ENV_OTHER]
    if unknown:
        long = {"PI_RAG_" + name.replace(".", "_").upper(): env for env, name in by_env.items()}
        hint = _nearest(unknown[0], list(by_env), long)
        raise SettingsInvalid(f"There is no setting {unknown[0]!r}.", hint=hint)
    return {by_env[key]: os.environ[key] for key in ours if key in by_env and os.environ[key]}


_ENV_OTHER = frozenset({"PI_RAG_CONFIG"})


def _checked(name: str, value: Any, item: Any) -> Any:
    converted = _converted(name, value, item)
    low, high, choices = item.metadata["low"], item.metadata["high"], item.metadata["choices"]
    if low is not None and not low <= converted <= high:
        raise SettingsInvalid(
            f"{name} is {converted}; it must be from {low} to {high} ({item.metadata['unit']})."
        )
    if choices and converted not in choices:
        raise SettingsInvalid(f"{name} is {converted!r}; it must be one of: {', '.join(choices)}.")
    return converted


def _as_typed(value: Any) -> str:
    """As a settings file has it."""
    return str(value).lower() if isinstance(value, bool) else repr(value)


def _text_wanted(value: Any, item: Any) -> str:
    """What to type instead of a value that is no text."""
    if item.metadata["choices"]:
        return "one of these, with the quotes: " + ", ".join(f'"{each}"' for each in item.metadata["choices"])
    if isinstance(value, list):
        joined = ":".join(map(str, value)) if item.metadata["unit"] == "folders" else "..."
        return f'one text, with the quotes: "{joined}"'
    return f'a text, with the quotes: "{value}"'


def _converted(name: str, value: Any, item: Any) -> Any:
    """TOML gives typed values, the environment only strings; both end as the default's type."""
    kind = type(item.default)
    try:
        if isinstance(value, bool) or (kind is int and isinstance(value, float)):
            raise ValueError
        if kind is str and not isinstance(value, str):
            raise ValueError
        return kind(value)
    except (TypeError, ValueError, OverflowError):
        what = _text_wanted(value, item) if kind is str else {int: "a whole number", float: "a number"}[kind]
        raise SettingsInvalid(f"{name} is {_as_typed(value)}; it must be {what}.") from None


def _nearest(name: str, known: list[str], meant: Mapping[str, str] | None = None) -> str | None:
    """`meant`: names that one would expect, and what they are called."""
    import difflib  # only on the way to an error: light commands should not pay for it

    pool = {**(meant or {})} | {key: key for key in known} | {key.split(".", 1)[-1]: key for key in known}
    found = difflib.get_close_matches(name, pool, n=1, cutoff=0.6) or difflib.get_close_matches(
        name.split(".", 1)[-1], pool, n=1, cutoff=0.6
    )
    return (
        f"Did you mean {pool[found[0]]!r}? Every setting is described in docs/settings.md." if found else None
    )


def _check_relations(settings: Settings) -> None:
    """Values that are each sound and yet contradict one another."""
    ingest, embedder = settings.ingest, settings.embedder
    if ingest.chunk_overlap_tokens * 2 > ingest.chunk_tokens_max:
        raise SettingsInvalid(
            f"ingest.chunk_overlap_tokens ({ingest.chunk_overlap_tokens}) must be at most half of "
            f"ingest.chunk_tokens_max ({ingest.chunk_tokens_max})."
        )
    if ingest.lease_s <= 2 * ingest.read_s_max:
        raise SettingsInvalid(
            f"ingest.lease_s ({ingest.lease_s:g}) must be more than twice ingest.read_s_max "
            f"({ingest.read_s_max:g})."
        )
    needed = ingest.chunk_tokens_max + ingest.heading_tokens_max + 2
    if needed > embedder.tokens_max:
        raise SettingsInvalid(
            f"A passage of ingest.chunk_tokens_max ({ingest.chunk_tokens_max}) with "
            f"ingest.heading_tokens_max ({ingest.heading_tokens_max}) needs "
            f"{needed} tokens, more than embedder.tokens_max ({embedder.tokens_max}).",
            hint="Lower ingest.chunk_tokens_max, or raise embedder.tokens_max and pay for it in RAM.",
        )
    if settings.gpio.led_pin and settings.gpio.led_pin == settings.gpio.button_pin:
        raise SettingsInvalid(f"gpio.led_pin and gpio.button_pin are both {settings.gpio.led_pin}.")
    if len(os.fsencode(settings.socket_path)) > SOCKET_PATH_BYTES_MAX:
        raise SettingsInvalid(
            f"The socket path {settings.socket_path} is longer than {SOCKET_PATH_BYTES_MAX} bytes.",
            hint="Choose a shorter one with --socket or PI_RAG_SOCKET.",
        )
    relative = [root for root in ingest.roots.split(":") if root and not Path(root).is_absolute()]
    if relative:
        raise SettingsInvalid(f"ingest.roots has {relative[0]!r}, which is not an absolute path.")
    if settings.backup.folder and not Path(settings.backup.folder).is_absolute():
        raise SettingsInvalid(f"backup.folder is {settings.backup.folder!r}, which is not an absolute path.")
    service = settings.service
    if service.waiting_max + service.embeddings_bulk_max >= service.requests_max:
        raise SettingsInvalid(
            f"service.waiting_max ({service.waiting_max}) and service.embeddings_bulk_max "
            f"({service.embeddings_bulk_max}) must together be below service.requests_max "
            f"({service.requests_max})."
        )
    if embedder.batch_kib_max * 2 > embedder.frame_mib_max * 1024:
        raise SettingsInvalid(
            f"embedder.batch_kib_max ({embedder.batch_kib_max}) must be at most half of "
            f"embedder.frame_mib_max ({embedder.frame_mib_max} MiB)."
        )
    if embedder.beat_s * 2 > embedder.silence_s_max:
        raise SettingsInvalid(
            f"embedder.beat_s ({embedder.beat_s:g}) must be at most half of "
            f"embedder.silence_s_max ({embedder.silence_s_max:g})."
        )
    if settings.health.embedder_silence_s_max <= embedder.silence_s_max:
        raise SettingsInvalid(
            f"health.embedder_silence_s_max ({settings.health.embedder_silence_s_max:g}) must be longer than "
            f"embedder.silence_s_max ({embedder.silence_s_max:g})."
        )
    close_s_max, stop_s_max = settings.store.close_s_max, settings.service.stop_s_max
    if close_s_max >= stop_s_max:
        raise SettingsInvalid(
            f"store.close_s_max ({close_s_max:g}) must be below service.stop_s_max ({stop_s_max:g})."
        )


ORDERED = (
    ("ingest.retry_s_min", "ingest.retry_s_max"),
    ("watch.quiet_ms", "watch.quiet_ms_max"),
    ("agents.answer_tokens", "agents.answer_tokens_max"),
)
"""Of each two the first should not be above the second."""


def _value(settings: Settings, name: str) -> Any:
    group, key = name.split(".", 1)
    return getattr(getattr(settings, group), key)


def doubts(settings: Settings) -> list[str]:
    """What is taken as it is, though another setting keeps it from holding: which one wins, a sentence each.

    Settings that worked so must not keep a service from starting.
    """
    ingest, request_mib_max = settings.ingest, settings.service.request_mib_max
    found = [
        f"{low} ({_value(settings, low):g}) is above {high} ({_value(settings, high):g}), which holds."
        for low, high in ORDERED
        if _value(settings, low) > _value(settings, high)
    ]
    if ingest.reader_grown_mib_max >= ingest.reader_memory_mib_max:
        found.append(
            f"ingest.reader_grown_mib_max ({ingest.reader_grown_mib_max}) is not below "
            f"ingest.reader_memory_mib_max ({ingest.reader_memory_mib_max}), which holds: the reading child "
            "is replaced only when a file was refused for it."
        )
    as_sent = {
        "agents.message_mib_max": settings.agents.message_mib_max,
        "client.upload_mib": settings.client.upload_mib,
        "ingest.document_mib_max": -(-ingest.document_mib_max * 4 // 3),  # a client sends it in base64
    }
    for name, mib in as_sent.items():
        if mib > request_mib_max:
            takes = f", sent as {mib:g} MiB," if name == "ingest.document_mib_max" else ""
            found.append(
                f"{name} ({_value(settings, name):g}){takes} is above service.request_mib_max "
                f"({request_mib_max}), which holds for all that is sent to the service."
            )
    return found


def _check_likeness(remember: RememberSettings) -> None:
    """What is alike enough to be the same is alike enough to be in conflict."""
    if remember.conflict_similarity > remember.merge_similarity:
        raise SettingsInvalid(
            f"remember.conflict_similarity ({remember.conflict_similarity:g}) must not be above "
            f"remember.merge_similarity ({remember.merge_similarity:g})."
        )
