"""Telling systemd how the service is. The only door to systemd.

The protocol is one datagram to the socket named in NOTIFY_SOCKET (sd_notify(3)), so no library is needed.
Without systemd nothing happens.
"""

from __future__ import annotations

import os
import socket

LISTEN_FIRST = 3
"""The first descriptor that systemd hands over (sd_listen_fds(3)); the others follow it."""


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


def watchdog_s() -> float | None:
    """After how long without a ping (WATCHDOG=1) systemd ends this process; None when it does not.

    As sd_watchdog_enabled(3) tells: the time may be meant for another process. Nonsense is no time.
    """
    pid, usec = os.environ.get("WATCHDOG_PID", ""), os.environ.get("WATCHDOG_USEC", "")
    if pid not in {"", str(os.getpid())} or not (usec.isascii() and usec.isdigit()) or int(usec) == 0:
        return None
    return int(usec) / 1e6


def handed_over() -> list[int]:
    """The descriptors of sockets that systemd opened for this process, as sd_listen_fds(3) tells of them.

    They are asked for once: what told of them is removed from the environment, so that no child takes them
    for its own. Nothing that is told wrongly is believed.
    """
    told = {name: os.environ.pop(f"LISTEN_{name}", "") for name in ("PID", "FDS", "FDNAMES")}
    if told["PID"] != str(os.getpid()) or not told["FDS"].isdecimal():
        return []
    return [fd for fd in range(LISTEN_FIRST, LISTEN_FIRST + int(told["FDS"])) if _closed_to_children(fd)]


def _closed_to_children(fd: int) -> bool:
    """Keep a descriptor from every program that is started. False: there is no such descriptor."""
    try:
        os.set_inheritable(fd, False)
    except OSError:
        return False
    return True
