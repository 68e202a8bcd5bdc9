"""Promises of pi_rag/embedder/nursery.py that need no fork; the others are in test_pool.py."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pi_rag.embedder.nursery import boot
from pi_rag.embedder.order import Order
from pi_rag.errors import ModelCorrupt, ModelMissing
from pi_rag.types import ModelCard

pytestmark = pytest.mark.model


@pytest.fixture
def order(minilm: ModelCard) -> Order:
    """An order for the model as it was installed."""
    return Order(
        path=minilm.path,
        sha256=minilm.sha256,
        tokens_max=256,
        texts_per_call_max=1,
        flash_tokens_min=64,
        threads=1,
        nice=0,
        ingest_share=1.0,
        aside_s_max=0.0,
        beat_s=1.0,
        frame_bytes_max=1 << 20,
    )


def test_an_order_survives_the_command_line(order: Order) -> None:
    """What the pool writes is what the nursery reads."""
    assert Order.from_argument(order.to_argument()) == order


def test_a_whole_model_boots(order: Order, minilm: ModelCard) -> None:
    """It makes vectors of the width that the card says."""
    engine = boot(order)
    assert engine.embed(["a river"]).shape == (1, minilm.dimensions)
    engine.close()
    engine.model.close()


def test_only_the_file_that_was_installed_boots(order: Order, tmp_path: Path) -> None:
    """Another sha256 is corrupt even where llama.cpp would be content; no file is missing."""
    with pytest.raises(ModelCorrupt, match="was installed"):
        boot(replace(order, sha256="0" * 64))
    with pytest.raises(ModelMissing):
        boot(replace(order, path=str(tmp_path / "none.gguf")))
    with pytest.raises(ModelMissing):
        boot(replace(order, path=str(tmp_path)))
