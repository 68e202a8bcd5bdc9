"""What is spoiled is only what is meant, and it is as before afterwards."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pi_rag.clock import SystemClock
from pi_rag.config import StoreSettings
from pi_rag.host.memory import children, private_mib
from pi_rag.store.connection import PAGE_BYTES
from pi_rag.store.store import Store
from pi_rag.stress import spoiling
from pi_rag.stress.running import RunningService


@pytest.fixture
def service(tmp_path: Path) -> Iterator[RunningService]:
    """It is not started; there is a database of its own making in its data folder."""
    found = RunningService(tmp_path, {})
    found.data.mkdir()
    asyncio.run(_made(found.data / "pi-rag.db"))
    yield found
    found.__exit__()


async def _made(database: Path) -> None:
    await Store.open(database, StoreSettings(), SystemClock()).close()


def pages(database: Path) -> list[bytes]:
    data = database.read_bytes()
    return [data[at : at + PAGE_BYTES] for at in range(0, len(data), PAGE_BYTES)]


@pytest.mark.parametrize("seed", range(5))
def test_damage_is_put_away_again(service: RunningService, seed: int) -> None:
    """So many whole pages are noise, and the first, with all names of tables, never; afterwards all is as it
    was.
    """
    database = service.data / "pi-rag.db"
    before = pages(database)
    with spoiling.kept(service):
        count = spoiling.damage(database, random.Random(seed))
        after = pages(database)
        hit = [number for number, page in enumerate(after) if page != before[number]]
        assert count == len(hit) == int(len(before) * spoiling.DAMAGED_SHARE) > 1
        assert 0 not in hit
        assert len(after) == len(before)
    assert pages(database) == before
    assert [path.name for path in service.data.parent.iterdir()] == ["data"]


def test_a_page_is_as_large_as_the_database_says(service: RunningService) -> None:
    """The largest size there is does not fit its two bytes, and is written as 1."""
    database = service.data / "pi-rag.db"
    assert spoiling.bytes_of_page(database) == PAGE_BYTES
    with database.open("r+b") as file:
        file.seek(16)
        file.write(b"\0\1")
    assert spoiling.bytes_of_page(database) == 65536


def test_a_corrupted_model_is_a_copy(tmp_path: Path) -> None:
    """The model itself is not touched."""
    model = tmp_path / "model.gguf"
    model.write_bytes(bytes(100_000))
    copy = spoiling.corrupted(model, tmp_path / "other" / "model.gguf", random.Random(1))

    assert not any(model.read_bytes())
    assert copy.stat().st_size >= 100_000
    assert any(copy.read_bytes())


def test_what_is_closed_opens_again(tmp_path: Path) -> None:
    """Under the program that takes a root's privileges away, root is refused as well."""
    if reason := spoiling.may_close():
        pytest.skip(reason)
    file = tmp_path / "file"
    file.write_text("told")
    file.chmod(0o640)
    reading = [*spoiling.as_owner(), "cat", str(file)]
    with spoiling.closed(file):
        assert subprocess.run(reading, capture_output=True, check=False).returncode != 0
    assert subprocess.run(reading, capture_output=True, check=True).stdout == b"told"
    assert file.stat().st_mode & 0o777 == 0o640


def test_root_that_may_not_mount_is_told_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container: what the kernel says counts, and not the user alone."""
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr("shutil.which", lambda name: name)
    contained, free, silent = (tmp_path / name for name in ("contained", "free", "silent"))
    contained.write_text("Name:\tpython\nCapEff:\t00000000a80425fb\n")
    free.write_text("Name:\tpython\nCapEff:\t000001ffffffffff\n")
    silent.write_text("Name:\tpython\n")

    assert spoiling.may_mount(free) == ""
    assert "container" in spoiling.may_mount(contained)
    assert "container" in spoiling.may_mount(silent)


def test_ballast_takes_memory_and_gives_it_back() -> None:
    """All of it, in a process that is gone afterwards."""
    before = set(children(os.getpid()))
    with spoiling.ballast(64):
        [holder] = set(children(os.getpid())) - before
        assert (private_mib(holder) or 0.0) > 64
    assert set(children(os.getpid())) <= before


@pytest.mark.root
@pytest.mark.skipif(bool(spoiling.may_mount()), reason="only root may mount, and not in a container")
class TestDisks:
    """A disk of its own under the data folder."""

    def test_a_small_disk_can_be_filled(self, service: RunningService) -> None:
        """To the last byte; what was written while there was room is there afterwards, on the old disk."""
        with spoiling.small_disk(service) as disk:
            assert os.path.ismount(disk)
            size_bytes = (disk / "pi-rag.db").stat().st_size
            (disk / "new").write_text("kept")
            with spoiling.full(disk), pytest.raises(OSError, match="No space left"):
                (disk / "more").write_bytes(b"x" * 5000)
            (disk / "after").write_text("room")
        assert not os.path.ismount(service.data)
        assert (service.data / "new").read_text() == "kept"
        assert (service.data / "pi-rag.db").stat().st_size == size_bytes > 0

    def test_a_disk_that_cannot_be_written_can_be_again(self, service: RunningService) -> None:
        """By nobody meanwhile."""
        with spoiling.read_only(service.data), pytest.raises(OSError, match="Read-only"):
            (service.data / "new").write_text("no")
        (service.data / "new").write_text("yes")
        assert not os.path.ismount(service.data)
