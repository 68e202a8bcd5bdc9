"""How long one view of the database may be held: the write-ahead log cannot be emptied meanwhile.

It knows not what is read. Whoever reads asks it again and again whether to go on.
"""

from __future__ import annotations

from collections.abc import Callable

from pi_rag.clock import Clock
from pi_rag.config import BackupSettings
from pi_rag.errors import BackupOvertaken


class View:
    """One, from when it is made."""

    def __init__(self, settings: BackupSettings, clock: Clock, log_bytes: Callable[[], int]) -> None:
        """`log_bytes` is how much of the write-ahead log is in use."""
        self._settings, self._clock, self._log_bytes = settings, clock, log_bytes
        self._begun_s = clock.monotonic_s()

    def expect_in_time(self) -> None:
        """Raises BackupOvertaken: the log may not grow for ever beside it."""
        if self._clock.monotonic_s() - self._begun_s > self._settings.snapshot_s_max:
            raise BackupOvertaken(
                f"It took longer than {self._settings.snapshot_s_max:g} s to read all of it."
            )
        if self._log_bytes() > self._settings.log_mib_max * 2**20:
            raise BackupOvertaken(
                f"More than {self._settings.log_mib_max} MiB were written while it was read.",
                hint="Try again when less is added, or raise backup.mib_s_max or backup.log_mib_max.",
            )
