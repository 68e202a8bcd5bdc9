"""Promises of models/checksum.py."""

from __future__ import annotations

from pathlib import Path

from pi_rag.models.checksum import sha256_of


def test_the_sum_is_the_published_one(tmp_path: Path) -> None:
    """The example of FIPS 180: sha256 of `abc`."""
    (tmp_path / "abc").write_bytes(b"abc")
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert sha256_of(tmp_path / "abc") == expected
