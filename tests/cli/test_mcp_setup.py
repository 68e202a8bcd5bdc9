"""`pi-rag mcp setup`: an entry of ours beside whatever else is in a program's file."""

from __future__ import annotations

import json
import shlex
import stat
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pi_rag.cli import mcp_setup
from pi_rag.cli.mcp_clients import NAME, PROGRAMS
from pi_rag.errors import RequestInvalid
from tests.cli.conftest import Run

COMMAND = ["/usr/bin/pi-rag", "mcp"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def cursor(tmp_path: Path, text: str | None = None) -> Path:
    path = tmp_path / ".cursor" / "mcp.json"
    if text is not None:
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return path


def test_without_write_nothing_is_touched(run: Run, tmp_path: Path) -> None:
    """It shows what to put where, and the command that would do it."""
    ran = run("mcp", "setup", "cursor", "--read-only")

    assert ran.code == 0
    assert str(cursor(tmp_path)) in ran.out
    assert "pi-rag mcp setup cursor --read-only --write" in ran.out
    assert not cursor(tmp_path).exists()


def test_it_says_what_it_changed(run: Run, tmp_path: Path) -> None:
    """Added, changed or nothing to do; and where the file before it is."""
    added = run("mcp", "setup", "cursor", "--write")
    assert added.out.startswith(f"Added {NAME} in {cursor(tmp_path)}")
    again = run("mcp", "setup", "cursor", "--write")
    assert again.out == f"{cursor(tmp_path)} has it already; nothing was changed.\n"
    before = cursor(tmp_path).read_text()
    changed = run("mcp", "setup", "cursor", "--write", "--scope", "project:garden")
    kept = cursor(tmp_path).with_name("mcp.json.before-pi-rag-1")
    assert f"the file before: {kept}" in changed.out
    assert kept.read_text() == before
    entry = json.loads(cursor(tmp_path).read_text())["mcpServers"][NAME]
    assert entry["args"][-2:] == ["--scope", "project:garden"]


def test_programs_can_ask_for_json(run: Run, tmp_path: Path) -> None:
    """The same in one object."""
    told = run("mcp", "setup", "codex", "--write", "--json").json
    assert (told["done"], told["before"]) == ("added", None)
    assert told["file"] == str(tmp_path / ".codex" / "config.toml")


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.text(), JSON, max_size=4), st.dictionaries(st.text(), JSON, max_size=3))
def test_all_else_stays(tmp_path: Path, rest: dict[str, Any], servers: dict[str, Any]) -> None:
    """Whatever other servers and settings there are, they are there afterwards, in their order."""
    found = rest | {"mcpServers": servers}
    path = cursor(tmp_path, json.dumps(found))
    mcp_setup.put(PROGRAMS["cursor"], COMMAND)

    after = json.loads(path.read_text())
    assert after == found | {"mcpServers": servers | {NAME: {"command": COMMAND[0], "args": ["mcp"]}}}
    assert list(after) == list(found)


def test_indentation_stays(tmp_path: Path) -> None:
    """A person's file still looks like theirs."""
    path = cursor(tmp_path, '{\n\t"a": 1\n}\n')
    mcp_setup.put(PROGRAMS["cursor"], COMMAND)
    assert '\n\t"a": 1,\n\t"mcpServers": {\n\t\t' in path.read_text()


TOML = '# mine\nmodel = "x"  # the best\n\n[mcp_servers.other]\ncommand = "o"\n'


def test_a_toml_file_keeps_its_comments(tmp_path: Path) -> None:
    """The table is put at its end, later changed where it stands, and nothing else moves."""
    path = tmp_path / ".codex" / "config.toml"
    path.parent.mkdir()
    path.write_text(TOML)
    assert mcp_setup.put(PROGRAMS["codex"], COMMAND)[0] == "added"
    path.write_text(path.read_text() + "\n[later]\nb = 1\n")
    assert mcp_setup.put(PROGRAMS["codex"], [*COMMAND, "--read-only"])[0] == "changed"

    text = path.read_text()
    assert text.startswith(TOML)
    found = tomllib.loads(text)
    assert found["mcp_servers"][NAME]["args"] == ["mcp", "--read-only"]
    assert found["later"] == {"b": 1}
    assert mcp_setup.put(PROGRAMS["codex"], [*COMMAND, "--read-only"]) == ("kept", None)


OWN = """\
[mcp_servers.pi-rag]  # the memory
startup_timeout_sec = 20  # slow card
command = "/old/pi-rag"
args = [
  "mcp",
  "[x]", # odd
]

[mcp_servers.pi-rag.env]
TZ = "UTC"

# of the other one
[mcp_servers.other]
command = "o"
"""


def test_what_a_person_added_to_our_own_table_stays(tmp_path: Path) -> None:
    """Only what starts it is set anew; each comment stands where it stood."""
    path = tmp_path / ".codex" / "config.toml"
    path.parent.mkdir()
    path.write_text(OWN)
    assert mcp_setup.put(PROGRAMS["codex"], COMMAND)[0] == "changed"
    old = OWN[OWN.index("command") : OWN.index("\n\n[mcp_servers.pi-rag.env]")]
    assert path.read_text() == OWN.replace(old, 'command = "/usr/bin/pi-rag"\nargs = ["mcp"]')


def test_what_a_person_added_to_our_own_entry_stays(tmp_path: Path) -> None:
    """A server that was put off stays off, and its environment stays with it."""
    own = {"disabled": True, "command": "x", "env": {"TZ": "UTC"}}
    path = cursor(tmp_path, json.dumps({"mcpServers": {NAME: own}}))
    mcp_setup.put(PROGRAMS["cursor"], COMMAND)
    after = json.loads(path.read_text())["mcpServers"][NAME]
    assert after == own | {"command": COMMAND[0], "args": ["mcp"]}


def test_a_file_that_changes_meanwhile_is_not_written_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A running program writes its own file: what it has just written is not lost."""
    path = cursor(tmp_path, "{}")

    def meanwhile(of: Path) -> Path:
        of.write_text('{"new": 1}')
        return of.with_name("kept")

    monkeypatch.setattr(mcp_setup, "_free", meanwhile)
    with pytest.raises(RequestInvalid, match="changed"):
        mcp_setup.put(PROGRAMS["cursor"], COMMAND)
    assert path.read_text() == '{"new": 1}'


def test_the_command_that_writes_writes_what_was_shown(run: Run, tmp_path: Path) -> None:
    """Also the socket: typed as it is printed, it puts in that entry."""
    shown = run("mcp", "setup", "cursor", "--scope", "user", "--socket", "/run/my own.sock")
    line = next(line for line in shown.out.splitlines() if line.startswith("To have it put in: pi-rag "))
    run(*shlex.split(line.partition("pi-rag ")[2]))
    written = json.loads(cursor(tmp_path).read_text())
    assert written == json.loads(shown.out.partition("\n}\n")[0] + "\n}")
    assert "/run/my own.sock" in written["mcpServers"][NAME]["args"]


@pytest.mark.parametrize(
    "text", ['{\n  // mine\n  "a": 1\n}', "[]", "{", '{"mcpServers": []}', '\ufeff{"a": 1}', "[" * 9999]
)
def test_what_cannot_be_read_is_left_alone(run: Run, tmp_path: Path, text: str) -> None:
    """A file with comments would lose them; the person is told to put the entry in by hand."""
    path = cursor(tmp_path, text)
    ran = run("mcp", "setup", "cursor", "--write")

    assert ran.code == 2
    assert "by hand" in ran.err
    assert path.read_text() == text
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    "text",
    [
        'mcp_servers.pi-rag.command = "x"\n',
        'mcp_servers = {pi-rag = {command = "x"}}\n',
    ],
)
def test_an_entry_in_an_unusual_form_is_left_alone(run: Run, tmp_path: Path, text: str) -> None:
    """A change that would lose or double anything is not made."""
    path = tmp_path / ".codex" / "config.toml"
    path.parent.mkdir()
    path.write_text(text)
    assert run("mcp", "setup", "codex", "--write").code == 2
    assert path.read_text() == text


def test_links_and_modes_stay(tmp_path: Path) -> None:
    """Such files hold keys, and often lie elsewhere, behind a link."""
    real = tmp_path / "dotfiles.json"
    real.write_text("{}")
    real.chmod(0o640)
    path = cursor(tmp_path)
    path.parent.mkdir()
    path.symlink_to(real)
    _, kept = mcp_setup.put(PROGRAMS["cursor"], COMMAND)

    assert path.is_symlink()
    assert NAME in json.loads(real.read_text())["mcpServers"]
    assert kept is not None
    assert {stat.S_IMODE(each.stat().st_mode) for each in (real, kept)} == {0o640}


def test_backups_are_never_written_over(tmp_path: Path) -> None:
    """Each change leaves one more."""
    path = cursor(tmp_path, "{}")
    for number in range(3):
        mcp_setup.put(PROGRAMS["cursor"], [*COMMAND, str(number)])
    assert len(list(path.parent.glob("*.before-pi-rag-*"))) == 3
    assert path.with_name("mcp.json.before-pi-rag-1").read_text() == "{}"


def test_a_program_elsewhere_comes_by_ssh(run: Run, tmp_path: Path) -> None:
    """What is shown fits the other machine; this one's files are not for writing then."""
    told = run("mcp", "setup", "claude-desktop", "--ssh", "me@pi", "--scope", "user", "--json").json
    assert told["entry"] == {"command": "ssh", "args": ["-T", "me@pi", "pi-rag mcp --scope user"]}
    assert run("mcp", "setup", "cursor", "--ssh", "me@pi", "--write").code == 2
    assert run("mcp", "setup", "cursor", "--ssh=-oProxyCommand=x").code == 2


def test_a_socket_of_ones_own_is_named(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The program will not have the environment in which this was typed."""
    monkeypatch.setattr(sys, "argv", ["/opt/pi-rag"])
    assert run("mcp", "setup", "cursor", "--json").json["entry"]["args"] == ["mcp"]
    monkeypatch.setenv("PI_RAG_SOCKET", "/run/mine.sock")
    entry = run("mcp", "setup", "cursor", "--json").json["entry"]
    assert entry == {"command": "/opt/pi-rag", "args": ["mcp", "--socket", "/run/mine.sock"]}


@pytest.mark.parametrize("step", [(), ("setup", "cursor", "--write")])
def test_a_scope_that_is_none_is_refused_at_once(run: Run, step: tuple[str, ...]) -> None:
    """Not at the agent's first question."""
    ran = run("mcp", *step, "--scope", "everything")
    assert ran.code == 2
    assert "everything" in ran.err
