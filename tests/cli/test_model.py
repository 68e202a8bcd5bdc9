"""`pi-rag model`: it works on the shelf's files, with no service anywhere."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pi_rag.errors import ModelSourceFailed
from pi_rag.host.processor import features
from pi_rag.models.catalogue import DEFAULT
from pi_rag.models.convert import convert
from pi_rag.models.folder import read_folder
from pi_rag.models.quantisation import fastest
from pi_rag.models.shelf import Shelf
from pi_rag.types import ModelCard, Quantisation
from tests.cli.conftest import Run
from tests.cli.test_printing import Terminal
from tests.models.seeded import write_folder

CONTENT = b"not read by the shelf"


def put(shelf: Shelf, name: str, quantisation: str = "Q8_0") -> ModelCard:
    """A model on the shelf, with the right checksum."""
    sha256 = hashlib.sha256(CONTENT).hexdigest()
    card = ModelCard(name, "", sha256, 384, "cls", 512, "", quantisation, "a test", "MIT")
    with shelf.workbench(name) as bench:
        (bench / "m.gguf").write_bytes(CONTENT)
        return shelf.put(bench / "m.gguf", card)


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    """The shelf of the default data folder, with two models; the first is in use."""
    shelf = Shelf(tmp_path / "pi-rag" / "models")
    put(shelf, "first")
    put(shelf, "second")
    return shelf


def test_an_empty_shelf_says_what_to_do(run: Run) -> None:
    """And what can be fetched."""
    ran = run("model", "list")
    assert ran.code == 0
    assert "pi-rag model pull" in ran.out
    assert "bge-small-en-v1.5" in ran.out


def test_the_list_marks_the_one_in_use(shelf: Shelf, run: Run) -> None:
    """A row each."""
    rows = run("model", "list").out.splitlines()
    assert rows[0].split()[:4] == ["first", "in", "use", "Q8_0"]
    assert rows[1].split()[:2] == ["second", "Q8_0"]
    models = run("model", "list", "--json").json["models"]
    assert [(model["name"], model["in_use"]) for model in models] == [("first", True), ("second", False)]


def test_use_changes_it_and_says_to_restart(shelf: Shelf, run: Run) -> None:
    """The service loads a model when it starts, not before."""
    ran = run("model", "use", "second")
    assert ran.code == 0
    assert "Restart the service" in ran.out
    assert shelf.name_in_use() == "second"
    assert run("model", "use", "first", "--json").json["model"]["name"] == "first"


def test_an_unknown_model_is_exit_code_three(shelf: Shelf, run: Run) -> None:
    """What is in use stays in use."""
    assert run("model", "use", "third").code == 3
    assert shelf.name_in_use() == "first"


def test_verify_reads_the_files_again(shelf: Shelf, run: Run) -> None:
    """All of them, or one; a changed file is exit code six."""
    assert run("model", "verify").out == "first: checksum right\nsecond: checksum right\n"
    Path(shelf.card("second").path).write_bytes(b"changed")
    assert run("model", "verify", "first", "--json").json == {"verified": ["first"]}
    assert run("model", "verify").code == 6


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A whole model that the settings name by its path; nothing is installed."""
    path = tmp_path / "mine.gguf"
    convert(read_folder(write_folder(tmp_path / "small")), path, query_prefix="")
    monkeypatch.setenv("PI_RAG_MODEL", str(path))
    return path


def test_a_file_that_the_settings_name_is_listed_as_the_one_in_use(own: Path, run: Run) -> None:
    """It is no reason to fetch another."""
    out = run("model", "list").out
    assert out.splitlines()[0].split()[:3] == ["mine", "in", "use"]
    assert "No model" not in out
    [model] = run("model", "list", "--json").json["models"]
    assert (model["path"], model["in_use"]) == (str(own), True)


def test_a_file_that_the_settings_name_is_looked_over(own: Path, run: Run) -> None:
    """There is no checksum to compare it with, and that is said."""
    ran, sha256 = run("model", "verify"), hashlib.sha256(own.read_bytes()).hexdigest()
    assert f"{own}: whole. There is no checksum to compare it with" in ran.out
    assert sha256 in ran.out
    told = run("model", "verify", "--json").json
    assert told == {"verified": [], "not_compared": [str(own)]}


def test_a_damaged_file_that_the_settings_name_is_told(own: Path, shelf: Shelf, run: Run) -> None:
    """What is installed is not in use then, and a check of it does not end well."""
    own.write_bytes(own.read_bytes()[:-9])
    out = run("model", "list").out
    assert "weights are missing" in out and "Put a whole file in its place." in out
    assert "in use" not in out
    assert run("model", "list", "--json").json["problem"]["code"] == "model_corrupt"
    ran = run("model", "verify")
    assert (ran.code, "first: checksum right" in ran.out) == (6, True)
    assert "weights are missing" in ran.err
    assert run("model", "verify", "first").code == 0


def test_a_name_in_the_settings_goes_before_the_one_that_was_chosen(
    shelf: Shelf, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The service loads that one."""
    monkeypatch.setenv("PI_RAG_MODEL", "second")
    models = run("model", "list", "--json").json["models"]
    assert [(model["name"], model["in_use"]) for model in models] == [("first", False), ("second", True)]


@pytest.fixture
def pulls(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What `pull` was called with; it puts a model on the shelf without any network."""
    calls: list[dict[str, Any]] = []

    def pull(
        name: str,
        shelf: Shelf,
        progress: Callable[[str, int, int], None],
        *,
        quantisation: Quantisation,
        force: bool,
    ) -> ModelCard:
        calls.append({"name": name, "force": force, "quantisation": quantisation})
        progress("Fetching model.safetensors", 0, 0)
        progress("Fetching model.safetensors", 50, 100)
        progress("Fetching model.safetensors", 100, 100)
        progress("Converting", 1, 4)
        if name == "broken":
            raise ModelSourceFailed("The hub hung up.")
        return put(shelf, name, quantisation)

    monkeypatch.setattr("pi_rag.models.sources.pull", pull)
    return calls


def test_pull_shows_its_steps_and_what_to_do_next(run: Run, pulls: list[dict[str, Any]]) -> None:
    """The first model is in use at once; another one has to be chosen."""
    first = run("model", "pull")
    assert first.err.splitlines() == ["Fetching model.safetensors", "Converting"]
    assert f"{DEFAULT} is installed" in first.out
    assert "Restart the service" in first.out
    second = run("model", "pull", "other", "--force", "--quantisation", "F16")
    assert "pi-rag model use other" in second.out
    assert pulls == [
        {"name": DEFAULT, "force": False, "quantisation": fastest(features())},
        {"name": "other", "force": True, "quantisation": "F16"},
    ]


def test_a_model_keeps_its_numbers_unless_it_is_told_otherwise(
    shelf: Shelf, run: Run, pulls: list[dict[str, Any]]
) -> None:
    """An index may be made with them: other ones need --force, and fetching it again takes the same."""
    run("model", "pull", "--quantisation", "F32")
    refused = run("model", "pull", "--quantisation", "F16")
    assert refused.code == 2
    assert "F32" in refused.err and "--force" in refused.err
    run("model", "use", DEFAULT)
    run("model", "pull", "--force")
    assert [each["quantisation"] for each in pulls] == ["F32", "F32"]


def test_a_terminal_sees_the_share_of_each_step(
    run: Run, pulls: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Drawn over itself; the next step begins a new line."""
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    run("model", "pull")
    assert terminal.getvalue() == (
        "\rFetching model.safetensors\rFetching model.safetensors  50 %"
        "\rFetching model.safetensors 100 %\nConverting  25 %\n"
    )


def test_a_failed_pull_is_exit_code_six(run: Run, pulls: list[dict[str, Any]]) -> None:
    """With what to do."""
    ran = run("model", "pull", "broken", "--json")
    assert ran.code == 6
    assert ran.json["error"]["code"] == "model_source_failed"


def test_import_of_nothing_is_exit_code_three(run: Run, tmp_path: Path) -> None:
    """The path is named."""
    ran = run("model", "import", str(tmp_path / "none.gguf"))
    assert ran.code == 3
    assert "none.gguf" in ran.err


def test_import_of_what_is_no_model_leaves_nothing_behind(run: Run, tmp_path: Path) -> None:
    """A corrupt GGUF is exit code six, and the shelf stays empty."""
    (tmp_path / "x.gguf").write_bytes(b"GGUFgarbage")
    assert run("model", "import", str(tmp_path / "x.gguf")).code == 6
    assert run("model", "list", "--json").json["models"] == []
