"""What asks a Unix socket with `requests`, which schemathesis sends its cases by.

The real socket of the real service: a call in process would leave out the server, its bounds, and who asks.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool

BASE = "http://pi-rag"
"""A host that no name server is asked for: only the socket answers to it."""

SILENCE_S_MAX = 30.0


def session(socket_path: Path) -> requests.Session:
    """A session whose every address leads to this socket, and which goes by no proxy of the environment."""
    made = requests.Session()
    made.trust_env = False
    made.mount("http://", _Adapter(socket_path))
    return made


class _Adapter(HTTPAdapter):
    def __init__(self, socket_path: Path) -> None:
        super().__init__()
        self._pool = _Pool(socket_path)

    def get_connection_with_tls_context(
        self,
        request: requests.PreparedRequest,
        verify: bool | str | None,
        proxies: Mapping[str, str] | None = None,
        cert: Any = None,
    ) -> HTTPConnectionPool:
        return self._pool

    def close(self) -> None:
        self._pool.close()
        super().close()


class _Pool(HTTPConnectionPool):
    def __init__(self, socket_path: Path) -> None:
        super().__init__("pi-rag", timeout=SILENCE_S_MAX)
        self._socket_path = socket_path

    def _new_conn(self) -> HTTPConnection:
        return _Connection(self._socket_path)


class _Connection(HTTPConnection):
    def __init__(self, socket_path: Path) -> None:
        super().__init__("pi-rag")
        self._socket_path = socket_path

    def _new_conn(self) -> socket.socket:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.settimeout(SILENCE_S_MAX)
            sock.connect(str(self._socket_path))
        except OSError:
            sock.close()
            raise
        return sock
