"""Before anything is begun: a model, room, and no service that would be disturbed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pi_rag.config import Settings
from pi_rag.errors import DiskFull, ModelMissing, ServiceBeside
from pi_rag.stress import family, readying


def settings(folder: Path, model: str = "") -> Settings:
    base = Settings()
    return replace(
        base,
        service=replace(base.service, data=str(folder), socket=str(folder / "none.sock")),
        embedder=replace(base.embedder, model=model),
    )


def shelf(folder: Path, *models: dict[str, Any]) -> list[str]:
    """The list as `pi-rag model` keeps it, and the flags by which it is found."""
    (folder / "models").mkdir(parents=True)
    cards = {each["name"]: _card(folder, **each) for each in models}
    in_use = next((each["name"] for each in models if each.get("in_use")), None)
    told = {"format": 1, "in_use": in_use, "models": list(cards.values())}
    (folder / "models" / "models.json").write_text(json.dumps(told))
    return ["--data", str(folder)]


def _card(folder: Path, name: str, in_use: bool = False, is_there: bool = True) -> dict[str, Any]:
    path = folder / "models" / f"{name}.gguf"
    if is_there:
        path.write_bytes(b"GGUF")
    return {
        "name": name,
        "path": str(path),
        "sha256": "0" * 64,
        "dimensions": 4,
        "pooling": "mean",
        "tokens_max": 64,
        "query_prefix": "",
        "quantisation": "Q8_0",
        "source": "a test",
        "licence": "none",
    }


def test_the_model_is_the_one_that_the_service_would_load(tmp_path: Path) -> None:
    """The one in use; another by its name; a file by its path, wherever it lies."""
    flags = shelf(tmp_path, {"name": "one", "in_use": True}, {"name": "two"})
    file = tmp_path / "mine.gguf"
    file.write_bytes(b"GGUF")

    assert readying.model(settings(tmp_path), flags).name == "one"
    assert readying.model(settings(tmp_path, "two"), flags).path == tmp_path / "models" / "two.gguf"
    assert readying.model(settings(tmp_path, str(file)), flags).name == "mine"


def test_without_a_model_it_says_so_at_once_and_how_to_get_one(tmp_path: Path) -> None:
    """None installed, none of this name, or one whose file is gone."""
    flags = ["--data", str(tmp_path / "empty")]
    with pytest.raises(ModelMissing) as nothing:
        readying.model(settings(tmp_path / "empty"), flags)
    assert "pi-rag model pull" in nothing.value.hint
    for choice in ("other", str(tmp_path / "gone.gguf")):
        with pytest.raises(ModelMissing):
            readying.model(settings(tmp_path / "empty", choice), flags)

    flags = shelf(tmp_path / "b", {"name": "one", "in_use": True, "is_there": False})
    with pytest.raises(ModelMissing):
        readying.model(settings(tmp_path / "b"), flags)


def test_another_service_is_not_disturbed_unless_that_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is refused with a way out; with it the report says what the figures are worth."""
    monkeypatch.setattr(family, "services", lambda: [])
    assert readying.beside(is_allowed=False) == ()

    monkeypatch.setattr(family, "services", lambda: [12, 34])
    with pytest.raises(ServiceBeside) as refused:
        readying.beside(is_allowed=False)
    assert "12, 34" in refused.value.message
    assert "--beside" in refused.value.hint
    assert "systemctl stop pi-rag.socket pi-rag" in refused.value.hint, "its socket would start it again"
    assert refused.value.exit_code == 4
    (note,) = readying.beside(is_allowed=True)
    assert "2 other" in note


def test_a_run_that_would_fill_the_disk_is_not_begun(tmp_path: Path) -> None:
    """Measured where its folder will be, also before that exists."""
    readying.room(tmp_path / "a" / "b", 1)
    with pytest.raises(DiskFull) as full:
        readying.room(tmp_path / "a" / "b", 1 << 40)

    assert "MiB" in full.value.message
    assert "--out" in full.value.hint


def test_the_machine_is_described_without_naming_it(tmp_path: Path) -> None:
    """What decides how fast it is, in words; no folder, no host."""
    told = readying.machine(tmp_path, readying.Model("one", tmp_path / "one.gguf"))

    assert set(told) == {"board", "cores", "memory", "disk", "kernel", "python", "pi_rag", "model"}
    assert all(told.values())
    assert str(tmp_path) not in str(told)
