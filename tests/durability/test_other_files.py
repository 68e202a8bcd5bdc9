"""Files beside the database, as a power cut may leave them: what is derived is loaded or made anew."""

from __future__ import annotations

import asyncio
import json
import random
import shutil
from pathlib import Path

import pytest

from pi_rag.clock import SystemClock
from pi_rag.service.rotating import Rotating
from pi_rag.store.keeper import Keeper
from tests.durability.disk import SECTORS_BYTES
from tests.store.indexed import filled, opened, put_many
from tests.store.test_keeper import known, stored


def torn(data: bytes, dice: random.Random) -> bytes | None:
    """What may be there of a file that was never synced: nothing, a part, with holes, or something else."""
    way = dice.randrange(5)
    if way == 0:
        return None
    if way == 1:
        return data[: dice.randint(0, len(data))]
    step, left = dice.choice(SECTORS_BYTES), bytearray(data)
    for at in range(0, len(left), step):
        if dice.random() < (0.3, 0.02, 1.0)[way - 2]:
            size = len(left[at : at + step])
            left[at : at + step] = bytes(size) if dice.random() < 0.5 else dice.randbytes(size)
    return bytes(left)


def tear(folder: Path, dice: random.Random) -> None:
    """Some of the files of a folder, and at least one."""
    files = sorted(path for path in folder.iterdir() if path.is_file())
    for path in dice.sample(files, dice.randint(1, len(files))):
        left = torn(path.read_bytes(), dice)
        path.unlink()
        if left is not None:
            path.write_bytes(left)


async def _saved(path: Path) -> None:
    """A database with a RAM index that was saved, and a document that came later."""
    store = await filled(path)
    await Keeper(store, SystemClock()).look()
    await store.write(put_many, "second", 40, 2)
    assert await store.close()


async def _is_right(path: Path) -> None:
    """The index knows what is there and nothing else, be it loaded or made anew."""
    store = opened(path)
    await Keeper(store, SystemClock()).look()
    assert await known(store) == await stored(store)
    assert await store.close()


@pytest.mark.slow
def test_a_torn_snapshot_of_the_index_is_made_anew(ram: Path, long_form: bool) -> None:
    """Whatever is left of its files, searches find what is stored."""
    whole = ram / "whole"
    asyncio.run(_saved(whole / "pi-rag.db"))
    for seed in range(300 if long_form else 15):
        folder, dice = ram / "torn", random.Random(seed)
        shutil.copytree(whole, folder)
        tear(folder / "index", dice)
        (folder / "pi-rag.lock").write_bytes(torn(b"12345\n", dice) or b"")
        try:
            asyncio.run(_is_right(folder / "pi-rag.db"))
        except BaseException:
            print(f"seed {seed}")
            raise
        shutil.rmtree(folder)


def test_a_torn_file_of_metrics_is_written_on(ram: Path) -> None:
    """What was cut off stays half a line; every line that is written afterwards is whole."""
    line = json.dumps({"at": 1, "rss_mib": 120.5}).encode() + b"\n"
    for seed in range(200):
        dice, folder = random.Random(seed), ram / str(seed)
        lines = Rotating(folder, "metrics", bytes_max=100_000, files_max=2)
        lines.append(line * 50)
        tear(folder, dice)
        lines.append(line)
        lines.append(line)
        written = (folder / "metrics.jsonl").read_bytes()
        assert written.endswith(line + line)
        assert written == line + line or written[: -2 * len(line)].endswith(b"\n")
