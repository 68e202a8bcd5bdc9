"""`python -m tests.fuzz.run --count N --seed S`: so many wrong inputs at every door, and what became of them.

Nine tenths of the inputs are frames and files, read in process; the rest are requests and raw connections to
one real service, for `--minutes` at most. Findings are kept below `--keep`. Ends with 1 when there is one.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

from pi_rag.stress.running import RunningService
from tests.fuzz import asking, files, frames, wires, words
from tests.fuzz.driving import (
    FINDINGS_MAX,
    GROWN_MIB_MAX,
    Finding,
    Outcome,
    Target,
    fuzz,
    kept,
    tried,
)

SERVICE_SHARE = 0.1
"""The part of all inputs that goes to the real service, if it gets that far in its time."""

WIRES_SHARE = 0.3
"""The part of those that are raw connections."""

SERVICE_GROWN_MIB_MAX = 32.0
"""How much private memory the supervisor may gain between the first tenth of the inputs and the last one. It
keeps answers, vectors of queries and what was put in, each within a bound of its own (docs/settings.md)."""

SPEED = 20
"""So many inputs between two looks at the time."""


def quick_folder() -> str | None:
    """A folder in RAM, where the machine has one: each input is a file of a few hundred bytes."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


def in_process(folder: Path) -> tuple[Target, ...]:
    """All targets that need no service."""
    return (*frames.TARGETS, *files.targets(folder), *words.targets())


def shares(targets: Sequence[Target], count: int) -> dict[str, int]:
    """How many inputs each target gets: `count` in all."""
    whole = sum(target.weight for target in targets)
    given = {target.name: count * target.weight // whole for target in targets}
    given[targets[0].name] += count - sum(given.values())
    return given


def frames_and_files(count: int, seed: int, tell: Callable[[Outcome], None]) -> list[Outcome]:
    """So many inputs over all targets that need no service."""
    outcomes = []
    with tempfile.TemporaryDirectory(dir=quick_folder()) as folder:
        targets = in_process(Path(folder))
        given = shares(targets, count)
        for target in targets:
            outcomes.append(fuzz(target, given[target.name], seed))
            tell(outcomes[-1])
    return outcomes


def service(
    model: str, requests: int, connections: int, seed: int, minutes: float, tell: Callable[[Outcome], None]
) -> list[Outcome]:
    """So many requests and raw connections to one service, or as many as there is time for."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        allowed = asking.allowed_folder(folder)
        environ = asking.environ(model, allowed) | wires.ENVIRON
        with RunningService(folder, environ) as running, closing(asking.Socket(running.socket)) as connection:
            cases = asking.right(allowed)
            outcomes = []
            for make in (_requests(connection, cases), _connections(running)):
                share = WIRES_SHARE if make.name == "wires" else 1 - WIRES_SHARE
                count = connections if make.name == "wires" else requests
                outcomes.append(_for_a_time(make, running, count, seed, minutes * 60 * share))
                tell(outcomes[-1])
            outcomes[-1].findings += [
                Finding("log", line.encode(), line) for line in asking.troubles(running)
            ]
            outcomes[-1].findings += [
                Finding("job", line.encode(), line) for line in asking.given_up(running)
            ]
            assert running.client.status()["ready"], "it is not ready any more"
    return outcomes


def _requests(connection: asking.Socket, cases: list[asking.Case]) -> Target:
    """An input is the seed of a case: a request is more than bytes."""
    for case in cases:
        asking.asked(connection, case)

    def check(data: bytes) -> str:
        dice = random.Random(data)
        case = asking.wrong(dice.choice(cases), dice)
        if case["path"] in asking.NEVER:
            return "left out"
        try:
            status, code = asking.asked(connection, case)
        except BaseException:
            connection.close()
            raise
        return f"{status} {code}".strip()

    return Target("requests", "requests to the service", lambda dice: dice.randbytes(8), check)


def _connections(running: RunningService) -> Target:
    def check(data: bytes) -> str:
        statuses = wires.thrown(running.socket, data, random.Random(data))
        assert all(status < 500 or status == 503 for status in statuses), statuses
        return " ".join(map(str, sorted(set(statuses)))) or "closed"

    return Target("wires", "raw connections to the service", wires.wire, check)


def _for_a_time(target: Target, running: RunningService, count: int, seed: int, seconds: float) -> Outcome:
    """As `driving.fuzz`, until the time is over; the memory is the supervisor's."""
    dice = random.Random(f"{target.name} {seed}")
    outcome = Outcome(target.name)
    begun_s = time.monotonic()
    while outcome.count < count and len(outcome.findings) < FINDINGS_MAX:
        used = (time.monotonic() - begun_s) / seconds if outcome.count % SPEED == 0 else 0.0
        if used >= 1:
            break
        if not outcome.before_mib and (used >= 0.1 or outcome.count >= count // 10):
            outcome.before_mib = asking.private_mib(running)
        outcome.count += 1
        finding = tried(target, target.source(dice), outcome.became)
        if finding is not None:
            outcome.findings.append(finding)
    outcome.after_mib = asking.private_mib(running)
    outcome.seconds = round(time.monotonic() - begun_s, 1)
    return outcome


def told(outcome: Outcome) -> None:
    """One line of a target."""
    often = ", ".join(f"{name} {count}" for name, count in outcome.became.most_common(5))
    print(
        f"{outcome.target:15} {outcome.count:>8,} in {outcome.seconds:>6} s  "
        f"{outcome.before_mib:>6} -> {outcome.after_mib:>6} MiB  {len(outcome.findings)} found   {often}",
        flush=True,
    )


def too_much(outcome: Outcome) -> bool:
    """Whether memory was not flat."""
    bound = SERVICE_GROWN_MIB_MAX if outcome.target in {"requests", "wires"} else GROWN_MIB_MAX
    return outcome.grown_mib > bound


def main(arguments: Sequence[str] | None = None) -> int:
    """0: nothing was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.run", description=__doc__)
    parser.add_argument("--count", type=int, default=1_000_000, help="inputs in all (1,000,000)")
    parser.add_argument("--seed", type=int, default=1, help="the same seed, the same inputs (1)")
    parser.add_argument("--minutes", type=float, default=15.0, help="longest at the service (15)")
    parser.add_argument("--model", default="", help="a GGUF for the service; none: frames and files alone")
    parser.add_argument("--keep", type=Path, help="a folder for what was found")
    parser.add_argument("--json", type=Path, help="a file for the figures")
    parser.add_argument("--service-only", action="store_true", help="leave out frames and files")
    args = parser.parse_args(arguments)
    begun_s = time.monotonic()
    outcomes: list[Outcome] = []
    at_service = int(args.count * SERVICE_SHARE) if args.model else 0
    if args.model:
        connections = int(at_service * WIRES_SHARE)
        outcomes += service(args.model, at_service - connections, connections, args.seed, args.minutes, told)
    done = sum(outcome.count for outcome in outcomes)
    if not args.service_only:
        outcomes += frames_and_files(args.count - done, args.seed, told)
    return summed(outcomes, args, time.monotonic() - begun_s)


def summed(outcomes: list[Outcome], args: argparse.Namespace, seconds: float) -> int:
    """The last lines, the files, and the exit code."""
    found = [finding for outcome in outcomes for finding in outcome.findings]
    grown = [outcome.target for outcome in outcomes if too_much(outcome)]
    for finding in found:
        where = kept(finding, args.keep) if args.keep else "not kept: --keep FOLDER"
        print(f"FOUND in {finding.target} ({where}): {finding.data[:80]!r}\n{finding.why[-1500:]}")
    whole = sum(outcome.count for outcome in outcomes)
    became: Counter[str] = sum((outcome.became for outcome in outcomes), Counter())
    print(
        f"{whole:,} inputs, {seconds:.0f} s, seed {args.seed}: {len(found)} found; grown: {grown or 'none'}"
    )
    if args.json:
        rows = [
            {"target": each.target, "count": each.count, "seconds": each.seconds, "found": len(each.findings)}
            | {"before_mib": each.before_mib, "after_mib": each.after_mib, "became": dict(each.became)}
            for each in outcomes
        ]
        args.json.write_text(json.dumps({"inputs": whole, "kinds": len(became), "targets": rows}, indent=1))
    return 1 if found or grown else 0


if __name__ == "__main__":
    sys.exit(main())
