"""A service that can be spoilt is the real one until it is told to be spoilt, and again when that is over."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from pi_rag.errors import InternalError
from pi_rag.host.memory import private_mib
from pi_rag.stress import family, probing
from pi_rag.stress.injecting import Leaks
from pi_rag.stress.orders import Orders
from pi_rag.stress.probing import Prober
from pi_rag.stress.running import RunningService
from pi_rag.types import ModelCard
from tests.stress.truth import until

UNDER = (sys.executable, "-m", "pi_rag.stress.injecting")


@pytest.fixture(scope="module")
def spoilt(tmp_path_factory: pytest.TempPathFactory, minilm: ModelCard) -> Iterator[RunningService]:
    folder = tmp_path_factory.mktemp("spoilt")
    with RunningService(folder, {"PI_RAG_MODEL": minilm.path}, under=UNDER) as service:
        service.client.add_documents(probing.documents(), wait=True)
        yield service


@pytest.fixture
def orders(spoilt: RunningService) -> Iterator[Orders]:
    given = Orders(spoilt.data.parent / "orders")
    yield given
    given.take_back()
    until(lambda: asked(spoilt))


def asked(service: RunningService) -> bool:
    """Whether every known question is answered with its document, quick or slow."""
    prober = Prober(service.client, lambda: service.pid, time.monotonic, lambda _: None)
    probes = [prober.ask(number) for number in range(2 * len(probing.KNOWN))]
    return all(probe.is_found and not probe.code for probe in probes)


@pytest.mark.model
def test_it_is_the_real_service(spoilt: RunningService) -> None:
    """Every known answer is found both ways, and its processes have their roles."""
    assert asked(spoilt)
    assert {"supervisor", "nursery", "worker"} <= family.family(spoilt.pid).keys()


@pytest.mark.model
def test_it_is_slow_when_it_is_told_to(spoilt: RunningService, orders: Orders) -> None:
    """Every search takes at least as much longer as was called for."""
    orders.give({"slow": 300})

    def took_s() -> float:
        began_s = time.monotonic()
        spoilt.client.search(f"anything at all {began_s}")
        return time.monotonic() - began_s

    until(lambda: took_s() >= 0.3)
    assert took_s() >= 0.3


@pytest.mark.model
def test_it_fails_when_it_is_told_to(spoilt: RunningService, orders: Orders) -> None:
    """Every search is answered with an error, and the service lives on."""
    orders.give({"errors": 10})

    def fails() -> bool:
        try:
            spoilt.client.search("anything")
        except InternalError:
            return True
        return False

    until(fails)
    assert spoilt.client.status()["ready"]


@pytest.mark.model
@pytest.mark.parametrize(("order", "number"), [("lost_words", 0), ("lost_meaning", 1)])
def test_it_loses_what_it_is_told_to(order: str, number: int, spoilt: RunningService, orders: Orders) -> None:
    """What is lost one way is still found the other way."""
    orders.give({order: 10})
    prober = Prober(spoilt.client, lambda: spoilt.pid, time.monotonic, lambda _: None)
    # The same question in other words each time: one that was answered before, by any test, comes from the
    # cache.
    step = 2 * len(probing.KNOWN)
    numbers = count((1 + 10_000 * number) * step, step)

    until(lambda: not prober.ask(next(numbers) + number).is_found)
    assert prober.ask(next(numbers) + 1 - number).is_found


@pytest.mark.model
def test_one_worker_leaks_when_it_is_told_to(spoilt: RunningService, orders: Orders) -> None:
    """Of several workers one grows."""
    before = sizes(spoilt)
    orders.give({"worker_leak": 40})

    until(lambda: max(sizes(spoilt)[pid] - before[pid] for pid in before) > 20)
    grown = [pid for pid, size in sizes(spoilt).items() if size - before[pid] > 15]
    assert len(grown) == 1


def sizes(service: RunningService) -> dict[int, float]:
    return {pid: private_mib(pid) or 0.0 for pid in family.family(service.pid)["worker"]}


def test_leaks_are_as_fast_as_called_for(tmp_path: Path) -> None:
    """So many a second, also when a look is shorter than one takes; nothing when nothing is called for."""
    orders = Orders(tmp_path / "orders")
    leaks = Leaks(orders)
    before = family.descriptors(os.getpid())
    leaks.take(1.0)
    assert family.descriptors(os.getpid()) == before

    orders.give({"descriptors": 6})
    orders.look()
    for _ in range(20):
        leaks.take(0.05)
    try:
        assert family.descriptors(os.getpid()) - before in (5, 6)
    finally:
        for kept in leaks.kept:
            if isinstance(kept, int):
                os.close(kept)
