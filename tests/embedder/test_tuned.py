"""Promises of pi_rag/embedder/tuned.py."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pi_rag.config import EmbedderSettings
from pi_rag.embedder.tuned import (
    BUSY,
    DAMAGED,
    FILE_BYTES_MAX,
    NEVER,
    Key,
    Tuned,
    found,
    key_of,
    measured_of,
    save,
)
from pi_rag.host.board import Board
from pi_rag.types import ModelCard

from .measured import PI, measured

KEY = Key("0" * 64, "0.3 abc", Board("aarch64", "Raspberry Pi 5", "ff", 4, 8), 256, 1)
CARD = ModelCard("m", "/m.gguf", "0" * 64, 384, "mean", 512, "", "Q8_0", "here", "MIT")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tuning.json"


def test_what_is_kept_is_found_again(path: Path) -> None:
    """Every figure, bit by bit."""
    save(path, Tuned(KEY, PI))
    assert found(path, KEY) == (Tuned(KEY, PI), "")


@pytest.mark.parametrize(
    ("other", "why"),
    [
        ({"model_sha256": "1" * 64}, "the model changed"),
        ({"library": "0.4 abc"}, "llama.cpp changed"),
        ({"board": replace(KEY.board, memory_gib=16)}, "the board changed"),
        ({"tokens_max": 512}, "embedder.tokens_max changed"),
        ({"texts_per_call_max": 8}, "embedder.texts_per_call_max changed"),
    ],
)
def test_under_another_key_it_says_nothing_and_why_is_told(
    path: Path, other: dict[str, Any], why: str
) -> None:
    """Figures of another machine or model are not used."""
    save(path, Tuned(KEY, PI))
    assert found(path, replace(KEY, **other)) == (None, why)


def test_what_a_busy_machine_gave_is_used_and_made_anew(path: Path) -> None:
    """It is better than a guess."""
    busy = Tuned(KEY, measured(got=0.5))
    save(path, busy)
    assert found(path, KEY) == (busy, BUSY)


def test_without_a_file_it_was_never_measured(path: Path) -> None:
    """That is no error."""
    assert found(path, KEY) == (None, NEVER)


def whole() -> dict[str, Any]:
    tree: dict[str, Any] = json.loads(json.dumps({"format": 1, **asdict(Tuned(KEY, PI))}))
    return tree


@pytest.mark.parametrize(
    "damage",
    [
        lambda tree: tree.clear(),
        lambda tree: tree.update(format=2),
        lambda tree: tree.update(key=[]),
        lambda tree: tree["key"].pop("library"),
        lambda tree: tree["key"]["board"].update(colour="green"),
        lambda tree: tree["measured"].pop("got"),
        lambda tree: tree["measured"].update(plain=[]),
        lambda tree: tree["measured"].update(plain=[[8, 1.0], [8, 2.0]]),
        lambda tree: tree["measured"]["flash"].pop(),
        lambda tree: tree["measured"]["plain"][0].append(1),
        lambda tree: tree["measured"].update(frame_ms=0),
        lambda tree: tree["measured"].update(frame_ms=float("nan")),
        lambda tree: tree["measured"].update(frame_ms="fast"),
        lambda tree: tree["measured"]["speeds"][0].update(workers=0),
        lambda tree: tree["measured"]["speeds"][0].update(workers=True),
        lambda tree: tree["measured"].update(rounds=1.5),
    ],
)
def test_a_damaged_file_is_told_and_is_no_error(path: Path, damage: Any) -> None:
    """Nothing is computed with figures that cannot be."""
    tree = whole()
    damage(tree)
    path.write_text(json.dumps(tree))
    assert found(path, KEY) == (None, DAMAGED)


@given(data=st.binary(max_size=200), cut=st.integers(0, 1000))
def test_no_bytes_at_all_make_it_fail(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, cut: int
) -> None:
    """A file that a power cut or a stranger left behind is measured anew."""
    path = tmp_path_factory.mktemp("bytes") / "tuning.json"
    text = json.dumps(whole()).encode()
    for each in (data, text[: min(cut, len(text) - 1)]):
        path.write_bytes(each)
        assert found(path, KEY) == (None, DAMAGED)


@pytest.mark.parametrize("data", [b"[" * 50_000, b" " * (FILE_BYTES_MAX + 1)])
def test_a_file_that_nobody_wrote_is_not_read_to_the_end(path: Path, data: bytes) -> None:
    """However deep or large it is."""
    path.write_bytes(data)
    assert found(path, KEY) == (None, DAMAGED)


def test_a_folder_in_its_place_is_no_error(path: Path) -> None:
    """Nor is a file that may not be read."""
    path.mkdir()
    assert found(path, KEY) == (None, DAMAGED)


def test_a_measurement_comes_back_from_json() -> None:
    """As the measuring process sends it."""
    assert measured_of(json.loads(json.dumps(asdict(PI)))) == PI


def test_the_key_names_what_computes_here() -> None:
    """The window is the narrower one, and the library is known by its content without being loaded."""
    key = key_of(CARD, EmbedderSettings(tokens_max=256))
    assert (key.tokens_max, key.texts_per_call_max) == (256, 1)
    assert key == key_of(CARD, EmbedderSettings(tokens_max=256))
    assert key_of(CARD, EmbedderSettings()).tokens_max == 512
    version, digest = key.library.split()
    assert version[0].isdigit() and len(digest) == 12
