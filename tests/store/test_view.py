"""How long a view is held."""

from __future__ import annotations

import pytest

from pi_rag.clock import SystemClock
from pi_rag.config import BackupSettings
from pi_rag.errors import BackupOvertaken
from pi_rag.store.view import View

SETTINGS = BackupSettings(snapshot_s_max=60.0, log_mib_max=64)


class HandClock(SystemClock):
    """It goes on when it is told to."""

    now_s = 100.0

    def monotonic_s(self) -> float:
        return self.now_s


@pytest.mark.parametrize(("seconds", "log_mib"), [(60.0, 64), (61.0, 0), (0.0, 65)])
def test_past_a_bound_it_is_given_up(seconds: float, log_mib: int) -> None:
    """At the bound it goes on."""
    clock, written = HandClock(), [0]
    view = View(SETTINGS, clock, lambda: written[0])
    view.expect_in_time()
    clock.now_s += seconds
    written[0] = log_mib * 2**20

    if seconds <= 60 and log_mib <= 64:
        view.expect_in_time()
    else:
        with pytest.raises(BackupOvertaken):
            view.expect_in_time()
