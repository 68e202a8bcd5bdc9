"""Promises of models/hub.py, kept against a stand-in server on this machine."""

from __future__ import annotations

import errno
import hashlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pi_rag.errors import DiskFull, ModelSourceFailed
from pi_rag.models import hub
from tests.models import standin

CONTENT = bytes(range(256)) * 4000


@pytest.fixture
def server() -> Iterator[standin.Hub]:
    """A hub with one file."""
    with standin.running() as server:
        server.put("owner/repo", "main", "folder/file.gguf", CONTENT)
        yield server


def test_a_file_arrives_whole(server: standin.Hub, tmp_path: Path) -> None:
    """The bytes are those of the hub, with the revision and sum that it claims, and nothing else is left."""
    fetched = hub.fetch("owner/repo", "folder/file.gguf", tmp_path, endpoint=server.endpoint)
    assert fetched.path.read_bytes() == CONTENT
    assert fetched.revision == standin.COMMIT
    assert fetched.sha256 == hashlib.sha256(CONTENT).hexdigest()
    assert [path.name for path in fetched.path.parent.iterdir()] == ["file.gguf"]


def test_progress_ends_at_the_whole(server: standin.Hub, tmp_path: Path) -> None:
    """The last report says that all bytes have come."""
    seen: list[tuple[int, int]] = []
    hub.fetch(
        "owner/repo",
        "folder/file.gguf",
        tmp_path,
        endpoint=server.endpoint,
        report=lambda done, total: seen.append((done, total)),
    )
    assert seen[-1] == (len(CONTENT), len(CONTENT))


def test_a_broken_transfer_is_resumed_by_the_next_call(server: standin.Hub, tmp_path: Path) -> None:
    """What came is kept under another name; the next call asks for the rest and at most one piece again."""
    server.bytes_before_break = 300_000
    with pytest.raises(ModelSourceFailed) as failure:
        hub.fetch("owner/repo", "folder/file.gguf", tmp_path, endpoint=server.endpoint)
    assert "resumes" in failure.value.hint
    assert not (tmp_path / "folder" / "file.gguf").exists()
    server.mend()
    server.requests.clear()
    fetched = hub.fetch("owner/repo", "folder/file.gguf", tmp_path, endpoint=server.endpoint)
    assert fetched.path.read_bytes() == CONTENT
    assert [wanted for method, _, wanted in server.requests if method == "GET"] == ["bytes=262144-"]


def test_a_file_that_changed_meanwhile_starts_afresh(server: standin.Hub, tmp_path: Path) -> None:
    """The first half of an old file and the second half of a new one never become one file."""
    server.bytes_before_break = 300_000
    with pytest.raises(ModelSourceFailed):
        hub.fetch("owner/repo", "folder/file.gguf", tmp_path, endpoint=server.endpoint)
    server.mend()
    fresh = CONTENT[::-1]
    server.put("owner/repo", "main", "folder/file.gguf", fresh)
    fetched = hub.fetch("owner/repo", "folder/file.gguf", tmp_path, endpoint=server.endpoint)
    assert fetched.path.read_bytes() == fresh


def test_a_small_file_has_no_sum_to_claim(server: standin.Hub, tmp_path: Path) -> None:
    """A tag that is no sha256 is not taken for one."""
    server.tags["owner/repo/resolve/main/folder/file.gguf"] = "a" * 40
    fetched = hub.fetch("owner/repo", "folder/file.gguf", tmp_path, endpoint=server.endpoint)
    assert fetched.sha256 is None


def test_no_network_is_said_with_a_next_step(tmp_path: Path) -> None:
    """A hub that does not answer is a typed error at once, and leaves nothing."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(ModelSourceFailed) as failure:
        hub.fetch("owner/repo", "file.gguf", tmp_path, endpoint=f"http://127.0.0.1:{port}")
    assert "network" in failure.value.hint
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("repository", ["owner/repo", "owner/other", "no repository at all"])
def test_a_wrong_name_is_said_as_such(server: standin.Hub, tmp_path: Path, repository: str) -> None:
    """Neither a missing file nor a missing or impossible repository is blamed on the network."""
    with pytest.raises(ModelSourceFailed) as failure:
        hub.fetch(repository, "missing.gguf", tmp_path, endpoint=server.endpoint)
    assert "spelling" in failure.value.hint


@pytest.mark.parametrize("endpoint", ["hub.example", "ftp://127.0.0.1", "http://"])
def test_an_address_that_is_none_is_refused(tmp_path: Path, endpoint: str) -> None:
    """A mistaken HF_ENDPOINT is named as the thing to check."""
    with pytest.raises(ModelSourceFailed) as failure:
        hub.fetch("owner/repo", "file.gguf", tmp_path, endpoint=endpoint)
    assert "HF_ENDPOINT" in failure.value.hint


def test_the_environment_may_name_another_hub(server: standin.Hub, tmp_path: Path) -> None:
    """Without an argument, HF_ENDPOINT is where the file comes from."""
    program = (
        "import sys, pathlib; from pi_rag.models import hub;"
        "hub.fetch('owner/repo', 'folder/file.gguf', pathlib.Path(sys.argv[1]))"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    subprocess.run(command, check=True, timeout=60, env=os.environ | {"HF_ENDPOINT": server.endpoint})
    assert (tmp_path / "folder" / "file.gguf").read_bytes() == CONTENT


def test_a_full_disk_is_said_as_such(
    server: standin.Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Running out of space is not blamed on the network."""

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(hub, "http_get", full)
    with pytest.raises(DiskFull):
        hub.fetch("owner/repo", "folder/file.gguf", tmp_path, endpoint=server.endpoint)
