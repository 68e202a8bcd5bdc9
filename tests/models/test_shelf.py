"""Promises of models/shelf.py."""

from __future__ import annotations

import errno
import json
import os
import stat
from pathlib import Path

import pytest

from pi_rag.errors import (
    Busy,
    DiskFull,
    ModelCorrupt,
    ModelError,
    ModelMissing,
    ModelNotFound,
    ModelSourceFailed,
    PathNotFound,
    RequestInvalid,
)
from pi_rag.models.checksum import sha256_of
from pi_rag.models.convert import convert
from pi_rag.models.folder import read_folder
from pi_rag.models.shelf import OWN_HINT, Shelf
from pi_rag.types import ModelCard
from tests.models import seeded


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    """An empty shelf whose folder does not exist yet."""
    return Shelf(tmp_path / "data" / "models")


def add(shelf: Shelf, name: str, content: bytes = b"weights") -> ModelCard:
    """Put a model of any content on the shelf; the shelf does not look into it."""
    with shelf.workbench(name) as bench:
        (bench / "ready").write_bytes(content)
        card = ModelCard(
            name=name,
            path="",
            sha256=sha256_of(bench / "ready"),
            dimensions=384,
            pooling="cls",
            tokens_max=512,
            query_prefix="find: ",
            quantisation="Q8_0",
            source="a test",
            licence="MIT",
        )
        return shelf.put(bench / "ready", card)


def names_in(folder: Path) -> set[str]:
    """What lies in a folder, hidden things left out."""
    return {path.name for path in folder.iterdir() if not path.name.startswith(".")}


def test_an_empty_shelf_has_no_models(shelf: Shelf) -> None:
    """Nothing installed is a list of nothing, and looking creates no folder."""
    assert shelf.cards() == []
    assert not shelf.models_path.exists()
    with pytest.raises(ModelMissing):
        shelf.current("")


def test_a_model_put_on_the_shelf_is_listed_whole(shelf: Shelf) -> None:
    """Its card comes back equal, from a fresh look at the folder, and its file is where the card says."""
    card = add(shelf, "one")
    assert Shelf(shelf.models_path).cards() == [card]
    assert Path(card.path).read_bytes() == b"weights"
    assert names_in(shelf.models_path) == {"models.json", "one.gguf"}


def test_folders_are_private(shelf: Shelf) -> None:
    """Everything that had to be created is for the owner alone."""
    add(shelf, "one")
    for folder in (shelf.models_path, shelf.models_path.parent):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_the_first_model_is_the_one_in_use(shelf: Shelf) -> None:
    """A second one does not take its place until it is chosen."""
    one, two = add(shelf, "one"), add(shelf, "two")
    assert shelf.current("") == one
    assert shelf.use("TWO") == two
    assert shelf.current("") == two
    assert shelf.current("one") == one


def test_a_moved_shelf_still_finds_its_models(shelf: Shelf, tmp_path: Path) -> None:
    """Paths are not written down, so the data folder can be moved."""
    add(shelf, "one")
    shelf.models_path.rename(tmp_path / "elsewhere")
    assert Shelf(tmp_path / "elsewhere").current("").path == str(tmp_path / "elsewhere" / "one.gguf")


def test_an_unknown_name_is_not_found(shelf: Shelf) -> None:
    """Choosing, removing or loading it fails alike."""
    for ask in (shelf.card, shelf.use, shelf.remove, shelf.current):
        with pytest.raises(ModelNotFound, match="three"):
            ask("three")


def test_a_removed_model_leaves_nothing(shelf: Shelf) -> None:
    """Its file and its entry go, and it is no longer in use."""
    add(shelf, "one")
    shelf.remove("one")
    assert names_in(shelf.models_path) == {"models.json"}
    assert (shelf.cards(), shelf.name_in_use()) == ([], None)


def test_verify_passes_a_sound_model(shelf: Shelf) -> None:
    """A model as it was put there has its checksum."""
    shelf.verify(add(shelf, "one"))


def test_verify_finds_one_changed_bit(shelf: Shelf) -> None:
    """Damage in the file is a typed error that says how to mend it."""
    card = add(shelf, "one")
    Path(card.path).write_bytes(b"weighus")
    with pytest.raises(ModelCorrupt) as failure:
        shelf.verify(card)
    assert "pull --force" in failure.value.hint


def test_a_vanished_file_is_missing(shelf: Shelf) -> None:
    """Deleted behind our back: said when loaded and when verified."""
    card = add(shelf, "one")
    Path(card.path).unlink()
    with pytest.raises(ModelMissing):
        shelf.current("one")
    with pytest.raises(ModelMissing):
        shelf.verify(card)


@pytest.mark.parametrize("name", ["", ".hidden", "../up", "a/b", "x" * 101, "file.gguf", "line\nbreak", "ä"])
def test_a_name_that_is_no_file_name_is_refused(shelf: Shelf, name: str) -> None:
    """A name can never lead out of the folder."""
    with pytest.raises(RequestInvalid):
        shelf.check_name(name)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        '{"format": 2, "in_use": null, "models": []}',
        '{"format": 1, "in_use": null, "models": [{"name": "../x"}]}',
        '{"format": 1, "in_use": null, "models": [{"name": "x"}]}',
        '{"format": 1, "in_use": null, "models": [7]}',
        '{"format": 1, "in_use": null, "models": [[]]}',
        "[" * 100_000,
    ],
)
def test_an_unreadable_list_is_never_overwritten(shelf: Shelf, content: str) -> None:
    """Reading says what is wrong; writing refuses too, so that nothing of it is lost."""
    shelf.models_path.mkdir(parents=True)
    path = shelf.models_path / "models.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ModelCorrupt):
        shelf.cards()
    with pytest.raises(ModelCorrupt):
        shelf.use("one")
    assert path.read_text(encoding="utf-8") == content


def test_fields_of_a_newer_version_are_skipped(shelf: Shelf) -> None:
    """A list with more in it than we know can still be read."""
    card = add(shelf, "one")
    path = shelf.models_path / "models.json"
    tree = json.loads(path.read_text(encoding="utf-8"))
    tree["models"][0]["colour"] = "green"
    seeded.write_json(path, tree)
    assert shelf.cards() == [card]


def test_the_list_is_whole_when_its_writing_fails(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write that breaks off leaves the old list, and the new model is not half there."""
    one = add(shelf, "one")

    def refuse(_self: Path, _data: bytes) -> int:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Path, "write_bytes", refuse)
    with pytest.raises(ModelError):
        shelf.use("one")
    monkeypatch.undo()
    assert shelf.cards() == [one]


def test_a_second_process_is_told_to_wait(shelf: Shelf) -> None:
    """Only one pull or import works at a time; the other hears so at once."""
    with shelf.workbench("one"), pytest.raises(Busy), shelf.workbench("two"):
        pass


@pytest.mark.parametrize(
    ("error", "kept"), [(ModelSourceFailed("broke"), True), (ModelCorrupt("bad"), False), (KeyError(), False)]
)
def test_only_a_broken_transfer_is_kept(shelf: Shelf, error: Exception, kept: bool) -> None:
    """What a next pull can go on from stays; everything else is cleared away."""
    with pytest.raises(type(error)), shelf.workbench("one") as bench:
        (bench / "part").write_bytes(b"half")
        raise error
    assert (shelf.models_path / ".partial" / "one" / "part").exists() is kept


def test_a_finished_or_empty_workbench_is_cleared(shelf: Shelf) -> None:
    """Neither success nor a failure before the first byte leaves anything."""
    with shelf.workbench("one") as bench:
        (bench / "part").write_bytes(b"done")
    with pytest.raises(ModelSourceFailed), shelf.workbench("two"):
        raise ModelSourceFailed("no network")
    assert list((shelf.models_path / ".partial").iterdir()) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_said_as_such(shelf: Shelf) -> None:
    """Somebody else's folder gives a typed error with a next step."""
    shelf.models_path.parent.mkdir(mode=0o500)
    with pytest.raises(ModelError, match="cannot be written"), shelf.workbench("one"):
        pass


def test_a_file_in_the_way_is_said_as_such(shelf: Shelf) -> None:
    """A plain file where the folder should be gives a typed error."""
    shelf.models_path.parent.write_bytes(b"")
    with pytest.raises(ModelError, match="cannot be written"), shelf.workbench("one"):
        pass


def test_a_full_disk_is_said_as_such(shelf: Shelf) -> None:
    """Running out of space while a model is prepared clears the half and names the cause."""
    with pytest.raises(DiskFull), shelf.workbench("one") as bench:
        (bench / "part").write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")
    assert list((shelf.models_path / ".partial").iterdir()) == []


def test_a_path_is_a_choice_too(shelf: Shelf, tmp_path: Path) -> None:
    """The path of a GGUF is loaded from where it lies, with what its header says."""
    folder = seeded.write_folder(tmp_path / "small")
    convert(read_folder(folder), tmp_path / "mine.gguf", query_prefix="ask: ")
    card = shelf.current(str(tmp_path / "mine.gguf"))
    assert (card.name, card.dimensions, card.query_prefix) == ("mine", 64, "ask: ")
    assert card.sha256 == sha256_of(tmp_path / "mine.gguf")
    with pytest.raises(PathNotFound):
        shelf.current(str(tmp_path / "other.gguf"))


def test_no_pull_is_advised_for_a_file_of_ones_own(shelf: Shelf, tmp_path: Path) -> None:
    """It would put another one on the shelf, and leave the damaged one as it is."""
    mine = tmp_path / "mine.gguf"
    convert(read_folder(seeded.write_folder(tmp_path / "small")), mine, query_prefix="")
    card = shelf.current(str(mine))
    mine.write_bytes(mine.read_bytes()[:-9])
    with pytest.raises(ModelCorrupt) as at_start:
        shelf.current(str(mine))
    with pytest.raises(ModelCorrupt) as later:
        shelf.verify(card)
    assert at_start.value.hint == later.value.hint == OWN_HINT
    assert "pull" not in OWN_HINT


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("all-minilm-L6-v2", "Get it with: pi-rag model pull all-MiniLM-L6-v2"),
        ("foo", "See what is installed: pi-rag model list   Known are: "),
        ("all-MiniLM-L6", "See what is installed: pi-rag model list   Did you mean 'all-MiniLM-L6-v2'?"),
    ],
)
def test_only_what_can_be_pulled_is_advised(shelf: Shelf, name: str, hint: str) -> None:
    """A command that would only say that there is no such model helps nobody."""
    with pytest.raises(ModelNotFound) as missing:
        shelf.card(name)
    assert missing.value.hint.startswith(hint)
