"""A child that reads what strangers wrote can do nothing else: tried for real, on this machine's kernel."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from pi_rag.processes import confinement, frames, landlock, seccomp
from pi_rag.processes.child import Child

from .attempts import SECRETS
from .test_child import ECHO, ROOT, ask

needs_landlock = pytest.mark.skipif(not landlock.abi(), reason="this kernel has no Landlock")
needs_seccomp = pytest.mark.skipif(not seccomp.is_there(), reason="this kernel has no seccomp for us")


@pytest.fixture
def child() -> Iterator[Child]:
    """A running echo child, free as yet."""
    child = Child.spawn(ECHO, environ={"PYTHONPATH": ROOT})
    yield child
    child.kill()


@pytest.fixture
def confined(child: Child) -> Child:
    """The same, when it has given up all it can."""
    ask(child, "confine", writable=[])
    return child


def attempt(child: Child, what: str, path: Path | str = "") -> str:
    """What became of an attempt, as attempts.py tells it."""
    said: str = ask(child, "attempt", what=what, path=str(path))
    return said


@needs_landlock
def test_it_reads_nothing_but_what_it_is_made_of(child: Child, tmp_path: Path) -> None:
    """Not the house's secrets, not our data folder, not even as root; libraries and time zones still load."""
    data = tmp_path / "data"
    data.mkdir()
    (data / "pi-rag.sqlite3").write_text("SECRET")
    assert attempt(child, "read", data / "pi-rag.sqlite3") == "done"
    ask(child, "confine", writable=[])
    assert attempt(child, "read", data / "pi-rag.sqlite3") == "EACCES"
    assert attempt(child, "list", data) == "EACCES"
    for secret in SECRETS:
        assert attempt(child, "list" if Path(secret).is_dir() else "read", secret) in ("EACCES", "ENOENT")
    assert attempt(child, "import") == "done"


@needs_landlock
def test_a_folder_of_modules_that_a_person_named_is_not_left_to_it(tmp_path: Path) -> None:
    """PYTHONPATH, or an install to work on, may name the folder where the data lies."""
    (tmp_path / "pi-rag.sqlite3").write_text("SECRET")
    child = Child.spawn(ECHO, environ={"PYTHONPATH": f"{ROOT}:{tmp_path}"})
    ask(child, "confine", writable=[])
    for secret in (tmp_path / "pi-rag.sqlite3", Path(ROOT) / "pyproject.toml"):
        assert attempt(child, "read", secret) == "EACCES"
    assert attempt(child, "read", confinement.__file__) == "done"
    child.kill()


@needs_landlock
def test_it_writes_nothing(confined: Child, tmp_path: Path) -> None:
    """No file is made, changed, emptied, renamed or removed, and no folder, link or pipe made."""
    file = tmp_path / "file"
    file.write_text("as it was")
    for what in ("write", "append", "truncate", "remove", "rename"):
        assert attempt(confined, what, file) in ("EACCES", "EPERM"), what
    for what in ("write", "make folder", "link", "pipe file"):
        assert attempt(confined, what, tmp_path / "new") == "EACCES", what
    assert attempt(confined, "write", "/dev/shm/pi-rag-confined") == "EACCES"
    assert (file.read_text(), list(tmp_path.iterdir())) == ("as it was", [file])


@needs_landlock
def test_one_folder_may_be_left_to_it(child: Child, tmp_path: Path) -> None:
    """Where it may write, it makes and removes files; beside it, it removes not even an empty folder."""
    for name in ("scratch", "empty"):
        (tmp_path / name).mkdir()
    ask(child, "confine", writable=[str(tmp_path / "scratch")])
    for what in ("write", "read", "remove"):
        assert attempt(child, what, tmp_path / "scratch" / "file") == "done"
    assert attempt(child, "write", tmp_path / "file") == "EACCES"
    for folder in ("scratch", "empty"):
        assert attempt(child, "remove folder", tmp_path / folder) == "EACCES"
    (tmp_path / "scratch").rmdir()
    assert attempt(child, "make folder", tmp_path / "scratch") == "EACCES"


@needs_seccomp
@pytest.mark.parametrize("what", ["tcp", "udp", "unix", "netlink"])
def test_it_opens_no_socket(confined: Child, what: str) -> None:
    """Whatever kind; the one it has goes on leading to its parent, or there would be no answer."""
    assert attempt(confined, what) == "EPERM"


@needs_seccomp
def test_it_sends_nothing_to_a_path(child: Child, tmp_path: Path) -> None:
    """As to a log or another service of its user: a pair of sockets that is left to it could."""
    path = str(tmp_path / "log")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as service:
        service.bind(path)
        service.settimeout(20)
        assert attempt(child, "datagram", path) == "done"
        assert service.recv(100) == b"from the child"
        ask(child, "confine", writable=[])
        assert attempt(child, "datagram", path) == "EPERM"


@needs_seccomp
def test_it_has_no_memory_beside_what_is_counted(child: Child) -> None:
    """Its limit does not know what is shared, though with nobody."""
    assert attempt(child, "share memory") == "done"
    ask(child, "confine", writable=[])
    assert attempt(child, "share memory") == "EPERM"


@needs_seccomp
def test_it_types_into_no_terminal(child: Child) -> None:
    """Not even as root, whose terminal it need not be: what is no terminal is not even asked."""
    assert attempt(child, "type") == "ENOTTY"
    ask(child, "confine", writable=[])
    assert attempt(child, "type") == "EPERM"


@needs_seccomp
@pytest.mark.parametrize("what", ["exec", "run", "fork"])
def test_it_begins_no_program_and_no_process(confined: Child, what: str) -> None:
    """Only threads, which libraries need."""
    assert attempt(confined, what) in ("EPERM", "EACCES")
    assert attempt(confined, "thread") == "done"


@needs_seccomp
@pytest.mark.parametrize("what", ["signal parent", "limit parent", "slow parent", "ptrace"])
def test_it_leaves_other_processes_alone(child: Child, what: str) -> None:
    """Its parent above all, whose user it is; it could do it before."""
    if what == "signal parent":
        assert attempt(child, what) == "done"
    ask(child, "confine", writable=[])
    assert attempt(child, what) == "EPERM"
    assert [attempt(child, "signal itself"), attempt(child, "limit itself")] == ["done", "done"]


@needs_seccomp
@pytest.mark.parametrize(
    "what", ["mount", "bpf", "keyctl", "io_uring", "unshare", "chmod", "touch", "attribute"]
)
def test_what_no_parser_needs_is_refused(confined: Child, what: str, tmp_path: Path) -> None:
    """Parts of the kernel that have had holes, and what Landlock leaves to others."""
    (tmp_path / "file").touch()
    assert attempt(confined, what, tmp_path / "file") == "EPERM"


@needs_seccomp
def test_a_newer_way_to_make_a_thread_is_not_there(confined: Child) -> None:
    """What it makes cannot be seen by a filter; the C library takes the older one when there is none."""
    assert attempt(confined, "clone3") == "ENOSYS"


@needs_seccomp
async def test_it_can_still_give_up(confined: Child) -> None:
    """A library that ends itself, as for want of memory, ends with the signal that says so."""
    frames.send_frame(confined.sock, b'{"do": "attempt", "what": "abort"}', 100)
    assert await confined.wait(timeout_s=20) == -signal.SIGABRT


def test_it_gains_no_privilege_ever_again(confined: Child) -> None:
    """No program with other rights can give it any; the kernel says so, and which filter is on."""
    status = Path(f"/proc/{confined.pid}/status").read_text()
    assert "NoNewPrivs:\t1" in status
    assert ("Seccomp:\t2" in status) == seccomp.is_there()


def test_what_the_kernel_has_not_is_left_out_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """An old kernel, or a processor whose numbers are not known, confines less; all else is as it was."""
    assert all(
        word in ("Landlock", "seccomp") for word in (each.split(",")[0] for each in confinement.lacking())
    )
    monkeypatch.setattr(landlock, "abi", lambda: 0)
    monkeypatch.setattr(seccomp, "is_there", lambda: False)
    assert [each.split(",")[0] for each in confinement.lacking()] == ["Landlock", "seccomp"]

    pid = os.fork()
    if pid == 0:
        try:
            confinement.confine_files()
            confinement.confine_calls()
            list(Path("/etc").iterdir())
        except BaseException:
            os._exit(1)
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
