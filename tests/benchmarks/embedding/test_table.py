"""The table says what was measured, and why something was not."""

from __future__ import annotations

import pytest

from benchmarks.child import PeerFailed
from benchmarks.embedding.rounds import Timed
from benchmarks.embedding.rows import CORES, DEFAULT, LLAMA_DEFAULT, ONE_WORKER, Row
from benchmarks.embedding.table import OURS, Alone, figures, ratios

LISTS = ("abstracts", "full", "queries", "mix")


def timed(rate: float) -> Timed:
    found = Timed(p50_ms=[1.0], p95_ms=[2.0])
    for name in LISTS:
        found.rates[name] += [rate, rate * 100, rate / 100]
        found.core_rates[name] += [rate / CORES]
    return found


def fail() -> None:
    raise PeerFailed("it ended with -9")


def test_ratios_are_of_medians_and_leave_out_what_did_not_run() -> None:
    """A disturbed round moves nothing, and nothing is made up."""
    found = ratios({OURS: timed(30.0), LLAMA_DEFAULT: timed(10.0), ONE_WORKER: timed(20.0)})

    assert found[f"{DEFAULT}_full_to_llama_default"] == pytest.approx(3.0)
    assert found[f"{DEFAULT}_full_scaling_of_{CORES}_workers"] == pytest.approx(1.5 / CORES)
    assert not [name for name in found if "onnx" in name]
    assert ratios({LLAMA_DEFAULT: timed(10.0)}) == {}


def test_a_row_that_could_not_run_says_why() -> None:
    """It has no figure at all, not a zero."""
    rows = [Row(OURS, dict), Row("absent", dict)]
    alone = {OURS: Alone(0.9996, 0.9994, 120.0), "absent": Alone(failed="ImportError: it is not there")}

    found = figures(rows, alone, {OURS: timed(30.0)}, {}, {})

    ours, absent = found.rows
    assert ours["full/s"] == "30.0"
    assert absent["why not"] == "ImportError: it is not there"
    assert {value for name, value in absent.items() if name not in {"row", "why not"}} == {"-"}
    assert found.headline == {"full_passages_per_s": 30.0, "query_p95_ms": 2.0}


def test_rows_of_one_arithmetic_share_their_quality() -> None:
    """The same vectors are not judged twice."""
    rows = [Row("first", dict), Row("second", dict, like="first")]
    alone = {"first": Alone(ndcg10=0.65), "second": Alone()}

    found = figures(rows, alone, {}, {}, {})

    assert [row["nDCG@10"] for row in found.rows] == ["0.6500", "0.6500"]


def test_a_row_that_broke_off_has_no_figures() -> None:
    """Half its turns would be compared with all of another's."""
    broken = timed(50.0)
    with broken.unless_failed():
        fail()
    with broken.unless_failed() as go:
        assert not go

    found = figures([Row("broken", dict)], {"broken": Alone(0.9, 0.8, 70.0)}, {"broken": broken}, {}, {})

    assert found.rows[0]["why not"] == "it ended with -9"
    assert found.rows[0]["full/s"] == "-"
