"""A start waits for room on the disk, and for nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from unittest.mock import create_autospec

import pytest

from pi_rag.clock import SystemClock
from pi_rag.errors import DiskFull, PiRagError, StoreDamaged
from pi_rag.service import opening
from pi_rag.service.opening import ROOM_BYTES, opened
from pi_rag.store.store import Store

STORE = create_autospec(Store, instance=True)


def _attempt(*outcomes: PiRagError | Store) -> Callable[[], Store]:
    """One outcome after the other; asked once more, it fails."""
    left = list(outcomes)

    def attempt() -> Store:
        outcome = left.pop(0)
        if isinstance(outcome, PiRagError):
            raise outcome
        return outcome

    return attempt


async def test_a_full_disk_is_tried_again_until_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """systemd is asked for patience each time, and the log has one line of it."""
    asked: list[str] = []
    monkeypatch.setattr(opening, "RETRY_S", 0.001)
    monkeypatch.setattr(opening, "LOOK_S", 0.001)
    monkeypatch.setattr(opening, "notify", lambda state, status: asked.append(f"{state} {status}"))
    full = DiskFull("There is no room.")

    store = await opened(_attempt(full, full, full, STORE), tmp_path, lambda: False, SystemClock())

    assert store is STORE
    assert len(asked) == 3
    assert all("EXTEND_TIMEOUT_USEC=" in each and "waiting for room" in each for each in asked)
    assert capsys.readouterr().err.count("event=start_waits") == 1


async def test_room_that_is_seen_ends_the_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A start is not put off until the next try; a little more room than before is not enough."""
    monkeypatch.setattr(opening, "RETRY_S", 3600.0)
    monkeypatch.setattr(opening, "LOOK_S", 0.001)
    free = iter([0, ROOM_BYTES - 1, ROOM_BYTES - 1, ROOM_BYTES])
    monkeypatch.setattr(opening, "_free_bytes", lambda _: next(free))
    attempt = _attempt(DiskFull("There is no room."), STORE)

    async with asyncio.timeout(30):
        assert await opened(attempt, tmp_path, lambda: False, SystemClock()) is STORE
    assert next(free, None) is None, "it looked until there was enough"


async def test_a_stop_ends_the_waiting(tmp_path: Path) -> None:
    """No try comes after it, also where the folder could not be made."""
    asked = iter([False])
    attempt = _attempt(DiskFull("There is no room."))
    assert await opened(attempt, tmp_path / "none", lambda: next(asked, True), SystemClock()) is None


async def test_what_room_would_not_mend_ends_the_start(tmp_path: Path) -> None:
    """With the error as it is."""
    with pytest.raises(StoreDamaged):
        await opened(_attempt(StoreDamaged("It is damaged.")), tmp_path, lambda: False, SystemClock())
