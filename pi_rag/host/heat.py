"""How hot the processor is, and whether the board gets too little power. Only /sys is read.

A Pi 5 slows its processor from 80 degrees on, and at 85 by much; a weak power supply slows it too, and can
cost the card its data. What a file does not say, since it is missing, empty or no number, is None: not known.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

SLOWED_C = 80.0
"""From here on a Pi 5 takes speed away, a little at first."""

SUPPLY = "use the 27 W supply (5.1 V, 5 A)"
"""What mends a board that gets too little power. A phone's charger gives a Pi 5 15 W at most."""

PLAUSIBLE_C = (-40.0, 150.0)
"""Beyond these a sensor is broken or absent; some say -273 then, some 255."""

_PROCESSOR = ("cpu", "soc", "pkg")
"""What the names of zones have that are the processor's: cpu-thermal on a Pi, x86_pkg_temp elsewhere."""


def condition(root: Path = Path("/")) -> dict[str, float | bool | None]:
    """Both, as the service tells of them."""
    return {"temperature_c": temperature_c(root), "undervoltage": undervoltage(root)}


def temperature_c(root: Path = Path("/")) -> float | None:
    """Of the processor's hottest part, in degrees Celsius."""
    zones = sorted((root / "sys/class/thermal").glob("thermal_zone*"))
    found = (_degrees(zone / "temp") for zone in zones if _is_processor(zone))
    return max((each for each in found if each is not None), default=None)


def undervoltage(root: Path = Path("/")) -> bool | None:
    """Whether the supply is below what the board needs, now. The Pi's firmware tells it as an alarm."""
    for sensor in _sensors(root, "rpi_volt"):
        alarm = _text(sensor / "in0_lcrit_alarm")
        if alarm in {"0", "1"}:
            return alarm == "1"
    return None


def _sensors(root: Path, name: str) -> Iterator[Path]:
    for sensor in sorted((root / "sys/class/hwmon").glob("hwmon*")):
        if _text(sensor / "name") == name:
            yield sensor


def _is_processor(zone: Path) -> bool:
    kind = _text(zone / "type").lower()
    return any(part in kind for part in _PROCESSOR)


def _degrees(path: Path) -> float | None:
    """From thousandths, as the kernel writes them."""
    try:
        degrees = int(_text(path)) / 1000
    except ValueError:
        return None
    return degrees if PLAUSIBLE_C[0] <= degrees <= PLAUSIBLE_C[1] else None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""
