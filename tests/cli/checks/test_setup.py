"""What was set up: Python, the data folder, the socket."""

from __future__ import annotations

import grp
import os
import pwd
import socket
from pathlib import Path
from types import SimpleNamespace

import pytest

from pi_rag.cli.checks import setup
from pi_rag.config import from_values


@pytest.mark.parametrize(
    ("version", "verdict"), [((3, 10, 12), "wrong"), ((3, 11, 0), "ok"), ((3, 14, 1), "ok")]
)
def test_an_old_python_is_wrong(version: tuple[int, ...], verdict: str) -> None:
    """3.11 is the first that will do."""
    assert setup.python(version).verdict == verdict


@pytest.mark.parametrize(("free", "verdict"), [(50 << 20, "wrong"), (500 << 20, "warn"), (5 << 30, "ok")])
def test_little_room_is_told(tmp_path: Path, free: int, verdict: str) -> None:
    """Before the disk is full, not after."""
    *_, room = setup.data_folder(tmp_path, lambda path: free)
    assert (room.what, room.verdict) == ("free space", verdict)


def test_a_data_folder_for_everyone_is_told(tmp_path: Path) -> None:
    """It holds what people keep to themselves."""
    tmp_path.chmod(0o755)
    rights, _ = setup.data_folder(tmp_path)
    assert (rights.verdict, rights.mend) == ("warn", f"sudo chmod o-rwx {tmp_path}")


def test_a_data_folder_that_is_none_is_told(tmp_path: Path) -> None:
    """Not there yet, not a folder, not to be looked into."""
    (tmp_path / "file").write_text("")
    missing, wrong, inside = tmp_path / "none", tmp_path / "file", tmp_path / "file" / "x"
    assert [check.verdict for check in setup.data_folder(missing)] == ["warn"]
    assert next(iter(setup.data_folder(wrong))).verdict == "wrong"
    assert [check.verdict for check in setup.data_folder(inside)] == ["warn"]


def test_every_fault_of_a_socket_has_its_own_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Missing, no socket, below a file, without rights: each says what mends it."""
    (tmp_path / "file").write_text("")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
    assert setup.socket(tmp_path / "s").verdict == "ok"
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    faults = [setup.socket(tmp_path / name) for name in ("none", "file", "file/x", "s")]
    assert [fault.verdict for fault in faults] == ["wrong"] * 4
    assert len({fault.detail for fault in faults}) == 4
    assert all(fault.mend for fault in faults)


@pytest.fixture
def listening(tmp_path: Path) -> Path:
    """A socket that only its owner and group may use."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
    (tmp_path / "s").chmod(0o660)
    return tmp_path / "s"


def test_a_socket_for_everyone_is_told(listening: Path) -> None:
    """Whoever may use it may read everything."""
    listening.chmod(0o666)
    check = setup.socket(listening)
    assert (check.verdict, check.mend.split("   ")[0]) == ("warn", f"sudo chmod o-rw {listening}")


def test_who_may_not_use_it_is_told_how_to(listening: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By joining its group; who has joined only has to log in again."""
    group, user = grp.getgrgid(listening.stat().st_gid).gr_name, pwd.getpwuid(os.getuid()).pw_name
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    monkeypatch.setattr(grp, "getgrnam", lambda name: SimpleNamespace(gr_mem=[]))
    assert setup.socket(listening).mend.startswith(f"sudo usermod -aG {group} {user}")
    monkeypatch.setattr(grp, "getgrnam", lambda name: SimpleNamespace(gr_mem=[user]))
    assert setup.socket(listening).mend.startswith(f"newgrp {group}")


def test_who_may_administer_is_told(listening: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where that takes another group; one that is not there is nobody's."""
    own = grp.getgrgid(os.getgid()).gr_name
    assert "; " not in setup.socket(listening).detail
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    monkeypatch.setattr(os, "getgroups", lambda: [os.getgid()])
    assert setup.socket(listening, own).detail.endswith(f"you may administer (group {own})")
    monkeypatch.setattr(os, "getgroups", list)
    assert setup.socket(listening, own).detail.endswith(f"you may not administer (group {own})")
    assert "only root may" in setup.socket(listening, "no-such-group").detail


def test_a_socket_of_one_user_alone_leads_to_that_user(
    listening: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No group would help there."""
    listening.chmod(0o600)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    owner = pwd.getpwuid(listening.stat().st_uid).pw_name
    assert setup.socket(listening).mend.startswith(f"sudo -u {owner} pi-rag status")


def test_a_socket_that_is_not_there_is_started_by_whose_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """systemd holds the one of the installed service; a person's own comes with `pi-rag serve`."""
    monkeypatch.setattr(setup, "SYSTEMDS", tmp_path / "run")
    assert setup.socket(tmp_path / "s").mend == "pi-rag serve"
    assert setup.socket(setup.SYSTEMDS / "none.sock").mend == "sudo systemctl start pi-rag.socket"


def test_what_systemds_socket_has_otherwise_is_told(listening: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither its rights nor its place go by the settings; its own unit is what leads to them."""
    own = setup.socket(listening, mode="600")
    monkeypatch.setattr(setup, "SYSTEMDS", listening.parent)
    other, equal = setup.socket(listening, mode="600"), setup.socket(listening, mode="660")
    assert [own.verdict, other.verdict, equal.verdict] == ["ok", "warn", "ok"]
    assert other.mend == "sudo systemctl edit pi-rag.socket   (SocketMode=0600)"
    listening.chmod(0o666)
    assert "(and see sudo systemctl edit" in setup.socket(listening, mode="666").mend

    listening.rename(listening.with_name("pi-rag.sock"))
    elsewhere = setup.socket(Path("/nowhere/x.sock"))
    assert (elsewhere.verdict, "ListenStream= with /nowhere/x.sock" in elsewhere.mend) == ("wrong", True)


def test_settings_that_cannot_hold_and_roots_that_are_not_there_are_named(tmp_path: Path) -> None:
    """They are valid, and yet what they say does not happen."""
    fine = from_values({"ingest.roots": str(tmp_path)})
    odd = from_values({"ingest.roots": f"{tmp_path}:/not/there", "client.upload_mib": 97})

    assert [check.verdict for check in setup.agreement(fine)] == ["ok"]
    upload, root = setup.agreement(odd)
    assert (upload.verdict, root.verdict) == ("warn", "warn")
    assert "client.upload_mib (97)" in upload.detail
    assert "/not/there, which is not there" in root.detail
    assert str(tmp_path) not in root.detail
