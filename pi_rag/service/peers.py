"""Who is at the other end of a connection, and whether they may administer.

The kernel says it, not the guest: the user and the groups that the guest's process had when it connected
(unix(7): SO_PEERCRED; SO_PEERGROUPS came with Linux 4.13). They are asked for once a connection, so that no
request pays for it. It knows no route; each route that is for administrators says so itself.
"""

from __future__ import annotations

import contextlib
import grp
import os
import socket
import struct
from dataclasses import dataclass
from typing import Any

from fastapi import Request

from pi_rag import log
from pi_rag.errors import AdministratorsOnly

SO_PEERGROUPS = 59
"""Python has no name for it; the number is the same on x86 and ARM."""

CREDENTIALS = struct.Struct("iII")
"""`struct ucred` of the kernel: process, user and group."""

GROUPS_BYTES_MAX = 1024
"""The most that Python takes from the kernel here: 256 groups. Of who is in more, only the first is known."""

_log = log.logger("service")


@dataclass(frozen=True, slots=True)
class Peer:
    """A guest, as the kernel knows them."""

    uid: int
    gids: frozenset[int]


def peer_of(transport: Any) -> Peer | None:
    """Who connected. None when the kernel does not say: the transport is no Unix socket."""
    sock = transport.get_extra_info("socket")
    if sock is None or sock.family != socket.AF_UNIX:
        return None
    _, uid, gid = CREDENTIALS.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size))
    return Peer(uid, frozenset({gid, *_supplementary(sock)}))


def _supplementary(sock: Any) -> tuple[int, ...]:
    found = b""
    with contextlib.suppress(OSError):
        found = sock.getsockopt(socket.SOL_SOCKET, SO_PEERGROUPS, GROUPS_BYTES_MAX)
    return struct.unpack(f"{len(found) // 4}I", found)


class Administration:
    """Who may administer: root, the service's own user, and the members of one group. No group: everybody.

    One for the life of the service; `choose` takes another group while it runs.
    """

    def __init__(self, group: str) -> None:
        self.choose(group)

    def choose(self, group: str) -> None:
        """Go by this group from now on. One that does not exist has no members."""
        self._group = group
        self._gid: int | None = None
        self._users = {0, os.geteuid()}
        if group:
            try:
                self._gid = grp.getgrnam(group).gr_gid
            except KeyError:
                _log.warning("admin_group_unknown", group=group)

    def allows(self, peer: Peer | None) -> bool:
        """Whether this guest may. Who is not known may only what everybody may."""
        if not self._group:
            return True
        return peer is not None and (peer.uid in self._users or self._gid in peer.gids)

    async def required(self, request: Request) -> None:
        """For a route of administrators. Raises AdministratorsOnly."""
        if not self.allows(getattr(request.state, "peer", None)):
            raise AdministratorsOnly(
                f"{request.method} {request.url.path} is for the members of the group {self._group}.",
                hint=f"Join it: sudo usermod -aG {self._group} $USER   (then log in again)",
            )
