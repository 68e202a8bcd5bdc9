"""What stands for the maker of a query's vector."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pi_rag.config import EmbedderSettings
from pi_rag.service.meaning import maker
from pi_rag.types import ModelCard

CARD = ModelCard("m", "/m.gguf", "0" * 64, 384, "mean", 512, "", "Q8_0", "here", "MIT")


def test_a_model_under_another_name_or_path_is_the_same_maker() -> None:
    """What does not change a vector does not throw the kept ones away."""
    moved = replace(CARD, name="n", path="/elsewhere.gguf", source="there")
    assert maker(CARD, EmbedderSettings(), 64) == maker(moved, EmbedderSettings(workers=1), 64)


@pytest.mark.parametrize(
    "other", [{"sha256": "1" * 64}, {"pooling": "cls"}, {"dimensions": 768}, {"tokens_max": 128}]
)
def test_another_model_is_another_maker(other: dict[str, object]) -> None:
    """Its vectors are other vectors."""
    changed = ModelCard(**{name: getattr(CARD, name) for name in CARD.__slots__} | other)
    assert maker(changed, EmbedderSettings(), 64) != maker(CARD, EmbedderSettings(), 64)


@pytest.mark.parametrize("other", [EmbedderSettings(tokens_max=256), EmbedderSettings(texts_per_call_max=4)])
def test_settings_that_change_a_vector_are_another_maker(other: EmbedderSettings) -> None:
    """A longer window sees more of a long query; company in a call rounds otherwise."""
    assert maker(CARD, other, 64) != maker(CARD, EmbedderSettings(), 64)


def test_another_way_of_attention_is_another_maker() -> None:
    """A measurement that moves where flash attention begins throws the kept vectors away."""
    assert maker(CARD, EmbedderSettings(), 96) != maker(CARD, EmbedderSettings(), 64)
