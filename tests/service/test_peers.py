"""Who is at the other end, and who may administer: over real sockets, with real other users where root is."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from starlette.types import Receive, Scope, Send

from pi_rag.config import ServiceSettings, Settings, from_values
from pi_rag.service.app import application
from pi_rag.service.gate import Gate
from pi_rag.service.listener import listening
from pi_rag.service.peers import Administration, Peer
from pi_rag.service.web import web
from tests.embedder.fake import FakeEmbedder
from tests.service.conftest import built

STRANGER, OTHER_GROUP = 54321, 54322
"""Numbers that no user and no group here has."""

ROOT_GROUP = "root"
"""A group that every Linux has, with the number 0."""

GUEST = """
import json, os, socket, sys
path, user, group, groups, requests = json.loads(sys.argv[1])
os.setgroups(groups)
os.setgid(group)
os.setuid(user)
answers = []
for request in requests:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(path)
        head = "host: s\\r\\ncontent-length: 2\\r\\nconnection: close"
        sock.sendall(f"{request} HTTP/1.1\\r\\n{head}\\r\\n\\r\\n{{}}".encode())
        answers.append(b"".join(iter(lambda: sock.recv(65536), b"")).decode())
print(json.dumps(answers))
"""
"""A process that becomes another user, of these groups, before it connects."""

PAUSE = "POST /v1/jobs/pause"

ADMINISTRATION = [
    "DELETE /v1/documents/1",
    "DELETE /v1/documents?source=a",
    "DELETE /v1/sources?under=/a",
    "POST /v1/watches",
    "DELETE /v1/watches/1",
    PAUSE,
    "POST /v1/jobs/resume",
    "POST /v1/reindex",
    "DELETE /v1/reindex",
]

EVERYBODYS = [
    "GET /v1/status",
    "GET /v1/documents",
    "GET /v1/documents/1",
    "POST /v1/search",
    "POST /v1/documents",
    "POST /v1/import",
    "GET /v1/export",
    "GET /v1/sources",
    "GET /v1/watches",
    "GET /v1/reindex",
    "POST /v1/jobs/retry",
    "POST /v1/jobs/1/cancel",
]

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may become other users")


@pytest.mark.parametrize(
    ("group", "peer", "allowed"),
    [
        ("", Peer(STRANGER, frozenset({OTHER_GROUP})), True),
        ("", None, True),
        (ROOT_GROUP, Peer(STRANGER, frozenset({OTHER_GROUP})), False),
        (ROOT_GROUP, Peer(STRANGER, frozenset({OTHER_GROUP, 0})), True),
        (ROOT_GROUP, Peer(0, frozenset({OTHER_GROUP})), True),
        (ROOT_GROUP, Peer(os.geteuid(), frozenset({OTHER_GROUP})), True),
        (ROOT_GROUP, None, False),
        ("no-such-group", Peer(STRANGER, frozenset({OTHER_GROUP, 0})), False),
        ("no-such-group", Peer(0, frozenset()), True),
    ],
)
def test_who_may_administer(group: str, peer: Peer | None, allowed: bool) -> None:
    """Root, the service's own user and the group's members; everybody when no group is named."""
    assert Administration(group).allows(peer) is allowed


def test_another_group_counts_from_then_on() -> None:
    """As when the settings are reloaded; the connections that are open are judged by it too."""
    administration = Administration("no-such-group")
    member = Peer(STRANGER, frozenset({0}))
    assert not administration.allows(member)

    administration.choose(ROOT_GROUP)
    assert administration.allows(member)


def test_a_group_that_does_not_exist_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    """One line names it, and the service goes on."""
    Administration("no-such-group")

    assert "admin_group_unknown" in capsys.readouterr().err


async def test_a_guest_is_known_to_every_request(tmp_path: Path) -> None:
    """Its user, its own group and its other groups, the same for each request of a connection."""
    seen: list[Peer] = []

    async def note(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["state"]["peer"])
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    path = tmp_path / "s"
    with listening(path, "600") as sock:
        async with web(note, ServiceSettings(), sock):
            reader, writer = await asyncio.open_unix_connection(path)
            for _ in range(2):
                writer.write(b"GET / HTTP/1.1\r\nhost: s\r\n\r\n")
                await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
            writer.close()

    assert seen == [Peer(os.geteuid(), frozenset({os.getegid(), *os.getgroups()}))] * 2
    assert seen[0] is seen[1]


async def test_who_is_no_guest_of_a_unix_socket_is_not_known() -> None:
    """Of a network connection the kernel names no user."""
    seen: list[object] = []

    async def note(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["state"]["peer"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    with socket.create_server(("127.0.0.1", 0)) as sock:
        sock.setblocking(False)
        async with web(note, ServiceSettings(), sock):
            reader, writer = await asyncio.open_connection(*sock.getsockname())
            writer.write(b"GET / HTTP/1.1\r\nhost: s\r\n\r\n")
            await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
            writer.close()

    assert seen == [None]


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that other users may enter, as pytest's own they may not."""
    folder = Path(tempfile.mkdtemp(prefix="pi-rag-peers-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@contextlib.asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[None]:
    """A whole house on its socket."""
    async with built(settings, FakeEmbedder()) as house:
        with listening(settings.socket_path, "666") as sock:
            async with web(Gate(application(house), settings.service), settings.service, sock):
                yield


async def asked(
    path: Path, *requests: str, group: int = OTHER_GROUP, groups: tuple[int, ...] = ()
) -> dict[str, str]:
    """What the service answers to another user's process, by request."""
    order = json.dumps([str(path), STRANGER, group, groups, requests])
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-I", "-S", "-c", GUEST, order],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return dict(zip(requests, json.loads(done.stdout), strict=True))


@needs_root
@pytest.mark.root
async def test_strangers_search_and_add_and_do_not_administer(open_folder: Path, tmp_path: Path) -> None:
    """Another user is refused what is for administrators, with what to do; with the group it is allowed."""
    path = open_folder / "s"
    values = {"service.data": str(tmp_path), "service.socket": str(path), "service.admin_group": ROOT_GROUP}
    async with serving(from_values(values)):
        refused = await asked(path, *ADMINISTRATION)
        open_to_all = await asked(path, *EVERYBODYS)
        by_group = await asked(path, PAUSE, groups=(OTHER_GROUP, 0))
        by_own_group = await asked(path, PAUSE, group=0)

    for each, answer in refused.items():
        assert answer.startswith("HTTP/1.1 403") and '"administrators_only"' in answer, each
        assert "sudo usermod -aG root $USER" in answer
    assert not [each for each, answer in open_to_all.items() if "administrators_only" in answer]
    assert by_group[PAUSE].startswith("HTTP/1.1 200") and by_own_group[PAUSE].startswith("HTTP/1.1 200")


@needs_root
@pytest.mark.root
async def test_without_a_group_whoever_comes_in_may_do_all(open_folder: Path, tmp_path: Path) -> None:
    """A machine of one person needs no second group: who may open the socket may pause everything, too."""
    path = open_folder / "s"
    async with serving(from_values({"service.data": str(tmp_path), "service.socket": str(path)})):
        answers = await asked(path, PAUSE)

    assert answers[PAUSE].startswith("HTTP/1.1 200")
