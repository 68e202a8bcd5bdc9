"""Promises of pi_rag/models/quantisation.py."""

from __future__ import annotations

from pi_rag.models.quantisation import fastest


def test_a_raspberry_pi_keeps_eight_bits() -> None:
    """As every processor does that cannot multiply BF16 by itself."""
    assert fastest({"fp", "asimd", "aes", "fphp", "asimdhp", "asimddp"}) == "Q8_0"
    assert fastest({"avx2", "avx512f", "avx512_vnni"}) == "Q8_0"
    assert fastest(set()) == "Q8_0"


def test_a_processor_with_bf16_uses_it() -> None:
    """It is the faster there, and nearer to the original."""
    assert fastest({"avx2", "avx512f", "avx512_bf16"}) == "BF16"
