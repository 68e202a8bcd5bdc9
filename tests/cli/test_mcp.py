"""`pi-rag mcp` as a whole process: what it costs, and that nothing of it stays."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.bridge.scripted import Asked, scripted
from tests.plain import plain_environ

ROOT = Path(__file__).parents[2]
RESIDENT_KIB_MAX = 20 * 1024
HANDSHAKE = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "a", "version": "1"}}
COMMAND = [sys.executable, "-m", "pi_rag.cli.main", "mcp", "--socket"]


@contextmanager
def bridge(path: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """The command as an agent's program starts it."""
    with subprocess.Popen(
        [*COMMAND, str(path), *arguments],
        cwd=ROOT,
        env=plain_environ(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()


def ask(process: subprocess.Popen[bytes], number: int, method: str, **params: Any) -> Any:
    assert process.stdin is not None
    assert process.stdout is not None
    line = json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params})
    process.stdin.write(line.encode() + b"\n")
    process.stdin.flush()
    return json.loads(process.stdout.readline())


def memory_of(process: subprocess.Popen[bytes]) -> str:
    return Path(f"/proc/{process.pid}/status").read_text()


def answer(asked: Asked) -> None:
    if asked.message["method"] == "initialize":
        asked.result(protocolVersion="2025-11-25", instructions="It holds recipes.")
    else:
        asked.result(content=[{"type": "text", "text": "x" * 50_000}])


def test_it_is_small_and_ends_with_its_input(tmp_path: Path) -> None:
    """After a handshake and twenty answers of 50 KB it is still below 20 MiB, and the end is quiet."""
    with scripted(tmp_path / "s", answer) as service, bridge(tmp_path / "s") as process:
        ask(process, 0, "initialize", **HANDSHAKE)
        for number in range(1, 21):
            assert ask(process, number, "tools/call", name="search")["id"] == number
        resident = next(line for line in memory_of(process).splitlines() if line.startswith("VmHWM"))
        assert int(resident.split()[1]) <= RESIDENT_KIB_MAX
        assert len(service.asked) == 21
    assert process.returncode == 0


def test_it_imports_pythons_own_library_alone(tmp_path: Path) -> None:
    """Nothing is installed for it, and nothing heavy of ours comes along."""
    command = [sys.executable, "-X", "importtime", *COMMAND[1:], str(tmp_path / "s")]
    ran = subprocess.run(command, cwd=ROOT, env=plain_environ(), input=b"", capture_output=True, check=True)
    lines = [line for line in ran.stderr.decode().splitlines() if line.startswith("import time:")]
    roots = {line.rpartition("|")[2].strip().partition(".")[0] for line in lines}
    # The heading of the list, what installed us, and `org.python`, which `copy` looks for in vain.
    known = {"pi_rag", "imported package", "sitecustomize", "_distutils_hack", "org"}
    strangers = {name for name in roots - set(sys.stdlib_module_names) - known if "__editable__" not in name}

    assert strangers == set()
    assert not roots & {"asyncio", "ssl", "email", "http"}


def test_what_binds_an_agent_goes_with_every_request(tmp_path: Path) -> None:
    """Read-only and scopes are said at its start, where the agent has no say."""
    bonds = ("--read-only", "--scope", "user", "--scope", "project:garden")
    with scripted(tmp_path / "s", answer) as service, bridge(tmp_path / "s", *bonds) as process:
        ask(process, 0, "initialize", **HANDSHAKE)
        ask(process, 1, "tools/call", name="search")
    assert [asked.headers["x-pi-rag-scopes"] for asked in service.asked] == ["user,project:garden"] * 2
    assert [asked.headers["x-pi-rag-read-only"] for asked in service.asked] == ["1"] * 2


CLIENT = """
import json, subprocess, sys, time
bridge = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE, stdout=subprocess.PIPE, close_fds=False)
other = subprocess.Popen(["sleep", "60"], stdin=bridge.stdin, stdout=bridge.stdout)
bridge.stdin.write(b'{"jsonrpc": "2.0", "id": 1, "method": "ping"}\\n')
bridge.stdin.flush()
bridge.stdout.readline()
print(bridge.pid, other.pid, flush=True)
time.sleep(60)
"""
"""A client that leaves its pipes to another child of its own, as some do."""


@pytest.mark.slow
def test_nothing_is_left_of_killed_clients(tmp_path: Path, long_form: bool) -> None:
    """Two hundred times (in the short form eight): the client is killed, and its bridge ends by itself."""
    for _ in range(200 if long_form else 8):
        with subprocess.Popen(
            [sys.executable, "-c", CLIENT, *COMMAND, str(tmp_path / "s")],
            cwd=ROOT,
            env=plain_environ(),
            stdout=subprocess.PIPE,
        ) as client:
            assert client.stdout is not None
            bridge_pid, other_pid = map(int, client.stdout.readline().split())
            watched = os.pidfd_open(bridge_pid)
            client.kill()
        try:
            assert ends(watched)
        finally:
            os.close(watched)
            os.kill(other_pid, signal.SIGKILL)


def ends(watched: int) -> bool:
    """Wait until this process has ended; False after ten seconds."""
    poll = select.poll()
    poll.register(watched, select.POLLIN)
    return bool(poll.poll(10_000))
