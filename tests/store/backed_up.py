"""A program that puts documents and makes backups, both without a pause, until it is killed.

`python -m tests.store.backed_up PATH FOLDER MIB_S`. It prints `made NAME CHECKSUM` when a backup is there.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
import time
from dataclasses import replace
from pathlib import Path

from pi_rag.clock import SystemClock
from pi_rag.config import BackupSettings, StoreSettings
from pi_rag.store import backup, identity
from pi_rag.store.backup import Making, Order
from pi_rag.store.store import Store
from tests.store.killed import passages
from tests.store.making import FINGERPRINT, put


async def main(path: Path, to: Path, mib_s: float) -> None:
    """Never returns."""
    store = Store.open(path, StoreSettings(wal_mib_max=1), SystemClock())
    await store.write(identity.claim_fingerprint, FINGERPRINT)
    writing = asyncio.create_task(_write(store))
    settings = replace(BackupSettings(), mib_s_max=mib_s)
    print("ready", flush=True)
    for number in itertools.count():
        now_s = time.time()
        name = f"{backup.PREFIX}{time.time_ns()}-{number}{backup.SUFFIX}"
        order = Order(to, name, "1.0", "/data", "", now_s)
        making = Making(order, settings, StoreSettings(), SystemClock(), lambda *_: None, lambda: 0)
        made = await store.aside(making)
        print("made", name, made.card.content, flush=True)
    await writing


async def _write(store: Store) -> None:
    for version in itertools.count(1):
        source = f"source-{version % 7}"
        await store.write(put, source, passages(source, version))
        await asyncio.sleep(0.005)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])))
