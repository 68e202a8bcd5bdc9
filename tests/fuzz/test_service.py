"""One real service, its real socket, and requests that nobody would write."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from pi_rag.stress.running import RunningService
from pi_rag.types import ModelCard
from tests.fuzz import asking, run, wires
from tests.fuzz.described import Described
from tests.fuzz.driving import corpus_of

pytestmark = [pytest.mark.model, pytest.mark.slow]

REQUESTS, CONNECTIONS, MINUTES = 1000, 400, 1.0


def test_requests_and_raw_connections_are_answered_or_refused(minilm: ModelCard, long_form: bool) -> None:
    """No 5xx but `busy`, errors of the known shape, no mistake in the log, flat memory, still ready."""
    more = 10 if long_form else 1
    outcomes = run.service(minilm.path, REQUESTS * more, CONNECTIONS * more, 1, MINUTES * more, run.told)
    found = [(each.target, each.data[:200], each.why) for outcome in outcomes for each in outcome.findings]
    assert found == []
    assert [outcome.target for outcome in outcomes if run.too_much(outcome)] == []
    assert all(len(outcome.became) > 3 for outcome in outcomes)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("described")


@pytest.fixture(scope="module")
def running(minilm: ModelCard, folder: Path) -> Iterator[RunningService]:
    """One for what follows."""
    environ = asking.environ(minilm.path, asking.allowed_folder(folder)) | wires.ENVIRON
    with RunningService(folder, environ) as service:
        yield service


def test_every_answer_is_as_the_description_says(
    running: RunningService, folder: Path, long_form: bool
) -> None:
    """Status, type and shape of each answer of each route, to requests that keep to it and others."""
    described = Described(running, folder / "allowed", 1)
    described.each(40 if long_form else 3)
    described.chained(100 if long_form else 10)
    assert described.failures == {}
    assert described.became["200"] and described.became["400"]
    assert asking.troubles(running) == [] and asking.given_up(running) == []


def test_connections_that_once_found_something_do_no_more(running: RunningService) -> None:
    """Each kept one, several times: what they found depended on the moment."""
    for data in corpus_of("wires"):
        for seed in range(5):
            statuses = wires.thrown(running.socket, data, random.Random(seed))
            assert all(status < 500 for status in statuses), data[:100]
    assert asking.troubles(running) == []
    assert running.client.status()["ready"]
