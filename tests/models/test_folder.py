"""Promises of models/folder.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pi_rag.errors import ModelCorrupt, ModelUnsupported
from pi_rag.models.folder import read_folder
from tests.models import seeded


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small model's folder."""
    return seeded.write_folder(tmp_path / "small")


def test_what_the_folder_says_is_read(folder: Path) -> None:
    """Sizes, pooling and window are the folder's own."""
    described = read_folder(folder)
    assert (described.shape.layers, described.shape.width, described.shape.heads) == (2, 64, 4)
    assert (described.pooling, described.tokens_max, described.query_prefix) == ("mean", 64, "")


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, "cls"),
        ({"pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True}, "mean"),
        ({"pooling_mode": "cls"}, "cls"),
        ({"pooling_mode": "mean"}, "mean"),
    ],
)
def test_pooling_is_the_models_own(folder: Path, config: Any, expected: str) -> None:
    """Both ways of writing it down are understood."""
    seeded.write_json(folder / "1_Pooling" / "config.json", config)
    assert read_folder(folder).pooling == expected


@pytest.mark.parametrize(
    "config",
    [
        {"pooling_mode_max_tokens": True},
        {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": True},
        {"pooling_mode_mean_tokens": False},
        {"pooling_mode": "lasttoken"},
    ],
)
def test_any_other_pooling_is_refused(folder: Path, config: Any) -> None:
    """Only CLS or mean alone; a guess would give vectors of another meaning."""
    seeded.write_json(folder / "1_Pooling" / "config.json", config)
    with pytest.raises(ModelUnsupported):
        read_folder(folder)


def test_pooling_is_found_where_the_modules_say(folder: Path) -> None:
    """modules.json may put the pooling into another folder."""
    (folder / "1_Pooling").rename(folder / "pool")
    modules = [{"type": "x.Transformer", "path": ""}, {"type": "x.Pooling", "path": "pool"}]
    seeded.write_json(folder / "modules.json", modules)
    assert read_folder(folder).pooling == "mean"


@pytest.mark.parametrize(
    "modules",
    [[{"type": "x.Dense", "path": "2_Dense"}], [{"type": "x.Pooling", "path": "../elsewhere"}], ["x"]],
)
def test_modules_that_cannot_be_followed_are_refused(folder: Path, modules: Any) -> None:
    """A further layer would be left out, and a path outside the folder is not the model's."""
    seeded.write_json(folder / "modules.json", modules)
    with pytest.raises(ModelUnsupported):
        read_folder(folder)


def test_the_authors_window_wins_over_the_positions(folder: Path) -> None:
    """A model trained on 32 tokens is not given 64 because its matrix has room."""
    seeded.write_json(folder / "sentence_bert_config.json", {"max_seq_length": 32})
    assert read_folder(folder).tokens_max == 32


def test_the_query_prefix_is_the_models_own(folder: Path) -> None:
    """The prompt for queries is kept."""
    prompts = {"prompts": {"query": "search: ", "document": ""}}
    seeded.write_json(folder / "config_sentence_transformers.json", prompts)
    assert read_folder(folder).query_prefix == "search: "


def test_a_prefix_for_passages_is_refused(folder: Path) -> None:
    """Passages are embedded as they are, so such a model would be used wrongly in silence."""
    prompts = {"prompts": {"query": "query: ", "passage": "passage: "}}
    seeded.write_json(folder / "config_sentence_transformers.json", prompts)
    with pytest.raises(ModelUnsupported, match="passage"):
        read_folder(folder)


@pytest.mark.parametrize(
    "change",
    [
        {"model_type": "roberta"},
        {"hidden_act": "relu"},
        {"position_embedding_type": "relative_key"},
        {"num_attention_heads": 7},
        {"layer_norm_eps": 0},
    ],
)
def test_another_architecture_is_refused(folder: Path, change: dict[str, Any]) -> None:
    """What would be computed in another way is never converted."""
    seeded.write_json(folder / "config.json", seeded.small_config(**change))
    with pytest.raises(ModelUnsupported):
        read_folder(folder)


@pytest.mark.parametrize("value", [0, -1, 10**9, 2.5, "2", None, True])
def test_sizes_out_of_bounds_are_refused(folder: Path, value: Any) -> None:
    """A size is a whole number within reason."""
    seeded.write_json(folder / "config.json", seeded.small_config(num_hidden_layers=value))
    with pytest.raises(ModelCorrupt, match="num_hidden_layers"):
        read_folder(folder)


@pytest.mark.parametrize("name", ["config.json", "1_Pooling/config.json"])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    """The person learns which file their folder lacks."""
    (folder / name).unlink()
    with pytest.raises(ModelUnsupported, match=r"config\.json"):
        read_folder(folder)
