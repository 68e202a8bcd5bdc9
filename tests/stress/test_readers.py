"""Eight readers that never pause beside a writer at full speed: a real store, real words, made-up vectors.

STRESS_SECONDS says for how long; the issue's long form is 600. How long they wait is measured by
`python -m benchmarks.waits`, and promised nowhere here.
"""

from __future__ import annotations

import os
from pathlib import Path

from benchmarks.waits import PASSAGES, READERS, filled, rush
from pi_rag.config import StoreSettings
from pi_rag.store import checkup, documents

SECONDS = float(os.environ.get("STRESS_SECONDS", "3"))
WAL_MIB_MAX = 4
TRANSACTION_MIB_MAX = 4.0
"""A document takes a third of one; with a merge of the word index in it, up to 3.1 were seen."""


async def test_readers_and_the_writer_never_meet_a_lock_and_the_log_stays_small(tmp_path: Path) -> None:
    """Nobody is told that the database is busy; the log never grows beyond its bound by more than one
    transaction; and all that was acknowledged is there, in a sound database.
    """
    store = await filled(tmp_path / "pi-rag.db", 20, StoreSettings(wal_mib_max=WAL_MIB_MAX))
    seen = await rush(store, SECONDS, writing=True)
    stats, problems = store.stats(), await store.read(checkup.check)
    counts = await store.read(documents.counts)
    assert await store.close()

    assert (seen.busy, stats["readers"]["gave_up"], stats["writer"]["failed"]) == (0, 0, 0)
    assert seen.wal_mib_max <= WAL_MIB_MAX + TRANSACTION_MIB_MAX
    assert problems == []
    assert counts.chunks == PASSAGES * counts.documents > 20 * PASSAGES
    assert len(seen.reads) > READERS
    assert len(seen.writes) > WAL_MIB_MAX + TRANSACTION_MIB_MAX, "too little was written to tell"
