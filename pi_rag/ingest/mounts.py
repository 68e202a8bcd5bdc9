"""Which mount a path lies on, told without asking the path: that might hang.

It reads the kernel's table of mounts, and links for as long as they lie where an answer is certain.
"""

from __future__ import annotations

import os
import re
from functools import cached_property, partial
from pathlib import Path, PurePath

TABLE = Path("/proc/self/mountinfo")
"""Its fifth field is the mount point (proc_pid_mountinfo(5)). To read it asks no mount anything."""

LINKS_MAX = 40
"""As many as Linux follows (path_resolution(7))."""


class Mounts:
    """The mounts as they were when the first question came."""

    @cached_property
    def _points(self) -> set[str]:
        fields = (line.split(b" ")[4] for line in TABLE.read_bytes().splitlines())
        return {os.fsdecode(re.sub(rb"\\(\d{3})", _octal, field)) for field in fields}

    def __contains__(self, path: str) -> bool:
        """Whether something is mounted at this very path."""
        return path in self._points

    def of(self, path: str | PurePath) -> str:
        """The mount point that a path lies below, links not followed."""
        at = os.path.normpath(path)
        while at not in self._points and at != os.path.dirname(at):  # noqa: PTH120 - for thousands of paths
            at = os.path.dirname(at)  # noqa: PTH120
        return at if at in self._points else "/"


def place_of(path: str | Path, home: Path, mounts: Mounts | None = None) -> str:
    """What may hang in a question about a path: another mount than those on the way to `home`, or else the
    path itself.

    Links are followed for as long as they are to be read on a mount that answers. The mounts are as they are
    now, or as given to who asks for many paths.
    """
    mounts, at = mounts or Mounts(), PurePath(os.path.normpath(path))
    for _ in range(LINKS_MAX):
        mount = mounts.of(at)
        if not home.is_relative_to(mount):
            return mount
        led = next(filter(None, map(partial(_led, at), (*reversed(at.parents), at))), None)
        if led is None:
            break
        at = led
    return os.path.normpath(path)


def _led(path: PurePath, link: PurePath) -> PurePath | None:
    """Where a path leads when the link that it begins with is followed; None where that is no link."""
    try:
        target = Path(link).readlink()
    except (OSError, ValueError):
        return None
    return PurePath(os.path.normpath(link.parent / target / path.relative_to(link)))


def _octal(escape: re.Match[bytes]) -> bytes:
    return bytes([int(escape[1], 8)])
