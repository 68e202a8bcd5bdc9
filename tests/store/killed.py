"""A program that puts and removes documents until it is killed, and says before and after each what it does.

`python -m tests.store.killed PATH SEED`. Lines: `begin put SOURCE VERSION`, `done put SOURCE VERSION`, and
the same with `remove SOURCE 0`.
"""

from __future__ import annotations

import asyncio
import random
import sys
from pathlib import Path

from pi_rag.clock import SystemClock
from pi_rag.config import IndexSettings, StoreSettings
from pi_rag.store import documents, identity
from pi_rag.store.keeper import Keeper
from pi_rag.store.store import Store
from tests.store.making import FINGERPRINT, put

INDEX = IndexSettings(snapshot_changes=60)
"""Saved every few documents, so that kills fall within that too."""


def passages(source: str, version: int) -> list[str]:
    """What a document of this version consists of: long enough that a kill often falls within a write."""
    return [
        f"{source} version {version} passage {number} " + "tea " * 50 for number in range(1 + version % 40)
    ]


async def main(path: Path, seed: int) -> None:
    """Never returns."""
    dice = random.Random(seed)
    # A log of one mebibyte makes kills fall within checkpoints too.
    store = Store.open(path, StoreSettings(wal_mib_max=1), SystemClock(), INDEX)
    keeper = Keeper(store, SystemClock())
    await store.write(identity.claim_fingerprint, FINGERPRINT)
    print("ready", flush=True)
    while True:
        source, version = f"source-{dice.randrange(6)}", dice.randrange(1, 10**6)
        if dice.random() < 0.2:
            print("begin remove", source, 0, flush=True)
            await store.write(documents.remove_source, source, None)
            print("done remove", source, 0, flush=True)
        else:
            print("begin put", source, version, flush=True)
            await store.write(put, source, passages(source, version))
            print("done put", source, version, flush=True)
        await keeper.look()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
