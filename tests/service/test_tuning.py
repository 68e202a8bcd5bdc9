"""Promises of pi_rag/service/tuning.py: what holds at the start, and what becomes of a measurement."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from pi_rag.config import Settings, from_values
from pi_rag.embedder.curve import GUESS, Curve
from pi_rag.embedder.tuned import BUSY, DAMAGED, NEVER, Measured, Tuned, found, key_of, save
from pi_rag.embedder.tuner import Assignment, measure
from pi_rag.errors import EmbedderUnavailable, ModelMissing
from pi_rag.service import tuning
from pi_rag.service.house import House
from pi_rag.service.relief import Relief
from pi_rag.service.tuning import Start, at_start, keep_tuned
from pi_rag.service.watchdog import Watchdog
from pi_rag.stress.running import RunningService
from pi_rag.types import ModelCard
from tests.embedder.measured import PI, measured
from tests.embedder.waiting import until as soon
from tests.service.test_run import until

CURVE = Curve(PI.plain, PI.flash, PI.frame_ms)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """It looks for calm more often than a service does."""
    monkeypatch.setattr(tuning, "LOOK_S", 0.001)


@pytest.fixture
def card(minilm: ModelCard) -> ModelCard:
    return minilm


@pytest.fixture
def start(card: ModelCard, settings: Settings) -> Start:
    """One that found nothing."""
    settings.data_path.mkdir(parents=True, exist_ok=True)
    return Start(card, settings, settings, key=key_of(card, settings.embedder), why=NEVER)


def of_model(settings: Settings, card: ModelCard, *, workers: int = 0) -> Settings:
    return replace(settings, embedder=replace(settings.embedder, model=card.path, workers=workers))


@pytest.mark.model
def test_what_was_measured_holds_from_the_start(card: ModelCard, settings: Settings) -> None:
    """The curve, and as many workers and threads as were fastest; there is nothing to measure."""
    settings = of_model(settings, card)
    settings.data_path.mkdir(parents=True)
    save(settings.tuning_path, Tuned(key_of(card, settings.embedder), PI))
    begun = at_start(settings)
    assert begun.curve == CURVE
    assert (begun.settings.embedder.workers, begun.settings.embedder.threads, begun.why) == (4, 1, "")


@pytest.mark.model
def test_what_a_person_set_holds_before_what_was_measured(card: ModelCard, settings: Settings) -> None:
    """And what is left open follows it."""
    settings = of_model(settings, card, workers=1)
    settings.data_path.mkdir(parents=True)
    save(settings.tuning_path, Tuned(key_of(card, settings.embedder), PI))
    begun = at_start(settings)
    assert (begun.settings.embedder.workers, begun.settings.embedder.threads) == (1, 4)


@pytest.mark.model
def test_without_a_measurement_that_holds_there_is_a_guess_and_a_reason(
    card: ModelCard, settings: Settings
) -> None:
    """Never measured, damaged, of another model; one of a busy machine is used all the same."""
    settings = of_model(settings, card)
    settings.data_path.mkdir(parents=True)
    key = key_of(card, settings.embedder)
    begun = [at_start(settings)]
    settings.tuning_path.write_text("{")
    begun.append(at_start(settings))
    save(settings.tuning_path, Tuned(replace(key, model_sha256="1" * 64), PI))
    begun.append(at_start(settings))
    save(settings.tuning_path, Tuned(key, measured(got=0.2)))
    begun.append(at_start(settings))

    assert [each.why for each in begun] == [NEVER, DAMAGED, "the model changed", BUSY]
    assert [each.curve for each in begun] == [GUESS, GUESS, GUESS, CURVE]
    assert all(each.settings.embedder.workers >= 1 for each in begun)


def test_without_a_model_there_is_nothing_to_measure(settings: Settings) -> None:
    """The reason is kept for whoever asks."""
    begun = at_start(settings)
    assert isinstance(begun.card, ModelMissing)
    assert (begun.why, begun.curve) == ("", GUESS)


@pytest.mark.model
@pytest.mark.usefixtures("quick")
async def test_a_measurement_is_used_kept_and_told_once(house: House, start: Start) -> None:
    """Batches are composed with it at once; the log says why it was made and what follows."""
    asked: list[Assignment] = []

    async def how(assignment: Assignment) -> Measured:
        asked.append(assignment)
        return PI

    with capture_logs() as logs:
        await keep_tuned(house, start, how=how)
    assert isinstance(start.card, ModelCard)
    assert [(each.card, each.nice) for each in asked] == [(start.card, 19)]
    assert house.meaning.embedder.curve == CURVE  # type: ignore[attr-defined]  # the fake has one
    tuned, why = found(start.as_set.tuning_path, key_of(start.card, start.as_set.embedder))
    assert tuned is not None and (tuned.measured, why) == (PI, "")
    [line] = [each for each in logs if each["event"] == "tuned"]
    assert (line["why"], line["flash_tokens_min"], line["workers_next_start"]) == (NEVER, 96, 4)


@pytest.mark.model
@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("fault", [EmbedderUnavailable("It was killed."), ZeroDivisionError()])
async def test_one_that_fails_leaves_the_guess_and_is_not_tried_again(
    house: House, start: Start, fault: Exception
) -> None:
    """It is logged; the service goes on."""
    tries = 0

    async def how(_: Assignment) -> Measured:
        nonlocal tries
        tries += 1
        raise fault

    with capture_logs() as logs:
        await keep_tuned(house, start, how=how)
    assert tries == 1
    assert house.meaning.embedder.curve == GUESS  # type: ignore[attr-defined]  # the fake has one
    assert not start.as_set.tuning_path.exists()
    assert [each["event"] for each in logs] in (["tune_failed"], ["tune_fault"])


@pytest.mark.model
@pytest.mark.usefixtures("quick")
async def test_one_that_cannot_be_kept_is_used_all_the_same(house: House, start: Start) -> None:
    """Until the service stops."""
    start.as_set.tuning_path.mkdir()

    async def how(_: Assignment) -> Measured:
        return PI

    with capture_logs() as logs:
        await keep_tuned(house, start, how=how)
    assert house.meaning.embedder.curve == CURVE  # type: ignore[attr-defined]  # the fake has one
    assert [each["event"] for each in logs] == ["tuned", "tune_not_kept"]


@pytest.mark.model
async def test_nothing_is_measured_where_nobody_wants_it(house: House, start: Start) -> None:
    """Switched off, known already, or without a model."""

    async def how(_: Assignment) -> Measured:
        raise AssertionError("It was measured.")

    off = from_values({"embedder.tune_at_start": "off"})
    for each in (
        replace(start, as_set=off),
        replace(start, why=""),
        replace(start, card=ModelMissing("None.")),
    ):
        with capture_logs() as logs:
            await keep_tuned(house, each, how=how)
        assert logs == []


@pytest.mark.model
@pytest.mark.usefixtures("quick")
async def test_without_room_in_the_budget_nothing_is_measured(
    house: House, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would have documents refused. One line says so, and what to type; a guess serves."""
    monkeypatch.setattr(Watchdog, "room_mib", 40.0)

    async def how(_: Assignment) -> Measured:
        raise AssertionError("It was measured.")

    with capture_logs() as logs:
        await keep_tuned(house, start, how=how)
    [line] = logs
    assert (line["event"], line["said"]) == ("tune_not_begun", "run: pi-rag tune")
    assert line["reason"] == "it takes 136 MiB, and memory.budget_mib has 40 left"


@pytest.mark.model
@pytest.mark.usefixtures("quick")
async def test_one_that_memory_is_too_short_for_is_ended(
    house: House, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The watchdog knows it by its name, and ends it before anything of the service's own."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    monkeypatch.setattr(tuning, "measure", partial(measure, module="tests.embedder.odd_tuning"))
    assert isinstance(start.card, ModelCard)
    hanging = replace(start, card=replace(start.card, name="hang"))
    with capture_logs() as logs:
        tuned = asyncio.create_task(keep_tuned(house, hanging))
        await soon(lambda: house.tuner is not None)
        assert [role for _, role in house.processes()] == ["supervisor", "tuner"]
        Relief(house).refuse(True)
        Relief(house).refuse(True)
        await tuned
    assert [each["event"] for each in logs] == ["tune_failed"]
    assert "code -9" in logs[0]["reason"]
    assert [role for _, role in house.processes()] == ["supervisor"]


@pytest.mark.model
@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("wait_s", [0.0, 600.0])
async def test_it_waits_for_calm_but_not_for_ever(
    house: House, start: Start, monkeypatch: pytest.MonkeyPatch, wait_s: float
) -> None:
    """While documents are read it waits, and past the bound it measures all the same."""
    looks = 0

    def busy_for_a_while(_: House) -> bool:
        nonlocal looks
        looks += 1
        return looks > 20

    async def how(_: Assignment) -> Measured:
        return PI

    monkeypatch.setattr(tuning, "_is_calm", busy_for_a_while)
    house.settings = replace(
        house.settings, embedder=replace(house.settings.embedder, tune_wait_s_max=wait_s)
    )
    await keep_tuned(house, start, how=how)
    assert looks == (23 if wait_s else 0)


@pytest.mark.model
async def test_a_service_whose_workers_work_is_not_calm(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor one in which texts wait, or that has not proved itself."""
    assert tuning._is_calm(house)
    status = {"workers": [{"lane": "ingest"}], "queued": {"query": 0, "ingest": 0}}
    monkeypatch.setattr(house.meaning, "status", lambda: status)
    assert not tuning._is_calm(house)
    status |= {"workers": [{"lane": None}], "queued": {"query": 1, "ingest": 0}}
    assert not tuning._is_calm(house)
    status |= {"queued": {"query": 0, "ingest": 0}}
    assert tuning._is_calm(house)
    house.proven = False
    assert not tuning._is_calm(house)


@pytest.mark.model
def test_a_real_service_measures_a_damaged_file_anew_and_only_once(tmp_path: Path, minilm: ModelCard) -> None:
    """It answers meanwhile; the next start uses what was measured and measures nothing."""
    environ = {
        "PI_RAG_MODEL": minilm.path,
        "PI_RAG_EMBEDDER_TUNE_AT_START": "auto",
        "PI_RAG_EMBEDDER_TUNE_S_MAX": "3",
    }
    kept = tmp_path / "data" / "tuning.json"
    kept.parent.mkdir()
    kept.write_text("{")
    with RunningService(tmp_path, environ) as service:
        until(lambda: '"tuned"' in service.log_text() or "tuned " in service.log_text(), 90.0)
        until(lambda: kept.stat().st_size > 1)
        ready = service.client.status()["ready"]
        # What a calm machine would have given: this one may have been busy.
        tree = json.loads(kept.read_text())
        tree["measured"]["got"] = 1.0
        tree["measured"]["speeds"] = [{"workers": 3, "threads": 1, "passages_s": 9.0}]
        kept.write_text(json.dumps(tree))
        service.stop()
        service.start()
        workers = service.client.status()["embedder"]["workers"]

    assert ready
    assert DAMAGED in service.log_text()
    assert len(workers) == 3 + 1
    assert service.log_text().count(DAMAGED) == 1
