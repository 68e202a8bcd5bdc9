"""Promises of pi_rag/host/processor.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from pi_rag.host.processor import features

PI_5 = """processor\t: 0
BogoMIPS\t: 108.00
Features\t: fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp
CPU implementer\t: 0x41
"""
PC = "processor\t: 0\nflags\t\t: fpu sse avx512_bf16\nbugs\t\t:\n"


@pytest.mark.parametrize(("text", "name"), [(PI_5, "asimddp"), (PC, "avx512_bf16")])
def test_features_have_linuxs_names(tmp_path: Path, text: str, name: str) -> None:
    """On both families of processors."""
    (tmp_path / "cpuinfo").write_text(text, encoding="utf-8")
    assert name in features(tmp_path / "cpuinfo")
    assert "0x41" not in features(tmp_path / "cpuinfo")


def test_where_nothing_is_said_there_are_none(tmp_path: Path) -> None:
    """No file, or one without that line."""
    (tmp_path / "cpuinfo").write_text("processor: 0\n", encoding="utf-8")
    assert features(tmp_path / "cpuinfo") == frozenset()
    assert features(tmp_path / "none") == frozenset()


def test_this_machine_can_do_something() -> None:
    """Read for real."""
    assert features()
