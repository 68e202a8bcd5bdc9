"""Temperature and power from a made-up /sys, as boards have it and as broken ones do."""

from pathlib import Path

import pytest

from pi_rag.host.heat import condition, temperature_c, undervoltage


def zone(root: Path, number: int, kind: str, temp: str) -> None:
    folder = root / f"sys/class/thermal/thermal_zone{number}"
    folder.mkdir(parents=True)
    (folder / "type").write_text(f"{kind}\n")
    (folder / "temp").write_text(temp)


def sensor(root: Path, number: int, name: str, alarm: str | None) -> None:
    folder = root / f"sys/class/hwmon/hwmon{number}"
    folder.mkdir(parents=True)
    (folder / "name").write_text(f"{name}\n")
    if alarm is not None:
        (folder / "in0_lcrit_alarm").write_text(alarm)


def test_the_hottest_part_of_the_processor_counts(tmp_path: Path) -> None:
    """Other zones, such as a battery's or a radio's, do not."""
    zone(tmp_path, 0, "cpu-thermal", "61350\n")
    zone(tmp_path, 1, "cpu1-thermal", "64000\n")
    zone(tmp_path, 2, "iwlwifi_1", "91000\n")

    assert temperature_c(tmp_path) == 64.0


@pytest.mark.parametrize("temp", ["", "hot\n", "-274000\n", "255000\n", "12.5\n", "\xb0"])
def test_a_sensor_that_makes_no_sense_tells_nothing(tmp_path: Path, temp: str) -> None:
    """Nobody slows down for a number that cannot be."""
    zone(tmp_path, 0, "cpu-thermal", temp)

    assert temperature_c(tmp_path) is None


def test_a_broken_sensor_hides_no_sound_one(tmp_path: Path) -> None:
    """The others are still read."""
    zone(tmp_path, 0, "cpu-thermal", "")
    zone(tmp_path, 1, "cpu-thermal", "48000")

    assert temperature_c(tmp_path) == 48.0


def test_a_board_without_sensors_tells_nothing(tmp_path: Path) -> None:
    """And it is no error."""
    assert temperature_c(tmp_path) is None
    assert undervoltage(tmp_path) is None


@pytest.mark.parametrize(
    ("alarm", "low"), [("1\n", True), ("0\n", False), ("", None), (None, None), ("x", None)]
)
def test_the_firmware_tells_when_the_supply_is_too_weak(
    tmp_path: Path, alarm: str | None, low: bool | None
) -> None:
    """By the alarm of its own sensor; those of other makers mean something else."""
    sensor(tmp_path, 0, "cpu_thermal", "1")
    sensor(tmp_path, 1, "rpi_volt", alarm)

    assert undervoltage(tmp_path) is low


def test_both_are_told_together(tmp_path: Path) -> None:
    """As the status of the service has them."""
    assert condition(tmp_path) == {"temperature_c": None, "undervoltage": None, "throttled": None}
    zone(tmp_path, 0, "cpu-thermal", "61350\n")
    sensor(tmp_path, 1, "rpi_volt", "1\n")

    assert condition(tmp_path) == {"temperature_c": 61.35, "undervoltage": True, "throttled": None}
