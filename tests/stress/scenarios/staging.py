"""A scenario, run as the command runs it, in a folder of the test's."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from pathlib import Path

from pi_rag.stress.runner import Plan, Stop, new_record, run_one
from pi_rag.stress.tally import Histogram
from pi_rag.stress.types import Check, Record, Scenario
from pi_rag.types import ModelCard

SEED = 20261121


def ran(scenario: Scenario, folder: Path, model: ModelCard, *, long_form: bool, seed: int = SEED) -> Record:
    """Its record. In the whole form the figures and checks are printed; see them with -s."""
    plan = Plan(seed, folder / "run", {"PI_RAG_MODEL": model.path}, is_quick=not long_form)
    record = new_record(scenario, plan)
    run_one(scenario, plan, Stop(), record)
    for check in record.checks:
        print(f"{check.is_kept!s:5}  {check.name}: {check.seen}")
    print(record.figures)
    return record


def broken(record: Record) -> list[Check]:
    """Promises that were not kept. None, when the run did not come to its end: that is told first."""
    assert record.ending == "whole", record.reason
    return [check for check in record.checks if check.is_kept is False]


def timed(check: Check) -> bool:
    """Whether it is a bound in time, which no test asserts: a machine of tests is never quiet."""
    return any(word in check.asked for word in ("within", "p95", "p99"))


class Said:
    """Guests who have been answered with these codes, by operation."""

    def __init__(self, codes: Mapping[str, Iterable[str]]) -> None:
        self._seen = {name: histogram(each) for name, each in codes.items()}

    def __enter__(self) -> Said:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def seen(self, operation: str) -> Histogram:
        return self._seen.get(operation, Histogram())


def histogram(codes: Iterable[str]) -> Histogram:
    """Of answers with these codes, each after 5 ms."""
    made = Histogram()
    for code in codes:
        made.add(5.0, code)
    return made


class Noted:
    """What a stage is told, for scenarios of which only a part is run."""

    def __init__(self) -> None:
        self.kept: dict[str, bool | None] = {}
        self.asked: dict[str, str] = {}
        self.seen: dict[str, str] = {}
        self.figures: dict[str, float] = {}
        self.marks: list[str] = []

    def check(self, name: str, asked: str, seen: str, is_kept: bool | None) -> None:
        assert asked
        assert name not in self.kept
        self.kept[name], self.asked[name], self.seen[name] = is_kept, asked, seen

    def figure(self, name: str, value: float) -> None:
        self.figures[name] = value

    def mark(self, name: str, _detail: str = "") -> None:
        self.marks.append(name)


class Timed(Noted):
    """One on which time goes by in pauses alone."""

    seed, is_quick = 1, True

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.dice = random.Random(1)
        self.record = Record("trial", 1, seconds / 60)
        self._whole_s = self._left_s = seconds
        self._stopped_s = -1.0

    def stop_at(self, left_s: float) -> None:
        """Somebody interrupts it when so much time is left."""
        self._stopped_s = left_s

    def left_s(self) -> float:
        return max(0.0, self._left_s) if self._left_s > self._stopped_s else 0.0

    def elapsed_s(self) -> float:
        return self._whole_s - self._left_s

    def pause(self, seconds: float) -> bool:
        self._left_s -= seconds
        return self.left_s() > 0
