"""The kind of index follows from the settings, the number of passages and what is installed."""

from __future__ import annotations

import importlib.util
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pi_rag.config import IndexSettings
from pi_rag.index.choice import BITS, Shape, codes, made, wanted


@pytest.mark.parametrize(
    ("count", "name"), [(0, "turbo-4"), (600_000, "turbo-4"), (800_000, "turbo-2"), (1_200_000, "turbo-2")]
)
def test_there_are_as_many_bits_as_the_budget_allows(count: int, name: str) -> None:
    """At 384 numbers and 128 MiB."""
    assert wanted(IndexSettings(), count, 384, BITS).name == name


def test_beyond_the_budget_there_is_none_and_it_is_said() -> None:
    """Searches go on, slower."""
    shape = wanted(IndexSettings(), 5_000_000, 384, BITS)
    assert shape.kind == "exact"
    assert "index.memory_mib_max" in shape.reason


def test_a_chosen_number_of_bits_is_kept_or_there_is_no_index() -> None:
    """Nobody's choice is changed behind their back."""
    chosen = IndexSettings(bits=4)
    assert wanted(chosen, 600_000, 384, BITS).name == "turbo-4"
    assert wanted(chosen, 800_000, 384, BITS).kind == "exact"


@pytest.mark.parametrize(("kind", "name"), [("signs", "signs"), ("hnsw", "hnsw"), ("exact", "exact")])
def test_a_kind_by_setting_is_that_kind(kind: str, name: str) -> None:
    """Whatever is installed."""
    assert wanted(IndexSettings(kind=kind), 1000, 384, BITS).name == name


def test_without_its_extra_there_is_no_graph_and_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """The service works all the same."""
    monkeypatch.setitem(sys.modules, "usearch", None)
    shape = wanted(IndexSettings(kind="hnsw"), 1000, 384, BITS)
    assert shape.kind == "exact"
    assert "pi-rag[hnsw]" in shape.reason


def test_without_turbovec_signs_stand_in() -> None:
    """Every machine that has numpy has an index."""
    assert wanted(IndexSettings(), 1000, 384, ()).name == "signs"


@pytest.mark.parametrize(
    ("features", "best"),
    [
        ({"fp", "asimd", "asimddp"}, 4),
        ({"avx2", "avx512vbmi", "avx512_vnni"}, 4),
        ({"avx2", "avx512f", "avx512bw"}, 2),
        ({"avx2"}, 2),
        (set(), 2),
    ],
)
def test_bits_are_few_where_each_costs_time(features: set[str], best: int) -> None:
    """A Raspberry Pi 5 and a wide x86 processor look at one bit first; others at all of them."""
    assert codes(features)[0] == best


def test_without_its_library_there_are_no_codes(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a platform that it has no wheel for."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert codes({"asimd"}) == ()


@given(st.integers(0, 10**8), st.integers(8, 1024), st.integers(1, 4096))
def test_what_is_chosen_fits(count: int, dimensions: int, mib: int) -> None:
    """The codes alone never exceed the budget."""
    shape = wanted(IndexSettings(memory_mib_max=mib), count, dimensions, BITS)
    if shape.kind != "exact":
        assert count * dimensions * shape.bits / 8 <= mib * 2**20


@pytest.mark.parametrize("shape", [Shape("turbo", 2), Shape("turbo", 4), Shape("signs", 1), Shape("hnsw", 8)])
def test_each_shape_can_be_made(shape: Shape) -> None:
    """Empty."""
    index = made(shape, 16, 10)
    assert index is not None
    assert len(index) == 0


def test_of_exact_there_is_nothing_to_make() -> None:
    """The database is enough."""
    assert made(Shape("exact", 32), 16, 10) is None
