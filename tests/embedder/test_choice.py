"""Promises of pi_rag/embedder/choice.py."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pi_rag.config import EmbedderSettings
from pi_rag.embedder.choice import applied, chosen, fastest
from pi_rag.embedder.tuned import Speed

from .measured import PI, measured

SPEEDS = st.lists(
    st.builds(Speed, st.integers(1, 8), st.integers(1, 4), st.floats(0.1, 1000)), min_size=1, max_size=12
)


def test_the_fastest_crew_is_chosen_and_the_curve_is_as_measured() -> None:
    """Where flash attention begins, and how long a batch takes, follow from it."""
    tuning = chosen(PI, EmbedderSettings())
    assert (tuning.workers, tuning.threads) == (4, 1)
    assert tuning.curve.flash_tokens_min == 96
    assert tuning.curve.batch_ms == pytest.approx(25.0)


def test_what_is_hardly_faster_is_not_worth_its_memory() -> None:
    """Of nearly equal crews the smallest works."""
    speeds = (Speed(1, 1, 10.0), Speed(2, 1, 19.9), Speed(4, 1, 20.1))
    best = fastest(speeds)
    assert best is not None and (best.workers, best.threads) == (2, 1)


@given(SPEEDS)
def test_nothing_measured_is_much_faster_than_what_is_chosen(speeds: list[Speed]) -> None:
    """Whatever the figures are."""
    best = fastest(speeds)
    assert best in speeds
    assert max(each.passages_s for each in speeds) <= best.passages_s * 1.02 * (1 + 1e-9)


@pytest.mark.parametrize(
    ("settings", "crew"),
    [
        (EmbedderSettings(workers=2), (2, 2)),
        (EmbedderSettings(threads=1), (4, 1)),
        (EmbedderSettings(threads=4), (1, 4)),
        (EmbedderSettings(workers=1, threads=1), (1, 1)),
        (EmbedderSettings(workers=3), (3, 1)),
    ],
)
def test_what_a_person_set_wins(settings: EmbedderSettings, crew: tuple[int, int]) -> None:
    """What is left open is what goes best with it; one thread, where that was not measured."""
    used = applied(settings, chosen(PI, settings))
    assert (used.workers, used.threads) == crew


def test_speeds_from_a_busy_machine_decide_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Others made the workers slow, not they each other: the guess holds, one a core. The curve is used."""
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1, 2})
    busy = measured(got=0.4, speeds=(Speed(1, 1, 9.0), Speed(3, 1, 5.0)))
    tuning = chosen(busy, EmbedderSettings())
    used = applied(EmbedderSettings(), tuning)
    assert (used.workers, used.threads) == (3, 1)
    assert tuning.curve.plain == PI.plain


def test_without_a_measurement_nothing_is_left_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """One worker for each core, four at most; fewer where each has more threads."""
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(8)))
    plain, threaded = applied(EmbedderSettings(), None), applied(EmbedderSettings(threads=2), None)
    assert (plain.workers, plain.threads) == (4, 1)
    assert (threaded.workers, threaded.threads) == (2, 2)
