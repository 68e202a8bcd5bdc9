"""`pi-rag doctor`: look at everything that commonly goes wrong, and name the command that mends it."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from pi_rag.cli import printing
from pi_rag.cli.checks import board, disk, service, setup, system
from pi_rag.cli.checks.check import Check, failed, summary
from pi_rag.cli.printing import one_line, styled
from pi_rag.cli.reach import client_of, settings_of
from pi_rag.clock import SystemClock
from pi_rag.config import Settings
from pi_rag.errors import SettingsInvalid
from pi_rag.host import sysfs

DESCRIPTION = """\
It looks at Python, the settings, the data folder and its disk, the socket, the service, the model,
the board, the kernel, the clock and, by asking the service, the database. It changes nothing. Each
line has the command that mends what is not well. Exit code 1: something is wrong.
docs/doctor.md has a table of all that is looked at.
"""

EXAMPLES = """\
  pi-rag doctor
  sudo pi-rag doctor --config /etc/pi-rag/pi-rag.toml
  pi-rag doctor --json
  pi-rag doctor --bundle
"""

EXIT_WRONG = 1

ROOT = sysfs.ROOT
"""Below it are /proc and /sys."""

HERE = ""
"""`--bundle` without a name."""

_COLOURS = {"ok": "green", "warn": "yellow", "wrong": "red"}


@dataclass
class Findings:
    """What was found by the time it is printed."""

    checks: list[Check] = field(default_factory=list)
    settings: Settings | None = None
    """None while they are not valid."""
    status: dict[str, Any] = field(default_factory=dict)
    """What the service says; empty when it does not answer."""

    @property
    def is_wrong(self) -> bool:
        """Whether anything has to be mended."""
        return any(check.verdict == "wrong" for check in self.checks)


def configure(parser: ArgumentParser) -> None:
    """Whether a report for others is written too."""
    parser.add_argument(
        "--bundle",
        metavar="FILE",
        nargs="?",
        const=HERE,
        help="also write a report without private text: FILE, or pi-rag-report-TIME.tar.gz in this folder",
    )


def run(args: Namespace) -> int:
    """Look, and print a line each as it is known. Raises BadInput where a report cannot be written."""
    found = Findings()
    for check in _all(args, found):
        found.checks.append(check)
        if not args.json:
            _show(check)
    answer: dict[str, Any] = {"ok": not found.is_wrong, "checks": [_shown(check) for check in found.checks]}
    if args.bundle is not None:
        answer["bundle"] = _bundle(args, found)
    if args.json:
        printing.as_json(answer)
    else:
        print(summary(found.checks))
        _show_bundle(answer.get("bundle"))
    return EXIT_WRONG if found.is_wrong else 0


def _all(args: Namespace, found: Findings) -> Iterator[Check]:
    yield setup.python()
    try:
        found.settings = settings = settings_of(args)
    except SettingsInvalid as error:
        # Without settings nobody knows where the rest is.
        yield failed("settings", error)
        yield from board.machine_board(ROOT)
        yield from system.system([], ROOT)
        return
    yield from setup.agreement(settings)
    yield from setup.data_folder(settings.data_path)
    yield from disk.disk(settings.data_path, ROOT)
    yield from _served(settings, found)
    yield from board.machine_board(ROOT)
    database = settings.database_path
    written = [database, database.with_name(f"{database.name}-wal")]
    lacks = (found.status.get("ingest") or {}).get("reader_lacks")
    yield from system.system(written, ROOT, reader_lacks=lacks)


def _served(settings: Settings, found: Findings) -> Iterator[Check]:
    """What the service is asked, when it can be."""
    way_in = settings.service
    socket = setup.socket(settings.socket_path, way_in.admin_group, way_in.socket_mode)
    yield socket
    client = client_of(settings)
    if socket.verdict != "wrong":
        answered, found.status = service.asked(client)
        yield answered
        yield from service.alerts(found.status)
        yield from service.budget(found.status)
    yield service.model(settings, found.status)
    yield from service.engine(found.status, ROOT)
    yield from service.store(found.status)
    if found.status.get("store"):
        yield service.whole(client)
        yield service.backup(client, SystemClock().wall_s())
    yield from service.watches(settings, found.status, ROOT)


def _bundle(args: Namespace, found: Findings) -> dict[str, Any]:
    from pi_rag.cli import bundle  # only where it is asked for

    path, names = bundle.write(args.bundle, found.checks, found.settings, found.status)
    return {"file": str(path), "holds": names, "lacks": bundle.lacking(names)}


def _shown(check: Check) -> dict[str, str]:
    return {"what": check.what, "verdict": check.verdict, "detail": check.detail, "mend": check.mend}


def _show(check: Check) -> None:
    verdict = styled(f"{check.verdict:<6}", _COLOURS[check.verdict])
    print(f"{verdict}{check.what:<16}{one_line(check.detail)}")
    if check.mend:
        print(f"{'':<22}-> {one_line(check.mend)}")


def _show_bundle(told: dict[str, Any] | None) -> None:
    if told is None:
        return
    print(f"\nThe report is {one_line(told['file'])}. It was sent to nobody. In it:")
    for name, content in told["holds"].items():
        print(f"  {name:<16}{content}")
    for name, why in told["lacks"].items():
        print(f"Not in it: {name} ({why})")
    print(f"Look before you send it: tar -xzOf {one_line(told['file'])} | less")
