"""Of every source it is known whether it is in, since when, and if not, why not."""

from __future__ import annotations

from pi_rag.store import Connection, documents, job_rows, jobs, migrations, sources, watches
from pi_rag.store.rows import all_rows
from pi_rag.store.sources import SourceRow
from pi_rag.store.watches import File
from pi_rag.types import Item, NewItem, Refusal
from tests.store.making import put

SCAN = Refusal("/home/scan.pdf", "document_needs_ocr", "There are pictures of text in it.", "See docs.")


def claimed(db: Connection) -> Item:
    item = jobs.claim(db, 3, 1.0)
    assert item is not None
    return item


def only(db: Connection, source: str) -> SourceRow:
    (found,) = sources.listing(db, under=source, limit=9)
    return found


def test_a_source_tells_what_became_of_it(db: Connection) -> None:
    """It waits, it is refused with a reason, it waits again, it is stored; and when that was."""
    for turn in range(2):
        jobs.enqueue(db, "default", [NewItem("path", SCAN.source)], 9, 1.0)
        waiting = only(db, SCAN.source)
        assert (waiting.waiting, waiting.document_id, waiting.skipped) == (True, None, SCAN if turn else None)
        if not turn:
            jobs.finish(db, claimed(db), "refused", 0, SCAN, 5.0)
            told = only(db, SCAN.source)
            assert (told.waiting, told.seen_at, told.skipped, told.passages) == (False, 5.0, SCAN, 0)
    item = claimed(db)
    document_id = put(db, SCAN.source, ["tea", "milk"], now=6.0)
    documents.came_with(db, item, 6.0)
    jobs.finish(db, item, "done", 2, None, 6.0)
    assert only(db, SCAN.source) == SourceRow(
        SCAN.source, "default", document_id, 2, 6.0, 6.0, waiting=False, watch_id=None, skipped=None
    )


def test_what_was_given_up_says_why(db: Connection) -> None:
    """Also when nobody can try it again any more."""
    jobs.enqueue(db, "default", [NewItem("path", SCAN.source)], 9, 1.0)
    jobs.fail(db, claimed(db), SCAN, 5.0)
    jobs.forget_old(db, 0, 0)
    assert all_rows(db, "SELECT * FROM jobs") == []
    assert only(db, SCAN.source).skipped == SCAN


def test_a_folder_is_seen_as_it_is_in_a_few_statements(db: Connection) -> None:
    """However many files it has: nothing else is written meanwhile. Of each name, and of no other's."""
    names = ["a", 'b "quoted"', "c\n\t", "d \u00e4\U0001f375", "e\\"]
    for name in [*names, "not seen"]:
        put(db, name, ["tea"], now=2.0)
        sources.skip(db, "default", [Refusal(name, "c", "m", "h")], 3.0)
    sources.skip(db, "other", [Refusal("a", "c", "m", "h")], 3.0)
    asked: list[str] = []

    def note(_: object, sql: str, __: object) -> bool:
        asked.append(sql)
        return True

    db.exec_trace = note
    sources.seen(db, "default", iter(names), 7.0)
    db.exec_trace = None
    assert len(asked) < len(names)
    rows = sources.listing(db, collection="default", limit=9)
    assert {row.source: (row.seen_at, row.skipped is None) for row in rows} == {
        **dict.fromkeys(names, (7.0, True)),
        "not seen": (3.0, False),
    }
    assert [row.source for row in sources.listing(db, collection="other", limit=9)] == ["a"]


def test_a_document_that_is_found_as_it_is_was_seen(db: Connection) -> None:
    """Its date stays that of its text. One from before this was noted was seen when it was stored."""
    put(db, "a", ["tea"], now=2.0)
    assert (only(db, "a").seen_at, only(db, "a").indexed_at) == (2.0, 2.0)
    sources.skip(db, "default", [Refusal("a", "c", "m", "h")], 3.0)
    assert (only(db, "a").seen_at, only(db, "a").passages) == (3.0, 1)
    sources.seen(db, "default", ["a", "not stored"], 7.0)
    told = only(db, "a")
    assert (told.seen_at, told.indexed_at, told.skipped) == (7.0, 2.0, None)


def test_a_folder_tells_anew_what_is_not_taken_in_it(db: Connection) -> None:
    """What it does not hold any more is not asked for any more; what is unchanged was seen."""
    put(db, "/home/a.md", ["tea"], now=2.0)
    gone = Refusal("/home/gone.jpg", "document_binary", "m", "h")
    beside = Refusal("/home.jpg", "document_binary", "m", "h")
    folder = Refusal("/home", "document_unreadable", "m", "h")
    sources.skip(db, "default", [gone, beside, folder, Refusal("/home/a.md", "c", "m", "h")], 1.0)
    jobs.enqueue(db, "default", [NewItem("path", "/home")], 9, 1.0)
    jobs.expand(db, claimed(db), [], [SCAN], 8.0, ["/home/a.md"])
    found = {each.source: (each.seen_at, each.skipped) for each in sources.listing(db, limit=9)}
    assert found == {
        "/home.jpg": (1.0, beside), "/home/a.md": (8.0, None), "/home/scan.pdf": (8.0, SCAN)
    }  # fmt: skip


def test_a_folder_named_by_a_link_tells_anew_what_is_not_taken_in_it(db: Connection) -> None:
    """Its files are known by its real path."""
    sources.skip(
        db, "default", [Refusal("/real/gone.jpg", "c", "m", "h"), Refusal("/real", "c", "m", "h")], 1.0
    )
    jobs.enqueue(db, "default", [NewItem("path", "/link")], 9, 1.0)
    jobs.expand(db, claimed(db), [], [Refusal("/real/b.jpg", "c", "m", "h")], 8.0, folder="/real")
    assert [each.source for each in sources.listing(db, limit=9)] == ["/real/b.jpg"]


def test_a_folder_that_is_watched_is_refused_no_more(db: Connection) -> None:
    """What is said of its files stays until they are seen."""
    sources.skip(db, "default", [Refusal(name, "c", "m", "h") for name in ("/home", "/home/a")], 1.0)
    sources.skip(db, "other", [Refusal("/home", "c", "m", "h")], 1.0)
    watches.add(db, "/home", "default", [], [], 9, 1.0)
    told = [(each.source, each.collection) for each in sources.listing(db, limit=9)]
    assert told == [("/home", "other"), ("/home/a", "default")]


def test_a_path_that_is_not_there_is_no_source(db: Connection) -> None:
    """Its job tells of it. What is stored from it, or from what was in it, is told with it; an older reason
    goes."""
    for source in ("/typo", "/was.md", "/was.zip", "/scan.pdf", "/typo.zip"):
        jobs.enqueue(db, "default", [NewItem("path", source)], 9, 1.0)
    put(db, "/was.md", ["tea"])
    put(db, "/was.zip!/in.md", ["tea"])
    put(db, "/typo.zip.md", ["tea"])
    put(db, "/typo", ["tea"], collection="other")
    sources.skip(db, "default", [Refusal("/scan.pdf", "document_needs_ocr", "m", "h")], 1.0)
    while (item := jobs.claim(db, 3, 1.0)) is not None:
        jobs.finish(db, item, "refused", 0, Refusal(item.source, "path_not_found", "m", "h"), 5.0)
    told = sources.listing(db, collection="default", skipped=True, limit=9)
    gone = [Refusal(name, "path_not_found", "m", "h") for name in ("/was.md", "/was.zip")]
    assert [each.skipped for each in told] == gone
    assert [each.source for each in job_rows.job(db, 1, 9).refusals] == ["/typo"]


def test_sources_come_a_page_at_a_time(db: Connection) -> None:
    """By name and collection, each once; of one collection, below a folder, or only the skipped."""
    names = ["/a", "/a/b", "/a/c/d", "/a.md", "/a0", "/b"]
    for name in names:
        put(db, name, ["tea"])
    put(db, "/a/b", ["tea"], collection="other")
    sources.skip(db, "default", [Refusal(name, "c", "m", "h") for name in ("/a/b", "/a/z", "/b")], 1.0)
    jobs.enqueue(db, "default", [NewItem("path", name) for name in ("/a/b", "/a/y", "/a/y")], 9, 1.0)

    def paged(limit: int, **wanted: object) -> list[tuple[str, str]]:
        found: list[tuple[str, str]] = []
        while page := sources.listing(
            db, limit=limit, after=found[-1] if found else ("", ""), **wanted  # type: ignore[arg-type]
        ):  # fmt: skip
            found += [(each.source, each.collection) for each in page]
        return found

    for limit in (1, 2, 100):
        every = [(name, "default") for name in sorted([*names, "/a/y", "/a/z"])]
        assert paged(limit) == sorted([*every, ("/a/b", "other")])
        assert paged(limit, collection="other") == [("/a/b", "other")]
        assert [name for name, _ in paged(limit, under="/a", collection="default")] == [
            "/a", "/a/b", "/a/c/d", "/a/y", "/a/z"
        ]  # fmt: skip
        assert [name for name, _ in paged(limit, skipped=True)] == ["/a/b", "/a/z", "/b"]
        assert paged(limit, under="/a", skipped=True, collection="other") == []


def test_the_files_of_an_archive_lie_below_it(db: Connection) -> None:
    """And nothing else that begins with its name."""
    names = ["/z.zip!/a.md", "/z.zip!/in/b.md", "/z.zip!old", "/z.zip-2", "/z.zip.md"]
    for name in names:
        put(db, name, ["tea"])
    assert [each.source for each in sources.listing(db, under="/z.zip", limit=9)] == names[:2]


def test_all_of_the_disk_is_a_folder_too(db: Connection) -> None:
    """What was sent under a name, or comes from the web, lies elsewhere."""
    for name in ("/", "/a.md", "/home/b.md", "0.md", "now.txt"):
        put(db, name, ["tea"])
    assert [each.source for each in sources.listing(db, under="/", limit=9)] == ["/", "/a.md", "/home/b.md"]


def test_a_file_of_a_watched_folder_says_so(db: Connection) -> None:
    """In the folder's own collection."""
    watch = watches.add(db, "/home", "default", [], [], 9, 1.0)
    watches.queued(db, watch, [File("a.md", 1, 1, elsewhere=0)], 1.0)
    put(db, "/home/a.md", ["tea"])
    put(db, "/home/a.md", ["tea"], collection="other")
    put(db, "/home/b.md", ["tea"])
    found = [(each.source, each.watch_id) for each in sources.listing(db, limit=9)]
    assert found == [("/home/a.md", watch.id), ("/home/a.md", None), ("/home/b.md", None)]


def test_only_so_many_reasons_are_kept(db: Connection) -> None:
    """The newest; one that is told again is new."""
    for name in ("a", "b", "c", "a"):
        sources.skip(db, "default", [Refusal(name, "c", "m", "h")], 1.0)
    sources.forget_old(db, 2)
    assert [each.source for each in sources.listing(db, limit=9)] == ["a", "c"]
    sources.forget_old(db, 2)
    assert len(sources.listing(db, limit=9)) == 2


def test_what_watched_files_said_of_themselves_is_kept() -> None:
    """A database from before has the reasons with the watched files, and payloads without their size."""
    old = Connection(":memory:")
    migrations.migrate(old, migrations.STEPS[:14])
    old.execute("""
        INSERT INTO watches VALUES (1, '/home', 'default', '[]', '[]', 4.0, NULL);
        INSERT INTO watch_files VALUES (1, 'scan.pdf', 1, 1, 0, NULL, 'c', 'm', 'h'),
                                       (1, 'b', 1, 1, 0, NULL, NULL, NULL, NULL);
        INSERT INTO jobs (id, collection, created_at, items_total) VALUES (1, 'default', 1.0, 1);
        INSERT INTO job_items (id, job_id, kind, source, title, metadata)
            VALUES (5, 1, 'bytes', 'u', '', '{}');
        INSERT INTO item_payloads VALUES (5, x'010203');
    """)
    migrations.migrate(old)
    (told,) = sources.listing(old, skipped=True, limit=9)
    assert (told.source, told.watch_id, told.seen_at) == ("/home/scan.pdf", 1, 4.0)
    assert told.skipped == Refusal("/home/scan.pdf", "c", "m", "h")
    assert all_rows(old, "SELECT payload_bytes FROM job_items") == [(3,)]
    old.close()


def test_reasons_below_a_folder_are_forgotten_at_once(db: Connection) -> None:
    """In one collection or in all; not of what is stored, nor of what is watched, which is still there."""
    names = ["/f", "/f!/a", "/f.md", "/f/a", "/f/b", "/f/b/c", "/f/w/a", "/f/w/x.zip", "/f/w/x.zip!/a", "/f0"]
    folder = watches.add(db, "/f/w", "default", [], [], 9, 1.0)
    watches.queued(db, folder, [File(name, 1, 1, elsewhere=0) for name in ("a", "x.zip")], 1.0)
    for collection in ("default", "other"):
        sources.skip(db, collection, [Refusal(name, "c", "m", "h") for name in names], 1.0)
    put(db, "/f/b", ["tea"])
    beside, watched = ["/f!/a", "/f.md", "/f0"], ["/f/w/a", "/f/w/x.zip", "/f/w/x.zip!/a"]

    assert sources.forget_below(db, "/f", "default") == 3
    left = [each.source for each in sources.listing(db, collection="default", skipped=True, limit=99)]
    assert left == sorted([*beside, "/f/b", *watched])
    assert len(sources.listing(db, collection="other", limit=99)) == len(names)
    assert sources.forget_below(db, "/f", None) == len(names) - len(beside)
    assert [each.source for each in sources.listing(db, collection="other", limit=99)] == beside
    assert sources.forget_below(db, "/", None) == 2 * len(beside)
