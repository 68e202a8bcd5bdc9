"""The proof before READY, over a real store with a RAM index."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from pi_rag.clock import SystemClock
from pi_rag.service import selftest
from pi_rag.service.meaning import Meaning
from pi_rag.store import vectors
from pi_rag.store.keeper import Keeper
from tests.embedder.fake import FakeEmbedder
from tests.store.indexed import filled
from tests.store.making import DIMENSIONS


async def test_the_proof_does_not_read_every_vector(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is a RAM index; and it leaves no query behind whose recall would be measured."""
    store = await filled(tmp_path / "pi-rag.db")
    await Keeper(store, SystemClock()).look()
    looked: list[str] = []
    nearest = vectors.nearest

    def noting(db: Any, vector: bytes, k: int, within: str = "", bindings: Any = ()) -> Any:
        looked.append(within)
        return nearest(db, vector, k, within, bindings)

    monkeypatch.setattr(vectors, "nearest", noting)
    embedder = FakeEmbedder(DIMENSIONS)
    await embedder.start()
    await selftest.prove_meaning(store, cast("Meaning", SimpleNamespace(embedder=embedder)), 5.0)
    await store.close()

    assert len(looked) == 1
    assert looked[0]
    assert store.derived.take_asked() is None
