"""A BERT model as its authors publish it: a folder with `config.json`, a tokenizer and safetensors.

This reads what the folder says about the model and refuses what could not be converted faithfully. It does
not touch the weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pi_rag.errors import ModelUnsupported
from pi_rag.models.jsonfile import read_json, read_object, whole_number

Pooling = Literal["cls", "mean"]

_KNOWN_MODULES = ("Transformer", "Pooling", "Normalize")


@dataclass(frozen=True, slots=True)
class BertShape:
    """The sizes of a BERT encoder."""

    layers: int
    width: int
    heads: int
    feed_forward: int
    positions: int
    token_types: int
    vocabulary: int
    norm_epsilon: float


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """What a folder says about its model."""

    path: Path
    shape: BertShape
    pooling: Pooling
    tokens_max: int
    """The window its authors use, [CLS] and [SEP] included; never more than `shape.positions`."""
    query_prefix: str

    @property
    def weights_path(self) -> Path:
        """The safetensors file."""
        return self.path / "model.safetensors"

    @property
    def tokenizer_path(self) -> Path:
        """The tokenizer's description."""
        return self.path / "tokenizer.json"


def read_folder(path: Path) -> ModelFolder:
    """What the folder says. Raises ModelUnsupported for what is no BERT embedder, ModelCorrupt for damage."""
    shape = _shape(path / "config.json")
    return ModelFolder(
        path=path,
        shape=shape,
        pooling=_pooling(_pooling_path(path)),
        tokens_max=min(shape.positions, _window(path / "sentence_bert_config.json") or shape.positions),
        query_prefix=_query_prefix(path / "config_sentence_transformers.json"),
    )


def _shape(path: Path) -> BertShape:
    config = read_object(path)
    _check_is_plain_bert(path, config)
    shape = BertShape(
        layers=whole_number(path, config, "num_hidden_layers", 256),
        width=whole_number(path, config, "hidden_size", 65_536),
        heads=whole_number(path, config, "num_attention_heads", 1024),
        feed_forward=whole_number(path, config, "intermediate_size", 1_000_000),
        positions=whole_number(path, config, "max_position_embeddings", 65_536),
        token_types=whole_number(path, config, "type_vocab_size", 16),
        vocabulary=whole_number(path, config, "vocab_size", 1_000_000),
        norm_epsilon=_epsilon(config.get("layer_norm_eps", 1e-12)),
    )
    if shape.width % shape.heads:
        raise ModelUnsupported(f"{path}: {shape.width} dimensions cannot be split over {shape.heads} heads.")
    return shape


def _check_is_plain_bert(path: Path, config: dict[str, Any]) -> None:
    kind, activation = config.get("model_type"), config.get("hidden_act", "gelu")
    if kind != "bert":
        raise ModelUnsupported(f"{path} describes a model of type {kind!r}, not bert.")
    if activation != "gelu" or config.get("position_embedding_type", "absolute") != "absolute":
        raise ModelUnsupported(f"{path} describes a variant of BERT that is computed in another way.")


def _epsilon(value: Any) -> float:
    if isinstance(value, float) and 0 < value < 1:
        return value
    raise ModelUnsupported(f"The model's layer_norm_eps is {value!r}; it must be between 0 and 1.")


def _pooling_path(path: Path) -> Path:
    """Where the pooling is described: as `modules.json` says, or where it usually is."""
    modules_path = path / "modules.json"
    folder = "1_Pooling"
    if modules_path.exists():
        modules = read_json(modules_path)
        for module in modules if isinstance(modules, list) else []:
            kind = str(module.get("type", "")).rsplit(".", 1)[-1] if isinstance(module, dict) else ""
            if kind not in _KNOWN_MODULES:
                raise ModelUnsupported(f"{modules_path} adds a step {kind!r} that cannot be converted.")
            folder = str(module.get("path", folder)) if kind == "Pooling" else folder
    if Path(folder).is_absolute() or ".." in Path(folder).parts:
        raise ModelUnsupported(f"{modules_path} points outside its folder.")
    return path / folder / "config.json"


def _pooling(path: Path) -> Pooling:
    config = read_object(path)
    chosen = {key for key, value in config.items() if key.startswith("pooling_mode_") and value is True}
    chosen |= {f"pooling_mode_{config['pooling_mode']}"} if "pooling_mode" in config else set()
    if chosen <= {"pooling_mode_cls_token", "pooling_mode_cls"} and chosen:
        return "cls"
    if chosen <= {"pooling_mode_mean_tokens", "pooling_mode_mean"} and chosen:
        return "mean"
    raise ModelUnsupported(
        f"{path} asks for {', '.join(sorted(chosen)) or 'no pooling'}, not for cls or mean."
    )


def _window(path: Path) -> int | None:
    return whole_number(path, read_object(path), "max_seq_length", 65_536) if path.exists() else None


def _query_prefix(path: Path) -> str:
    """The prompt that the model's own configuration puts before a query.

    A prompt before passages is refused: passages are stored as they are, so it would silently be left out.
    """
    prompts = read_object(path).get("prompts") if path.exists() else None
    prompts = prompts if isinstance(prompts, dict) else {}
    if any(prompts.get(key) for key in ("document", "passage")):
        raise ModelUnsupported(
            f"{path} wants a prefix before every passage, which this program does not add."
        )
    return str(prompts.get("query") or "")
