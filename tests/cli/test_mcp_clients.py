"""The table of agents' programs."""

from __future__ import annotations

import json
import tomllib

import pytest

from pi_rag.cli import mcp_setup
from pi_rag.cli.mcp_clients import NAME, PROGRAMS

COMMAND = ["/usr/bin/pi-rag", "mcp", "--scope", "user"]


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_entry_names_the_whole_command(name: str) -> None:
    """Whatever a program's shape is, it starts the same command; what is shown is what the file may hold."""
    program = PROGRAMS[name]
    shown = mcp_setup.shown(program, COMMAND)
    read = tomllib.loads(shown) if program.file.endswith(".toml") else json.loads(shown)
    entry = read[program.under][NAME]

    command = entry["command"]
    assert (command if isinstance(command, list) else [command, *entry["args"]]) == COMMAND
    assert entry == program.shaped(COMMAND)
