"""A served house with the fake embedder, and what comes to it as agents' programs do."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from pi_rag.config import Settings
from pi_rag.service.house import House
from tests.mcp import fetch
from tests.plain import plain_environ
from tests.service.agents.agent import at_the_socket
from tests.service.conftest import embedder, house, settings

__all__ = ["embedder", "house", "settings"]

ROOT = Path(__file__).parents[2]
ANSWER_BYTES_MAX = 1 << 24


@pytest.fixture
async def served(house: House, settings: Settings) -> AsyncIterator[Settings]:
    """The service, on its socket."""
    async with at_the_socket(house, settings) as served:
        yield served


@pytest.fixture
def typescript() -> None:
    """The clients from npm, or the reason why not."""
    if why := fetch.missing():
        pytest.skip(why)


def bridge(settings: Settings, *bonds: str) -> list[str]:
    """The command that an agent's program starts."""
    return [sys.executable, "-m", "pi_rag.cli.main", "mcp", "--socket", str(settings.socket_path), *bonds]


class Program:
    """A running program, spoken to a line at a time."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def hear(self) -> Any:
        """Its next line, which is JSON."""
        assert self.process.stdout is not None
        line = await asyncio.wait_for(self.process.stdout.readline(), 30)
        assert line, "it ended"
        return json.loads(line)

    async def say(self, line: str = "go") -> None:
        """A line to it."""
        assert self.process.stdin is not None
        self.process.stdin.write(line.encode() + b"\n")
        await self.process.stdin.drain()


@asynccontextmanager
async def started(command: Sequence[str | Path]) -> AsyncIterator[Program]:
    """A program for as long as the block lasts."""
    process = await asyncio.create_subprocess_exec(
        *map(str, command),
        cwd=ROOT,
        env=plain_environ(),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=ANSWER_BYTES_MAX,
    )
    try:
        yield Program(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()
