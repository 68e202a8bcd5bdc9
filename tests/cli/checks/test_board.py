"""The board, its heat and its power."""

from __future__ import annotations

from pathlib import Path

from pi_rag.cli.checks.board import machine_board
from pi_rag.cli.checks.check import Check
from tests.host import boards


def checks(root: Path) -> dict[str, Check]:
    """The lines by what they are about."""
    return {check.what: check for check in machine_board(root)}


def test_a_well_board_is_told(tmp_path: Path) -> None:
    """By its name, its code and what it has; a Pi 5 tells of throttling only where vcgencmd may ask."""
    found = checks(boards.pi_5(tmp_path))
    assert found["board"].detail.startswith("Raspberry Pi 5 Model B Rev 1.1, revision d04171, ")
    assert found["board"].detail.endswith(" 8.0 GiB RAM")
    assert {check.verdict for check in found.values()} == {"ok"}
    assert list(found) == ["board", "temperature", "power"]


def test_a_weak_supply_and_a_hot_processor_are_told_with_what_mends_them(tmp_path: Path) -> None:
    """By what the board's own sensors say, each finding names what a person can do."""
    found = checks(boards.pi_zero_2(tmp_path))
    assert (found["power"].verdict, found["power"].mend) == ("warn", "use the 27 W supply (5.1 V, 5 A)")
    assert (found["temperature"].verdict, found["temperature"].detail[:5]) == ("warn", "81 °C")
    assert "fan" in found["temperature"].mend


def test_what_the_firmware_remembers_is_told(tmp_path: Path) -> None:
    """Too little power and a slowed processor, now or at any time since the start."""
    root = boards.pi_4(tmp_path)
    throttled = root / "sys/devices/platform/soc/soc:firmware/get_throttled"
    now = checks(root)
    assert [now[what].verdict for what in ("power", "throttling")] == ["warn", "warn"]
    throttled.write_text("50000\n")
    before = checks(root)
    assert all("at times since the start" in before[what].detail for what in ("power", "throttling"))
    throttled.write_text("0\n")
    assert {check.verdict for check in checks(root).values()} == {"ok"}


def test_an_unknown_board_has_one_line(tmp_path: Path) -> None:
    """With its cores; what it does not tell is left out, and nothing is wrong."""
    [line] = machine_board(tmp_path)
    assert line.verdict == "ok"
    assert line.detail.startswith("unknown, ")
