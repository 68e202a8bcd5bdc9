"""A real service in a folder of its own, for measurements and tests: the same program a person starts.

It knows only the command line and the socket, so that what is measured is what is shipped.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

from pi_rag.client import Client
from pi_rag.errors import ServiceDown

COMMAND = [sys.executable, "-m", "pi_rag.cli.main"]
"""`pi-rag` of the interpreter that runs this."""

DIES_WITH_STARTER = ("setpriv", "--pdeathsig", "KILL", "--")
"""The kernel then kills the service when the process that started it ends. It is part of util-linux."""

LOG_BYTES_MAX = 1 << 20
"""Of the end of a service's log, which is told when something was wrong."""


class RunningService:
    """`pi-rag serve` as a child process; ready inside the block, stopped after it.

    `under` is a program that becomes the service, such as setpriv with its flags. Its log goes to a file,
    or to the file descriptor `stderr`. With `is_tied` it is killed when its starter is, and a Ctrl-C in the
    terminal does not reach it.
    """

    def __init__(
        self,
        folder: Path,
        environ: Mapping[str, str],
        *,
        ready: bool = True,
        under: Sequence[str] = (),
        start_s_max: float = 60.0,
        stderr: int | None = None,
        is_tied: bool = False,
    ) -> None:
        self._stderr = stderr
        self._start_s_max = start_s_max
        self.under = under
        self._is_tied = is_tied
        self.data = folder / "data"
        # A socket's path is bounded at 107 bytes, which a test's folder may exceed.
        self._short = tempfile.TemporaryDirectory(prefix="pirag")
        self.socket = Path(self._short.name) / "s"
        self.log = folder / "service.log"
        self.environ = {
            **{key: value for key, value in os.environ.items() if not key.startswith("PI_RAG_")},
            "PI_RAG_DATA": str(self.data),
            "PI_RAG_SOCKET": str(self.socket),
            # Without it the person's settings file, or the machine's, would be read.
            "PI_RAG_CONFIG": os.devnull,
            # What is measured or tested should not be disturbed by a measurement beside it.
            "PI_RAG_EMBEDDER_TUNE_AT_START": "off",
            **environ,
        }
        self._wait_ready = ready
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def client(self) -> Client:
        """A guest of this service."""
        return Client(self.socket)

    @property
    def pid(self) -> int:
        """The supervisor."""
        assert self.process is not None
        return self.process.pid

    def __enter__(self) -> RunningService:
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.stop()
        self._short.cleanup()

    def start(
        self,
        *,
        environ: Mapping[str, str] | None = None,
        under: Sequence[str] | None = None,
        stderr: int | None = None,
        ready: bool | None = None,
    ) -> None:
        """Start it, and wait until it is ready (or, without a model, until it answers).

        What is given holds for this start alone. Raises RuntimeError when it does not come up.
        """
        self.data.mkdir(parents=True, exist_ok=True)
        stderr = self._stderr if stderr is None else stderr
        before = DIES_WITH_STARTER if self._is_tied else ()
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*before, *(self.under if under is None else under), *COMMAND, "serve"],
                env=self.environ | dict(environ or {}),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log if stderr is None else stderr,
                start_new_session=self._is_tied,
            )
        self.wait_until_up(self._start_s_max, ready=ready)

    def wait_until_up(self, seconds: float, *, ready: bool | None = None) -> None:
        """Until the service is ready, or answers at all when no readiness was asked for."""
        ready = self._wait_ready if ready is None else ready
        end_s = time.monotonic() + seconds
        while time.monotonic() < end_s:
            if self.process is not None and self.process.poll() is not None:
                raise self._failure(f"The service ended with {self.process.returncode}")
            if self._is_up(ready):
                return
            time.sleep(0.02)
        raise self._failure(f"The service was not up after {seconds} s")

    def _failure(self, what: str) -> RuntimeError:
        return RuntimeError(f"{what}:\n{self.log_end().decode(errors='replace')}")

    def _is_up(self, ready: bool) -> bool:
        try:
            return bool(self.client.status()["ready"]) or not ready
        except ServiceDown:
            return False

    def stop(self) -> int:
        """Ask it to end as systemd does; its exit code."""
        if self.process is None:
            return 0
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self._ended()

    def kill(self) -> None:
        """kill -9 of the supervisor."""
        assert self.process is not None
        self.process.kill()
        self._ended()

    def _ended(self) -> int:
        assert self.process is not None
        code = self.process.wait(30.0)
        self.process = None
        return code

    def log_bytes(self) -> int:
        """How much the service has said so far; what it says from now on is its log after these."""
        return self.log.stat().st_size if self.log.exists() else 0

    def log_text(self, after_bytes: int = 0) -> str:
        """What the service has said so far, but for the first bytes."""
        return self._read_log(after_bytes).decode(errors="replace")

    def log_end(self) -> bytes:
        """The end of it, however much it has said in hours."""
        return self._read_log(max(0, self.log_bytes() - LOG_BYTES_MAX), LOG_BYTES_MAX)

    def _read_log(self, after_bytes: int, bytes_max: int = -1) -> bytes:
        if not self.log.exists():
            return b""
        with self.log.open("rb") as log:
            log.seek(after_bytes)
            return log.read(bytes_max)

    def run(self, *words: str, timeout_s: float = 120.0) -> subprocess.CompletedProcess[str]:
        """A `pi-rag` command against this service."""
        return subprocess.run(
            [*COMMAND, *words],
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
