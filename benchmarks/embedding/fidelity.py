"""How true vectors are: beside a float32 forward pass in numpy that shares no code with any engine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.embedding.children import Runner
from benchmarks.measures import ndcg
from benchmarks.sets import RetrievalSet
from pi_rag.embedder.llama import Model
from pi_rag.models.folder import ModelFolder
from tests.models.reference import ReferenceBert

if TYPE_CHECKING:
    from pi_rag.types import Vectors

QUERIES_AT_ONCE = 64
DOCUMENTS_AT_ONCE = 256


def reference(folder: ModelFolder, model: Model, texts: Sequence[str]) -> Vectors:
    """The float32 vectors, shape (texts, dimensions). The model is asked for tokens only."""
    bert = ReferenceBert(folder)
    return np.stack([bert.embed(model.tokens(text).tolist()) for text in texts])


def cosines(found: Vectors, truth: Vectors) -> tuple[float, float]:
    """(mean, smallest) cosine of unit rows with the true ones."""
    each = (found * truth).sum(axis=1)
    return float(each.mean()), float(each.min())


def ndcg10(runner: Runner, corpus: Sequence[str], data: RetrievalSet) -> float:
    """nDCG@10 of a whole set by exact cosine; `corpus` is its documents' texts in order."""
    documents = _embedded(runner, corpus, DOCUMENTS_AT_ONCE)
    keys, names = list(data.judged), list(data.corpus)
    queries = _embedded(runner, [data.queries[key] for key in keys], QUERIES_AT_ONCE)
    nearest = np.argsort(-(queries @ documents.T), axis=1, kind="stable")[:, :10]
    found = [[names[index] for index in row] for row in nearest]
    return float(np.mean([ndcg(row, data.judged[key], 10) for row, key in zip(found, keys, strict=True)]))


def _embedded(runner: Runner, texts: Sequence[str], size: int) -> Vectors:
    return np.concatenate([runner.vectors(texts[at : at + size]) for at in range(0, len(texts), size)])
