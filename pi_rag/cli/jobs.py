"""`pi-rag jobs`: what is being added, what was, and what was not taken."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import Any

from pi_rag.cli import printing
from pi_rag.cli.printing import counted, one_line, stamp
from pi_rag.cli.reach import client_of, settings_of
from pi_rag.cli.refusals import show_refusals
from pi_rag.cli.repeats import show_repeats

DESCRIPTION = """\
Every pi-rag add is a job in the service's durable queue; it goes on after Ctrl-C, a log-out or a
power cut. Without an ID it lists the newest jobs; with one it shows what was not taken, and why.
"""

EXAMPLES = """\
  pi-rag jobs
  pi-rag jobs 7
  pi-rag jobs 7 --json
"""


def configure(parser: ArgumentParser) -> None:
    """Which job."""
    parser.add_argument("id", metavar="ID", type=int, nargs="?", help="one job, with what it did not take")
    parser.add_argument("--limit", type=int, default=20, metavar="N", help="how many at most (20)")


def run(args: Namespace) -> int:
    """Ask and print. Raises JobNotFound or ServiceDown."""
    client = client_of(settings_of(args))
    answer = client.jobs(limit=args.limit) if args.id is None else client.job(args.id)
    if args.json:
        printing.as_json(answer)
    elif args.id is None:
        _show_all(answer.get("jobs") or [])
    else:
        _show_one(answer.get("job") or {})
    return 0


def _show_all(jobs: list[dict[str, Any]]) -> None:
    if not jobs:
        print("No jobs yet. Add something with: pi-rag add PATH")
        return
    heads = ("ID", "STATE", "BEGUN", "COLLECTION", "DOCUMENTS")
    printing.table([heads, *(_row(job) for job in jobs)])


def _row(job: dict[str, Any]) -> tuple[str, ...]:
    begun = stamp(job.get("created_at"))
    return (
        str(job.get("id")),
        one_line(job.get("state")),
        begun,
        one_line(job.get("collection")),
        _tally(job),
    )


def _tally(job: dict[str, Any]) -> str:
    """'12 added, 3 unchanged, 1 not taken, 2 waiting'."""
    done, unchanged, refused = (
        int(job.get(name) or 0) for name in ("items_done", "items_unchanged", "items_refused")
    )
    waiting = int(job.get("items_total") or 0) - done - unchanged - refused
    counts = {"added": done, "unchanged": unchanged, "not taken": refused, "waiting": waiting}
    return ", ".join(f"{count:,} {what}" for what, count in counts.items() if count) or "nothing in it"


def _show_one(job: dict[str, Any]) -> None:
    lines = [("job", str(job.get("id"))), ("state", one_line(job.get("state")))]
    lines += [("collection", one_line(job.get("collection"))), ("begun", stamp(job.get("created_at")))]
    lines += [("ended", stamp(job["finished_at"]))] if job.get("finished_at") else []
    lines += [("documents", _tally(job)), ("passages", counted(int(job.get("chunks") or 0), "passage"))]
    lines += [("now", one_line(job["current"]))] if job.get("current") else []
    printing.table(lines)
    show_repeats(job.get("repeated") or [], int(job.get("near_duplicates") or 0))
    show_refusals(job.get("refusals") or [], int(job.get("items_refused") or 0))
