"""The kernel and the system, as Raspberry Pi OS has them and as others do."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pi_rag.cli.checks.check import Check
from pi_rag.cli.checks.system import system
from pi_rag.host import kernel
from pi_rag.processes import confinement
from tests.host import boards

NOW_S = 4_000_000_000.0
"""Long after any file of this tree was written."""


def checks(root: Path, wall_s: float = NOW_S) -> dict[str, Check]:
    """The lines by what they are about."""
    return {check.what: check for check in system([root / "db"], root, wall_s)}


def test_raspberry_pi_os_as_it_comes_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory cgroup and pressure figures are off, and the log is in memory: three hints, each a command."""
    monkeypatch.setattr(kernel, "page_kib", lambda: 16)
    root = boards.write(boards.pi_5(tmp_path), {"boot/firmware/cmdline.txt": "root=/dev/nvme0n1p2\n"})
    found = checks(root)
    assert [what for what, check in found.items() if check.verdict == "warn"] == [
        "memory limits",
        "memory pressure",
        "journal",
    ]
    assert found["memory limits"].mend == (
        "sudo sed -i '1 s/$/ cgroup_enable=memory/' /boot/firmware/cmdline.txt && sudo reboot"
    )
    assert " psi=1/" in found["memory pressure"].mend
    assert "offered/journald.conf /etc/systemd/journald.conf.d/99-pi-rag.conf" in found["journal"].mend
    assert found["memory pages"].detail == "16 KiB"


def test_elsewhere_the_kernels_line_is_somewhere_else(tmp_path: Path) -> None:
    """In GRUB's settings on a PC; and where nobody knows, in words."""
    assert checks(tmp_path)["memory pressure"].mend.startswith("add psi=1 to the kernel's command line")
    root = boards.write(tmp_path, {"etc/default/grub": 'GRUB_CMDLINE_LINUX=""\n'})
    assert checks(root)["memory pressure"].mend.endswith("sudo update-grub && sudo reboot")


def test_a_kernel_with_everything_is_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No hints where none are needed; an idle watchdog of the board is one."""
    monkeypatch.setattr(confinement, "lacking", list)
    found = checks(boards.pi_4(tmp_path))
    idle = found.pop("board watchdog")
    assert (idle.verdict, idle.mend.split(" && ")[1]) == ("warn", "sudo systemctl daemon-reexec")
    assert {check.verdict for check in found.values()} == {"ok"}
    assert not any(check.mend for check in found.values())


def test_a_kernel_that_confines_less_is_a_warning(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Files of strangers are read all the same, under limits; what is missing is named."""
    monkeypatch.setattr(confinement, "lacking", lambda: ["Landlock, which keeps it from files"])
    check = checks(tmp_path)["reading child"]
    assert check.verdict == "warn"
    assert "no Landlock" in check.detail


def test_the_service_knows_better_what_its_child_lacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its unit or its container may forbid what the kernel has; a newer kernel would not mend that."""
    monkeypatch.setattr(confinement, "lacking", list)
    [told] = [
        each for each in system([], tmp_path, reader_lacks=["Landlock"]) if each.what == "reading child"
    ]
    assert (told.verdict, told.mend.split("   ")[0]) == ("warn", "systemctl cat pi-rag")
    monkeypatch.setattr(confinement, "lacking", lambda: ["Landlock"])
    [well] = [each for each in system([], tmp_path, reader_lacks=[]) if each.what == "reading child"]
    assert well.verdict == "ok"


def test_a_clock_that_was_set_back_a_year_is_wrong(tmp_path: Path) -> None:
    """The database is later than now; a few minutes are nobody's fault."""
    root = boards.write(boards.pi_5(tmp_path), {"db": ""})
    os.utime(root / "db", (NOW_S, NOW_S))
    back = checks(root, NOW_S - 365 * 86_400)["clock"]
    assert (back.verdict, "365 days later" in back.detail) == ("wrong", True)
    assert back.mend.startswith("sudo timedatectl set-ntp true")
    assert checks(root, NOW_S - 300)["clock"].verdict == "ok"


def test_the_clock_tells_what_it_is_set_by(tmp_path: Path) -> None:
    """A time server, and a battery for while the machine is off, where there is one."""
    root = boards.pi_5(tmp_path / "5")
    assert checks(root)["clock"].detail.endswith("set by a time server, it goes on while the machine is off")
    boards.write(root, {"sys/class/rtc/rtc0/battery_voltage": "0\n"})
    assert checks(root)["clock"].detail.endswith("no battery: after a start it waits for the network")
    assert checks(tmp_path / "none")["clock"].verdict == "ok"
