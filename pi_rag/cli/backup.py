"""`pi-rag backup`: have the service copy all that it keeps into one file, while it goes on."""

from __future__ import annotations

import time
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from pi_rag.cli import printing
from pi_rag.cli.follow import until_over
from pi_rag.cli.parsing import a_path
from pi_rag.cli.printing import counted, one_line, size, span, stamp, typed
from pi_rag.cli.progress import Pace
from pi_rag.cli.reach import client_of, settings_of
from pi_rag.client import Client
from pi_rag.clock import Clock, SystemClock
from pi_rag.errors import ServiceDown, from_wire

DESCRIPTION = """\
The service copies its database as it is in this moment into one file, while searches and adding go
on, reads the copy again and compares it, and only then gives it its name. TO is a folder that is
there, or a file that is not and ends with .db; without it the folder of the settings, where older
ones are thinned out. The service writes it, with its own rights. Ctrl-C only stops the waiting. A
timer of systemd does it every night: docs/backup.md.
"""

EXAMPLES = """\
  pi-rag backup
  pi-rag backup /mnt/usb/pi-rag
  pi-rag backup --status
"""

WARNINGS = {
    "same_disk": "Note: it lies on the same disk as the data, and will not outlive it. Better: a folder on "
    "another one, by name or in backup.folder.",
}
"""What the service warns of, in words."""


def configure(parser: ArgumentParser) -> None:
    """Where to, or what else."""
    parser.add_argument(
        "to", metavar="TO", type=a_path, nargs="?", help="a folder, or a new file that ends with .db"
    )
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument("--status", action="store_true", help="show how far it is, or how the last one went")
    instead.add_argument("--no-wait", action="store_true", help="come back as soon as it is begun")


def run(args: Namespace) -> int:
    """Begin and follow it, or what the flags say. Raises what the backup failed of."""
    client = client_of(settings_of(args))
    if args.status:
        answer = client.backup_status()
    else:
        answer = client.backup(None if args.to is None else str(Path(args.to).absolute()))
    if not args.status and not args.no_wait:
        answer = followed(client, answer, SystemClock(), quiet=args.json)
    if answer.get("error") and not args.status:
        raise from_wire(answer["error"])
    if args.json:
        printing.as_json(answer)
    else:
        for line in lines(answer):
            print(one_line(line))
    return 0


def lines(answer: dict[str, Any]) -> list[str]:
    """How it is, for people."""
    state = answer.get("state")
    if state == "running":
        return [f"A backup is being made: {figures(answer)}. See it with: pi-rag backup --status"]
    if state == "done":
        return _done(answer)
    newest = answer.get("newest_at")
    told = f"The newest is of {stamp(newest)}." if newest else "There is none in the folder of the settings."
    failed = [f"The last one failed: {answer['error'].get('message')}"] if answer.get("error") else []
    return [*failed, told] if state == "failed" else [f"No backup was made since the start. {told}"]


def _done(answer: dict[str, Any]) -> list[str]:
    took, bytes_count = span(answer.get("took_s") or 0.0), size(answer.get("size_bytes") or 0)
    counts = answer.get("counts") or {}
    documents = counted(counts.get("documents", 0), "document")
    holds = f"{documents}, {counted(counts.get('memories', 0), 'memory', 'memories')}"
    removed = len(answer.get("removed") or [])
    return [
        f"{answer.get('path')}",
        f"{holds}, {bytes_count}, compared with what it is a copy of ({took})",
        *([f"{counted(removed, 'older one')} removed"] if removed else []),
        *(WARNINGS[each] for each in answer.get("warnings") or [] if each in WARNINGS),
        f"To have it back, with the service stopped: {typed('restore', answer.get('path'))}",
    ]


def figures(answer: dict[str, Any]) -> str:
    """'copying, 34 %'."""
    doing, share = answer.get("doing") or "beginning", answer.get("share") or 0.0
    return f"{doing}, {share * 100:.0f} %" if doing == "copying" else str(doing)


class _Shown(Pace):
    """The figures are the service's own."""

    def figures(self, job: dict[str, Any], now_s: float) -> str:
        return figures(job)

    def how_far(self, job: dict[str, Any]) -> tuple[int, int]:
        return round((job.get("share") or 0.0) * 1000), 1000


def followed(client: Client, answer: dict[str, Any], clock: Clock, *, quiet: bool) -> dict[str, Any]:
    """How it is once it is no longer running. Raises ServiceDown when the service stays away or was ended."""
    path = answer.get("path")
    answer = until_over(
        client.backup_status,
        answer,
        clock=clock,
        pause=time.sleep,
        pace=_Shown(),
        command="pi-rag backup --status",
        quiet=quiet,
    )
    if answer.get("path") != path:
        ended = "The service was ended before the backup was made."
        raise ServiceDown(ended, hint="Run it again: pi-rag backup")
    return answer
