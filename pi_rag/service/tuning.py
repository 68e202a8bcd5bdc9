"""What the service knows of its machine when it starts, and how it comes to know more.

A measurement that still holds is used. Without one the service starts at once with a guess, and has the
machine measured when nobody needs it. It does not know what is measured, nor what the figures mean.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pi_rag import log
from pi_rag.budget import Step
from pi_rag.config import Settings
from pi_rag.embedder.choice import Tuning, applied, chosen
from pi_rag.embedder.curve import GUESS, Curve
from pi_rag.embedder.pool import MIB
from pi_rag.embedder.tuned import Key, Measured, Tuned, found, key_of, save
from pi_rag.embedder.tuner import NICE_BEHIND_ALL, Assignment, measure
from pi_rag.errors import ModelError, NotFound, PiRagError
from pi_rag.models.shelf import Shelf
from pi_rag.processes.child import Child
from pi_rag.service.meaning import fingerprint
from pi_rag.store.identity import comparable
from pi_rag.types import Fingerprint, ModelCard

if TYPE_CHECKING:
    from pi_rag.service.house import House

LOOK_S = 1.0
"""How often it looks whether anybody needs the machine."""

CALM_LOOKS = 3
"""So many looks in a row must find nobody: between two documents of a job there is a moment of calm."""

BENCH_MIB = 112
"""What measuring takes beside the model's file, which it reads into memory of its own. Measured with MiniLM,
whose file has 24 MiB: 128 MiB in all, and 132 beside a service."""

_log = log.logger("tune")

Measure = Callable[[Assignment], Awaitable[Measured]]


@dataclass(frozen=True, slots=True)
class Start:
    """How the embedder starts."""

    card: ModelCard | PiRagError
    """The model that the settings name, or why there is none."""
    as_set: Settings
    """As the person made them."""
    settings: Settings
    """With the workers and threads that are really used."""
    curve: Curve = GUESS
    key: Key | None = None
    """What a measurement would be kept under; None without a model."""
    why: str = ""
    """Why the machine should be measured; empty where that has been done, or cannot be."""


def at_start(settings: Settings) -> Start:
    """What holds for this model, machine and library: as measured, or the guess. Never fails."""
    try:
        card = Shelf(settings.models_path).current(settings.embedder.model)
    except (ModelError, NotFound) as error:
        return Start(error, settings, _decided(settings, None))
    return with_model(card, settings)


def kept_to(index: Fingerprint | None, start: Start) -> Start:
    """Where the model that the settings name is not the one of the index: that one, if it is still there.

    So another choice costs no search its meaning, until there are vectors of it. None: an index of no model.
    """
    if index is None or isinstance(start.card, PiRagError) or comparable(index, fingerprint(start.card)):
        return start
    card = of_index(index, start.as_set)
    return with_model(card, start.as_set) if card is not None else start


def of_index(index: Fingerprint, settings: Settings) -> ModelCard | None:
    """The installed model whose vectors are like these, under whatever name; None when there is none."""
    for card in Shelf(settings.models_path).cards():
        if comparable(index, fingerprint(card)) and Path(card.path).exists():
            return card
    return None


def with_model(card: ModelCard, settings: Settings) -> Start:
    """What holds for this model, as measured, or the guess. Never fails."""
    key = key_of(card, settings.embedder)
    tuned, why = found(settings.tuning_path, key)
    if tuned is None:
        return Start(card, settings, _decided(settings, None), key=key, why=why)
    tuning = chosen(tuned.measured, settings.embedder)
    return Start(card, settings, _decided(settings, tuning), tuning.curve, key, why)


def _decided(settings: Settings, tuning: Tuning | None) -> Settings:
    return replace(settings, embedder=applied(settings.embedder, tuning))


async def keep_tuned(house: House, start: Start, *, how: Measure | None = None) -> None:
    """Measure once, if there is a reason to and room for it, and use and keep what comes of it.

    A measurement that fails leaves the guess until the next start.
    """
    how = how or partial(_in_sight, house)
    as_set = start.as_set.embedder
    if not start.why or isinstance(start.card, PiRagError) or as_set.tune_at_start == "off":
        return
    if house.meaning.reason is not None:
        return
    await _calm(house)
    try:
        if not _has_room(house, start.card, start.why):
            return
        measured = await how(Assignment(start.card, as_set, nice=NICE_BEHIND_ALL))
        tuning = chosen(measured, as_set)
        house.meaning.use(tuning.curve)
        _tell(start, tuning, measured)
        assert start.key is not None, "where there is a model there is a key"
        tuned = Tuned(start.key, measured)
        await asyncio.to_thread(save, start.as_set.tuning_path, tuned)
    except PiRagError as error:
        short = " Memory was short." if house.watchdog.step >= Step.REFUSE else ""
        _log.warning("tune_failed", why=start.why, code=error.code, reason=error.message + short)
    except OSError as error:
        _log.warning("tune_not_kept", reason=str(error))
    except Exception:
        # A guess serves well enough; a fault of ours in making it better must not end the service.
        _log.exception("tune_fault")


async def _in_sight(house: House, assignment: Assignment) -> Measured:
    """Measured where the watchdog of memory counts it by its name, and may end it."""

    def begun(child: Child) -> None:
        house.tuner = child

    try:
        return await measure(assignment, begun=begun)
    finally:
        house.tuner = None


def _has_room(house: House, card: ModelCard, why: str) -> bool:
    """Whether measuring costs the service nothing that it would have to give up; if not, it is told."""
    room_mib = house.watchdog.room_mib
    wanted_mib = round(BENCH_MIB + Path(card.path).stat().st_size / MIB)
    if room_mib is None or room_mib >= wanted_mib:
        return True
    reason = f"it takes {wanted_mib} MiB, and memory.budget_mib has {room_mib:.0f} left"
    _log.warning("tune_not_begun", why=why, reason=reason, said="run: pi-rag tune")
    return False


def _tell(start: Start, tuning: Tuning, measured: Measured) -> None:
    """One line: what was chosen, and why it was measured."""
    next_time = applied(start.as_set.embedder, tuning)
    _log.info(
        "tuned",
        why=start.why,
        flash_tokens_min=tuning.curve.flash_tokens_min,
        batch_ms=round(tuning.curve.batch_ms, 1),
        workers_next_start=next_time.workers,
        threads_next_start=next_time.threads,
        took_s=measured.took_s,
        skipped=len(measured.skipped),
    )


async def _calm(house: House) -> None:
    """Until the model has proved itself and nobody has needed it for a moment, or the wait is over."""
    end_s = house.clock.monotonic_s() + house.settings.embedder.tune_wait_s_max
    looks = 0
    while looks < CALM_LOOKS and (house.clock.monotonic_s() < end_s or not house.proven):
        await asyncio.sleep(LOOK_S)
        looks = looks + 1 if _is_calm(house) else 0


def _is_calm(house: House) -> bool:
    status = house.meaning.status()
    busy = any(worker["lane"] for worker in status["workers"]) or any(status["queued"].values())
    return house.proven and not busy and not house.runner.status()["current"]
