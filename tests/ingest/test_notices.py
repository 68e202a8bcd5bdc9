"""Promises of pi_rag/ingest/notices.py, with the kernel's own inotify."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pi_rag.config import WatchSettings
from pi_rag.ingest.notices import Notices, NoWatches, Unsure

QUICK = WatchSettings(quiet_ms=20, quiet_ms_max=200)
NEVER = threading.Event()
LIMIT = Path("/proc/sys/fs/inotify/max_user_watches")


def told(notices: Notices) -> set[str]:
    """The next notices; it ends the test when none come within ten seconds."""
    found = notices.wait(10.0, time.monotonic() + 10.0, NEVER)
    assert found
    return found


def test_what_comes_changes_moves_and_goes_is_told(tmp_path: Path) -> None:
    """Each by its path; a move by both of its ends."""
    file, moved = tmp_path / "a.md", tmp_path / "b.md"
    with Notices([str(tmp_path)], QUICK) as notices:
        file.write_text("tea")
        assert told(notices) == {str(file)}
        file.write_text("more tea")
        assert told(notices) == {str(file)}
        file.rename(moved)
        assert told(notices) == {str(file), str(moved)}
        moved.unlink()
        assert told(notices) == {str(moved)}


def test_only_the_named_folders_are_heard_of(tmp_path: Path) -> None:
    """Not what lies below them, nor what a link in them leads to."""
    root, outside = tmp_path / "root", tmp_path / "outside"
    (root / "in").mkdir(parents=True)
    outside.mkdir()
    (root / "link").symlink_to(outside)
    with Notices([str(root)], QUICK) as notices:
        (root / "in" / "a").write_text("tea")
        (outside / "b").write_text("tea")
        (root / "c").write_text("tea")
        assert told(notices) == {str(root / "c")}


def test_a_wait_ends_when_it_should(tmp_path: Path) -> None:
    """After its time, at the deadline of the monotonic clock, and at once when told to stop."""
    stop = threading.Event()
    with Notices([str(tmp_path)], QUICK) as notices:
        assert notices.wait(0.05, time.monotonic() + 60.0, stop) == set()
        assert notices.wait(60.0, time.monotonic(), stop) == set()
        stop.set()
        assert notices.wait(60.0, time.monotonic() + 60.0, stop) == set()


def test_a_name_that_is_no_text_is_said_and_not_lost(tmp_path: Path) -> None:
    """The library cannot name it; whoever waits learns that something is there."""
    with Notices([str(tmp_path)], QUICK) as notices:
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff")).touch()
        with pytest.raises(Unsure):
            notices.wait(10.0, time.monotonic() + 10.0, NEVER)


def test_a_folder_that_is_gone_is_an_error(tmp_path: Path) -> None:
    """Whoever listed it looks again."""
    with pytest.raises(OSError, match="none"):
        Notices([str(tmp_path / "none")], QUICK)


@contextmanager
def watches_at_most(count: int) -> Iterator[None]:
    before = LIMIT.read_text()
    LIMIT.write_text(str(count))
    try:
        yield
    finally:
        LIMIT.write_text(before)


@pytest.mark.root
@pytest.mark.skipif(not os.access(LIMIT, os.W_OK), reason="only root may lower the kernel's limit")
def test_the_kernels_limit_is_said(tmp_path: Path) -> None:
    """Where there are no more watches, somebody has to look by himself, and must know it."""
    folders = [tmp_path / str(number) for number in range(20)]
    for folder in folders:
        folder.mkdir()
    with watches_at_most(10), pytest.raises(NoWatches, match="limit"):
        Notices([str(folder) for folder in folders], QUICK)
