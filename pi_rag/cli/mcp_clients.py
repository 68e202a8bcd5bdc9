"""Where agents' programs keep which servers they start, and how an entry of ours looks there.

A table, without I/O. What each program reads was looked up in its own documentation in late 2026.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

NAME: Final = "pi-rag"
"""What the server is called in every one of them."""

Entry = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Program:
    """An agent's program."""

    title: str
    file: str
    """`~` is the home folder, and ~/.config what XDG_CONFIG_HOME says."""
    under: str
    """The key that holds the servers, by name."""
    shaped: Callable[[Sequence[str]], Entry]
    """The entry for a command with its arguments."""
    then: str
    """What makes it look at the file again."""


def _plain(command: Sequence[str]) -> Entry:
    return {"command": command[0], "args": [*command[1:]]}


def _typed(command: Sequence[str]) -> Entry:
    return {"type": "stdio", **_plain(command)}


def _copilot(command: Sequence[str]) -> Entry:
    return {"type": "local", **_plain(command), "tools": ["*"]}


def _opencode(command: Sequence[str]) -> Entry:
    return {"type": "local", "command": [*command], "enabled": True}


_RESTART = "Quit {} wholly and start it again."

PROGRAMS: Final = {
    "claude-code": Program(
        "Claude Code", "~/.claude.json", "mcpServers", _typed, "Start `claude` anew; /mcp in it lists pi-rag."
    ),
    "claude-desktop": Program(
        "Claude Desktop",
        "~/.config/Claude/claude_desktop_config.json",
        "mcpServers",
        _plain,
        _RESTART.format("Claude Desktop"),
    ),
    "cursor": Program(
        "Cursor", "~/.cursor/mcp.json", "mcpServers", _plain, "Cursor sees it by itself: Settings, MCP."
    ),
    "vscode": Program(
        "VS Code",
        "~/.config/Code/User/mcp.json",
        "servers",
        _typed,
        "Run in it: MCP: List Servers, pi-rag, Start.",
    ),
    "codex": Program(
        "Codex", "~/.codex/config.toml", "mcp_servers", _plain, "Start `codex` anew; /mcp in it lists pi-rag."
    ),
    "gemini": Program(
        "Gemini CLI",
        "~/.gemini/settings.json",
        "mcpServers",
        _plain,
        "Start `gemini` anew; /mcp in it lists pi-rag.",
    ),
    "copilot": Program(
        "Copilot CLI", "~/.copilot/mcp-config.json", "mcpServers", _copilot, "Start `copilot` anew."
    ),
    "windsurf": Program(
        "Windsurf", "~/.codeium/windsurf/mcp_config.json", "mcpServers", _plain, _RESTART.format("Windsurf")
    ),
    "zed": Program("Zed", "~/.config/zed/settings.json", "context_servers", _plain, "Zed sees it by itself."),
    "opencode": Program(
        "opencode", "~/.config/opencode/opencode.json", "mcp", _opencode, "Start `opencode` anew."
    ),
}
"""By the name that is typed."""
