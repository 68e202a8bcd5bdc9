"""Model folders with random weights from a seed: real shapes, no download, the same bytes every time."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

WORDS = (
    "the",
    "a",
    "cat",
    "dog",
    "sat",
    "on",
    "mat",
    "rain",
    "sun",
    "walk",
    "##ing",
    "##s",
    "##ed",
    ".",
    "!",
)
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def small_tokenizer() -> dict[str, Any]:
    """An uncased WordPiece of twenty tokens, described as the real ones are."""
    tokens = [*SPECIAL, *WORDS]
    return {
        "version": "1.0",
        "added_tokens": [
            {"id": index, "content": token, "special": True} for index, token in enumerate(SPECIAL)
        ],
        "normalizer": {
            "type": "BertNormalizer",
            "clean_text": True,
            "handle_chinese_chars": True,
            "strip_accents": None,
            "lowercase": True,
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "model": {
            "type": "WordPiece",
            "unk_token": "[UNK]",
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": {token: index for index, token in enumerate(tokens)},
        },
    }


def small_config(**changes: Any) -> dict[str, Any]:
    """A BERT of two layers and 64 numbers; `changes` replace values."""
    config = {
        "model_type": "bert",
        "hidden_act": "gelu",
        "num_hidden_layers": 2,
        "hidden_size": 64,
        "num_attention_heads": 4,
        "intermediate_size": 128,
        "max_position_embeddings": 64,
        "type_vocab_size": 2,
        "vocab_size": len(SPECIAL) + len(WORDS),
        "layer_norm_eps": 1e-12,
    }
    return config | changes


def bge_config() -> dict[str, Any]:
    """The shape of bge-small-en-v1.5."""
    return small_config(
        num_hidden_layers=12,
        hidden_size=384,
        num_attention_heads=12,
        intermediate_size=1536,
        max_position_embeddings=512,
        vocab_size=30522,
    )


def write_folder(
    path: Path,
    *,
    config: Mapping[str, Any] | None = None,
    tokenizer: Mapping[str, Any] | None = None,
    pooling: str = "mean_tokens",
    seed: int = 7,
) -> Path:
    """A model's folder as its authors would publish it. Returns `path`."""
    config = config or small_config()
    (path / "1_Pooling").mkdir(parents=True)
    write_json(path / "config.json", config)
    write_json(path / "tokenizer.json", tokenizer or small_tokenizer())
    write_json(path / "1_Pooling" / "config.json", {f"pooling_mode_{pooling}": True})
    write_safetensors(path / "model.safetensors", random_weights(config, seed))
    return path


def write_json(path: Path, tree: Any) -> None:
    """Write any JSON value."""
    path.write_text(json.dumps(tree), encoding="utf-8")


def write_safetensors(path: Path, tensors: Mapping[str, npt.NDArray[Any]], dtype: str = "F32") -> None:
    """Write arrays whose bytes are already of `dtype`."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    place = 0
    for name, tensor in tensors.items():
        header[name] = {
            "dtype": dtype,
            "shape": list(tensor.shape),
            "data_offsets": [place, place + tensor.nbytes],
        }
        place += tensor.nbytes
    packed = json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(len(packed).to_bytes(8, "little") + packed)
        for tensor in tensors.values():
            file.write(tensor.tobytes())


def random_weights(config: Mapping[str, Any], seed: int) -> dict[str, npt.NDArray[np.float32]]:
    """All tensors of a BERT, and a pooler that a conversion must leave out.

    Queries and keys are scaled up, so that attention looks at some tokens and not evenly at all: otherwise
    [CLS] would hardly depend on the text, and any conversion would seem right.
    """
    random = np.random.default_rng(seed)
    width, inner = config["hidden_size"], config["intermediate_size"]

    def normal(*shape: int, scale: float) -> npt.NDArray[np.float32]:
        return (random.standard_normal(shape, dtype=np.float32) * scale).astype(np.float32)

    tensors: dict[str, npt.NDArray[np.float32]] = {}

    def linear(name: str, rows: int, columns: int, gain: float) -> None:
        tensors[f"{name}.weight"] = normal(rows, columns, scale=gain / columns**0.5)
        tensors[f"{name}.bias"] = normal(rows, scale=0.1)

    def norm(name: str) -> None:
        tensors[f"{name}.weight"] = 1 + normal(width, scale=0.1)
        tensors[f"{name}.bias"] = normal(width, scale=0.1)

    tensors["embeddings.word_embeddings.weight"] = normal(config["vocab_size"], width, scale=0.05)
    tensors["embeddings.position_embeddings.weight"] = normal(
        config["max_position_embeddings"], width, scale=0.01
    )
    tensors["embeddings.token_type_embeddings.weight"] = normal(config["type_vocab_size"], width, scale=0.01)
    norm("embeddings.LayerNorm")
    for layer in range(config["num_hidden_layers"]):
        name = f"encoder.layer.{layer}"
        linear(f"{name}.attention.self.query", width, width, 1.5)
        linear(f"{name}.attention.self.key", width, width, 1.5)
        linear(f"{name}.attention.self.value", width, width, 1.0)
        linear(f"{name}.attention.output.dense", width, width, 1.0)
        norm(f"{name}.attention.output.LayerNorm")
        linear(f"{name}.intermediate.dense", inner, width, 1.0)
        linear(f"{name}.output.dense", width, inner, 1.0)
        norm(f"{name}.output.LayerNorm")
    linear("pooler.dense", width, width, 1.0)
    return tensors
