"""`pi-rag upkeep`: have the service do what is due, and read all that it keeps."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import Any

from pi_rag.cli import printing
from pi_rag.cli.printing import one_line
from pi_rag.cli.reach import client_of, settings_of
from pi_rag.client import Client
from pi_rag.clock import Clock, SystemClock
from pi_rag.errors import DeadlineExceeded, StoreDamaged

DESCRIPTION = """\
The service looks after its database by itself, a little at a time. This asks for all that is due at
once, and for a reading of the whole database and of the model's file. A timer of systemd does it
every night. Searches go on meanwhile. Statistics, the word index, free space and the log are put in
order; what is damaged is only told, not mended, and is exit code 7.
"""

EXAMPLES = """\
  pi-rag upkeep
  pi-rag upkeep --json
"""

ASKED_S_MAX = 3000.0
"""How long it is asked for in all. A large database on a slow card takes longer than one request may."""

DONE = {
    "plan": "statistics for the planner made",
    "merge": "the word index brought into one piece",
    "give_back": "space given back to the disk",
    "empty_log": "the log emptied",
}
"""What the service did, in words."""


def configure(parser: ArgumentParser) -> None:
    """It has no flags of its own."""


def run(args: Namespace) -> int:
    """Ask, wait and print. Raises StoreDamaged when something was found, AdministratorsOnly, ServiceDown."""
    answer = _asked(client_of(settings_of(args)), SystemClock())
    problems = answer.get("problems") or []
    if args.json:
        printing.as_json(answer)
        return StoreDamaged.exit_code if problems else 0
    print(_summary(answer))
    for problem in problems:
        print(f"  {one_line(problem)}")
    if problems:
        raise StoreDamaged(f"Not everything is as it must be: {len(problems)} found.")
    return 0


def _asked(client: Client, clock: Clock) -> dict[str, Any]:
    """The answer, however often the time of a request is up: who asks again joins the reading under way."""
    begun_s = clock.monotonic_s()
    while True:
        try:
            return client.upkeep()
        except DeadlineExceeded:
            if clock.monotonic_s() - begun_s > ASKED_S_MAX:
                raise


def _summary(answer: dict[str, Any]) -> str:
    done = [DONE.get(each, one_line(each)) for each in answer.get("done") or []]
    whole = "" if answer.get("problems") else "all is whole"
    return f"{'; '.join([*done, whole]).strip('; ') or 'looked over'} ({answer.get('took_s', 0):.1f} s)"
