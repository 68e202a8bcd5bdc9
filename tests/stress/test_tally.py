"""Percentiles that were read from buckets are right, however many answers were counted and joined."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from pi_rag.stress.tally import SLOTS_MAX, WIDTH, Histogram, Tally, bucket_of, judged, upper_ms
from pi_rag.stress.types import Answer

latencies = st.lists(st.floats(0.01, 3_000_000.0), min_size=1, max_size=200)
percents = st.floats(0.1, 100.0)


def histogram(values: list[float]) -> Histogram:
    made = Histogram()
    for each in values:
        made.add(each)
    return made


@given(latencies, percents)
def test_a_percentile_is_never_flattering_and_at_most_two_hundredths_above(
    values: list[float], percent: float
) -> None:
    """Against the nearest rank of the sorted values themselves."""
    true_ms = sorted(values)[max(1, math.ceil(len(values) * percent / 100)) - 1]
    read_ms = histogram(values).percentile_ms(percent)

    assert read_ms is not None
    assert true_ms * (1 - 1e-9) <= read_ms <= true_ms * WIDTH * (1 + 1e-9)


@given(latencies, latencies, percents)
def test_joined_histograms_know_what_one_of_all_would(
    one: list[float], other: list[float], percent: float
) -> None:
    """Percentiles of seconds cannot be averaged; buckets can be added."""
    joined = histogram(one)
    joined.merge(histogram(other))

    assert joined == histogram(one + other)
    assert joined.percentile_ms(percent) == histogram(one + other).percentile_ms(percent)


@given(st.floats(0.01, 3_600_000.0))
def test_a_bucket_is_the_first_that_holds_a_value(value: float) -> None:
    """Its upper edge is not below the value, and the bucket beneath is too small."""
    bucket = bucket_of(value)

    assert upper_ms(bucket) >= value * (1 - 1e-12)
    assert bucket == 0 or upper_ms(bucket - 1) < value


def test_a_refusal_has_no_latency_and_is_counted() -> None:
    """`busy` comes fast, and would make a slow service look quick; an error is no answer either."""
    counted = Histogram()
    for code in ("", "degraded", "busy", "busy", "deadline_exceeded"):
        counted.add(100.0, code)

    assert sum(counted.buckets.values()) == 2
    assert counted.count == 5
    assert counted.errors() == {"deadline_exceeded": 1}
    assert Histogram().percentile_ms(95) is None


def test_hours_of_seconds_take_no_more_room_than_the_bound() -> None:
    """A night of answers: the slots grow wider, and not one answer is lost."""
    tally, seconds = Tally(), 3 * SLOTS_MAX
    for second in range(seconds):
        tally.add([Answer(second + 0.5, "search", 10.0, ""), Answer(second + 0.5, "add", 5.0, "busy")])

    assert all(len(slots) <= SLOTS_MAX for slots in tally.slots.values())
    assert tally.slot_s == 4
    assert tally.whole("search").count == tally.whole("add").count == seconds
    assert max(tally.slots["search"]) == (seconds - 1) // 4


answers = st.lists(
    st.builds(
        Answer,
        st.floats(0, 100_000),
        st.sampled_from(["search", "add", "recall"]),
        st.floats(0.01, 1e6),
        st.sampled_from(["", "busy", "degraded", "store_busy"]),
    ),
    max_size=60,
)


@given(answers)
def test_a_tally_that_was_written_is_read_as_it_was(given_answers: list[Answer]) -> None:
    """A report can be rendered again."""
    tally = Tally()
    tally.add(given_answers)

    assert Tally.from_json(tally.to_json()) == tally


def coded(*codes: str) -> Histogram:
    made = Histogram()
    for each in codes:
        made.add(1.0, each)
    return made


def test_answers_are_judged_by_their_errors_and_by_there_being_any() -> None:
    """`busy` is no error, and no answer; what nobody asked shows nothing."""
    assert judged({"search": coded("", "busy"), "add": coded("degraded")}) == (
        "none of 3 requests (1 times busy)",
        True,
    )
    assert judged({"search": coded("", "", "internal"), "add": coded("")}) == (
        "search internal 1 of 4 requests (0 times busy)",
        False,
    )
    assert judged({"search": coded("busy")})[1] is False
    assert judged({"search": coded()})[1] is None
