"""The socket that guests come in by."""

import fcntl
import json
import os
import socket
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from pi_rag.errors import SocketInUse, SocketPathInvalid
from pi_rag.service.listener import listening


@pytest.mark.parametrize("mode", ["600", "660"])
def test_only_the_rights_asked_for_are_given(tmp_path: Path, mode: str) -> None:
    """The socket is never open to more users than the setting says, whatever the umask was."""
    path = tmp_path / "s"
    umask_before = os.umask(0)
    try:
        with listening(path, mode):
            assert stat.S_IMODE(path.stat().st_mode) == int(mode, 8)
        assert os.umask(0) == 0
    finally:
        os.umask(umask_before)


def test_a_guest_connects_and_the_file_is_gone_afterwards(tmp_path: Path) -> None:
    """A clean stop leaves nothing behind."""
    path = tmp_path / "deep" / "s"
    with listening(path, "600"), socket.socket(socket.AF_UNIX) as guest:
        guest.connect(str(path))

    assert not path.exists()


def test_folders_that_are_missing_are_made_for_the_owner_alone(tmp_path: Path) -> None:
    """Each can be entered afterwards, so that one who is not root can bind in them too."""
    path = tmp_path / "new" / "deeper" / "s"
    with listening(path, "600"):
        made = [stat.S_IMODE(folder.stat().st_mode) for folder in (path.parent, path.parent.parent)]
    assert made == [0o700, 0o700]


def test_a_socket_left_by_a_killed_service_is_replaced(tmp_path: Path) -> None:
    """After kill -9 the next start needs no hand."""
    path = tmp_path / "s"
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(path))
    dead.close()

    with listening(path, "600"), socket.socket(socket.AF_UNIX) as guest:
        guest.connect(str(path))


def test_a_living_service_is_not_pushed_aside(tmp_path: Path) -> None:
    """Two services on one path would take each other's guests."""
    path = tmp_path / "s"
    with listening(path, "600"):
        with pytest.raises(SocketInUse), listening(path, "600"):
            pass

        assert path.exists()


@pytest.mark.parametrize("kind", ["file", "folder", "link"])
def test_what_is_no_socket_is_left_alone(tmp_path: Path, kind: str) -> None:
    """A mistyped path never costs anybody a file."""
    path = tmp_path / "s"
    if kind == "file":
        path.write_text("precious")
    elif kind == "folder":
        path.mkdir()
    else:
        (tmp_path / "target").write_text("precious")
        path.symlink_to(tmp_path / "target")

    with pytest.raises(SocketPathInvalid), listening(path, "600"):
        pass

    assert path.exists()
    assert kind != "file" or path.read_text() == "precious"


def test_a_path_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """A file where a folder should be, or a path too long for the kernel."""
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file" / "s", tmp_path / ("x" * 120)):
        with pytest.raises(SocketPathInvalid), listening(path, "600"):
            pass


def test_a_successors_socket_is_not_removed(tmp_path: Path) -> None:
    """An old service that ends late must not delete the door of the new one."""
    path = tmp_path / "s"
    with listening(path, "600"):
        path.unlink()
        successor = socket.socket(socket.AF_UNIX)
        successor.bind(str(path))

    assert path.exists()
    successor.close()


HEIR = """
import json, os, socket, sys
from pathlib import Path
for at, fd in enumerate(map(int, sys.argv[2:])):
    os.dup2(fd, 3 + at)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(sys.argv) - 2), LISTEN_FDNAMES="a:b:c")
from pi_rag.service.listener import listening
with listening(Path(sys.argv[1]), "600") as sock:
    told = {"name": str(sock.getsockname()), "blocks": sock.getblocking()}
    told["inherited"] = os.get_inheritable(sock.fileno())
    told["environ"] = [name for name in os.environ if name.startswith("LISTEN_")]
    told["open"] = [fd for fd in range(3, 3 + len(sys.argv) - 2) if os.path.exists(f"/proc/self/fd/{fd}")]
    if "answer" in sys.stdin.read():
        sock.setblocking(True)
        guest, _ = sock.accept()
        guest.sendall(b"served")
print(json.dumps(told))
"""
"""What systemd does to a service: the sockets from descriptor 3 on, and who they are for."""


def heir(path: Path, *given: socket.socket | int, asked: str = "") -> dict[str, Any]:
    """What a service that is given these descriptors makes of them."""
    fds = [each if isinstance(each, int) else each.fileno() for each in given]
    # They lie far from 3, as a test's own do not always.
    moved = [fcntl.fcntl(fd, fcntl.F_DUPFD, 50) for fd in fds]
    try:
        done = subprocess.run(
            [sys.executable, "-c", HEIR, str(path), *map(str, moved)],
            input=asked,
            pass_fds=moved,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
    finally:
        for fd in moved:
            os.close(fd)
    told: dict[str, Any] = json.loads(done.stdout)
    return told | {"log": done.stderr}


def held(path: Path | str, kind: socket.SocketKind = socket.SOCK_STREAM) -> socket.socket:
    """A socket as systemd holds one."""
    sock = socket.socket(socket.AF_UNIX, kind)
    sock.bind(str(path))
    if kind == socket.SOCK_STREAM:
        sock.listen(8)
    return sock


def test_systemds_socket_is_used_and_left_as_it_is(tmp_path: Path) -> None:
    """A guest that came before the service is answered, and the socket is there for the next service."""
    path = tmp_path / "s"
    with held(path) as systemds, socket.socket(socket.AF_UNIX) as guest:
        guest.connect(str(path))
        inode = path.stat().st_ino

        told = heir(path, systemds, asked="answer")

        assert guest.recv(100) == b"served"
        assert (told["name"], told["inherited"], told["blocks"]) == (str(path), False, False)
        assert told["environ"] == []
        assert path.stat().st_ino == inode
        with socket.socket(socket.AF_UNIX) as later:
            later.connect(str(path))


def test_what_is_not_the_socket_wanted_is_closed(tmp_path: Path) -> None:
    """Of several descriptors the one at the settings' path is used; files and other sockets are closed."""
    path = tmp_path / "s"
    with (
        held(tmp_path / "other") as other,
        held(tmp_path / "datagrams", socket.SOCK_DGRAM) as datagrams,
        held(path) as systemds,
        (tmp_path / "file").open("w") as file,
    ):
        told = heir(path, other, datagrams, file.fileno(), systemds)

    assert (told["name"], told["open"]) == (str(path), [6])
    assert "socket_of_no_use" in told["log"]


def test_a_socket_elsewhere_is_served_and_said(tmp_path: Path) -> None:
    """When unit and settings name different paths, systemd's guests are not left waiting."""
    with held(tmp_path / "given") as systemds:
        told = heir(tmp_path / "wanted", systemds)

    assert told["name"] == str(tmp_path / "given")
    assert "socket_elsewhere" in told["log"]
    assert not (tmp_path / "wanted").exists()


def test_rights_that_are_systemds_are_said(tmp_path: Path) -> None:
    """Who sets 600 to keep others out learns that systemd's unit lets them in; equal rights are no news."""
    with held(tmp_path / "s") as systemds:
        (tmp_path / "s").chmod(0o660)
        wider = heir(tmp_path / "s", systemds)
        (tmp_path / "s").chmod(0o600)
        equal = heir(tmp_path / "s", systemds)

    [line] = [each for each in wider["log"].splitlines() if "socket_elsewhere" in each]
    assert f'wanted="{tmp_path}/s 600" given="{tmp_path}/s 660"' in line
    assert "socket_elsewhere" not in equal["log"]


def test_a_socket_without_a_file_is_served() -> None:
    """An abstract name has no rights to tell of."""
    name = f"\0pi-rag-test-{os.getpid()}"
    with held(name) as systemds:
        assert heir(Path("/nowhere/s"), systemds)["name"] == str(name.encode())


@pytest.mark.parametrize("given", ["nothing", "datagrams"])
def test_without_a_socket_of_use_it_makes_its_own(tmp_path: Path, given: str) -> None:
    """A unit that hands over nothing, or nothing of use, does not keep the service from being reached."""
    path = tmp_path / "s"
    with held(tmp_path / "datagrams", socket.SOCK_DGRAM) as datagrams:
        told = heir(path, *([] if given == "nothing" else [datagrams]))

    assert told["name"] == str(path)
    assert not path.exists()


@pytest.mark.parametrize(("pid", "fds"), [("1", "1"), ("", "1"), ("own", "-1"), ("own", "x"), ("own", "0")])
def test_what_was_meant_for_another_process_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pid: str, fds: str
) -> None:
    """A child of the process that systemd meant, or a number that is none, changes nothing."""
    monkeypatch.setenv("LISTEN_PID", str(os.getpid()) if pid == "own" else pid)
    monkeypatch.setenv("LISTEN_FDS", fds)
    path = tmp_path / "s"

    with listening(path, "600") as sock:
        assert sock.getsockname() == str(path)


SERVER = """
import asyncio, os, signal, sys
from pathlib import Path
os.dup2(int(sys.argv[2]), 3)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1")
import uvloop
from pi_rag.config import ServiceSettings
from pi_rag.service.listener import listening
from pi_rag.service.web import web

async def hello(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
    await send({"type": "http.response.body", "body": b"hello"})

async def serve():
    told = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)
    with listening(Path(sys.argv[1]), "600") as sock:
        async with web(hello, ServiceSettings(), sock):
            print("up", flush=True)
            await told.wait()

uvloop.run(serve())
"""
"""A service without its rooms: systemd's socket, the web server, and an end at SIGTERM."""


def test_nobody_is_turned_away_by_a_restart(tmp_path: Path) -> None:
    """Guests that ask all the while, each on a connection of its own, are all answered."""
    path = tmp_path / "s"
    faults: list[str] = []
    answers: list[bytes] = []
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            with socket.socket(socket.AF_UNIX) as guest:
                guest.settimeout(60)
                try:
                    guest.connect(str(path))
                    guest.sendall(b"GET / HTTP/1.1\r\nhost: s\r\nconnection: close\r\n\r\n")
                    answers.append(b"".join(iter(lambda: guest.recv(1000), b"")))
                except OSError as error:
                    faults.append(repr(error))

    with held(path) as systemds:
        guests = [threading.Thread(target=ask) for _ in range(4)]
        for guest in guests:
            guest.start()
        for _ in range(2):
            command = [sys.executable, "-c", SERVER, str(path), str(systemds.fileno())]
            with subprocess.Popen(
                command, stdout=subprocess.PIPE, pass_fds=[systemds.fileno()], text=True
            ) as service:
                assert service.stdout is not None and service.stdout.readline() == "up\n"
                seen, end_s = len(answers) + 50, time.monotonic() + 60
                while len(answers) < seen and not faults:
                    assert time.monotonic() < end_s, f"{len(answers)} of {seen} answers came"
                    time.sleep(0.001)
                service.terminate()
        over.set()
        with subprocess.Popen(command, pass_fds=[systemds.fileno()]) as last:
            for guest in guests:
                guest.join(60)
            last.terminate()

    assert faults == []
    assert len(answers) > 100
    assert all(answer.endswith(b"hello") for answer in answers)
