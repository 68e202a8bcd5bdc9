"""Does the harness find by itself what goes wrong, and only that? Runs with one anomaly each, and clean runs.

A run has a fresh service, guests, and questions whose answers are known. It begins with plain use; then
comes the anomaly, or in a clean run nothing. What is found in the record is held against what was done:
each anomaly must be found, at its time, and nothing else may be."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace

from pi_rag.stress import anomalies, probing
from pi_rag.stress.anomalies import Anomaly, Done
from pi_rag.stress.detecting import Bounds, Finding, found
from pi_rag.stress.types import Mark, Operation, Record, Scenario, Stage

GUESTS, PACE_S = 3, 0.25
MIX: dict[Operation, float] = {"search": 0.6, "add": 0.2, "remove": 0.12, "recall": 0.08}


@dataclass(frozen=True, slots=True)
class Times:
    """Of the parts of a run, in seconds."""

    warm_up: float
    plain: float
    clean: float
    """Plain use after that, in a clean run."""
    calm: float
    """After each anomaly."""
    start: float = 8.0
    """What a restart may take."""

    def of(self, chosen: Sequence[Anomaly]) -> float:
        """A whole run with these."""
        after = sum(each.seconds + self.calm for each in chosen) or self.clean
        return self.start + self.warm_up + self.plain + after


WHOLE = Times(warm_up=8.0, plain=16.0, clean=45.0, calm=4.0)
QUICK = Times(warm_up=3.0, plain=6.0, clean=4.0, calm=2.0, start=0.0)
CLEAN_RUNS = 3

BOUNDS = Bounds(wal_kept_mib=1.0)
"""As small as it can be set, so that a log which is not emptied shows soon."""


@dataclass(frozen=True, slots=True)
class Run:
    """What was done in one run, and what was found in its record."""

    done: tuple[Done, ...]
    findings: tuple[Finding, ...]
    probes: int = 0
    """Known questions that were asked: without any, nothing can be found."""

    @property
    def false_ones(self) -> list[Finding]:
        """Found, and nobody has done it."""
        return anomalies.false_ones(self.findings, self.done)


def run(stage: Stage) -> None:
    """All clean runs, and a run for each anomaly; in the short form one run in which a few come in turn."""
    stage.service.client.add_documents(probing.documents(), wait=True)
    runs = _short(stage) if stage.is_quick else _whole(stage)
    every = [each for one in runs for each in one.done]
    stage.figure("anomalies_done", len(every))
    stage.figure(
        "anomalies_found", sum(_noticed_s(one, each) is not None for one in runs for each in one.done)
    )
    stage.figure("clean_runs", sum(not one.done for one in runs))
    stage.figure("false_findings", sum(len(one.false_ones) for one in runs))


def _short(stage: Stage) -> list[Run]:
    chosen = [each for each in anomalies.ALL if each.name in anomalies.QUICK]
    one = _run(stage, QUICK, chosen, clean_first=True)
    _check_run(stage, "the run", one)
    return [one]


def _whole(stage: Stage) -> list[Run]:
    runs: list[Run] = []
    plans: list[list[Anomaly]] = [[] for _ in range(CLEAN_RUNS)] + [[each] for each in anomalies.ALL]
    for number, chosen in enumerate(plans, start=1):
        name = chosen[0].name if chosen else f"clean run {number}"
        if stage.left_s() < WHOLE.of(chosen):
            stage.check(name, "it is looked at", "there was no time left", None)
            continue
        if runs:
            anomalies.orders_of(stage).take_back()
            stage.restarted()
        runs.append(_run(stage, WHOLE, chosen))
        _check_run(stage, name, runs[-1])
    return runs


def _run(stage: Stage, times: Times, chosen: Sequence[Anomaly], *, clean_first: bool = False) -> Run:
    """Plain use, then these in turn; what was found in the record of that time."""
    prober = probing.Prober(
        stage.service.client, lambda: stage.service.pid, stage.elapsed_s, stage.record.probes.append
    )
    with stage.crowd(GUESTS, MIX, pace_s=PACE_S), prober:
        stage.mark("warm-up")
        stage.pause(times.warm_up)
        began_s = stage.elapsed_s()
        stage.mark("plain use")
        stage.pause(times.plain)
        plain_s = (began_s, stage.elapsed_s())
        if clean_first or not chosen:
            stage.pause(times.clean)
        done = tuple(_do(stage, each, times.calm) for each in chosen)
        ended_s = stage.elapsed_s()
    part = _part(stage.record, began_s, ended_s)
    findings = tuple(found(part, plain_s, BOUNDS))
    for each in findings:
        stage.record.marks.append(Mark(each.began_s, f"found {each.kind}", str(each)))
    stage.record.marks.sort(key=lambda each: each.at_s)
    return Run(done, findings, len(part.probes))


def _do(stage: Stage, anomaly: Anomaly, calm_s: float) -> Done:
    """The anomaly for its time, and calm after it."""
    stage.mark(anomaly.name, anomaly.about)
    began_s = stage.elapsed_s()
    with anomaly.hurt(stage) as passing:
        passing(anomaly.seconds)
    ended_s = stage.elapsed_s()
    stage.pause(calm_s)
    return Done(anomaly, began_s, ended_s)


def _part(record: Record, began_s: float, ended_s: float) -> Record:
    """The record of one run of many. What is begun after it is not its."""
    return replace(
        record,
        answers=[each for each in record.answers if began_s <= each.at_s <= ended_s],
        samples=[each for each in record.samples if began_s <= each.at_s <= ended_s],
        probes=[each for each in record.probes if began_s <= each.at_s <= ended_s],
        marks=[],
        checks=[],
        figures={},
    )


def _noticed_s(one: Run, done: Done) -> float | None:
    return done.noticed_s(one.findings)


def _check_run(stage: Stage, name: str, one: Run) -> None:
    """Everything that was done was found, and nothing else."""
    for done in one.done:
        noticed_s = _noticed_s(one, done)
        seen = "; ".join(str(each) for each in done.found_in(one.findings))
        stage.check(
            f"{done.anomaly.name} is found",
            f"as {' or '.join(done.anomaly.kinds)} within {anomalies.NOTICED_S_MAX:g} s",
            "it was not" if noticed_s is None else f"after {noticed_s:.1f} s as {seen}",
            noticed_s is not None if one.probes or noticed_s is not None else None,
        )
        if noticed_s is not None:
            stage.figure(f"{done.anomaly.name.replace('-', '_')}_noticed_s", noticed_s)
    false = one.false_ones
    what = "nothing but that is found" if one.done else "nothing is found"
    seen = f"{'; '.join(str(each) for each in false) or 'nothing'}, by {one.probes} known questions"
    stage.check(f"{name}: {what}", "0", seen, not false if one.probes or false else None)


SCENARIO = Scenario(
    name="anomalies",
    about="Slow-downs, leaks, errors and lost answers are found by themselves, and none in clean runs",
    minutes=20,
    quick_minutes=1.5,
    run=run,
    under=(sys.executable, "-m", "pi_rag.stress.injecting"),
    environ={"PI_RAG_STORE_WAL_MIB_MAX": f"{BOUNDS.wal_kept_mib:.0f}", "PI_RAG_CACHE_QUERY_MIB_MAX": "1"},
)
