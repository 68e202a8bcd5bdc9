"""systemd's end of NOTIFY_SOCKET, as far as a service can tell."""

from __future__ import annotations

import socket
import time
from pathlib import Path


class Systemd:
    """Hears what the service says, in order."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._sock.bind(str(path))
        self._sock.settimeout(30.0)

    def hear(self) -> dict[str, str]:
        """The next message, as its fields."""
        lines = self._sock.recv(4096).decode().splitlines()
        return dict(line.split("=", 1) for line in lines)

    def hear_of(self, field: str) -> list[dict[str, str]]:
        """Everything up to the first message with this field, and that one as the last."""
        heard = [self.hear()]
        while field not in heard[-1]:
            heard.append(self.hear())
        return heard

    def pings_before(self, silence_s: float) -> int:
        """How many pings come before none has come for so long. Other news is passed over."""
        count, silent_since_s = 0, time.monotonic()
        self._sock.settimeout(silence_s / 10)
        try:
            while time.monotonic() - silent_since_s < silence_s:
                try:
                    heard = self.hear()
                except TimeoutError:
                    continue
                if "WATCHDOG" in heard:
                    count, silent_since_s = count + 1, time.monotonic()
        finally:
            self._sock.settimeout(30.0)
        return count

    def forget(self) -> None:
        """What has been said so far."""
        self._sock.setblocking(False)
        try:
            while self._sock.recv(4096):
                pass
        except BlockingIOError:
            self._sock.settimeout(30.0)

    def close(self) -> None:
        self._sock.close()
