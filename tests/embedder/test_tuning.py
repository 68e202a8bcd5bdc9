"""Promises of pi_rag/embedder/tuning.py and crew.py, with a real model and little time."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pi_rag.config import EmbedderSettings
from pi_rag.embedder.llama import Model
from pi_rag.embedder.tuner import Assignment, measure
from pi_rag.embedder.tuning import crew_name, crews, lengths, repetitions, text_of
from pi_rag.types import ModelCard

from .waiting import children


@given(st.integers(32, 512))
def test_the_curve_is_measured_up_to_the_window(window: int) -> None:
    """Ascending, at the window itself, and never beyond it."""
    found = lengths(window)
    assert found == sorted(set(found)) and found[-1] == window
    assert [repetitions(tokens) for tokens in found] == sorted(map(repetitions, found), reverse=True)


@given(st.integers(1, 64), st.integers(0, 8), st.integers(0, 4))
def test_one_worker_and_one_for_each_core_come_first(cores: int, workers: int, threads: int) -> None:
    """Each crew once, however many cores there are; what the person set is among them."""
    found = crews(cores, workers, threads)
    assert found[0] == (1, 1) and (cores, 1) in found[:2] and (1, cores) in found
    assert len(found) == len(set(found)) <= 12
    if workers:
        assert (workers, threads or 1) in found
    elif threads:
        assert any(each[1] == threads for each in found)


def test_a_pi_tries_what_four_cores_can_be() -> None:
    """By workers, by threads, and half and half."""
    assert crews(4, 0, 0) == [(1, 1), (4, 1), (2, 1), (3, 1), (2, 2), (1, 4)]
    assert crew_name(2, 1) == "2 workers x 1 thread"
    assert crew_name(1, 4) == "1 worker x 4 threads"


@pytest.mark.model
def test_a_text_is_as_long_as_it_says(minilm: ModelCard) -> None:
    """With [CLS] and [SEP], whatever the length, and of tokens that a text may have."""
    model = Model.load(minilm.path)
    for tokens in (8, 230):
        ids = text_of(model, tokens)
        assert len(ids) + model.specials == tokens
        assert not set(ids) & model.unusable
    model.close()


@pytest.mark.model
async def test_a_real_machine_is_measured(minilm: ModelCard) -> None:
    """All four things, in the time that there is, and no process is left."""
    before = children(os.getpid())
    parts: list[str] = []
    found = await measure(Assignment(minilm, EmbedderSettings(tune_s_max=6.0), nice=1), parts.append)

    assert len(parts) == 5
    assert [tokens for tokens, _ in found.plain] == lengths(minilm.tokens_max)
    for points in (found.plain, found.flash):
        assert points[-1][1] > 4 * points[0][1]
    assert 0 < found.frame_ms < found.plain[-1][1]
    assert 0 < found.got < 1.2
    measured = {crew_name(each.workers, each.threads) for each in found.speeds}
    wanted = {crew_name(*crew) for crew in crews(len(os.sched_getaffinity(0)), 0, 0)}
    assert measured | set(found.skipped) >= wanted
    assert all(each.passages_s > 0 for each in found.speeds)
    assert children(os.getpid()) == before


@pytest.mark.model
async def test_with_hardly_any_time_the_curve_is_rough_and_the_rest_is_named(minilm: ModelCard) -> None:
    """One round of the curve is always measured; nothing is left out without a word."""
    found = await measure(Assignment(minilm, EmbedderSettings(tune_s_max=1e-3)))
    assert found.rounds == 1
    assert found.speeds == () and found.sharing == ()
    assert "1 worker x 1 thread" in found.skipped
    assert "8 texts of 8 tokens in one call" in found.skipped
