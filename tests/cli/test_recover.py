"""Promises of `pi-rag recover`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pi_rag.cli.main import main
from pi_rag.config import StoreSettings
from pi_rag.store import Connection, connection, folder
from pi_rag.store.salvage import layout
from pi_rag.store.salvage.image import opened
from pi_rag.store.salvage.trees import Forest
from tests.durability import household
from tests.store.salvage import damage


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A stopped folder's database, of which a page of texts is damaged."""
    made = tmp_path / "data" / "pi-rag.db"
    household.build_at(made)
    with opened(made) as image:
        laid = layout.found(image)
        leaf = Forest(image, laid.roots.values()).pages_of(laid.roots["document_texts"])[1]
    damage.overwrite(made, leaf, bytes(damage.PAGE_BYTES))
    return made


def test_it_says_first_what_it_would_do_and_then_does_it(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same figures; a dry run changes nothing, the other keeps the damaged file and says where."""
    damaged, data = path.read_bytes(), str(path.parent)
    code = main(["recover", "--data", data, "--dry-run", "--json"])
    would = json.loads(capsys.readouterr().out)
    assert path.read_bytes() == damaged
    assert main(["recover", "--data", data, "--json"]) == code
    did = json.loads(capsys.readouterr().out)
    assert did["documents"] == would["documents"]
    assert (would["database"], did["database"]) == (None, str(path))
    assert Path(did["damaged_file"]).read_bytes() == damaged
    assert code == (0 if did["ok"] else 1)
    assert did["documents"]["saved"] + len(did["documents"]["lost"]) == household.DOCUMENTS


def test_a_person_reads_what_was_saved_and_what_to_type_next(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Counts, the file that is kept, and the next command."""
    main(["recover", "--data", str(path.parent)])
    said = capsys.readouterr().out
    assert said.startswith(f"saved: {household.DOCUMENTS} documents, ")
    assert "pi-rag.db.damaged-" in said
    assert f"pi-rag verify --deep --data {path.parent}. Then" in said


def test_while_a_service_has_the_folder_it_is_refused(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the reason, and nothing is done."""
    lock = folder.FolderLock(path)
    assert main(["recover", "--data", str(path.parent)]) == 2
    assert "uses the data folder" in capsys.readouterr().err
    lock.release()


def test_a_loss_that_nobody_can_name_is_told_and_told_by_the_exit_code(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file that is cut short, and a table that is not found: never silence."""
    with path.open("r+b") as file:
        file.truncate(60 * damage.PAGE_BYTES)
    folder.wal_path(path).unlink()
    assert main(["recover", "--data", str(path.parent), "--dry-run"]) == 1
    said = capsys.readouterr().out
    assert "The file is cut short" in said
    assert "tables lost, with all that they may have held: " in said
    assert "  memory_texts\n" in said


def test_a_page_whose_rows_nobody_misses_is_told_and_told_by_the_exit_code(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Sessions that hold nothing else have no second witness."""
    folder.wal_path(path).unlink()
    with opened(path) as image:
        root = layout.found(image).roots["memory_changes"]
    damage.overwrite(path, root, bytes(damage.PAGE_BYTES))
    assert main(["recover", "--data", str(path.parent), "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["tables_with_unreadable_pages"] == ["memory_changes"]
    assert told["pages_unreadable"] == 2


def test_a_database_that_is_whole_is_called_that(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With exit code 0, and no word of a damaged file."""
    made = tmp_path / "sound" / "pi-rag.db"
    household.build_at(made)
    assert main(["recover", "--data", str(made.parent)]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"Nothing is damaged: {household.DOCUMENTS} documents, ")
    assert "Nothing was changed" in said
    assert "damaged file" not in said


def test_the_next_commands_name_the_folders_that_were_named(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """So that what is typed next is about the same database."""
    data, to = str(path.parent), str(tmp_path / "new")
    main(["recover", "--data", data, "--to", to, "--dry-run"])
    assert f"To do it: pi-rag recover --data {data} --to {to}\n" in capsys.readouterr().out
    main(["recover", "--data", data, "--to", to])
    said = capsys.readouterr().out
    assert f"The new database is {to}/pi-rag.db." in said
    assert f"pi-rag verify --deep --data {to}\n" in said
    assert f"pi-rag serve --data {to}\n" in said


def sound_with_a_bad_row(tmp_path: Path, table: str) -> Path:
    """A database of which one row says that it is longer than its page."""
    made = tmp_path / "bad" / "pi-rag.db"
    household.build_at(made)
    db = Connection(str(made))
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    with opened(made) as image:
        laid = layout.found(image)
        page = Forest(image, laid.roots.values()).pages_of(laid.roots[table])[-1]
    content = bytearray(damage.read(made, page))
    cell = int.from_bytes(content[8:10], "big")
    content[cell : cell + 2] = b"\xfe\x7f"  # its size, which would go on behind the page
    damage.overwrite(made, page, bytes(content))
    return made


def test_a_row_that_cannot_be_read_is_told_in_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """How many there were, and that all of it was found elsewhere, where it was."""
    made = sound_with_a_bad_row(tmp_path, "vectors")
    assert main(["recover", "--data", str(made.parent), "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "1 row could not be read: all of that was found elsewhere, or is made anew." in said


def test_a_row_that_nobody_misses_is_told_by_the_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing says what it held, so nobody claims that it is there."""
    made = sound_with_a_bad_row(tmp_path, "memory_changes")
    assert main(["recover", "--data", str(made.parent), "--dry-run"]) == 1
    said = capsys.readouterr().out
    assert "1 row could not be read.\n" in said
    assert "tables that may lack rows nobody can name: 1\n  memory_changes\n" in said


def test_damage_that_no_row_shows_is_told_as_the_checkup_says_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Else a person would read only that there was damage."""
    made = tmp_path / "words" / "pi-rag.db"
    household.build_at(made)
    db = connection.open_writer(made, StoreSettings())
    db.execute("DELETE FROM chunks_fts WHERE rowid = 3")
    db.close()
    assert main(["recover", "--data", str(made.parent)]) == 0
    assert "wrong with the file itself: 1\n  1 passages without words\n" in capsys.readouterr().out


def test_damage_in_the_middle_of_the_log_is_told_in_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A flipped bit of a commit that others follow."""
    made = tmp_path / "log" / "pi-rag.db"
    household.build_at(made)
    log = bytearray(folder.wal_path(made).read_bytes())
    log[5000] ^= 4
    folder.wal_path(made).write_bytes(log)
    main(["recover", "--data", str(made.parent), "--dry-run"])
    assert "Not whole in the log, and read all the same: " in capsys.readouterr().out
