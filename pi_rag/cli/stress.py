"""`pi-rag stress`: use and misuse a service of its own, and report what held.

It knows flags, signals and what is said on the terminal. What is run is in `pi_rag/stress/`.
"""

from __future__ import annotations

import random
import signal
import sys
import time
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pi_rag.cli import printing
from pi_rag.errors import StoreError

if TYPE_CHECKING:
    from pi_rag.stress.report import Report
    from pi_rag.stress.runner import Plan, Stop
    from pi_rag.stress.types import Record, Scenario

DESCRIPTION = """\
It starts a service of its own in a folder of its own, with the model that yours uses, and sends it
traffic and faults. Your memory is not touched. The report says what was promised and what was
seen; it names nobody, so it can be shared. Ctrl-C ends it early and keeps the report of what has
been. It ends with 0 when no promise was broken, with 1 when one was.
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
SPACE_MIB_MAX = 1 << 20

EXIT_BROKEN = 1
"""A promise was not kept, a scenario failed, or the canary was not caught."""

EXIT_INTERRUPTED = 130
"""As a shell reports it for Ctrl-C; for SIGTERM and a terminal that has gone as well."""


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
        "--out",
        type=Path,
        metavar="FOLDER",
        help="where the report goes: a new or an empty folder (a new one here)",
    )
    parser.add_argument(
        "--space",
        type=_space,
        metavar="MIB",
        help="disk that must be free (what the scenarios say they need)",
    )
    parser.add_argument(
        "--beside", action="store_true", help="run although another pi-rag service runs on this machine"
    )
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument("--list", action="store_true", help="show the scenarios and end")
    instead.add_argument("--faults", action="store_true", help="show what is done to the service and end")
    instead.add_argument(
        "--render", type=Path, metavar="FILE", help="make page and text of a report.json again"
    )


def run(args: Namespace) -> int:
    """Run what was asked for. Raises RequestInvalid, ModelMissing, ServiceBeside, DiskFull."""
    if args.list:
        return _list(as_json=args.json)
    if args.faults:
        return _faults(as_json=args.json)
    if args.render:
        return _render(args)
    return _run(args)


def _list(*, as_json: bool) -> int:
    from pi_rag.stress import scenarios

    if as_json:
        told = [
            {
                "name": each.name,
                "about": each.about,
                "minutes": each.minutes,
                "quick_minutes": each.quick_minutes,
            }
            for each in scenarios.ALL
        ]
        printing.as_json({"scenarios": told})
        return 0
    rows = [(each.name, f"{each.minutes:g}", f"{each.quick_minutes:g}", each.about) for each in scenarios.ALL]
    printing.table([("scenario", "minutes", "quick", ""), *rows])
    return 0


def _faults(*, as_json: bool) -> int:
    from pi_rag.stress import faults

    if as_json:
        told = [{"name": each.name, "about": each.about, "lacking": each.lacking()} for each in faults.ALL]
        printing.as_json({"faults": told})
        return 0
    for each in faults.ALL:
        lacking = each.lacking()
        print(f"{each.name}: {each.about}{f' [not here: {lacking}]' if lacking else ''}")
    return 0


def _render(args: Namespace) -> int:
    """From the file alone: no service, no model."""
    from pi_rag.stress import programme, report

    found = report.read(args.render)
    programme.rendered(found, args.render, args.out)
    return _shown(found, as_json=args.json)


def _run(args: Namespace) -> int:
    from pi_rag.stress import programme, scenarios
    from pi_rag.stress.report import Report
    from pi_rag.stress.runner import Stop

    wanted = [scenarios.by_name(name) for name in dict.fromkeys(args.scenario)] or list(scenarios.ALL)
    out = (args.out or Path(time.strftime("stress-%Y%m%d-%H%M%S"))).absolute()
    seed = args.seed if args.seed is not None else random.SystemRandom().randint(1, SEED_MAX)
    plan = _plan(args, wanted, seed, out)
    report, stop = Report(seed, _command(args, seed)), Stop()
    _say(f"seed {seed}; replay: {report.command}")
    programme.made(out)
    try:
        with _signals(stop):
            programme.run_all(wanted, plan, report, out, stop, _Progress(len(wanted)))
    except KeyboardInterrupt:
        stop.wish("It was interrupted twice.")
    code = _shown(report, as_json=args.json)
    return _saved(report, out) or (EXIT_INTERRUPTED if stop.is_wished else code)


def _saved(report: Report, out: Path) -> int:
    """0, or the exit code of what keeps the report from being written. What was seen has been shown."""
    from pi_rag.stress import programme

    try:
        programme.written(report, out)
    except StoreError as error:
        # With --json standard output has its one object already.
        printing.failure(error, as_object=False)
        return error.exit_code
    _say(f"report: {out}")
    return 0


def _plan(args: Namespace, wanted: list[Scenario], seed: int, out: Path) -> Plan:
    """What the run needs, looked at before anything is begun."""
    from pi_rag.cli.reach import settings_of
    from pi_rag.stress import readying
    from pi_rag.stress.runner import Plan

    notes = readying.beside(is_allowed=args.beside)
    for each in notes:
        _say(each)
    model = readying.model(settings_of(args), _choosing(args))
    readying.room(out, max(each.disk_mib for each in wanted) if args.space is None else args.space)
    return Plan(
        seed=seed,
        folder=out / "work",
        environ={"PI_RAG_MODEL": str(model.path)},
        minutes=args.minutes,
        is_quick=args.quick,
        machine=readying.machine(out, model),
        notes=notes,
    )


def _choosing(args: Namespace) -> list[str]:
    """The common flags that were given, for a command of ours."""
    given = {"--config": args.config, "--data": args.data}
    return [word for flag, value in given.items() if value is not None for word in (flag, str(value))]


def _command(args: Namespace, seed: int) -> str:
    """How this run is replayed. Folders are left out: they say who somebody is."""
    words = ["stress", *(word for name in args.scenario for word in ("--scenario", name))]
    words += ["--quick"] * args.quick + ["--beside"] * args.beside
    words += ["--minutes", f"{args.minutes:g}"] if args.minutes is not None else []
    return printing.typed(*words, "--seed", seed)


def _shown(report: Report, *, as_json: bool) -> int:
    from pi_rag.stress import report as reports

    if as_json:
        printing.as_json(reports.to_json(report))
    else:
        for line in reports.lines(report):
            print(printing.plain(line))
    return 0 if report.is_well else EXIT_BROKEN


class _Progress:
    """A line on standard error before and after each scenario."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._begun = 0

    def __call__(self, scenario: Scenario, record: Record | None) -> None:
        from pi_rag.stress.report import outcome

        if record is None:
            self._begun += 1
            _say(f"[{self._begun}/{self._count}] {scenario.name}: {scenario.about}")
        else:
            _say(f"[{self._begun}/{self._count}] {scenario.name}: {outcome(record)}")


def _say(line: str) -> None:
    print(printing.plain(line), file=sys.stderr, flush=True)


@contextmanager
def _signals(stop: Stop) -> Iterator[None]:
    """Within it the first signal asks for an end, which keeps the report; the second one ends it at once."""

    def wish(number: int, _: Any) -> None:
        stop.wish(f"It was interrupted ({signal.Signals(number).name}).")
        signal.signal(signal.SIGINT, signal.default_int_handler)

    wished = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {each: signal.signal(each, wish) for each in wished}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _seed(text: str) -> int:
    return int(_number(text, 0, SEED_MAX, whole=True))


def _space(text: str) -> int:
    return int(_number(text, 0, SPACE_MIB_MAX, whole=True, unit=" MiB"))


def _minutes(text: str) -> float:
    found = _number(text, 0, MINUTES_MAX, whole=False)
    if found <= 0:
        raise ArgumentTypeError(f"{text!r} is not a number of minutes above 0")
    return found


def _number(text: str, low: float, high: float, *, whole: bool, unit: str = "") -> float:
    """Within bounds, and no letter, no infinity, no digit of another script."""
    try:
        found = float(text) if text.isascii() and len(text) <= 12 else -1.0
    except ValueError:
        found = -1.0
    if low <= found <= high and (not whole or text.isdigit()):
        return found
    kind = "a whole number" if whole else "a number"
    raise ArgumentTypeError(f"{text!r} is not {kind} from {low:.0f} to {high:.0f}{unit}")
