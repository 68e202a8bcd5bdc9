"""A start waits for room on the disk, and for nothing else."""

from __future__ import annotations

from collections.abc import Callable
from unittest.mock import create_autospec

import pytest

from pi_rag.clock import SystemClock
from pi_rag.errors import DiskFull, PiRagError, StoreDamaged
from pi_rag.service import opening
from pi_rag.service.opening import opened
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
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """systemd is asked for patience each time, and the log has one line of it."""
    asked: list[str] = []
    monkeypatch.setattr(opening, "RETRY_S", 0.001)
    monkeypatch.setattr(opening, "LOOK_S", 0.001)
    monkeypatch.setattr(opening, "notify", lambda state, status: asked.append(f"{state} {status}"))
    full = DiskFull("There is no room.")

    store = await opened(_attempt(full, full, full, STORE), lambda: False, SystemClock())

    assert store is STORE
    assert len(asked) == 3
    assert all("EXTEND_TIMEOUT_USEC=" in each and "waiting for room" in each for each in asked)
    assert capsys.readouterr().err.count("event=start_waits") == 1


async def test_a_stop_ends_the_waiting() -> None:
    """No try comes after it."""
    asked = iter([False])
    attempt = _attempt(DiskFull("There is no room."))
    assert await opened(attempt, lambda: next(asked, True), SystemClock()) is None


async def test_what_room_would_not_mend_ends_the_start() -> None:
    """With the error as it is."""
    with pytest.raises(StoreDamaged):
        await opened(_attempt(StoreDamaged("It is damaged.")), lambda: False, SystemClock())
