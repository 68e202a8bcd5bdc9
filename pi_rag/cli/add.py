"""`pi-rag add`: hand files, folders or standard input to the service, and tell what became of each.

The service reads paths itself. What it may not read, but this user may, is read here and sent along.
"""

from __future__ import annotations

import os
import sys
import time
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from pi_rag.cli import held, printing
from pi_rag.cli.follow import follow, handed_over
from pi_rag.cli.parsing import a_path, is_url, json_or_text
from pi_rag.cli.printing import counted, one_line, span
from pi_rag.cli.reach import client_of, settings_of
from pi_rag.cli.refusals import exit_code, not_taken, show_refusals
from pi_rag.cli.repeats import show_repeats
from pi_rag.cli.upload import Upload
from pi_rag.client import Client
from pi_rag.clock import SystemClock
from pi_rag.config import Settings
from pi_rag.errors import DocumentUnreadable, PathNotFound, RequestInvalid, ServiceDown, TryLater

DESCRIPTION = """\
It takes text, source code, web pages, PDF, office files, e-books, mails, notebooks and archives;
folders are taken with all that is in them. What has not changed since the last time is skipped;
what is gone stays: pi-rag remove forgets it. In a folder of pi-rag watch add it goes with its file.
Each file that is not taken is named with the reason; the exit code is 2 then, also for one file
of a folder, 3 when a PATH does not exist, and 1 when somebody cancelled the job. Ctrl-C only stops
the waiting: the service goes on with what it has been given.
"""

EXAMPLES = """\
  pi-rag add ~/Documents
  pi-rag add letter.pdf notes.md --collection letters
  pi-rag add report.pdf --title "Boiler report 2024"
  pi-rag add ~/Archive --no-wait --priority low
  pi-rag add ~/Invoices --metadata year=2024 --metadata 'tags=["house", "paid"]'
  date | pi-rag add - --source now.txt --metadata room=kitchen
"""

STANDARD_INPUT = "-"

RESCUABLE = frozenset({DocumentUnreadable.code, PathNotFound.code})
"""Refusals that may only mean that the service is another user, or is kept out of /home and /tmp."""


NOTHING_FOUND = (
    "There was nothing to add: what is hidden is passed over, and so is what a .gitignore or .piragignore "
    "leaves out. What leaves a file out: pi-rag sources FILE"
)
"""Told of folders that are empty, or seem so."""


def configure(parser: ArgumentParser) -> None:
    """What to add, and how."""
    parser.add_argument(
        "paths",
        metavar="PATH",
        nargs="+",
        type=a_path,
        help="a file, a folder, - for standard input, or an address (ingest.web)",
    )
    parser.add_argument("--collection", metavar="C", default="default", help="put it in this collection")
    parser.add_argument("--title", metavar="T", help="a title for one file or for standard input")
    parser.add_argument("--source", metavar="S", help="what to call standard input, for example notes.md")
    parser.add_argument(
        "--metadata",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        type=_pair,
        help="what searches can be kept to, for all that is added; several times. A value that reads as JSON "
        "is one",
    )
    parser.add_argument(
        "--priority",
        choices=held.PRIORITIES,
        metavar="P",
        help="high: before all that waits; low: after it (normal)",
    )
    parser.add_argument("--no-wait", action="store_true", help="come back as soon as it is queued")


def run(args: Namespace) -> int:
    """Add, wait, tell. Exit 2 when a file was refused, 3 when a path does not exist, 1 when cancelled."""
    _check(args)
    settings = settings_of(args)
    adding = _Adding(args, settings, client_of(settings))
    begun_s = time.monotonic()
    try:
        adding.everything()
    except KeyboardInterrupt:
        _say_it_goes_on(adding.result)
        raise
    except (ServiceDown, TryLater):
        _say_what_is_left(adding.result)
        raise
    _tell(adding, args, time.monotonic() - begun_s)
    return adding.result.exit_code


def _pair(text: str) -> tuple[str, Any]:
    """'year=2024' as ('year', 2024)."""
    key, sign, value = text.partition("=")
    if not sign or not key.strip():
        raise ArgumentTypeError(f"{text!r} is no metadata; write KEY=VALUE")
    return key.strip(), json_or_text(value)


def _check(args: Namespace) -> None:
    """Flags that contradict one another. Raises RequestInvalid."""
    standard = STANDARD_INPUT in args.paths
    if standard != (args.source is not None):
        raise RequestInvalid(
            "Standard input needs a name, and only standard input takes one.",
            hint="For example: date | pi-rag add - --source now.txt",
        )
    if not _is_utf8(args.source or ""):
        raise RequestInvalid(
            "The name that --source gives is not UTF-8.", hint="Type it in letters of UTF-8."
        )
    if args.paths.count(STANDARD_INPUT) > 1:
        raise RequestInvalid("Standard input can be read only once.")
    if len(dict(args.metadata)) < len(args.metadata):
        raise RequestInvalid(
            "--metadata names a key twice.", hint="Several values are a list: --metadata 'tags=[1, 2]'"
        )
    first = args.paths[0]
    if args.title is not None and (len(args.paths) > 1 or is_url(first) or Path(first).is_dir()):
        raise RequestInvalid(
            "--title is for one file or for standard input.",
            hint="For example: pi-rag add a.pdf --title Lease",
        )


@dataclass
class Result:
    """What became of everything, over all jobs."""

    jobs: list[dict[str, Any]] = field(default_factory=list)
    added: int = 0
    unchanged: int = 0
    cancelled: int = 0
    passages: int = 0
    refused: int = 0
    """All of them, also those that a job no longer lists."""
    refusals: list[dict[str, Any]] = field(default_factory=list)
    refusals_here: list[dict[str, Any]] = field(default_factory=list)
    """Those of them that never reached the service, because this side could not read them either."""
    near_duplicates: int = 0
    """How many passages say nearly what other documents have said already."""
    repeated: list[dict[str, Any]] = field(default_factory=list)

    def take(self, job: dict[str, Any]) -> None:
        """Add a finished job's counts."""
        self.added += int(job.get("items_done") or 0)
        self.unchanged += int(job.get("items_unchanged") or 0)
        self.cancelled += int(job.get("items_cancelled") or 0)
        self.passages += int(job.get("chunks") or 0)
        self.near_duplicates += int(job.get("near_duplicates") or 0)
        self.repeated += job.get("repeated") or []
        refusals = job.get("refusals") or []
        self.refusals += refusals
        self.refused += max(not_taken(job), len(refusals))

    def refuse_here(self, refusals: list[dict[str, Any]]) -> None:
        """Add what could not be read on this side."""
        self.refusals += refusals
        self.refusals_here += refusals
        self.refused += len(refusals)

    def take_back(self, wanted: Callable[[dict[str, Any]], bool]) -> list[dict[str, Any]]:
        """Remove the refusals that are wanted, since they are about to be tried in another way."""
        taken = [refusal for refusal in self.refusals if wanted(refusal)]
        self.refusals = [refusal for refusal in self.refusals if not wanted(refusal)]
        self.refused -= len(taken)
        return taken

    @property
    def exit_code(self) -> int:
        """That of the worst that happened, as of one job."""
        counts = {"items_refused": self.refused, "items_cancelled": self.cancelled}
        return exit_code({"refusals": self.refusals, **counts})

    def line(self, took_s: float) -> str:
        """How many of what became of them."""
        cancelled = f", {self.cancelled:,} cancelled" if self.cancelled else ""
        return (
            f"{self.added:,} added, {self.unchanged:,} unchanged, {self.refused:,} not taken{cancelled}, "
            f"{counted(self.passages, 'passage')} in {span(took_s)}"
        )


class _Adding:
    """One run of the command."""

    def __init__(self, args: Namespace, settings: Settings, client: Client) -> None:
        self.result = Result()
        self._args = args
        self._client = client
        self._of_all: dict[str, Any] = {
            "collection": args.collection,
            "metadata": dict(args.metadata) or None,
            "priority": args.priority,
        }
        self._upload = Upload(settings)

    def everything(self) -> None:
        """Hand over the paths; then send what has to be read here."""
        theirs, ours = self._sorted()
        if theirs:
            self._job(self._client.add_paths(theirs, **self._of_all))
        self._send(self._upload.files(ours, title=self._args.title))
        if STANDARD_INPUT in self._args.paths:
            data = self._upload.standard_input(self._args.source, title=self._args.title)
            self._send([[data]])
        if not self._args.no_wait:
            rescued = self.result.take_back(_is_readable_here)
            self._send(self._upload.files([str(refusal["source"]) for refusal in rescued]))

    def _sorted(self) -> tuple[list[str], list[str]]:
        """Paths for the service, and those to read here: titled ones, and names that no JSON holds."""
        named = [path for path in self._args.paths if path != STANDARD_INPUT]
        # One file must have one source, however its path was typed: `a/../b` is `b`.
        urls = [path for path in named if is_url(path)]
        paths = [os.path.normpath(Path(path).absolute()) for path in named if not is_url(path)]
        ours = [path for path in paths if self._args.title is not None or not _is_utf8(path)]
        return [path for path in (*urls, *paths) if path not in ours], ours

    def _send(self, batches: Iterable[list[dict[str, Any]]]) -> None:
        for batch in batches:
            send = partial(self._client.add_documents, batch, **self._of_all)
            is_first = not self.result.jobs
            self._job(handed_over(send, is_first=is_first, clock=SystemClock(), pause=time.sleep))
        self.result.refuse_here(self._upload.refusals_taken())

    def _job(self, answer: dict[str, Any]) -> None:
        job = answer["job"]
        self.result.jobs.append(job)
        if not self._args.no_wait:
            job = follow(self._client, job, clock=SystemClock(), pause=time.sleep, quiet=self._args.json)
            self.result.jobs[-1] = job
            self.result.take(job)

    def held_up(self) -> list[str]:
        """Why what was queued does not go on now."""
        return held.of_these(self._client, *self.result.jobs)


def _is_utf8(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_readable_here(refusal: dict[str, Any]) -> bool:
    return refusal.get("code") in RESCUABLE and os.access(str(refusal.get("source")), os.R_OK)


def _say_it_goes_on(result: Result) -> None:
    if not result.jobs:
        return
    number = result.jobs[-1].get("id")
    print(
        f"\nStopped waiting. The service goes on with job {number}; see it with: pi-rag jobs {number}",
        file=sys.stderr,
    )
    _say_what_is_left(result)


def _say_what_is_left(result: Result) -> None:
    if result.jobs:
        print("What it had not been given yet is added by the same command, run again.", file=sys.stderr)


def _tell(adding: _Adding, args: Namespace, took_s: float) -> None:
    result = adding.result
    if args.json:
        _tell_program(result)
    elif args.no_wait:
        for job in result.jobs:
            print(f"Queued as job {job.get('id')}. See it with: pi-rag jobs {job.get('id')}")
        for reason in adding.held_up():
            print(one_line(reason))
        show_refusals(result.refusals, result.refused)
    else:
        show_refusals(result.refusals, result.refused)
        show_repeats(result.repeated, result.near_duplicates, args.collection)
        if not any((result.added, result.unchanged, result.refused, result.cancelled)):
            print(NOTHING_FOUND)
        print(result.line(took_s))


def _tell_program(result: Result) -> None:
    """The service's own object. Files read here make jobs of their own, which stand beside the first."""
    answer: dict[str, Any] = {"job": result.jobs[0] if result.jobs else None}
    if result.jobs[1:]:
        answer["uploads"] = result.jobs[1:]
    if result.refusals_here:
        answer["refusals"] = result.refusals_here
    printing.as_json(answer)
