"""BERT in numpy, float32, straight from the paper: what every conversion is measured against.

It uses the exact (erf) GELU and knows nothing of GGUF, so it shares no mistake with what it judges.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from pi_rag.models.folder import BertShape, ModelFolder
from pi_rag.models.safetensors import SafeTensors

if TYPE_CHECKING:
    import numpy.typing as npt

    Floats = npt.NDArray[np.float32]

# numpy has no erf. Between points 1e-4 apart, a straight line is wrong by less than 1e-8.
_PLACES = np.linspace(-6, 6, 120_001)
_ERF = np.array([math.erf(place) for place in _PLACES])


class ReferenceBert:
    """All weights of a model folder, and its forward pass."""

    def __init__(self, folder: ModelFolder) -> None:
        self.shape: BertShape = folder.shape
        self.pooling = folder.pooling
        file = SafeTensors(folder.weights_path)
        self._weights = {name.removeprefix("bert."): file.tensor(name) for name in file if _is_float(name)}

    def embed(self, ids: Sequence[int]) -> Floats:
        """The unit vector of one text, given as token ids with [CLS] and [SEP]. Shape (width,)."""
        hidden = self._embedded(ids)
        for layer in range(self.shape.layers):
            hidden = self._layer(hidden, f"encoder.layer.{layer}")
        pooled: Floats = hidden[0] if self.pooling == "cls" else hidden.mean(axis=0)
        return pooled / np.linalg.norm(pooled)

    def _embedded(self, ids: Sequence[int]) -> Floats:
        words = self._weights["embeddings.word_embeddings.weight"][list(ids)]
        places = self._weights["embeddings.position_embeddings.weight"][: len(ids)]
        kind = self._weights["embeddings.token_type_embeddings.weight"][0]
        return self._norm(words + places + kind, "embeddings.LayerNorm")

    def _layer(self, hidden: Floats, name: str) -> Floats:
        attended = self._linear(self._attention(hidden, name), f"{name}.attention.output.dense")
        hidden = self._norm(hidden + attended, f"{name}.attention.output.LayerNorm")
        inner = self._linear(hidden, f"{name}.intermediate.dense")
        inner = inner * np.float32(0.5) * (1 + _erf(inner / np.float32(math.sqrt(2))))
        return self._norm(hidden + self._linear(inner, f"{name}.output.dense"), f"{name}.output.LayerNorm")

    def _attention(self, hidden: Floats, name: str) -> Floats:
        query, key, value = (
            self._heads(self._linear(hidden, f"{name}.attention.self.{part}"))
            for part in ("query", "key", "value")
        )
        scores = query @ key.transpose(0, 2, 1) / np.float32(math.sqrt(query.shape[-1]))
        scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
        mixed: Floats = (scores / scores.sum(axis=-1, keepdims=True)) @ value
        return mixed.transpose(1, 0, 2).reshape(len(hidden), self.shape.width)

    def _heads(self, rows: Floats) -> Floats:
        """(tokens, width) to (heads, tokens, width of a head)."""
        return rows.reshape(len(rows), self.shape.heads, -1).transpose(1, 0, 2)

    def _linear(self, rows: Floats, name: str) -> Floats:
        return rows @ self._weights[f"{name}.weight"].T + self._weights[f"{name}.bias"]

    def _norm(self, rows: Floats, name: str) -> Floats:
        centred = rows - rows.mean(axis=-1, keepdims=True)
        spread = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + np.float32(self.shape.norm_epsilon))
        scaled: Floats = centred / spread * self._weights[f"{name}.weight"] + self._weights[f"{name}.bias"]
        return scaled


def _erf(values: Floats) -> Floats:
    found: Floats = np.interp(values, _PLACES, _ERF).astype(np.float32)
    return found


def _is_float(name: str) -> bool:
    return not name.endswith("position_ids")
