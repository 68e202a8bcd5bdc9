"""`pi-rag doctor`: look at everything that commonly goes wrong, and name the command that mends it."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from pi_rag.cli import checks, printing
from pi_rag.cli.checks import Check
from pi_rag.cli.printing import one_line, styled
from pi_rag.cli.reach import client_of, settings_of
from pi_rag.errors import SettingsInvalid

DESCRIPTION = """\
It looks at Python, the settings, the data folder, the socket, the service, the model, the board,
the kernel and, by asking the service, the database. It changes nothing. Exit code 1: something is
wrong.
"""

EXAMPLES = """\
  pi-rag doctor
  pi-rag doctor --json
  sudo -u pi-rag pi-rag doctor --config /etc/pi-rag/pi-rag.toml
"""

EXIT_WRONG = 1

_COLOURS = {"ok": "green", "warn": "yellow", "wrong": "red"}


def configure(parser: ArgumentParser) -> None:
    """It has no flags of its own."""


def run(args: Namespace) -> int:
    """Look, and print a line each as it is known."""
    seen: list[Check] = []
    for check in _all(args):
        seen.append(check)
        if not args.json:
            _show(check)
    wrong = any(check.verdict == "wrong" for check in seen)
    if args.json:
        printing.as_json({"ok": not wrong, "checks": [asdict(check) for check in seen]})
    else:
        print(checks.summary(seen))
    return EXIT_WRONG if wrong else 0


def _all(args: Namespace) -> Iterator[Check]:
    yield checks.python()
    try:
        settings = settings_of(args)
    except SettingsInvalid as error:
        # Without settings nobody knows where the rest is.
        yield checks.failed("settings", error)
        yield from checks.machine()
        return
    yield Check("settings", "ok", "valid")
    yield from checks.data_folder(settings.data_path)
    socket = checks.socket(settings.socket_path)
    yield socket
    status: dict[str, Any] = {}
    if socket.verdict == "ok":
        service, status = checks.asked(client_of(settings))
        yield service
    yield checks.model(settings, status)
    yield from checks.store(status)
    yield from checks.watches(settings, status)
    yield from checks.machine()


def _show(check: Check) -> None:
    verdict = styled(f"{check.verdict:<6}", _COLOURS[check.verdict])
    print(f"{verdict}{check.what:<16}{one_line(check.detail)}")
    if check.mend:
        print(f"{'':<22}-> {one_line(check.mend)}")
