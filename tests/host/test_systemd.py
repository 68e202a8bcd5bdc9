"""What systemd is told."""

import os
import socket
from pathlib import Path

import pytest

from pi_rag.host.systemd import notify, watchdog_s


def test_a_state_and_its_status_arrive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """systemd gets the state and one line of status; a line break cannot smuggle in another field."""
    path = tmp_path / "notify"
    monkeypatch.setenv("NOTIFY_SOCKET", str(path))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(path))
        systemd.settimeout(5)

        assert notify("READY=1", "all is\nwell\nMAINPID=1")

        assert systemd.recv(1000) == b"READY=1\nSTATUS=all is well MAINPID=1"


def test_an_abstract_socket_is_reached(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """systemd may name its socket with a leading @."""
    name = f"pi-rag-test-{tmp_path.name}"
    monkeypatch.setenv("NOTIFY_SOCKET", f"@{name}")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(f"\0{name}")
        systemd.settimeout(5)

        assert notify("", "here")

        assert systemd.recv(1000) == b"STATUS=here"


@pytest.mark.parametrize("address", [None, "", "relative", "/nowhere/at/all"])
def test_without_systemd_nothing_happens(address: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The service runs the same in a terminal, and a listener that is gone does no harm."""
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    if address is not None:
        monkeypatch.setenv("NOTIFY_SOCKET", address)

    assert not notify("READY=1", "ready")


@pytest.mark.parametrize(
    ("usec", "pid", "seconds"),
    [
        ("30000000", None, 30.0),
        ("30000000", "ours", 30.0),
        ("30000000", "1", None),
        (None, None, None),
        ("0", None, None),
        ("", None, None),
        ("soon", None, None),
        ("-5", None, None),
    ],
)
def test_the_time_between_pings_is_as_the_unit_has_it(
    usec: str | None, pid: str | None, seconds: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """None where there is no WatchdogSec=, where it is meant for another process, or makes no sense."""
    for name, value in (
        ("WATCHDOG_USEC", usec),
        ("WATCHDOG_PID", str(os.getpid()) if pid == "ours" else pid),
    ):
        monkeypatch.delenv(name, raising=False)
        if value is not None:
            monkeypatch.setenv(name, value)

    assert watchdog_s() == seconds
