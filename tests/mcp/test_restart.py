"""An agent's program before, during and after a restart of the whole service."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pi_rag.stress.running import RunningService
from pi_rag.types import ModelCard
from tests.mcp.conftest import ROOT

pytestmark = pytest.mark.model

HANDSHAKE = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "a", "version": "1"}}


class Agent:
    """A program with a bridge of its own."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._asked = 0

    def ask(self, method: str, params: dict[str, Any]) -> None:
        """Send a request."""
        self._asked += 1
        assert self._process.stdin is not None
        line = json.dumps({"jsonrpc": "2.0", "id": self._asked, "method": method, "params": params})
        self._process.stdin.write(line.encode() + b"\n")
        self._process.stdin.flush()

    def call(self, tool: str, **arguments: Any) -> None:
        """Call a tool."""
        self.ask("tools/call", {"name": tool, "arguments": arguments})

    def result(self) -> Any:
        """The next answer's."""
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())["result"]


@contextmanager
def agent(service: RunningService) -> Iterator[Agent]:
    """One that has said its name."""
    with subprocess.Popen(
        [sys.executable, "-m", "pi_rag.cli.main", "mcp"],
        cwd=ROOT,
        env=service.environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        agent = Agent(process)
        agent.ask("initialize", HANDSHAKE)
        assert agent.result()["serverInfo"]["name"] == "pi-rag"
        yield agent
        assert process.stdin is not None
        process.stdin.close()


def test_an_agent_does_not_notice_a_restart(tmp_path: Path, minilm: ModelCard) -> None:
    """What it asks while the service is killed and away is answered by the next one, from what was kept."""
    environ = {"PI_RAG_MODEL": minilm.path, "PI_RAG_CLIENT_AWAY_S_MAX": "120"}
    with RunningService(tmp_path, environ) as service, agent(service) as program:
        program.call("remember", text="The boiler was serviced in May", key="boiler")
        first = program.result()["structuredContent"]

        service.kill()
        program.call("recall", query="when was the boiler serviced")
        program.call("remember", text="The boiler was serviced in May", key="boiler")
        service.start()
        answers = [program.result(), program.result()]

    assert not any(answer.get("isError") for answer in answers)
    found, again = sorted((each["structuredContent"] for each in answers), key=lambda each: "outcome" in each)
    assert again["memory"]["id"] == first["memory"]["id"]
    assert found["hits"][0]["text"] == "The boiler was serviced in May"
