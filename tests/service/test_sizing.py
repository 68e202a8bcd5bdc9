"""The budget of memory, and settings that fit into it, for any board and any settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pi_rag.config import Settings, from_values, load
from pi_rag.service.sizing import (
    READER_MIB_MIN,
    SERVICE_MIB,
    WORKER_MIB,
    budget,
    fit,
    resized,
    sized,
)

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
LEAST_MIB = SERVICE_MIB + 2 * WORKER_MIB + READER_MIB_MIN + 1 + 11
"""With 1 MiB for the index, and for the page cache of each connection, of which there are 11."""


def held_to(mib: int, **values: object) -> Settings:
    return from_values({"memory.budget_mib": mib, "embedder.workers": 4} | values)


def at_most_mib(settings: Settings) -> int:
    """All parts at their largest."""
    connections = 1 + settings.store.readers + settings.store.readers_overflow_max
    workers = settings.embedder.workers_wanted + settings.embedder.query_workers
    parts = [settings.ingest.reader_memory_mib_max, settings.index.memory_mib_max]
    parts += [connections * settings.store.cache_mib, settings.cache.query_mib_max]
    return SERVICE_MIB + workers * WORKER_MIB + sum(parts) + settings.cache.results_mib_max


ANY = st.fixed_dictionaries(
    {
        "embedder.workers": st.integers(1, 64),
        "embedder.query_workers": st.integers(0, 16),
        "ingest.reader_memory_mib_max": st.integers(256, 65_536),
        "index.memory_mib_max": st.integers(1, 16_384),
        "store.cache_mib": st.integers(1, 256),
        "store.readers": st.integers(1, 64),
        "store.readers_overflow_max": st.integers(0, 64),
        "cache.query_mib_max": st.integers(0, 256),
        "cache.results_mib_max": st.integers(0, 1024),
    }
)
"""Every setting that takes RAM, at every value."""


@given(st.integers(1, 8192), ANY, st.one_of(st.none(), st.integers(0, 16)))
def test_whatever_is_wanted_all_of_it_fits(
    wanted_mib: int, values: Mapping[str, int], queries: int | None
) -> None:
    """From the least budget on, with every part at its largest, the service is within it and no part was
    raised; also when more is to answer queries than at the start, which that budget was made for."""
    at_start = dict(values) if queries is None else {**values, "embedder.query_workers": queries}
    mib, _ = budget(held_to(wanted_mib, **at_start), 16_384, None)
    wanted = held_to(mib, **values)
    fitting, lowered = fit(wanted)
    assert at_most_mib(fitting) <= mib
    assert fitting.embedder.workers_wanted >= 1
    assert fitting.ingest.reader_memory_mib_max >= READER_MIB_MIN
    assert bool(lowered) == (fitting != wanted)
    for name, value in lowered.items():
        group, key = name.split(".")
        assert 0 <= value == getattr(getattr(fitting, group), key) < values[name]


@given(st.integers(0, 1024), ANY)
def test_in_too_little_there_still_is_one_worker(mib: int, values: Mapping[str, int]) -> None:
    """As when other settings raise the least after the budget was chosen: no settings end the service."""
    fitting, _ = fit(held_to(mib, **values))
    assert fitting.embedder.workers_wanted >= 1
    assert fitting.ingest.reader_memory_mib_max >= READER_MIB_MIN


def test_what_fits_is_left_as_it_is() -> None:
    """The defaults on the smallest board that they are made for: nothing is lowered, nothing is said."""
    wanted = held_to(1024)
    assert fit(wanted) == (wanted, {})


@pytest.mark.parametrize(
    ("board_gib", "mib"), [(1.9, 512), (3.9, 1024), (7.9, 2048), (15.8, 4096), (0, 1024)]
)
def test_without_a_budget_it_is_a_quarter_of_the_board(board_gib: float, mib: int) -> None:
    """Of what was soldered on, since the kernel keeps some; one that says nothing counts as a small one."""
    assert budget(held_to(0), board_gib * 1024, None) == (mib, "")


def test_a_budget_smaller_than_one_worker_is_raised() -> None:
    """The service works, and one line says that it does so with more."""
    found, why = budget(held_to(16), 4096, None)
    assert found == LEAST_MIB
    assert "one worker" in why


def test_a_budget_beyond_the_board_or_the_cgroup_is_lowered() -> None:
    """What contradicts the machine is not tried."""
    assert budget(held_to(8192), 3900, None) == (3072, "more than the board's memory allows")
    assert budget(held_to(1024), 3900, 800.0) == (720, "more than the cgroup allows")
    assert budget(held_to(0), 3900, 800.0) == (720, "more than the cgroup allows")


def test_an_unknown_board_starts_with_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No /proc at all: a safe choice, said once."""
    settings = sized(held_to(0), tmp_path).settings
    assert settings.memory.budget_mib == 1024
    assert capsys.readouterr().err.count("board_unknown") == 1


def test_what_was_not_kept_as_it_was_set_is_told(tmp_path: Path) -> None:
    """The budget that was set, why it is another, what was lowered; nothing where all is as it was set."""
    told = sized(held_to(10), tmp_path).told()
    assert (told["budget_set_mib"], told["budget_why"]) == (10, "less than one worker and a reader need")
    assert told["lowered"]["embedder.workers"] == 1
    assert sized(held_to(1024), tmp_path).told() == {"budget_set_mib": 1024, "budget_why": "", "lowered": {}}


def test_settings_read_again_fit_into_the_budget_in_force(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """More of it waits for a restart, and one line says so; until then no worker is added for it."""
    begun = sized(held_to(10), tmp_path)
    capsys.readouterr()
    after = resized(held_to(1024, **{"alerts.memory_percent_max": 50}), begun)
    assert after.settings.memory == begun.settings.memory
    assert after.settings.embedder.workers == 1
    assert after.told() == begun.told()
    err = capsys.readouterr().err
    assert err.count("event=settings_wait") == 1
    assert "these begin at a restart: alerts, memory" in err
    fewer = resized(held_to(10, **{"embedder.workers": 1}), after)
    assert begun.lowered.items() - fewer.lowered.items() == {("embedder.workers", 1)}, "what was set fits now"
    assert "settings_wait" not in capsys.readouterr().err


def test_more_query_workers_read_again_are_no_more_than_fit(tmp_path: Path) -> None:
    """The budget was made for those of the start; the others are told as lowered, and no reload fails."""
    begun = sized(held_to(LEAST_MIB), tmp_path)
    after = {
        count: resized(held_to(LEAST_MIB, **{"embedder.query_workers": count}), begun) for count in (1, 7, 16)
    }

    assert {count: each.settings.embedder.query_workers for count, each in after.items()} == {
        1: 1,
        7: 1,
        16: 1,
    }
    assert "embedder.query_workers" not in after[1].lowered
    assert after[7].lowered["embedder.query_workers"] == after[16].lowered["embedder.query_workers"] == 1


@pytest.mark.parametrize("gib", [4, 8, 16])
def test_the_profile_of_a_board_fits_it(gib: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each file in configs/ is read, and nothing in it has to be lowered on its board."""
    settings = load(str(CONFIGS / f"pi-{gib}gb.toml"))
    settings = replace(settings, embedder=replace(settings.embedder, workers=settings.embedder.workers or 4))
    assert budget(settings, gib * 1024 - 120, None) == (settings.memory.budget_mib, "")
    assert fit(settings)[1] == {}
