"""Records for tests of what is made of them: one of a small run, and any that there can be."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st

from pi_rag.stress.types import LOST, Answer, Check, Ending, Mark, Record, Sample


def small(ending: Ending = "whole", *kept: bool | None, must_fail: bool = False) -> Record:
    """Twenty seconds with some searches, one fault, and a service that is away for a while.

    The last promise of one that must fail is that which it must break.
    """
    record = Record("load", 7, 1.0, ending=ending, seconds=22.0, must_fail=must_fail)
    for second in range(20):
        code = "busy" if second == 9 else ""
        record.tally.add([Answer(second + 0.5, "search", 5.0 + second, code)] * 3)
        record.tally.add([Answer(second + 0.5, "add", 50.0, "deadline_exceeded" if second == 3 else "")])
        record.samples.append(sample(second + 0.1, is_ready=not 8 <= second <= 11))
    record.marks = [Mark(8.0, "kill -9 of the supervisor", "pid 12"), Mark(15.0, "<b>&", "\"'")]
    record.checks = [Check(f"promise {each}", "that", "this", was_kept) for each, was_kept in enumerate(kept)]
    if must_fail and kept:
        record.checks[-1] = replace(record.checks[-1], name=LOST)
    record.figures = {"search_p95_ms": 24.5, "memory_budget_mib": 200.0}
    record.machine = {"board": "Raspberry Pi 5", "cores": "4"}
    return record


def sample(at_s: float, *, is_ready: bool = True) -> Sample:
    """Of a service of two roles."""
    size = {"supervisor": 80.0 + at_s, "worker": 40.0}
    return Sample(
        at_s=at_s,
        pss_mib=size,
        private_mib=size,
        processor_share={"supervisor": 0.2, "worker": 0.7},
        descriptors=30,
        threads=14,
        wal_mib=1.5,
        disk_free_mib=1000.0,
        queued=4 if is_ready else -1,
        is_ready=is_ready,
        degraded=() if is_ready else ("embedder_unavailable",),
        temperature_c=55.0,
        is_throttled=False,
    )


texts = st.text(st.characters(codec="utf-8", exclude_characters="/~"), max_size=20)
numbers = st.floats(-1e9, 1e9, allow_nan=False).map(lambda value: round(value, 3))
by_role = st.dictionaries(st.sampled_from(["supervisor", "worker", "reader"]), numbers, max_size=3)
samples = st.builds(
    Sample,
    at_s=numbers,
    pss_mib=by_role,
    private_mib=by_role,
    processor_share=by_role,
    descriptors=st.integers(0, 9999),
    threads=st.integers(0, 999),
    wal_mib=numbers,
    disk_free_mib=numbers,
    queued=st.integers(-1, 10**6),
    is_ready=st.booleans(),
    degraded=st.lists(texts, max_size=2).map(tuple),
    temperature_c=st.none() | numbers,
    is_throttled=st.none() | st.booleans(),
)
answers = st.builds(
    Answer,
    st.floats(0, 1e5),
    st.sampled_from(["search", "add", "remove", "remember", "event", "recall"]),
    st.floats(0.001, 1e7),
    st.sampled_from(["", "busy", "degraded", "deadline_exceeded"]),
)


@st.composite
def records(draw: st.DrawFn) -> Record:
    """Any record without a single answer, as a report keeps it."""
    record = draw(
        st.builds(
            Record,
            scenario=texts,
            seed=st.integers(0, 2**31),
            minutes=numbers,
            began=texts,
            machine=st.dictionaries(texts, texts, max_size=3),
            seconds=numbers,
            ending=st.sampled_from(["whole", "interrupted", "failed"]),
            reason=texts,
            samples=st.lists(samples, max_size=4),
            marks=st.lists(st.builds(Mark, numbers, texts, texts), max_size=4),
            checks=st.lists(st.builds(Check, texts, texts, texts, st.none() | st.booleans()), max_size=4),
            figures=st.dictionaries(texts, numbers, max_size=4),
            notes=st.lists(texts, max_size=2),
            is_quick=st.booleans(),
            must_fail=st.booleans(),
        )
    )
    record.tally.add(draw(st.lists(answers, max_size=20)))
    return record
