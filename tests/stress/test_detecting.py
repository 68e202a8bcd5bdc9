"""What goes wrong is found, at its time and as what it is; plain use is not found to be anything."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pi_rag.stress.detecting import Finding, found, own_ms
from pi_rag.stress.types import Record
from tests.stress import records
from tests.stress.records import BEGIN_S, PLAIN_S

SEEDS = st.integers(0, 1_000_000)


def only(record: Record) -> Finding:
    """The one thing that is found."""
    return only_after(record, PLAIN_S)


def only_after(record: Record, plain_s: tuple[float, float]) -> Finding:
    """The same, with another time of plain use."""
    findings = found(record, plain_s)
    assert len(findings) == 1, [str(each) for each in findings]
    return findings[0]


@pytest.mark.slow
def test_plain_use_is_nothing(long_form: bool) -> None:
    """In 1,000 clean runs (150 in the short form) of a noisy service nothing is found."""
    wrong = {
        seed: [str(each) for each in findings]
        for seed in range(1000 if long_form else 150)
        if (findings := found(records.clean(seed), PLAIN_S))
    }

    assert wrong == {}


@settings(max_examples=15)
@given(SEEDS, st.floats(60.0, 2000.0))
def test_a_slow_down_is_found(seed: int, ms: float) -> None:
    """60 ms more are found at once, and told about right."""
    finding = only(records.slower(records.clean(seed), ms))

    assert finding.kind == "slow"
    assert BEGIN_S - 1 <= finding.began_s <= BEGIN_S + 1
    assert finding.noticed_s <= BEGIN_S + 5
    assert finding.size == pytest.approx(ms, abs=20)


@settings(max_examples=15)
@given(SEEDS)
def test_a_slow_down_of_one_way_is_told_as_that(seed: int) -> None:
    """What only questions by meaning meet is said to be there."""
    assert only(records.slower(records.clean(seed), 100.0, way="meaning")).where == "meaning"


@settings(max_examples=15)
@given(SEEDS, st.floats(500.0, 3000.0))
def test_every_tenth_slow_search_is_found(seed: int, ms: float) -> None:
    """The median does not see it."""
    finding = only(records.slower(records.clean(seed), ms, every=10))

    assert finding.kind == "slow_at_times"
    assert BEGIN_S - 15 <= finding.began_s <= BEGIN_S + 3
    assert finding.noticed_s <= BEGIN_S + 13


@settings(max_examples=15)
@given(SEEDS)
def test_a_busy_machine_is_not_the_services_fault(seed: int) -> None:
    """When all that is slower was spent in line for a processor, nothing is found."""
    record = records.clean(seed)
    busy = [
        replace(each, latency_ms=each.latency_ms + 200, waited_ms=each.waited_ms + 200)
        if each.at_s >= BEGIN_S
        else each
        for each in record.probes
    ]

    assert found(replace(record, probes=busy), PLAIN_S) == []
    assert all(own_ms(each) >= 0 for each in busy)


@settings(max_examples=15)
@given(SEEDS, st.floats(2.5, 10.0))
def test_a_stall_is_found(seed: int, seconds: float) -> None:
    """Nobody was answered: when, and for how long."""
    finding = only(records.stalling(records.clean(seed), seconds))

    assert finding.kind == "stall"
    assert finding.began_s == pytest.approx(BEGIN_S, abs=0.5)
    assert finding.size == pytest.approx(seconds, abs=0.5)


@settings(max_examples=15)
@given(SEEDS, st.sampled_from(["internal_error", "busy"]))
def test_a_burst_of_errors_is_found(seed: int, code: str) -> None:
    """Errors as well as refusals, for five seconds."""
    finding = only(records.failing(records.clean(seed), random.Random(seed), 0.5, 5.0, code))

    assert finding.kind == "errors"
    assert BEGIN_S - 6 <= finding.began_s <= BEGIN_S + 2
    assert finding.noticed_s <= BEGIN_S + 4
    assert finding.ended_s <= BEGIN_S + 11


@settings(max_examples=15)
@given(SEEDS)
def test_answers_from_less_are_told_from_errors(seed: int) -> None:
    """Degraded is its own kind."""
    record = records.failing(records.clean(seed), random.Random(seed), 0.5, 10.0, "degraded")

    assert only(record).kind == "degraded"


@settings(max_examples=15)
@given(SEEDS, st.sampled_from(["words", "meaning"]), st.floats(0.5, 1.0))
def test_lost_answers_are_found(seed: int, way: str, share: float) -> None:
    """When half of the known answers are gone, and by which way they were looked for."""
    finding = only(records.losing(records.clean(seed), random.Random(seed), share, way))

    assert (finding.kind, finding.where) == ("recall_loss", way)
    assert BEGIN_S - 6 <= finding.began_s <= BEGIN_S + 3
    assert finding.noticed_s <= BEGIN_S + 8


@pytest.mark.parametrize(
    ("what", "kind", "where"),
    [
        ("worker", "memory_leak", "worker"),
        ("supervisor", "memory_leak", "supervisor"),
        ("descriptors", "descriptor_leak", ""),
        ("threads", "thread_leak", ""),
    ],
)
@settings(max_examples=15)
@given(SEEDS, st.floats(4.0, 20.0))
def test_a_leak_is_found(what: str, kind: str, where: str, seed: int, per_s: float) -> None:
    """Four a second, be it MiB or handles, and whose it is."""
    finding = only(records.leaking(records.clean(seed), **{what: per_s}))

    assert (finding.kind, finding.where) == (kind, where)
    assert BEGIN_S - 6 <= finding.began_s <= BEGIN_S + 3
    assert finding.noticed_s <= BEGIN_S + 13
    assert finding.size == pytest.approx(per_s, rel=0.4)


@settings(max_examples=15)
@given(SEEDS, st.floats(8.0, 200.0))
def test_a_leap_of_memory_is_no_leak(seed: int, mib: float) -> None:
    """What is taken at once, such as a cache, does not go on."""
    record = records.clean(seed)
    samples = [
        replace(each, private_mib={role: size + mib for role, size in each.private_mib.items()})
        if each.at_s >= BEGIN_S
        else each
        for each in record.samples
    ]

    assert found(replace(record, samples=samples), PLAIN_S) == []


@settings(max_examples=15)
@given(SEEDS)
def test_a_log_that_is_not_emptied_is_found(seed: int) -> None:
    """Half a MiB a second beyond what plain use has."""
    finding = only(records.leaking(records.clean(seed), wal_mib=0.5))

    assert finding.kind == "wal_growth"
    assert finding.noticed_s <= BEGIN_S + 15


@settings(max_examples=15)
@given(SEEDS)
def test_what_begins_when_plain_use_ends_is_found(seed: int) -> None:
    """A stall in the first moment after it: the last answer before it was one of plain use."""
    finding = only_after(records.stalling(records.clean(seed), 3.0), (0.0, BEGIN_S))

    assert finding.kind == "stall"


@pytest.mark.parametrize("spoil", [lambda each: replace(each, probes=[], answers=[], samples=[])])
def test_an_empty_record_is_nothing(spoil: Callable[[Record], Record]) -> None:
    """A run that was interrupted at once is no anomaly and no error."""
    assert found(spoil(records.clean(1)), PLAIN_S) == []


def test_two_at_once_are_two() -> None:
    """One does not hide the other, and they come in their order."""
    record = records.losing(records.clean(5), random.Random(5), 0.8, "words")
    findings = found(records.leaking(record, worker=6.0), PLAIN_S)

    assert sorted(each.kind for each in findings) == ["memory_leak", "recall_loss"]
    assert findings == sorted(findings, key=lambda each: each.began_s)
