"""`pi-rag stress`: use and misuse a service of its own, and report what held."""

from __future__ import annotations

import random
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from pathlib import Path

from pi_rag.cli import printing

DESCRIPTION = """\
It starts a service of its own in a folder of its own, with the model that yours uses, and sends it
traffic and faults. Your memory is not touched. The report says what was promised and what was
seen; it holds nothing private, so it can be shared. Ctrl-C ends it early and keeps the report of
what has been. Exit code 0: all promises were kept; 1: some were not.
"""

EXAMPLES = """\
  pi-rag stress --quick
  pi-rag stress
  pi-rag stress --scenario clients --minutes 30
  pi-rag stress --scenario clients --seed 123456
  pi-rag stress --list
  pi-rag stress --render stress-20260101-220000/report.json
"""

MINUTES_MAX = 7 * 24 * 60
SEED_MAX = 2**31 - 1
EXIT_BROKEN = 1


def configure(parser: ArgumentParser) -> None:
    """What is run, for how long, and where the report goes."""
    parser.add_argument(
        "--scenario", metavar="NAME", action="append", default=[], help="only this one; may be repeated"
    )
    parser.add_argument("--seed", type=_seed, metavar="N", help="replay a run; the seed is in its report")
    parser.add_argument("--minutes", type=_minutes, metavar="M", help="how long each scenario takes at most")
    parser.add_argument(
        "--quick", action="store_true", help="the short form: minutes, with the same promises"
    )
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", help="where the report goes (a new folder here)"
    )
    parser.add_argument("--list", action="store_true", help="show the scenarios and end")


def run(args: Namespace) -> int:
    """Run what was asked for. Raises BadInput, ModelError, DiskFull, Busy."""
    from pi_rag.stress import scenarios

    if args.list:
        printing.table([(each.name, f"{each.minutes:g} min", each.about) for each in scenarios.ALL])
        return 0
    return _run(args)


def _run(args: Namespace) -> int:
    from pi_rag.stress import scenarios
    from pi_rag.stress.runner import Plan, Stop, new_record, run_one

    wanted = [scenarios.by_name(name) for name in args.scenario] or list(scenarios.ALL)
    import os

    seed = args.seed if args.seed is not None else random.SystemRandom().randint(1, SEED_MAX)
    out = (args.out or Path("stress-out")).absolute()
    plan = Plan(seed, out / "work", {"PI_RAG_MODEL": os.environ["PI_RAG_MODEL"]}, args.minutes, args.quick)
    well = True
    for scenario in wanted:
        record = new_record(scenario, plan)
        run_one(scenario, plan, Stop(), record)
        print(scenario.name, record.ending, record.reason, record.seconds, seed)
        for check in record.checks:
            print("  ", check.is_kept, check.name, "|", check.asked, "|", check.seen)
        print("  ", record.figures)
        well = well and record.is_well
    return 0 if well else EXIT_BROKEN


def _seed(text: str) -> int:
    if text.isascii() and text.isdigit() and int(text[:12]) <= SEED_MAX:
        return int(text[:12])
    raise ArgumentTypeError(f"{text!r} is not a whole number from 0 to {SEED_MAX}")


def _minutes(text: str) -> float:
    try:
        minutes = float(text)
    except ValueError:
        minutes = -1.0
    if 0 < minutes <= MINUTES_MAX:
        return minutes
    raise ArgumentTypeError(f"{text!r} is not a number of minutes above 0 and up to {MINUTES_MAX}")
