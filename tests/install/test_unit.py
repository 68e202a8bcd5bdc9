"""The unit of systemd: it is valid, it is tight, and its times agree with the settings."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from pi_rag import config
from tests.install.shell import ROOT

UNIT = ROOT / "systemd" / "pi-rag.service"

needs_systemd = pytest.mark.skipif(
    not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed: apt-get install systemd"
)


def values(key: str) -> list[str]:
    """Every value that the unit gives to a key, in order."""
    lines = [line.partition("=") for line in UNIT.read_text().splitlines() if not line.startswith("#")]
    return [value for name, _, value in lines if name == key]


def analysed(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run systemd-analyze, which needs no running systemd for this."""
    return subprocess.run(
        ["systemd-analyze", *arguments], capture_output=True, text=True, timeout=60, check=False
    )


@needs_systemd
def test_systemd_understands_every_line(tmp_path: Path) -> None:
    """systemd finds nothing wrong with the unit, once the program it names exists."""
    copy = tmp_path / UNIT.name
    copy.write_text(UNIT.read_text().replace("/opt/pi-rag/venv/bin/pi-rag", "/bin/true"))
    done = analysed("verify", "--man=no", "--recursive-errors=yes", copy)
    assert done.returncode == 0, done.stderr


@needs_systemd
def test_the_unit_exposes_little() -> None:
    """The exposure that systemd computes, from 0 to 10, is below 1.5."""
    done = analysed("security", "--offline=yes", "--threshold=15", UNIT)
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
    assert values("RuntimeDirectory") == ["pi-rag"] and "/run/pi-rag/pi-rag.sock" in script
