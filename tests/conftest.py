"""What every test may share: a real model, made once.

It is obtained as a person would obtain it, and kept between runs in `.cache/models` of the checkout, or where
TEST_MODELS points.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

import hypothesis
import pytest

from pi_rag.models import sources
from pi_rag.models.shelf import Shelf
from pi_rag.types import ModelCard

# On a busy machine numpy's own threads wait for each other ten times longer than they compute. It reads this
# when it is first imported, which nothing above does.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# A run in the background of a shell ignores Ctrl-C, and so would the programs that tests begin and interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# No test asserts how long something takes. A property is tried on the same examples in every run, so what has
# passed here passes elsewhere; `--long` goes looking for others, ten times as far.
hypothesis.settings.register_profile("same", deadline=None, derandomize=True)
hypothesis.settings.register_profile("looking", deadline=None, max_examples=1000)

LASTING = ("tests/stress/", "tests/docs/", "tests/durability/", "tests/appliance/", "tests/fuzz/")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="run the sweeps that are marked `slow` whole")


def pytest_configure(config: pytest.Config) -> None:
    hypothesis.settings.load_profile("looking" if config.getoption("--long") else "same")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that take minutes come first, so that of several processes none is left with one in the end."""
    items.sort(key=lambda item: not item.nodeid.startswith(LASTING))


@pytest.fixture(scope="session")
def long_form(request: pytest.FixtureRequest) -> bool:
    """Whether a sweep runs whole. Tests that ask are marked `slow`."""
    return bool(request.config.getoption("--long"))


@pytest.fixture(scope="session")
def minilm() -> ModelCard:
    """all-MiniLM-L6-v2 in Q8_0. Tests that use it are marked `model`."""
    kept = os.environ.get("TEST_MODELS")
    models_path = Path(kept) if kept else Path(__file__).parents[1] / ".cache" / "models"
    return sources.pull("all-MiniLM-L6-v2", Shelf(models_path))
