"""Checks of the kernel and the system: what they offer, and whether they know the time.

Nothing here is needed for a search to work; all of it helps the machine to run for years.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pi_rag
from pi_rag.cli.checks.check import Check
from pi_rag.host import board_watchdog, journal, kernel, memory, sysfs, wall_clock
from pi_rag.processes import confinement

PI_LINE = "sudo sed -i '1 s/$/ {word}/' /boot/firmware/cmdline.txt && sudo reboot"
"""Raspberry Pi OS keeps the kernel's command line in this file, as one line."""

GRUB_LINE = (
    "sudo sed -i 's/^GRUB_CMDLINE_LINUX=\"/&{word} /' /etc/default/grub && sudo update-grub && sudo reboot"
)

OFFERED = "sudo install -D -m 644 /opt/pi-rag/offered/{name} {to} && {then}"


def system(
    written: list[Path],
    root: Path = sysfs.ROOT,
    wall_s: float | None = None,
    reader_lacks: list[str] | None = None,
) -> Iterator[Check]:
    """All about the kernel and the system. `written` are files whose times the clock must not be before.

    `reader_lacks` is what the service says that its reading child lacks; None: it was not asked. It may be
    less confined than a command is, as in a container.
    """
    yield _memory_limits(root)
    yield _memory_pressure(root)
    yield Check("memory pages", "ok", f"{kernel.page_kib()} KiB")
    yield _confinement(confinement.lacking(), reader_lacks)
    yield _board_watchdog(root)
    yield _journal(root)
    yield _clock([*written, Path(pi_rag.__file__)], root, time.time() if wall_s is None else wall_s)


def boot_line(word: str, root: Path = sysfs.ROOT) -> str:
    """The command that adds a word to the kernel's command line, here."""
    if sysfs.exists(root / "boot/firmware/cmdline.txt"):
        return PI_LINE.format(word=word)
    if sysfs.exists(root / "etc/default/grub"):
        return GRUB_LINE.format(word=word)
    return f"add {word} to the kernel's command line, then: sudo reboot"


def _memory_limits(root: Path) -> Check:
    if kernel.has_memory_cgroup(root):
        return Check("memory limits", "ok", "systemd can hold the service to its limit")
    detail = "off in the kernel: MemoryMax of the unit does nothing, the service's own limits still do"
    return Check("memory limits", "warn", detail, boot_line("cgroup_enable=memory", root))


def _memory_pressure(root: Path) -> Check:
    if memory.pressure_percent(root) is not None:
        return Check("memory pressure", "ok", "the kernel tells when memory is short")
    detail = "the kernel does not tell when memory is short"
    return Check("memory pressure", "warn", detail, boot_line("psi=1", root))


def _confinement(kernel_lacks: list[str], service_lacks: list[str] | None) -> Check:
    """Whether the child that opens files of strangers can give up all that it does not need."""
    lacking = kernel_lacks if service_lacks is None else service_lacks
    if not lacking:
        return Check("reading child", "ok", "the kernel keeps it from files, programs and the network")
    under = "it reads strangers' files under limits, but"
    if not kernel_lacks:
        mend = "systemctl cat pi-rag   (its SystemCallFilter, or its container's, has to allow them)"
        return Check("reading child", "warn", f"{under} may not use {', nor '.join(lacking)}", mend)
    detail = f"{under} the kernel has no {', and no '.join(lacking)}"
    return Check("reading child", "warn", detail, "sudo apt full-upgrade   (for a newer kernel)")


def _board_watchdog(root: Path) -> Check:
    state = board_watchdog.state(root)
    if state == "absent":
        return Check("board watchdog", "ok", "this machine has none")
    if state == "armed":
        return Check("board watchdog", "ok", "a machine that hangs is started anew")
    to = "/etc/systemd/system.conf.d/99-pi-rag.conf"
    mend = OFFERED.format(name="watchdog.conf", to=to, then="sudo systemctl daemon-reexec")
    return Check("board watchdog", "warn", "there, and not used: a machine that hangs stays so", mend)


def _journal(root: Path) -> Check:
    kept = journal.kept(root)
    if kept == "persistent":
        return Check("journal", "ok", "on the disk")
    if kept is None:
        return Check("journal", "ok", "there is none: the service's lines go to its terminal")
    to = "/etc/systemd/journald.conf.d/99-pi-rag.conf"
    mend = OFFERED.format(name="journald.conf", to=to, then="sudo systemctl restart systemd-journald")
    return Check("journal", "warn", "in memory: after a crash nothing tells why", mend)


def _clock(written: list[Path], root: Path, wall_s: float) -> Check:
    known = wall_clock.known(root)
    behind_s = wall_clock.behind_s(written, wall_s)
    today = time.strftime("%Y-%m-%d", time.localtime(wall_s))
    mend = "sudo timedatectl set-ntp true   (and see that a time server can be reached: timedatectl)"
    if behind_s >= wall_clock.BEHIND_S_MIN:
        detail = f"it says {today}, but what is stored is {behind_s / 86_400:.0f} days later: it was set back"
        return Check("clock", "wrong", detail, mend)
    if known.synchronised is False:
        return Check("clock", "warn", f"{today}, by no time server: stamps and ages may be wrong", mend)
    off = "it goes on while the machine is off" if known.rtc and known.battery is not False else ""
    lacking = "no battery: after a start it waits for the network" if known.battery is False else ""
    heard = "set by a time server" if known.synchronised else ""
    return Check("clock", "ok", ", ".join(filter(None, [today, heard, off, lacking])))
