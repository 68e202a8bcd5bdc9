"""What is said to one whom the kernel forbids a file, and every command in another user's data folder."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
from pathlib import Path

import pytest

from pi_rag import owners

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files to other users")

STRANGER = 54321
"""A number that no user here has."""

NOBODY = pwd.getpwnam("nobody")


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    """A data folder that is another user's alone, with a list of models in it."""
    made = tmp_path / "theirs"
    (made / "models").mkdir(parents=True)
    (made / "models" / "models.json").write_text("{}")
    os.chown(made, NOBODY.pw_uid, NOBODY.pw_gid)
    made.chmod(0o700)
    return made


@needs_root
def test_the_owner_and_the_command_are_named(theirs: Path) -> None:
    """With the owner's home, where libraries keep what they fetch."""
    told = owners.advice(theirs, "metrics")
    assert told == f"{theirs} belongs to nobody. Type: sudo -u nobody env HOME={NOBODY.pw_dir} pi-rag metrics"


@needs_root
def test_an_owner_without_a_name_is_called_by_number(tmp_path: Path) -> None:
    """A disk from another machine has such files; sudo takes the number."""
    os.chown(tmp_path, STRANGER, STRANGER)
    assert "sudo -u '#54321' pi-rag ..." in owners.advice(tmp_path)


def test_what_is_not_there_is_judged_by_the_folder_above(tmp_path: Path) -> None:
    """The nearest place that can be seen is the one that bars the way."""
    told = owners.advice(tmp_path / "new" / "deeper")
    assert told == f"It is yours, but its mode or its disk forbids it. See: ls -ld {tmp_path}"


def test_a_file_of_roots_asks_for_sudo_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Root needs no home of another."""
    monkeypatch.setattr(os, "geteuid", lambda: STRANGER)
    assert owners.advice(Path("/etc"), "status") == "/etc belongs to root. Type: sudo pi-rag status"


@needs_root
@pytest.mark.parametrize("mode", [0o660, 0o770])
def test_a_socket_that_is_open_to_a_group_names_it(tmp_path: Path, mode: int) -> None:
    """The group is the one that the socket has, whatever it is called."""
    made = tmp_path / "s"
    made.touch()
    made.chmod(mode)
    os.chown(made, -1, NOBODY.pw_gid)
    assert owners.admission(made).startswith(f"Join the group: sudo usermod -aG {made.group()} $USER")


@needs_root
@pytest.mark.parametrize(("mode", "group"), [(0o600, NOBODY.pw_gid), (0o660, 0)])
def test_no_group_is_named_where_none_may_ask(tmp_path: Path, mode: int, group: int) -> None:
    """Joining one would change nothing, and joining root's far too much."""
    made = tmp_path / "s"
    made.touch()
    made.chmod(mode)
    os.chown(made, -1, group)
    assert "usermod" not in owners.admission(made)
    assert "service.socket_mode" in owners.admission(made)


def _as_no_root(*arguments: str) -> subprocess.CompletedProcess[str]:
    """A command without root's right to pass over modes; it may still read Python's own folders."""
    bound = "--bounding-set=-dac_override,-dac_read_search,-fowner"
    command = ["setpriv", bound, sys.executable, "-m", "pi_rag.cli.main", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@needs_root
@pytest.mark.parametrize(
    ("command", "code"),
    [("metrics", 3), ("serve", 7), ("model list", 6), ("model verify", 6), ("tune", 6)],
)
def test_in_another_users_data_folder_a_command_says_whose_it_is(
    theirs: Path, tmp_path: Path, command: str, code: int
) -> None:
    """One error with what to type: no traceback, and nothing of theirs is to be moved away."""
    ran = _as_no_root(*command.split(), "--data", str(theirs), "--socket", str(tmp_path / "s"))
    assert ran.returncode == code
    assert f"{theirs} belongs to nobody. Type: sudo -u nobody" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert "away" not in ran.stderr
