"""The closed vocabulary of `degraded`: each word can be reached, and is explained."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import apsw
import httpx
import pytest

from pi_rag.cli import advice
from pi_rag.errors import (
    DiskFull,
    EmbedderUnavailable,
    ModelMismatch,
    PiRagError,
    ReaderUnavailable,
    StoreDamaged,
    StoreUnusable,
)
from pi_rag.service.degraded import IN_ANSWERS, WORDS, Facts, lacking
from pi_rag.service.house import House
from pi_rag.service.meaning import Meaning
from pi_rag.store import steering
from pi_rag.types import Degraded, NewItem
from tests.service.test_health import until

REACHED: dict[Degraded, Facts] = {
    "embedder_unavailable": Facts(meaning=["embedder_unavailable"]),
    "embedder_timeout": Facts(meaning=["embedder_timeout"]),
    "model_mismatch": Facts(meaning=["model_mismatch"]),
    "store_silent": Facts(silent=["answers", "readers"]),
    "store_damaged": Facts(is_damaged=True),
    "store_read_only": Facts(is_read_only=True),
    "store_unusable": Facts(hindered_by=[None, "store_unusable"]),
    "disk_full": Facts(disk_free_mib=0.2),
    "safe_mode": Facts(hindered_by=["safe_mode"]),
    "ingest_refused": Facts(refuses_ingest=True),
    "reader_unavailable": Facts(hindered_by=["reader_unavailable"]),
    "memory_short": Facts(sheds_memory=True),
}


@pytest.mark.parametrize("word", get_args(Degraded))
def test_each_word_has_its_facts(word: Degraded) -> None:
    """No word is there that nothing leads to, and none is told without its reason."""
    assert lacking(REACHED[word]) == [word]


def test_what_is_no_reason_says_nothing() -> None:
    """A pause that somebody asked for, a mount of others, a loop beside the store: nothing lacks."""
    well = Facts(silent=["answers"], hindered_by=["paused", "busy", "disk_stuck", None], disk_free_mib=900.0)

    assert lacking(well) == []


def test_all_at_once_come_in_the_order_of_what_they_cost() -> None:
    """What costs answers comes first, each once."""
    worst = Facts(
        meaning=["model_mismatch"],
        hindered_by=["safe_mode", "disk_full"],
        is_damaged=True,
        disk_free_mib=0.0,
        refuses_ingest=True,
    )
    found = lacking(worst)

    assert found == [word for word in WORDS if word in found]
    assert found == ["model_mismatch", "store_damaged", "disk_full", "safe_mode", "ingest_refused"]
    assert WORDS[: len(IN_ANSWERS)] == tuple(word for word in WORDS if word in IN_ANSWERS)


def test_each_word_is_explained() -> None:
    """The page about running it and `pi-rag status` say of each what to do, and of no other."""
    page = (Path(__file__).parents[2] / "docs" / "operate.md").read_text(encoding="utf-8")
    section = page.split("## When it says degraded")[1].split("\n## ")[0]

    assert re.findall(r"^\| ([a-z_]+) \|", section, re.M)[1:] == list(WORDS)
    assert list(advice.DEGRADED) == list(WORDS)


def _no_model(house: House) -> None:
    house.meaning.take_over(Meaning(None, None, EmbedderUnavailable("none")))


def _another_model(house: House) -> None:
    house.meaning.take_over(Meaning(None, None, ModelMismatch("another")))


async def _safe_mode(house: House) -> None:
    await house.store.write(steering.pause_all, "safe_mode")
    await house.runner.stop()
    house.runner._stopping = asyncio.Event()
    house.runner.start()


async def _fails(house: House) -> None:
    def fails(_: object) -> None:
        raise apsw.exception_for(apsw.SQLITE_IOERR_WRITE)

    with pytest.raises(StoreUnusable):
        await house.store.write(fails)


async def _damage(house: House) -> None:
    def damaged(_: object) -> None:
        raise apsw.CorruptError("a test")

    with pytest.raises(StoreDamaged):
        await house.store.write(damaged)


def _hangs(house: House) -> None:
    house.beats.expect("writer", -1.0)


def _no_space(house: House) -> None:
    house.alarms.disk_free_mib = 0.0


CAUSES: dict[str, Callable[[House], Any]] = {
    "embedder_unavailable": _no_model,
    "model_mismatch": _another_model,
    "safe_mode": _safe_mode,
    "store_damaged": _damage,
    "store_unusable": _fails,
    "store_silent": _hangs,
    "disk_full": _no_space,
}


@pytest.mark.parametrize("word", CAUSES)
async def test_a_house_says_what_it_lacks(house: House, guest: httpx.AsyncClient, word: Degraded) -> None:
    """Its status and /readyz have the word; only what costs answers makes it less than ready."""
    done = CAUSES[word](house)
    if done is not None:
        await done
    await until(lambda: word in house.degraded())
    status = (await guest.get("/v1/status")).json()
    ready = await guest.get("/readyz")

    assert (status["state"], status["degraded"]) == ("degraded", [word])
    assert status["ready"] == (word not in IN_ANSWERS)
    assert (ready.status_code, ready.json()["degraded"]) == (200 if status["ready"] else 503, [word])


@pytest.mark.parametrize(
    ("error", "word"), [(DiskFull("full"), "disk_full"), (ReaderUnavailable("none"), "reader_unavailable")]
)
async def test_what_holds_up_adding_is_told_until_it_is_over(
    house: House, monkeypatch: pytest.MonkeyPatch, error: PiRagError, word: Degraded
) -> None:
    """While a document waits for the disk or for the reader the service says so, and then no longer."""

    async def hindered(*_: object) -> None:
        raise error.again()

    monkeypatch.setattr(house.runner._story, "tell", hindered)
    job = await house.runner.enqueue("default", [NewItem("text", "a", payload=b"the lamp")])
    await until(lambda: house.degraded() == [word])
    assert house.ready
    await house.runner.cancel(job)
    await until(lambda: house.degraded() == [])


async def test_a_write_that_failed_is_told_though_nothing_waits_to_be_added(house: House) -> None:
    """A dying card may fail what somebody tells while the queue is empty. The next upkeep finds it well."""
    await _fails(house)
    while_it_fails = house.degraded(), house.state
    await house.upkeep.look()

    assert while_it_fails == (["store_unusable"], "degraded")
    assert house.degraded() == []
