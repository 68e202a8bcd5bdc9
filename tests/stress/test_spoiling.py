"""What is spoiled is only what is meant, and it is as before afterwards."""

from __future__ import annotations

import os
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pi_rag.host.memory import children, private_mib
from pi_rag.stress import spoiling
from pi_rag.stress.running import RunningService

PAGES = 20


@pytest.fixture
def service(tmp_path: Path) -> Iterator[RunningService]:
    """It is not started; there is a file in its data folder."""
    found = RunningService(tmp_path, {})
    found.data.mkdir()
    (found.data / "pi-rag.db").write_bytes(bytes(PAGES * spoiling.PAGE_BYTES))
    yield found
    found.__exit__()


def test_damage_is_put_away_again(service: RunningService) -> None:
    """Some pages are noise, the first never; afterwards all is as it was."""
    database = service.data / "pi-rag.db"
    with spoiling.kept(service):
        count = spoiling.damage(database, random.Random(1))
        data = database.read_bytes()
        pages = [data[at : at + spoiling.PAGE_BYTES] for at in range(0, len(data), spoiling.PAGE_BYTES)]
        assert count == sum(any(page) for page in pages) == int(PAGES * spoiling.DAMAGED_SHARE)
        assert not any(pages[0])
        assert len(pages) == PAGES
    assert not any(database.read_bytes())
    assert [path.name for path in service.data.parent.iterdir()] == ["data"]


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
            (disk / "new").write_text("kept")
            with spoiling.full(disk), pytest.raises(OSError, match="No space left"):
                (disk / "more").write_bytes(b"x" * 5000)
            (disk / "after").write_text("room")
        assert not os.path.ismount(service.data)
        assert (service.data / "new").read_text() == "kept"
        assert (service.data / "pi-rag.db").stat().st_size == PAGES * spoiling.PAGE_BYTES

    def test_a_disk_that_cannot_be_written_can_be_again(self, service: RunningService) -> None:
        """By nobody meanwhile."""
        with spoiling.read_only(service.data), pytest.raises(OSError, match="Read-only"):
            (service.data / "new").write_text("no")
        (service.data / "new").write_text("yes")
        assert not os.path.ismount(service.data)
