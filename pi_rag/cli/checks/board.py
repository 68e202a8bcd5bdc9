"""Checks of the board: which it is, how hot, whether it gets enough power, whether it is slowed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pi_rag.cli.checks.check import Check
from pi_rag.cli.printing import counted, size
from pi_rag.host import firmware, heat, sysfs
from pi_rag.host.board import board, revision
from pi_rag.host.firmware import Throttling
from pi_rag.host.memory import total_mib

FAN = "put a fan on the board: the Active Cooler of the Pi 5"


def machine_board(root: Path = sysfs.ROOT) -> Iterator[Check]:
    """All about the board. What it does not tell has no line."""
    yield _board(root)
    told = firmware.asked(root)
    yield from _temperature(heat.temperature_c(root))
    yield from _power(heat.undervoltage(root), told)
    yield from _throttling(told)


def _board(root: Path) -> Check:
    found, code = board(root), revision(root)
    memory_mib = code.memory_mib if code else total_mib(root)
    facts = [
        found.name or f"unknown, {found.machine}",
        f"revision {code.code}" if code else "",
        counted(found.cores, "core"),
        f"{size(memory_mib * 2**20)} RAM" if memory_mib else "",
    ]
    return Check("board", "ok", ", ".join(filter(None, facts)))


def _temperature(celsius: float | None) -> Iterator[Check]:
    if celsius is not None and celsius >= heat.SLOWED_C:
        detail = f"{celsius:.0f} °C: the processor is slowed, and adding takes less on"
        yield Check("temperature", "warn", detail, FAN)
    elif celsius is not None:
        yield Check("temperature", "ok", f"{celsius:.0f} °C")


def _power(too_little: bool | None, told: Throttling | None) -> Iterator[Check]:
    if too_little or (told and told.undervoltage):
        detail = "the supply gives too little: the board is slowed, and a write to the card may be lost"
        yield Check("power", "warn", detail, heat.SUPPLY)
    elif told and told.undervoltage_since_boot:
        yield Check("power", "warn", "the supply gave too little at times since the start", heat.SUPPLY)
    elif too_little is not None or told:
        yield Check("power", "ok", "the supply gives enough")


def _throttling(told: Throttling | None) -> Iterator[Check]:
    """What is slowed for want of power is told there."""
    if told is None:
        return
    if told.throttled or told.capped or told.soft_limit:
        yield Check("throttling", "warn", "the processor is slowed now", FAN)
    elif told.throttled_since_boot or told.capped_since_boot or told.soft_limit_since_boot:
        yield Check("throttling", "warn", "the processor was slowed at times since the start", FAN)
    else:
        yield Check("throttling", "ok", "the processor has not been slowed since the start")
