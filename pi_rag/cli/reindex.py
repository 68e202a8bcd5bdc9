"""`pi-rag reindex`: another model for the index, while the service answers from the old one."""

from __future__ import annotations

import time
from argparse import ArgumentParser, Namespace
from typing import Any

from pi_rag.cli import printing
from pi_rag.cli.follow import until_over
from pi_rag.cli.model_change import figures, state_line
from pi_rag.cli.printing import one_line
from pi_rag.cli.progress import Pace
from pi_rag.cli.reach import client_of, settings_of
from pi_rag.client import Client
from pi_rag.clock import Clock, SystemClock
from pi_rag.errors import from_wire

DESCRIPTION = """\
Every passage is embedded again with an installed model, beside the vectors in use. When all are
done, they change places. Searches and adding go on all the while. Without MODEL it is the one that
was chosen with pi-rag model use. Ctrl-C only stops the waiting; a restart of the service does no
harm.
"""

EXAMPLES = """\
  pi-rag reindex
  pi-rag reindex all-MiniLM-L6-v2 --no-wait
  pi-rag reindex --status
  pi-rag reindex --cancel
"""


def configure(parser: ArgumentParser) -> None:
    """Which model, or what else."""
    parser.add_argument("model", metavar="MODEL", nargs="?", default="", help="an installed model")
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument("--status", action="store_true", help="show how far it is")
    instead.add_argument("--cancel", action="store_true", help="give it up; the index in use stays as it is")
    instead.add_argument("--no-wait", action="store_true", help="come back as soon as it is begun")


def run(args: Namespace) -> int:
    """Begin and follow it, or what the flags say. Raises what the reindex failed of."""
    client = client_of(settings_of(args))
    if args.cancel:
        return _cancel(client, as_json=args.json)
    answer = client.reindex_status() if args.status else client.reindex(args.model)
    if not args.status and not args.no_wait:
        answer = _followed(client, answer, SystemClock(), quiet=args.json)
    if args.json:
        printing.as_json(answer)
    else:
        print(state_line(answer) or _nothing_to_do(answer))
    if answer.get("error") and not args.status:
        raise from_wire(answer["error"])
    return 0


def _nothing_to_do(reindex: dict[str, Any]) -> str:
    of = reindex.get("index_model")
    return one_line(
        f"Nothing is being embedded again; the index is of {of}." if of else "The index is empty."
    )


def _cancel(client: Client, *, as_json: bool) -> int:
    answer = client.reindex_cancel()
    if as_json:
        printing.as_json(answer)
    elif answer.get("cancelled"):
        print("Given up. The index in use is as it was.")
    else:
        print("There is nothing to give up.")
    return 0


class _Shown(Pace):
    """The figures are the service's own."""

    def figures(self, job: dict[str, Any], now_s: float) -> str:
        return figures(job)

    def how_far(self, job: dict[str, Any]) -> tuple[int, int]:
        return int(job.get("passages_done") or 0), int(job.get("passages_total") or 0)


def _followed(client: Client, answer: dict[str, Any], clock: Clock, *, quiet: bool) -> dict[str, Any]:
    """How it is once it is no longer running. Raises ServiceDown when the service stays away."""
    return until_over(
        client.reindex_status,
        answer,
        clock=clock,
        pause=time.sleep,
        pace=_Shown(),
        command="pi-rag reindex --status",
        quiet=quiet,
    )
