"""What is asked at the socket is a service over the database that was prepared for it."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.growth import passages
from benchmarks.model import benchmark_model
from benchmarks.searching import whole
from benchmarks.sets import RetrievalSet
from pi_rag.errors import Busy

TEXTS = ["the lamp is on", "the well is deep", "a road leads north"]


@pytest.mark.model
def test_a_service_takes_the_prepared_database_as_its_own(tmp_path: Path) -> None:
    """Its figures are of a service that lacks nothing: by words, by vectors, from the index."""
    card = benchmark_model()
    rows = np.random.default_rng(1).standard_normal((60, card.dimensions)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    whole.prepare(tmp_path, rows, TEXTS, card)

    with whole.service(tmp_path, card, keeps_answers=False) as running:
        whole.wait_until_settled(running, len(rows))
        times, stages = whole.cached(running.client.search, ["lamp", "well"])

    assert (times.errors, times.degraded, len(times.ms)) == (0, 0, 2)
    assert set(stages) == set(whole.STAGES)
    assert stages["embed"] < stages["total"]


def test_a_crowd_counts_what_fails_and_times_what_does_not() -> None:
    """An error is never a fast answer."""

    def search(query: str) -> Mapping[str, Any]:
        if "bad" in query:
            raise Busy("Too many.")
        return {"degraded": ["embedder_timeout"] if "slow" in query else []}

    times = whole.Times()
    for query in ("good", "bad", "slow", "good"):
        times.ask(search, query)

    assert (len(times.ms), times.errors, times.degraded) == (3, 1, 1)


def test_questions_without_end_are_never_alike() -> None:
    """No vector is known already."""
    asked = list(islice(whole.never_asked(["one", "two"]), 50))

    assert len(set(asked)) == 50


def test_passages_are_runs_of_real_words_and_the_same_each_time() -> None:
    """Two runs have the same words, and none is made up."""
    corpus = {"a": ("title", " ".join(f"word{number}" for number in range(3000)))}
    sets = [RetrievalSet(corpus, {}, {})]
    found = passages(sets)

    assert found == passages(sets)
    assert len(found) == len(set(found))
    assert all(text in "title " + corpus["a"][1] for text in found)
