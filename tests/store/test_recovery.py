"""Recovery: what lies on no damaged page is saved, what does is named, and the old file keeps every byte."""

from __future__ import annotations

import asyncio
import errno
import os
import random
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from pi_rag.cli.recover import as_sent
from pi_rag.clock import SystemClock
from pi_rag.config import StoreSettings
from pi_rag.errors import PathNotFound, PiRagError, SchemaNewer, SocketInUse, StoreDamaged, StoreUnusable
from pi_rag.memory.remembering import words_hash
from pi_rag.store import Connection, by_hash, connection, content, folder, migrations, recovery
from pi_rag.store.recovery import Means, Saved
from pi_rag.store.salvage import layout
from pi_rag.store.salvage.image import opened
from pi_rag.store.salvage.trees import Forest
from pi_rag.store.store import Store
from tests.durability import household
from tests.store.salvage import damage

MEANS = Means(as_sent, words_hash)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A house's database, with commits in its log."""
    path = tmp_path_factory.mktemp("house") / "data" / "pi-rag.db"
    household.build_at(path)
    return path.parent


@pytest.fixture(scope="module")
def before(built: Path, tmp_path_factory: pytest.TempPathFactory) -> household.Held:
    """What it holds."""
    copy = tmp_path_factory.mktemp("copy") / "data"
    shutil.copytree(built, copy)
    return household.held_at(copy / "pi-rag.db")


@pytest.fixture
def path(built: Path, tmp_path: Path) -> Path:
    """A copy of it, to be damaged."""
    shutil.copytree(built, tmp_path / "data")
    return tmp_path / "data" / "pi-rag.db"


def recover(path: Path, to: Path | None = None, *, dry_run: bool = False) -> Saved:
    return recovery.recover(path, to or path, StoreSettings(), MEANS, 5000.0, dry_run=dry_run)


def pages_of(path: Path, table: str) -> list[int]:
    with opened(path) as image:
        laid = layout.found(image)
        return [*Forest(image, laid.roots.values()).pages_of(laid.roots[table])]


def settled(path: Path) -> None:
    """Move the log into the file, so that a page of the file is the page that counts."""
    db = Connection(str(path))
    assert db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()[0][0] == 0
    db.close()


def ruin(path: Path, *pages: int) -> None:
    settled(path)
    for page in pages:
        damage.overwrite(path, page, random.Random(page).randbytes(damage.PAGE_BYTES))


def ruin_what_is_made_anew(path: Path) -> None:
    """Damage that takes nothing: an index."""
    ruin(path, *pages_of(path, "documents_by_source"))


def test_an_undamaged_database_comes_out_equal(path: Path, tmp_path: Path, before: household.Held) -> None:
    """Also what is only in its log."""
    to = tmp_path / "new" / "pi-rag.db"
    saved = recover(path, to)
    assert household.held_at(to) == before
    assert not saved.has_blemish
    assert (saved.documents.queued, saved.memories.waiting) == (0, 0)


def test_a_fact_without_a_session_gets_none(tmp_path: Path) -> None:
    """Where there is no session at all, as of someone who only remembers."""
    path, to = tmp_path / "data" / "pi-rag.db", tmp_path / "new" / "pi-rag.db"

    async def build() -> None:
        store = Store.open(path, StoreSettings(), SystemClock())
        await store.write(household.remember, 1, "fact")
        await store.close()

    asyncio.run(build())
    saved = recover(path, to)
    assert (saved.memories.saved, saved.memories.sessions, saved.memories.partial) == ({"fact": 1}, 0, [])
    assert household.held_at(to) == household.held_at(path)


@pytest.mark.parametrize("dry_run", [False, True])
def test_a_database_that_is_whole_is_left_as_it_is(path: Path, *, dry_run: bool) -> None:
    """Not a byte of it or its log is changed, and it is not called damaged."""
    files = {each: each.read_bytes() for each in (path, folder.wal_path(path))}
    saved = recover(path, dry_run=dry_run)
    assert (saved.is_sound, saved.database, saved.kept) == (True, None, None)
    assert {each: each.read_bytes() for each in files} == files
    assert {each.name for each in path.parent.iterdir()} == {each.name for each in files} | {"pi-rag.lock"}


@pytest.mark.parametrize(
    "harm",
    [
        "DELETE FROM chunks_fts WHERE rowid = 3",
        "PRAGMA user_version = 16",
        "UPDATE memory_scopes SET facts = 0",
    ],
)
def test_damage_that_no_row_shows_is_damage(path: Path, before: household.Held, harm: str) -> None:
    """Words, counts and numbers that are only made anew: the file is replaced, and all is there."""
    settled(path)
    db = connection.open_writer(path, StoreSettings())
    db.execute(harm)
    db.close()
    saved = recover(path)
    assert not saved.is_sound
    assert saved.said
    assert saved.kept is not None
    assert household.held_at(path) == before


def test_notes_that_are_not_taken_along_are_no_rows_that_cannot_be_read(path: Path) -> None:
    """Every database of a service has them, also one that is whole."""
    settled(path)
    db = connection.open_writer(path, StoreSettings())
    db.execute("INSERT INTO meta VALUES ('index_snapshot', '{}')")
    db.close()
    assert recover(path, dry_run=True).refused == 0


def lose_passages_and_vectors(path: Path) -> None:
    """So that documents wait to be embedded, some of which have passages left."""
    ruin(path, pages_of(path, "chunks")[7], pages_of(path, "vectors")[9])


def lose_texts_too(path: Path) -> None:
    """So that of some documents a part is missing."""
    ruin(path, pages_of(path, "chunks")[7], *pages_of(path, "document_texts")[1:])


def lose_what_waited(path: Path) -> None:
    """So that a job counts what nobody finds, and a payload is shorter than it was."""
    settled(path)
    db = Connection(str(path))
    db.execute("DELETE FROM job_items WHERE source = 'waiting-3'")
    db.execute("UPDATE item_payloads SET payload = x'41' WHERE item_id = (SELECT max(id) FROM job_items)")
    db.close()


@pytest.mark.parametrize("harm", [lose_passages_and_vectors, lose_texts_too, lose_what_waited])
def test_what_was_saved_is_sound_the_next_time(path: Path, harm: Callable[[Path], None]) -> None:
    """Though no service has run: what waits already is not sent again, and what is lost is told once."""
    harm(path)
    first = recover(path)
    assert first.documents.queued or first.queue.lost
    data = path.read_bytes()
    again = recover(path)
    assert again.is_sound, again
    assert (again.documents.queued, again.queue.lost) == (0, [])
    assert again.queue.waiting == first.queue.waiting + first.documents.queued
    assert path.read_bytes() == data


def test_what_waits_and_is_damaged_again_is_saved_again(path: Path, before: household.Held) -> None:
    """A vector of a document that an earlier recovery has sent: it waits once, and all of it is there."""
    lose_passages_and_vectors(path)
    first = recover(path)
    settled(path)
    db = Connection(str(path))
    db.execute("""
        DELETE FROM vectors WHERE chunk_id = (
            SELECT min(chunks.id) FROM chunks JOIN documents ON documents.id = document_id
            WHERE content_hash = ''
        )
    """)
    assert db.changes() == 1
    db.close()
    again = recover(path)
    assert again.kept is not None
    assert (again.documents.queued, again.documents.whole) == (0, household.DOCUMENTS)
    assert again.queue.waiting == first.queue.waiting + first.documents.queued
    assert household.held_at(path).documents == before.documents


def digest_of(path: Path) -> str:
    db = connection.open_reader(path, StoreSettings())
    try:
        return content.digest(db).content
    finally:
        db.close()


def test_the_old_file_and_its_log_are_kept_bit_by_bit(path: Path) -> None:
    """Under a name that says what they are."""
    with opened(path) as image:
        texts = [each for each in pages_of(path, "document_texts") if not image.is_in_log(each)]
    damage.overwrite(path, texts[-1], bytes(damage.PAGE_BYTES))
    files = {each.name: each.read_bytes() for each in (path, folder.wal_path(path))}
    saved = recover(path)
    assert saved.kept is not None
    assert saved.kept.read_bytes() == files[path.name]
    assert folder.wal_path(saved.kept).read_bytes() == files[folder.wal_path(path).name]


def test_the_service_s_store_opens_what_was_saved(path: Path) -> None:
    """With its checkup, and its numbers go on where they were."""
    ruin(path, *pages_of(path, "chunks")[5:8])
    recover(path)

    async def go_on() -> int:
        store = Store.open(path, StoreSettings(), SystemClock())
        number = await store.write(household.put, 999)
        assert await store.close()
        return number

    assert asyncio.run(go_on()) == household.DOCUMENTS + 1


def test_texts_on_a_damaged_page_come_from_their_passages(path: Path, before: household.Held) -> None:
    """And are named; every other document is equal."""
    ruin(path, *pages_of(path, "document_texts")[3:5])
    saved = recover(path)
    after = household.held_at(path)
    named = {(each.collection, each.source) for each in saved.documents.partial}
    assert named
    assert not saved.documents.lost
    assert {key: after.documents[key] for key in before.documents if key not in named} == {
        key: row for key, row in before.documents.items() if key not in named
    }
    for key in named:
        assert "".join(after.documents[key][3].split()) == "".join(before.documents[key][3].split())


def test_passages_on_a_damaged_page_are_cut_anew_from_their_texts(path: Path, before: household.Held) -> None:
    """Their documents wait in the queue, whole, and keep the passages that are left."""
    ruin(path, pages_of(path, "chunks")[7])
    saved = recover(path)
    after = household.held_at(path)
    assert after.documents == before.documents
    assert saved.documents.queued
    assert len(after.waiting) == len(before.waiting) + saved.documents.queued


def test_vectors_on_a_damaged_page_are_made_anew(path: Path, before: household.Held) -> None:
    """Those of documents through the queue, those of memories as those of new ones are."""
    ruin(path, pages_of(path, "vectors")[9], pages_of(path, "memory_vectors")[3])
    saved = recover(path)
    after = household.held_at(path)
    assert after.documents == before.documents
    assert after.memories == before.memories
    assert saved.documents.queued
    assert saved.memories.waiting
    assert len(after.vectors) >= len(before.vectors) - 15


def test_a_vector_that_is_none_any_more_is_made_anew(path: Path) -> None:
    """A flipped bit in the exponent of one number makes it too long, or not finite."""
    settled(path)
    db = Connection(str(path))
    vector = bytearray(db.execute("SELECT vector FROM vectors WHERE chunk_id = 7").get)
    vector[3] ^= 0x40
    db.execute("UPDATE vectors SET vector = ? WHERE chunk_id = 7", (bytes(vector),))
    db.close()
    saved = recover(path)
    assert saved.documents.queued == 1


def test_documents_whose_rows_are_gone_keep_their_text_and_their_source(
    path: Path, before: household.Held
) -> None:
    """The index of sources knows it; title, kind and metadata are gone, which is said."""
    leaf = max(pages_of(path, "documents"))
    ruin(path, leaf)
    saved = recover(path)
    after = household.held_at(path)
    named = {(each.collection, each.source) for each in saved.documents.partial}
    assert named
    assert after.documents.keys() == before.documents.keys()
    assert all(after.documents[key][3] == before.documents[key][3] for key in before.documents)
    assert all("title" in each.what for each in saved.documents.partial)


def test_a_document_of_which_nothing_is_left_is_named_as_lost(path: Path) -> None:
    """By the index of sources."""
    ruin(path, *pages_of(path, "document_texts"), *pages_of(path, "chunks")[1:])
    saved = recover(path)
    assert len(saved.documents.lost) + len(saved.documents.partial) == household.DOCUMENTS
    assert any(each.source.startswith("/home/anna/papers/") for each in saved.documents.lost)


def test_memories_without_their_text_are_named_and_nothing_hangs_loose(
    path: Path, before: household.Held
) -> None:
    """By scope and topic."""
    ruin(path, pages_of(path, "memory_texts")[1])
    saved = recover(path)
    after = household.held_at(path)
    assert saved.memories.lost
    assert len(after.memories) + len(saved.memories.lost) == len(before.memories)
    assert all(after.memories[key] == before.memories[key] for key in after.memories)


def test_a_text_of_memory_whose_row_is_gone_is_a_fact_again(path: Path, before: household.Held) -> None:
    """In the scope that the log of changes knows."""
    ruin(path, *pages_of(path, "memories"))
    saved = recover(path)
    after = household.held_at(path)
    assert len(saved.memories.partial) == len(before.memories)
    for key, (_, scope, _, text, _) in before.memories.items():
        assert after.memories[key][1] == scope
        assert after.memories[key][3] == text


@pytest.mark.parametrize(
    ("also_gone", "lost"),
    [
        ("", ["2 of job 1, the names of which are gone"]),
        ("DELETE FROM jobs", ["2 that were sent, the names of which are gone"]),
    ],
)
def test_what_waited_and_is_gone_without_a_name_is_told(path: Path, also_gone: str, lost: list[str]) -> None:
    """As where single rows of the queue are no rows any more: their job has counted them, and their bytes lie
    there."""
    settled(path)
    db = Connection(str(path))
    db.execute(f"DELETE FROM job_items WHERE source IN ('waiting-3', 'waiting-8'); {also_gone}")
    db.close()
    ruin_what_is_made_anew(path)
    saved = recover(path)
    assert (saved.queue.lost, saved.queue.waiting) == (lost, 28)


def test_without_what_says_the_model_all_vectors_are_made_anew(path: Path) -> None:
    """Nobody could say what they are vectors of."""
    ruin(path, *pages_of(path, "meta"))
    saved = recover(path)
    assert saved.model is None
    assert (saved.vectors, saved.documents.queued) == (0, household.DOCUMENTS)


def test_without_the_list_of_tables_all_is_saved_all_the_same(path: Path, before: household.Held) -> None:
    """The first page is the one that is written most."""
    with opened(path) as image:
        leaves = Forest(image, ()).pages_of(1)
    ruin(path, *leaves)
    saved = recover(path)
    assert saved.guessed
    assert household.held_at(path).documents == before.documents


def list_leaves(path: Path) -> list[int]:
    """The pages of the list of tables behind the first one."""
    settled(path)
    with opened(path) as image:
        return [each for each in Forest(image, ()).pages_of(1) if each > 1]


@pytest.mark.parametrize("also", [(), (2,), (1,)])
def test_tables_that_a_damaged_list_does_not_name_are_found(
    path: Path, before: household.Held, also: tuple[int, ...]
) -> None:
    """Whichever leaf of the list is gone, also with the pointer map or the first page."""
    leaves = list_leaves(path)
    assert len(leaves) > 1
    whole = path.read_bytes()
    for leaf in leaves:
        path.write_bytes(whole)
        ruin(path, leaf, *also)
        saved = recover(path, dry_run=True)
        assert saved.schema_version == len(migrations.STEPS)
        assert saved.guessed
        assert saved.unread
        assert sum(saved.memories.saved.values()) == len(before.memories)
        assert not saved.memories.partial
        assert saved.documents.whole == household.DOCUMENTS


def test_tables_that_are_not_where_a_fresh_database_has_them_are_known_by_their_rows(
    path: Path, before: household.Held
) -> None:
    """As after a reindex, or an upgrade of a database that had its statistics: all of them have moved."""
    settled(path)
    with opened(path) as image:
        laid, tops = layout.found(image), Forest(image, ()).tops
        aside = replace(laid.schema, tables=_moved(laid.schema.tables), indexes={})
        found = layout._guessed(aside, set(), Forest(image, tops), set(tops))
    wanted = ("documents", "chunks", "memories", "memory_scopes", "memory_sessions", "job_items")
    assert {name: found[name] for name in wanted} == {name: laid.roots[name] for name in wanted}
    assert before.memories


def _moved(tables: Mapping[str, layout.Table]) -> dict[str, layout.Table]:
    return {name: replace(table, root=table.root + 2) for name, table in tables.items()}


def test_a_table_that_cannot_be_found_is_named_as_lost(path: Path) -> None:
    """The list does not name it, and where it began is noise to the map as well."""
    leaves = list_leaves(path)
    with opened(path) as image:
        laid = layout.found(image)
        maps = bytearray(image.page(2))
    for root in pages_of(path, "memories"):
        maps[5 * (root - 3)] = 2  # the map calls it free
    ruin(path, *leaves)
    damage.overwrite(path, 2, bytes(maps))
    damage.overwrite(path, laid.roots["memories"], bytes(damage.PAGE_BYTES))
    assert "memories" in recover(path, dry_run=True).missing


def test_an_empty_file_is_refused_with_what_to_do(path: Path) -> None:
    """It is no database any more, and no reason to fall."""
    folder.wal_path(path).unlink()
    path.write_bytes(b"")
    with pytest.raises(StoreDamaged, match="empty") as refused:
        recover(path)
    assert "pi-rag restore" in refused.value.hint


def test_a_file_of_noise_is_refused_with_what_to_do(path: Path) -> None:
    """And stays as it is."""
    folder.wal_path(path).unlink()
    noise = random.Random(1).randbytes(damage.PAGE_BYTES * 30)
    path.write_bytes(noise)
    with pytest.raises(StoreDamaged) as refused:
        recover(path)
    assert "pi-rag restore" in refused.value.hint
    assert path.read_bytes() == noise
    assert sorted(each.name for each in path.parent.iterdir()) == ["pi-rag.db", "pi-rag.lock"]


def test_a_file_cut_short_gives_what_is_left(path: Path) -> None:
    """As after a copy that was broken off."""
    settled(path)
    with path.open("r+b") as file:
        file.truncate(damage.PAGE_BYTES * 200 + 77)
    saved = recover(path)
    assert saved.documents.whole > household.DOCUMENTS // 3
    assert saved.cut


def test_a_file_cut_between_two_pages_is_known_by_its_header(path: Path) -> None:
    """Its last page is whole, and the database had more."""
    settled(path)
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - damage.PAGE_BYTES)
    assert recover(path, dry_run=True).cut


def test_a_dry_run_changes_nothing(path: Path) -> None:
    """Not a byte, and no file is left."""
    ruin(path, 40)
    data = path.read_bytes()
    saved = recover(path, dry_run=True)
    assert saved.documents.whole
    assert path.read_bytes() == data
    assert sorted(each.name for each in path.parent.iterdir()) == ["pi-rag.db", "pi-rag.lock"]


def test_it_can_be_put_elsewhere(path: Path, tmp_path: Path, before: household.Held) -> None:
    """Nothing is written where it was, which may be a card that takes no more; a folder that has a database
    is refused."""
    folder.lock_path(path).unlink(missing_ok=True)
    data, to, names = path.read_bytes(), tmp_path / "new" / "pi-rag.db", sorted(path.parent.iterdir())
    saved = recover(path, to)
    assert (saved.kept, path.read_bytes()) == (None, data)
    assert sorted(path.parent.iterdir()) == names
    assert household.held_at(to) == before
    with pytest.raises(StoreUnusable):
        recover(path, to)


def test_while_a_service_runs_it_is_refused(path: Path) -> None:
    """By the lock of the folder."""
    lock = folder.FolderLock(path)
    with pytest.raises(SocketInUse):
        recover(path)
    lock.release()


@pytest.mark.parametrize(
    ("sql", "kind"),
    [
        ("PRAGMA application_id = 7", StoreUnusable),
        ("PRAGMA user_version = 60; CREATE TABLE tables_of_tomorrow (a)", SchemaNewer),
    ],
)
def test_what_is_not_ours_is_refused(path: Path, sql: str, kind: type[PiRagError]) -> None:
    """Another program's file, and one of a newer pi_rag."""
    db = Connection(str(path))
    db.execute(sql)
    db.close()
    with pytest.raises(kind):
        recover(path)


def test_nothing_there_is_said(tmp_path: Path) -> None:
    """And no folder is made."""
    with pytest.raises(PathNotFound):
        recover(tmp_path / "nowhere" / "pi-rag.db")
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("version", [12, 15])
def test_an_older_schema_is_brought_up(tmp_path: Path, version: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its documents come out of it as from any other."""
    path = tmp_path / "data" / "pi-rag.db"
    folder.prepare(path)
    folder.FolderLock(path).release()
    db = connection.open_writer(path, StoreSettings())
    connection.apply(db, connection.WRITER, StoreSettings())
    migrations.migrate(db, migrations.STEPS[:version])
    from pi_rag.store import identity

    identity.claim_fingerprint(db, household.MODEL)
    with monkeypatch.context() as before:
        before.setattr(by_hash, "add", lambda *_: None)  # its table came later
        for number in range(5):
            household.put(db, number)
    db.close()
    saved = recover(path)
    assert (saved.schema_version, saved.documents.whole, saved.documents.queued) == (version, 5, 0)


def test_an_attempt_that_was_cut_short_is_no_hindrance(path: Path, before: household.Held) -> None:
    """What it left is overwritten."""
    ruin_what_is_made_anew(path)
    (path.parent / "pi-rag.recovering").write_bytes(b"half a file")
    recover(path)
    assert household.held_at(path) == before


def test_a_disk_that_fails_between_two_renames_takes_nothing(
    path: Path, before: household.Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The damaged file has its new name by then, and the saved one not yet its own: a start gives it that."""
    ruin_what_is_made_anew(path)
    renamed = Path.rename

    def fails(self: Path, target: Path) -> Path:
        if self.name.endswith(recovery.NEW_SUFFIX):
            raise OSError(errno.EIO, "the card is gone")
        return renamed(self, target)

    monkeypatch.setattr(Path, "rename", fails)
    with pytest.raises(StoreUnusable):
        recover(path)
    monkeypatch.undo()
    assert not path.exists()
    asyncio.run(Store.open(path, StoreSettings(), SystemClock()).close())
    assert household.held_at(path) == before


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can do it for another user")
def test_what_root_has_saved_belongs_to_whom_the_folder_belongs(path: Path) -> None:
    """The service could else not open its own database."""
    ruin_what_is_made_anew(path)
    os.chown(path.parent, 4711, 4712)
    recover(path)
    owners = {(each.stat().st_uid, each.stat().st_gid) for each in (path, folder.lock_path(path))}
    assert owners == {(4711, 4712)}


def test_what_cannot_be_made_whole_is_not_put_in_place(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The checkup has the last word."""
    data = path.read_bytes()
    real = recovery._made

    def with_a_problem(*args: object) -> Saved:
        return replace(real(*args), problems=["1 thing is wrong"])  # type: ignore[arg-type]

    monkeypatch.setattr(recovery, "_made", with_a_problem)
    with pytest.raises(StoreDamaged, match="1 thing is wrong"):
        recover(path)
    assert path.read_bytes() == data
