"""`pi-rag jobs`: what is being added, what was, what was not taken; and hold it, go on, cancel, try again."""

from __future__ import annotations

import time
from argparse import ArgumentParser, Namespace
from typing import Any

from pi_rag.cli import held, printing
from pi_rag.cli.printing import counted, one_line, stamp
from pi_rag.cli.reach import client_of, settings_of
from pi_rag.cli.refusals import exit_code, not_taken, show_refusals
from pi_rag.cli.repeats import show_repeats
from pi_rag.client import Client
from pi_rag.clock import SystemClock
from pi_rag.errors import RequestInvalid

DESCRIPTION = """\
Every pi-rag add is a job in the service's durable queue; it goes on after Ctrl-C, a log-out or a
power cut. Without an ID it lists the newest jobs; with one it shows what was not taken, and why.

failed    what was tried several times and given up, of one job or of all; it is kept
pause     begin nothing more, of one job or at all, until resume; it holds over a restart
resume    go on: after a pause, or when the service waits in safe mode
retry     try again what was given up, of one job or of all
cancel    forget what a job still has to do; what it has stored stays
"""

EXAMPLES = """\
  pi-rag jobs
  pi-rag jobs 7
  pi-rag jobs 7 --follow
  pi-rag jobs failed
  pi-rag jobs retry 7
  pi-rag jobs pause
"""

STEERS = ("pause", "resume", "retry", "cancel")
FAILED = "failed"


def configure(parser: ArgumentParser) -> None:
    """Which job, and what to do with it."""
    parser.add_argument("what", metavar="ID|failed|pause|resume|retry|cancel", nargs="?", default="")
    parser.add_argument("id", metavar="ID", type=int, nargs="?", help="the job that is meant; else all")
    parser.add_argument("--follow", action="store_true", help="show how one job gets on until it has ended")
    parser.add_argument("--limit", type=int, default=20, metavar="N", help="how many at most (20)")
    parser.add_argument("--after", type=int, metavar="N", help="with failed: the next page")


def run(args: Namespace) -> int:
    """Ask and print. Raises RequestInvalid, JobNotFound, Busy or ServiceDown.

    Exit with --follow: as that of `pi-rag add`, which waits for a job too.
    """
    _check(args)
    client = client_of(settings_of(args))
    if args.what in STEERS:
        _steer(client, args)
    elif args.what == FAILED:
        _show_failed(client.failed_jobs(job=args.id, limit=args.limit, after=args.after), args)
    elif args.what:
        answer = client.job(_number(args.what))
        if args.follow:
            answer = {"job": _followed(client, answer["job"], args)}
        _show_one(client, answer, args)
        return exit_code(answer["job"]) if args.follow else 0
    else:
        _show_all(client, args)
    return 0


def _check(args: Namespace) -> None:
    """What goes with what. Raises RequestInvalid."""
    if args.id is not None and args.what not in (*STEERS, FAILED):
        raise RequestInvalid(f"The number {args.id} is one too many.", hint="Run: pi-rag jobs --help")
    if args.after is not None and args.what != FAILED:
        raise RequestInvalid("--after goes with: pi-rag jobs failed")
    if args.follow and not args.what.isdecimal():
        raise RequestInvalid("--follow goes with the number of one job.", hint="Run: pi-rag jobs")


def _followed(client: Client, job: dict[str, Any], args: Namespace) -> dict[str, Any]:
    from pi_rag.cli.follow import follow  # only here: the other ways wait for nothing

    return follow(client, job, clock=SystemClock(), pause=time.sleep, quiet=args.json)


def _number(what: str) -> int:
    if not what.isdecimal():
        raise RequestInvalid(
            f"{what!r} is no job and nothing that can be done with one.", hint="See: pi-rag jobs -h"
        )
    return int(what)


def _steer(client: Client, args: Namespace) -> None:
    if args.what == "cancel" and args.id is None:
        raise RequestInvalid("Which job is to be cancelled?", hint="Run: pi-rag jobs")
    answer = client.steer_jobs(args.what, args.id)
    if args.json:
        printing.as_json(answer)
        return
    if args.what == "retry" and "retried" in answer:
        _say_retried(int(answer["retried"]), args.id)
    if args.id is not None:
        _show_one(client, answer, args)
    elif args.what != "retry":
        print("Nothing more is begun." if answer.get("paused") else "It goes on.")


def _say_retried(count: int, job_id: int | None) -> None:
    nothing = "Nothing was given up" if job_id is None else f"Job {job_id} has given nothing up"
    again = f"{counted(count, 'document')} will be tried again."
    print(again if count else f"{nothing}; there is nothing to try again.")


def _show_failed(answer: dict[str, Any], args: Namespace) -> None:
    if args.json:
        printing.as_json(answer)
        return
    failed = answer.get("failed") or []
    if not failed:
        print(printing.NO_MORE if args.after else "Nothing was given up.")
        return
    for each in failed:
        print(f"job {each.get('job_id')}  {one_line(each.get('source'))}")
        tried = f"{each.get('attempts')} times, last {stamp(each.get('died_at'))}"
        print(f"    {tried}: {one_line(each.get('message'))}")
    of_job = [] if args.id is None else [args.id]
    print(f"\nTry them again with: {' '.join(map(str, ['pi-rag jobs retry', *of_job]))}")
    if answer.get("next") is not None:
        printing.more("jobs", FAILED, *of_job, "--limit", args.limit, "--after", answer["next"])


def _show_all(client: Client, args: Namespace) -> None:
    answer = client.jobs(limit=args.limit)
    jobs = answer.get("jobs") or []
    if args.json:
        printing.as_json(answer)
    elif not jobs:
        print("No jobs yet. Add something with: pi-rag add PATH")
    else:
        heads = ("ID", "STATE", "BEGUN", "COLLECTION", "DOCUMENTS")
        printing.table([heads, *(_row(job) for job in jobs)])
        for reason in held.asked(client, *jobs):
            print(one_line(reason))


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
    names = {"done": "added", "unchanged": "unchanged", "refused": "not taken", "failed": "given up"}
    names |= {"cancelled": "cancelled"}
    counts = {shown: int(job.get(f"items_{name}") or 0) for name, shown in names.items()}
    counts["waiting"] = int(job.get("items_total") or 0) - sum(counts.values())
    return ", ".join(f"{count:,} {what}" for what, count in counts.items() if count) or "nothing in it"


def _show_one(client: Client, answer: dict[str, Any], args: Namespace) -> None:
    if args.json:
        printing.as_json(answer)
        return
    job = answer.get("job") or {}
    lines = [("job", str(job.get("id"))), ("state", one_line(job.get("state")))]
    lines += [("priority", one_line(job["priority"]))] if job.get("priority", "normal") != "normal" else []
    lines += [("collection", one_line(job.get("collection"))), ("begun", stamp(job.get("created_at")))]
    lines += [("ended", stamp(job["finished_at"]))] if job.get("finished_at") else []
    lines += [("documents", _tally(job)), ("passages", counted(int(job.get("chunks") or 0), "passage"))]
    lines += [("now", one_line(job["current"]))] if job.get("current") else []
    lines += [("waits", one_line(reason)) for reason in held.of_these(client, job)]
    printing.table(lines)
    near_duplicates = int(job.get("near_duplicates") or 0)
    show_repeats(job.get("repeated") or [], near_duplicates, str(job.get("collection")))
    show_refusals(job.get("refusals") or [], not_taken(job))
    if job.get("items_failed"):
        print(f"What was given up is kept; try it again with: pi-rag jobs retry {job.get('id')}")
