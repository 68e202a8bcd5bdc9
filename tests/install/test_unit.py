"""The units of systemd: they are valid, they are tight, and their times agree with the settings."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from pi_rag import config
from pi_rag.service import comeback
from pi_rag.service.listener import BACKLOG
from tests.install.shell import ROOT

UNITS = sorted(path for path in (ROOT / "systemd").iterdir() if path.is_file())
SERVICES = [path for path in UNITS if path.suffix == ".service"]
UNIT = ROOT / "systemd" / "pi-rag.service"
SOCKET = ROOT / "systemd" / "pi-rag.socket"

needs_systemd = pytest.mark.skipif(
    not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed: apt-get install systemd"
)


def named(path: Path) -> str:
    """How a test's parameter is called."""
    return path.name


def values(key: str, unit: Path = UNIT) -> list[str]:
    """Every value that a unit gives to a key, in order."""
    lines = [line.partition("=") for line in unit.read_text().splitlines() if not line.startswith("#")]
    return [value for name, _, value in lines if name == key]


def analysed(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run systemd-analyze, which needs no running systemd for this."""
    return subprocess.run(
        ["systemd-analyze", *arguments], capture_output=True, text=True, timeout=60, check=False
    )


@needs_systemd
@pytest.mark.parametrize("unit", UNITS, ids=named)
def test_systemd_understands_every_line(tmp_path: Path, unit: Path) -> None:
    """systemd finds nothing wrong with any unit, once the program they name exists."""
    for each in UNITS:
        text = each.read_text().replace("/opt/pi-rag/venv/bin/pi-rag", "/bin/true")
        (tmp_path / each.name).write_text(text)
    done = analysed("verify", "--man=no", "--recursive-errors=yes", tmp_path / unit.name)
    assert (done.returncode, done.stderr) == (0, "")


def told(page: str) -> str:
    """The lines for `systemctl edit pi-rag` on a page of docs/."""
    text = (ROOT / "docs" / page).read_text()
    found = re.search(r"^```\n(\[(?:Unit|Service)\]\n.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


@needs_systemd
@pytest.mark.parametrize(
    ("page", "wanted"),
    [
        ("data.md", "ReadWritePaths=/mnt/ssd/pi-rag"),
        ("watch.md", "BindReadOnlyPaths=-/home/pi/Documents"),
        ("backup.md", "ReadWritePaths=-/mnt/usb"),
    ],
)
def test_systemd_understands_what_the_pages_add(tmp_path: Path, page: str, wanted: str) -> None:
    """The lines that a page tells are good ones; a folder to be watched may be missing at a start."""
    for each in UNITS:
        text = each.read_text().replace("/opt/pi-rag/venv/bin/pi-rag", "/bin/true")
        (tmp_path / each.name).write_text(text)
    (tmp_path / "pi-rag.service.d").mkdir()
    (tmp_path / "pi-rag.service.d" / "override.conf").write_text(told(page))
    done = analysed("verify", "--man=no", "--recursive-errors=yes", tmp_path / "pi-rag.service")
    assert (done.returncode, done.stderr) == (0, "")
    assert wanted in told(page).splitlines()


def test_the_lamp_gives_up_what_does_not_mend_itself() -> None:
    """Settings, pins, and a system without the group of the pins (216, GROUP)."""
    unit = ROOT / "systemd" / "pi-rag-gpio.service"
    assert values("RestartPreventExitStatus", unit) == ["2 8 216"]


@needs_systemd
@pytest.mark.parametrize("unit", SERVICES, ids=named)
def test_no_unit_exposes_much(unit: Path) -> None:
    """The exposure that systemd computes, from 0 to 10, is at most 1.2, with the pins in hand too."""
    done = analysed("security", "--offline=yes", "--threshold=12", unit)
    assert done.returncode == 0, done.stdout


def test_systemd_waits_longer_than_the_service_needs() -> None:
    """systemd kills later than the service promises to stop, and gives up later than the model may boot."""
    settings = config.Settings()
    assert float(values("TimeoutStopSec")[0]) > settings.service.stop_s_max
    assert float(values("TimeoutStartSec")[0]) > settings.embedder.boot_s_max


def test_the_places_are_those_of_the_installer() -> None:
    """The unit starts what install.sh installs, with its settings, as its user, in its folders."""
    script = (ROOT / "install.sh").read_text()
    program, *flags = values("ExecStart")[0].split()
    assert program == "/opt/pi-rag/venv/bin/pi-rag" and "OPT=/opt/pi-rag\n" in script
    assert flags == ["serve", "--config", "/etc/pi-rag/pi-rag.toml"] and "ETC=/etc/pi-rag\n" in script
    assert (values("User"), values("Group")) == (["pi-rag"], ["pi-rag-clients"])
    assert values("StateDirectory") == ["pi-rag"] and "DATA=/var/lib/pi-rag\n" in script
    assert values("ListenStream", SOCKET) == ["/run/pi-rag/pi-rag.sock"]
    assert "/run/pi-rag/pi-rag.sock" in script


def test_the_socket_outlives_the_service() -> None:
    """Its folder is tmpfiles.d's, not the RuntimeDirectory of the service, which goes when that stops."""
    assert values("RuntimeDirectory") == ["pi-rag-starts"]
    made = (ROOT / "systemd" / "tmpfiles.d" / "pi-rag.conf").read_text().splitlines()
    assert [line.split()[:2] for line in made if not line.startswith("#")] == [["d", "/run/pi-rag"]]
    assert values("Backlog", SOCKET) == [str(BACKLOG)]


def test_the_service_is_never_given_up() -> None:
    """systemd starts it again after whatever ended it, and as often as it takes."""
    assert (values("Restart"), values("StartLimitIntervalSec")) == (["always"], ["0"])
    assert values("RestartPreventExitStatus") == []
    assert values("RuntimeDirectoryPreserve") == ["restart"]
    assert float(values("TimeoutStartSec")[0]) == comeback.START_S


def test_the_groups_of_guests_are_seen() -> None:
    """PrivateUsers would map the groups of guests to nobody's, and nobody could administer."""
    assert values("PrivateUsers") == []


def accounts(kind: str) -> set[str]:
    """The users (u) or groups (g) that sysusers.d makes."""
    lines = (ROOT / "systemd" / "sysusers.d" / "pi-rag.conf").read_text().splitlines()
    return {line.split()[1] for line in lines if line.startswith(f"{kind} ")}


@pytest.mark.parametrize("unit", [*SERVICES, SOCKET], ids=named)
def test_who_a_unit_names_is_made(unit: Path) -> None:
    """Every user and group that a unit names is one of sysusers.d's, but the group of the pins."""
    users = {name for key in ("User", "SocketUser") for name in values(key, unit)}
    keys = ("Group", "SocketGroup", "SupplementaryGroups")
    groups = {name for key in keys for line in values(key, unit) for name in line.split()}
    assert users and users <= accounts("u")
    assert groups and groups <= accounts("g") | {"gpio"}


@pytest.mark.skipif(not shutil.which("systemd-sysusers"), reason="systemd-sysusers is not installed")
def test_users_and_groups_can_be_made(tmp_path: Path) -> None:
    """systemd makes them in an empty root, the service's user with the group of the guests as its own."""
    (tmp_path / "etc").mkdir()
    conf = ROOT / "systemd" / "sysusers.d" / "pi-rag.conf"
    subprocess.run(
        ["systemd-sysusers", f"--root={tmp_path}", conf], capture_output=True, timeout=60, check=True
    )
    users = dict(line.split(":", 1) for line in (tmp_path / "etc/passwd").read_text().splitlines())
    groups = dict(line.split(":", 1) for line in (tmp_path / "etc/group").read_text().splitlines())
    assert set(users) == accounts("u") and set(groups) == accounts("g")
    assert users["pi-rag"].split(":")[2] == groups["pi-rag-clients"].split(":")[1]
