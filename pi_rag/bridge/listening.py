"""The lines of standard input, until the client has closed it or is no more.

It knows file descriptors and the parent process, and nothing of what the lines say.
"""

from __future__ import annotations

import os
import select
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field

READ_BYTES = 65536
PARENT_LOOK_MS = 1000
"""How often the parent is looked for where the kernel cannot say when it ends."""


class ClientGone(Exception):
    """The parent has ended, or nobody reads the answers any more: nothing is to be finished."""


@dataclass(slots=True)
class Listening:
    """Lines from `source`, for whoever reads `sink`.

    Closing standard input ends every client that leaves in good order. One that is killed may leave it open
    in another of its children, so the parent is watched too: by a descriptor of it, since the signal on a
    parent's death comes when the *thread* that started us ends, which is no reason to go.
    """

    source: int
    sink: int
    line_bytes_max: int
    _parent: int = field(default_factory=os.getppid)

    def lines(self) -> Iterator[bytes | None]:
        """Each line without its end; None for one that is longer than `line_bytes_max`, which is dropped.

        It ends with the end of the file. Raises ClientGone.
        """
        watched = self._watched()
        try:
            yield from self._lines(watched)
        finally:
            if watched is not None:
                os.close(watched)

    def expect_client(self) -> None:
        """Raises ClientGone when the parent has ended: for whoever has to wait for something else."""
        if os.getppid() != self._parent:
            raise ClientGone

    def _watched(self) -> int | None:
        """A descriptor that can be read once the parent has ended. Raises ClientGone when it has already."""
        watched = None
        with suppress(OSError):  # an old kernel, or one that forbids it
            watched = os.pidfd_open(self._parent)
        if os.getppid() == self._parent:
            return watched
        if watched is not None:
            os.close(watched)
        raise ClientGone

    def _lines(self, watched: int | None) -> Iterator[bytes | None]:
        poll = select.poll()
        poll.register(self.source, select.POLLIN)
        poll.register(self.sink, 0)  # only its errors: that nobody reads it
        if watched is not None:
            poll.register(watched, select.POLLIN)
        begun = bytearray()
        dropping = False
        while True:
            self._wait(poll, watched)
            data = os.read(self.source, READ_BYTES)
            if not data:
                break
            *whole, rest = data.split(b"\n")
            for each in whole:
                if not dropping:
                    yield bytes(begun) + each
                begun.clear()
                dropping = False
            begun += b"" if dropping else rest
            if len(begun) > self.line_bytes_max:
                yield None
                begun.clear()
                dropping = True
        if begun:
            yield bytes(begun)

    def _wait(self, poll: select.poll, watched: int | None) -> None:
        """Until there is something to read. Raises ClientGone."""
        while True:
            ready = dict(poll.poll(PARENT_LOOK_MS if watched is None else None))
            if watched in ready or self.sink in ready or os.getppid() != self._parent:
                raise ClientGone
            if ready:
                return
