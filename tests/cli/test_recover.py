"""Promises of `pi-rag recover`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pi_rag.cli.main import main
from pi_rag.store import folder
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
    assert "pi-rag verify --deep" in said


def test_while_a_service_has_the_folder_it_is_refused(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the reason, and nothing is done."""
    lock = folder.FolderLock(path)
    assert main(["recover", "--data", str(path.parent)]) == 2
    assert "uses the data folder" in capsys.readouterr().err
    lock.release()
