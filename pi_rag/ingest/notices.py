"""What the kernel tells of changes in folders, by inotify through the library `watchfiles`.

Each folder is named by itself: the library would follow links out of a folder, and spend the kernel's watches
on folders that nobody looks into. A notice is only a hint where to look. Some are lost, when too much happens
at once; the regular sweep finds what they would have told.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Self

from watchfiles._rust_notify import RustNotify, WatchfilesRustInternalError

from pi_rag.config import WatchSettings


class NoWatches(Exception):
    """The kernel has no more watches, or no more watchers, for this user. It never leaves the desk."""


class Unsure(Exception):
    """Something has changed that has no name here: look everywhere, with new notices."""


class _Until:
    """What the library asks whether to come back: when told to, or when the time is up.

    Its own timeout goes by the wall clock, which may be set back. When this one ends the wait, notices of the
    last moment are lost, so it is only for when a sweep follows anyway.
    """

    def __init__(self, stop: threading.Event, deadline_s: float) -> None:
        self._stop = stop
        self._deadline_s = deadline_s

    def is_set(self) -> bool:
        return self._stop.is_set() or time.monotonic() >= self._deadline_s


class Notices:
    """Notices of what happens right in these folders, from when it is made until it is closed."""

    def __init__(self, folders: Sequence[str], settings: WatchSettings) -> None:
        """Raises NoWatches; OSError when a folder is not there any more."""
        self._settings = settings
        try:
            self._watcher = RustNotify(list(folders), False, False, 0, False, False)
        except WatchfilesRustInternalError as error:
            raise NoWatches(str(error)) from error
        except OSError as error:
            if "watch limit" in str(error):
                raise NoWatches(str(error)) from error
            raise

    def wait(self, seconds: float, until_s: float, stop: threading.Event) -> set[str]:
        """Paths that have come, gone or changed; empty when `seconds` went by without.

        It comes back early when `stop` is set, and at `until_s` of the monotonic clock at the latest. Raises
        Unsure. To be called in a thread: it waits.
        """
        quiet_ms, quiet_ms_max = self._settings.quiet_ms, self._settings.quiet_ms_max
        until = _Until(stop, until_s)
        try:
            found = self._watcher.watch(quiet_ms_max, quiet_ms, max(1, int(seconds * 1000)), until)
        except WatchfilesRustInternalError as error:
            raise Unsure(str(error)) from error
        return set() if isinstance(found, str) else {path for _, path in found}

    def close(self) -> None:
        """Hear no more. Not while somebody waits."""
        self._watcher.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
