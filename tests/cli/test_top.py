"""`pi-rag top`, once into a pipe and live on a terminal of its own."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pi_rag.stress.running import RunningService
from pi_rag.types import ModelCard
from tests.cli.conftest import Run
from tests.plain import plain_environ
from tests.standin import Asked, Reply, StandIn

ROOT = Path(__file__).parents[2]
STATUS: dict[str, Any] = {"version": "0.1.0", "state": "ready", "uptime_s": 60.0}
METRICS = b'pi_rag_stage_seconds_bucket{lane="query",le="+Inf",stage="total"} 0.0\n'
LEAVES_SCREEN, SHOWS_CURSOR = b"\x1b[?1049l", b"\x1b[?25h"


class Terminal:
    """A pseudo-terminal with `pi-rag top` on it."""

    def __init__(self, socket: Path, columns: int = 80, lines: int = 24) -> None:
        self.seen = self.drawn = b""
        """Lately, and altogether."""
        self._master, self.slave = os.openpty()
        self._size(columns, lines)
        self.before = termios.tcgetattr(self.slave)
        environ = plain_environ() | {
            "TERM": "xterm",
            "PI_RAG_SOCKET": str(socket),
            "COLUMNS": "",
            "LINES": "",
        }
        command = [sys.executable, "-m", "pi_rag.cli.main", "top", "--interval", "0.1"]
        self.process = subprocess.Popen(
            command, stdin=self.slave, stdout=self.slave, stderr=self.slave, env=environ, cwd=ROOT
        )

    def _size(self, columns: int, lines: int) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def resize(self, columns: int, lines: int) -> None:
        """As when a window is dragged: everything from now on is for the new size."""
        self.seen = b""
        self._size(columns, lines)
        self.process.send_signal(signal.SIGWINCH)

    def type(self, keys: bytes) -> None:
        """Press them."""
        os.write(self._master, keys)

    def until(self, text: bytes) -> None:
        """Wait until it has been drawn."""
        end_s = time.monotonic() + 60
        while text not in self.seen:
            assert time.monotonic() < end_s, self.seen[-2000:]
            if select.select([self._master], [], [], 0.1)[0]:
                self._read()
            assert self.process.poll() is None or text in self.seen, self.seen[-2000:]

    def _read(self) -> None:
        fresh = os.read(self._master, 65536)
        self.seen += fresh
        self.drawn += fresh

    def ended(self) -> int:
        """Its exit code, once all that it has drawn is read."""
        end_s = time.monotonic() + 60
        while self.process.poll() is None or select.select([self._master], [], [], 0)[0]:
            assert time.monotonic() < end_s, "it did not end"
            if select.select([self._master], [], [], 0.1)[0]:
                self._read()
        return self.process.returncode

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._master)
        os.close(self.slave)


@contextmanager
def terminal(socket: Path, columns: int = 80, lines: int = 24) -> Iterator[Terminal]:
    with contextlib.closing(Terminal(socket, columns, lines)) as made:
        yield made


def well(service: StandIn) -> None:
    """Lay out a service that is well."""
    service.on("GET", "/v1/status", STATUS)
    service.on("GET", "/metrics", METRICS)


def is_sane(screen: Terminal) -> bool:
    """The terminal is as it was: its modes, its own screen, its cursor."""
    ended = screen.drawn.rfind(LEAVES_SCREEN)
    return (
        termios.tcgetattr(screen.slave) == screen.before
        and ended > screen.drawn.rfind(b"\x1b[?1049h") >= 0
        and screen.drawn.rfind(SHOWS_CURSOR) > screen.drawn.rfind(b"\x1b[?25l")
    )


def test_once_prints_one_screen_without_colours(run: Run, service: StandIn) -> None:
    """Two looks, since a rate needs two; then it ends. A pipe is the same as --once."""
    well(service)
    for flags in (("--once",), ()):
        ran = run("top", "--interval", "0.1", *flags)
        assert (ran.code, ran.err) == (0, "")
        assert ran.out.startswith("ready, up 1 min 0 s, pi-rag 0.1.0\nsearches  -\n")
        assert "\x1b" not in ran.out
    assert [asked.path for asked in service.asked] == ["/v1/status", "/metrics"] * 4


def test_a_pipe_is_as_wide_as_it_is_told(run: Run, service: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    """COLUMNS holds where there is no terminal to ask."""
    monkeypatch.setenv("COLUMNS", "40")
    service.on("GET", "/v1/status", STATUS | {"degraded": ["embedder_unavailable", "memory_short"]})
    service.on("GET", "/metrics", METRICS)
    assert max(map(len, run("top", "--once", "--interval", "0.1").out.splitlines())) == 40


def test_a_program_gets_the_figures_of_one_look(run: Run, service: StandIn) -> None:
    """As JSON: rates, stages and the status they were made from; no screen."""
    counts = iter((5, 8))
    service.on("GET", "/v1/status", lambda _: (200, STATUS | {"searches": {"searches": next(counts)}}))
    service.on("GET", "/metrics", METRICS)
    told = run("top", "--json", "--interval", "0.1").json
    assert told["searches_per_s"] > 0 and told["passages_per_s"] is told["left_s"] is None
    assert told["stages"] == {lane: {"ms": {}, "last_s": None} for lane in ("query", "ingest")}
    assert told["status"] == STATUS | {"searches": {"searches": 8}}


def test_once_without_the_page_of_numbers_shows_the_rest(run: Run, service: StandIn) -> None:
    """An older service has no /metrics; what is in its status is shown."""
    service.on("GET", "/v1/status", STATUS)
    service.refuse("GET", "/metrics", 404, "route_not_found")
    assert run("top", "--once", "--interval", "0.1").out.startswith("ready")


def test_once_without_a_service_fails_as_status_does(run: Run) -> None:
    """A script can tell that nobody answered."""
    ran = run("top", "--once")
    assert ran.code == 5
    assert "Nothing answers" in ran.err


@pytest.mark.parametrize("interval", ["0", "-1", "nan"])
def test_an_interval_of_nothing_is_refused(run: Run, interval: str) -> None:
    """It would ask without end."""
    ran = run("top", f"--interval={interval}")
    assert ran.code == 2
    assert "at least 0.1" in ran.err


@pytest.mark.parametrize("way", ["q", "SIGTERM", "Ctrl-C"])
def test_however_it_ends_the_terminal_is_as_it_was(service: StandIn, way: str) -> None:
    """A shell that comes after it has its modes, its screen and its cursor, whatever ended it."""
    well(service)
    with terminal(service.socket_path) as screen:
        screen.until(b"ready")
        if way == "q":
            screen.type(b"q")
        else:
            screen.process.send_signal(signal.SIGTERM if way == "SIGTERM" else signal.SIGINT)
        assert screen.ended() == (130 if way == "Ctrl-C" else 0)
        assert is_sane(screen)


def test_p_pauses_and_resumes(service: StandIn) -> None:
    """As `pi-rag jobs pause` and `resume`; what the service says against it stands at the foot."""
    paused: dict[str, Any] = {"ingest": {"waiting_for": None}}
    service.on("GET", "/metrics", METRICS)
    service.on("GET", "/v1/status", lambda _: (200, STATUS | paused))

    def pause(asked: Asked) -> Reply:
        paused["ingest"] = {"waiting_for": "paused"}
        return 200, {"paused": True}

    service.on("POST", "/v1/jobs/pause", pause)
    service.refuse("POST", "/v1/jobs/resume", 403, "socket_forbidden", message="It is for administrators.")
    with terminal(service.socket_path) as screen:
        screen.until(b"searches")
        screen.type(b"p")
        screen.until(b"held up: paused")
        screen.type(b"p")
        screen.until(b"It is for administrators.")
        screen.type(b"q")
        assert screen.ended() == 0
    assert [each.path for each in service.asked if each.method == "POST"] == [
        "/v1/jobs/pause",
        "/v1/jobs/resume",
    ]


def test_it_follows_the_size_of_the_terminal(service: StandIn) -> None:
    """Dragged from wide to a phone's width, its lines are cut there."""
    service.on("GET", "/metrics", METRICS)
    service.on("GET", "/v1/status", STATUS | {"degraded": ["memory_short", "ingest_refused", "x" * 60]})
    with terminal(service.socket_path) as screen:
        screen.until(b"x" * 20)
        screen.resize(40, 24)
        screen.until("memory_short, ingest_refused,…".encode())
        screen.type(b"q")
        assert screen.ended() == 0
        assert is_sane(screen)


@pytest.mark.model
def test_a_real_service_is_watched_through_its_restart(tmp_path: Path, minilm: ModelCard) -> None:
    """Its figures come, it is waited for while it is away, and they come again; q ends it."""
    with RunningService(tmp_path, {"PI_RAG_MODEL": minilm.path, "PI_RAG_WORKERS": "1"}) as service:
        service.client.add_documents([{"source": "a", "text": "the lamp is on"}], wait=True)
        service.client.search("lamp")
        with terminal(service.socket) as screen:
            screen.until(b"ready")
            screen.until(b"MiB, normal")
            screen.until(b"embed")
            service.stop()
            screen.until(b"waiting for the service")
            screen.seen = b""
            service.start()
            screen.until(b"ready")
            screen.type(b"q")
            assert screen.ended() == 0
            assert is_sane(screen)
