"""The model that measurements use: MiniLM, from its Python package, kept beside the checkout.

Its figures are its own and never those of BGE-small.
"""

from __future__ import annotations

import os
from pathlib import Path

from pi_rag.models import sources
from pi_rag.models.shelf import Shelf
from pi_rag.types import ModelCard


def benchmark_model() -> ModelCard:
    """all-MiniLM-L6-v2 in Q8_0, fetched once into `.cache/models`, or where TEST_MODELS points."""
    kept = os.environ.get("TEST_MODELS")
    models_path = Path(kept) if kept else Path(__file__).parents[1] / ".cache" / "models"
    return sources.pull("all-MiniLM-L6-v2", Shelf(models_path))
