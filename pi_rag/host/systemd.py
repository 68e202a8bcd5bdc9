"""Telling systemd how the service is. The only door to systemd.

The protocol is one datagram to the socket named in NOTIFY_SOCKET (sd_notify(3)), so no library is needed.
Without systemd nothing happens.
"""

from __future__ import annotations

import os
import socket


def notify(state: str, status: str | None = None) -> bool:
    """Send a state such as READY=1, and a line that `systemctl status` shows. True when somebody listens.

    A failing send is not an error of the service: systemd's own timeouts decide what follows.
    """
    address = os.environ.get("NOTIFY_SOCKET")
    if not address or address[0] not in "/@":
        return False
    # A line break inside the status would begin another field, so it becomes a space.
    lines = [state] if state else []
    lines += [f"STATUS={' '.join(status.split())}"] if status is not None else []
    if address[0] == "@":
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
            sock.settimeout(1.0)
            sock.sendto("\n".join(lines).encode(), address)
    except OSError:
        return False
    return True
