"""How hot the processor is, and whether the board gets too little power. Only /sys is read.

A Pi 5 slows its processor from 80 degrees on, and at 85 by much; a weak power supply slows it too, and can
cost the card its data. What a file does not say, since it is missing, empty or no number, is None: not known.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pi_rag.host import sysfs
from pi_rag.host.firmware import throttling

SLOWED_C = 80.0
"""From here on a Pi 5 takes speed away, a little at first."""

SUPPLY = "use the 27 W supply (5.1 V, 5 A)"
"""What mends a board that gets too little power. A phone's charger gives a Pi 5 15 W at most."""

PLAUSIBLE_C = (-40.0, 150.0)
"""Beyond these a sensor is broken or absent; some say -273 then, some 255."""

_PROCESSOR = ("cpu", "soc", "pkg")
"""What the names of zones have that are the processor's: cpu-thermal on a Pi, x86_pkg_temp elsewhere."""


def condition(root: Path = sysfs.ROOT) -> dict[str, float | bool | None]:
    """All of it, as the service tells of it."""
    told = throttling(root)
    return {
        "temperature_c": temperature_c(root),
        "undervoltage": undervoltage(root),
        "throttled": told.throttled if told else None,
    }


def temperature_c(root: Path = sysfs.ROOT) -> float | None:
    """Of the processor's hottest part, in degrees Celsius."""
    zones = sysfs.below(root / "sys/class/thermal", "thermal_zone*")
    found = (_degrees(zone / "temp") for zone in zones if _is_processor(zone))
    return max((each for each in found if each is not None), default=None)


def undervoltage(root: Path = sysfs.ROOT) -> bool | None:
    """Whether the supply is below what the board needs, now. The Pi's firmware tells it as an alarm."""
    for sensor in _sensors(root, "rpi_volt"):
        alarm = sysfs.text(sensor / "in0_lcrit_alarm")
        if alarm in {"0", "1"}:
            return alarm == "1"
    told = throttling(root)
    return told.undervoltage if told else None


def _sensors(root: Path, name: str) -> Iterator[Path]:
    for sensor in sysfs.below(root / "sys/class/hwmon", "hwmon*"):
        if sysfs.text(sensor / "name") == name:
            yield sensor


def _is_processor(zone: Path) -> bool:
    kind = sysfs.text(zone / "type").lower()
    return any(part in kind for part in _PROCESSOR)


def _degrees(path: Path) -> float | None:
    """From thousandths, as the kernel writes them."""
    number = sysfs.number(path)
    if number is None:
        return None
    degrees = number / 1000
    return degrees if PLAUSIBLE_C[0] <= degrees <= PLAUSIBLE_C[1] else None
