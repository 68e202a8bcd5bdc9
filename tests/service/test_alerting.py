"""The alerts of a running service: what is measured, and that each is told once when it turns."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from pi_rag.cli import advice
from pi_rag.config import AlertSettings
from pi_rag.host import heat
from pi_rag.service import alerting
from pi_rag.service.alerting import Alarms, rules
from pi_rag.service.house import House
from pi_rag.store import jobs
from pi_rag.types import NewItem, Refusal
from tests.service.held import shared_threads_held

QUIET: dict[str, float | None] = {
    "loop_silent": 0,
    "search_slow": 12.0,
    "cache_hits_low": 40.0,
    "memory_high": 50.0,
    "dead_letters": 0,
    "log_large": 3.0,
    "disk_low": 9000.0,
    "recall_low": 99.0,
    "hot": 51.0,
    "undervoltage": 0.0,
}
"""A service that is well."""

BEYOND: dict[str, float] = {
    "loop_silent": 1,
    "search_slow": 501.0,
    "cache_hits_low": 19.0,
    "memory_high": 81.0,
    "dead_letters": 1,
    "log_large": 193.0,
    "disk_low": 511.0,
    "recall_low": 89.0,
    "hot": 80.5,
    "undervoltage": 1.0,
}
"""One step beyond each limit."""


class Laid(Alarms):
    """What it measures is laid out by the test."""

    values: dict[str, float | None]

    async def measured(self) -> dict[str, float | None]:
        """As laid out."""
        return self.values


@pytest.fixture
def laid(house: House, monkeypatch: pytest.MonkeyPatch) -> Laid:
    """Alarms without a hold time, over a service that is well."""
    settings = replace(house.settings.alerts, hold_s=0.0, cache_hits_percent_min=20.0)
    monkeypatch.setattr(house, "settings", replace(house.settings, alerts=settings))
    alarms = Laid(house)
    alarms.values = dict(QUIET)
    return alarms


def told(logs: list[Any]) -> list[tuple[str, str, float]]:
    return [(each["event"], each["name"], each["value"]) for each in logs if "alert" in each["event"]]


@pytest.mark.parametrize("name", BEYOND)
async def test_each_alert_is_told_once_when_it_fires_and_once_when_it_clears(laid: Laid, name: str) -> None:
    """In the log with its figures, and in the status for as long as it fires."""
    with capture_logs() as logs:
        await laid.look()
        laid.values[name] = BEYOND[name]
        await laid.look()
        await laid.look()
        firing = laid.status()
        laid.values[name] = QUIET[name]
        await laid.look()
        await laid.look()

    assert told(logs) == [("alert_fired", name, BEYOND[name]), ("alert_cleared", name, QUIET[name])]
    assert [(each["name"], each["value"]) for each in firing] == [(name, BEYOND[name])]
    assert laid.status() == []


async def test_a_loop_that_fell_silent_is_named(laid: Laid, house: House) -> None:
    """The log says which one: without its name nobody could look for it."""
    house.beats.expect("upkeep", -1.0)
    laid.values["loop_silent"] = 1
    with capture_logs() as logs:
        await laid.look()

    assert [each["loops"] for each in logs if each["event"] == "alert_fired"] == [["upkeep"]]


def test_every_alert_is_explained_and_tried() -> None:
    """A person is told what to do about each, and the page about running it has them in the same order."""
    names = [rule.name for rule in rules(AlertSettings())]

    assert names == list(advice.ALERTS) == list(QUIET) == list(BEYOND)


def test_without_a_target_nothing_misses_it() -> None:
    """0 turns an alert off where it says so."""
    none = AlertSettings(
        search_p95_ms_max=0, cache_hits_percent_min=0, disk_free_mib_min=0, recall_percent_min=0
    )
    off = {"search_slow": 1e9, "cache_hits_low": 0.0, "disk_low": 0.0, "recall_low": 0.0}

    assert not any(rule.is_beyond(off[rule.name]) for rule in rules(none) if rule.name in off)


async def test_a_real_house_is_measured(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is known is a number, and what is not yet known is None, which fires nothing."""
    monkeypatch.setattr(
        alerting, "condition", lambda: heat.condition() | {"temperature_c": 55.0, "undervoltage": True}
    )
    measured = await house.alarms.measured()

    assert set(measured) == set(house.alarms.names)
    assert (measured["hot"], measured["undervoltage"], measured["dead_letters"]) == (55.0, True, 0)
    assert measured["search_slow"] == 0 and measured["cache_hits_low"] is None
    assert (measured["disk_low"] or 0) > 1
    assert house.alarms.disk_free_mib == measured["disk_low"]


async def test_dead_letters_are_counted_after_a_write(house: House, guest: httpx.AsyncClient) -> None:
    """One document that was given up fires at once, and /v1/status shows it until it is gone."""
    await house.runner.stop()
    given = [NewItem("text", "a", payload=b"the lamp")]
    job_id = await house.store.write(jobs.enqueue, "default", given, 100, house.clock.wall_s())
    item = await house.store.write(jobs.claim, 3, house.clock.wall_s(), 60.0)
    assert item is not None
    await house.store.write(jobs.fail, item, Refusal("a", "reader_killed", "It died.", ""), 1.0)
    await house.alarms.look()
    firing = (await guest.get("/v1/status")).json()["alerts"]
    await guest.post(f"/v1/jobs/{job_id}/retry")
    await house.alarms.look()
    after = (await guest.get("/v1/status")).json()

    assert [(each["name"], each["value"]) for each in firing] == [("dead_letters", 1)]
    assert after["alerts"] == []
    assert after["alert_names"] == list(house.alarms.names)


async def test_slow_searches_are_forgotten_when_nobody_searches(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Too few to be slow are not slow: a lamp that shows it for days would be of no use."""
    settings = replace(house.settings.alerts, hold_s=0.0)
    monkeypatch.setattr(house, "settings", replace(house.settings, alerts=settings))
    alarms, firing = Alarms(house), list[list[str]]()
    for p95_ms in (900.0, None):
        monkeypatch.setattr(house.metrics, "p95_ms", lambda found=p95_ms: found)
        await alarms.look()
        firing.append([each.name for each in alarms.firing()])

    assert firing == [["search_slow"], []]


async def test_a_look_that_fails_is_told_and_followed_by_another(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No fault in a measure ends the service, and the loop says that it works."""
    beats, beaten = list[int](), asyncio.Event()

    async def faulty() -> dict[str, float | None]:
        raise KeyError("canary")

    def beat() -> None:
        beats.append(1)
        if len(beats) == 2:
            beaten.set()

    alarms = Alarms(house)
    alarms._settings = replace(house.settings.alerts, look_s=0.01)
    alarms.beat = beat
    monkeypatch.setattr(alarms, "measured", faulty)
    with capture_logs() as logs:
        alarms.start()
        async with asyncio.timeout(30):
            await beaten.wait()
        await alarms.stop()

    assert [each["event"] for each in logs].count("alerts_fault") >= 2


async def test_the_metrics_file_has_alerts_with_their_figures(house: House) -> None:
    """Each as it turns, also when nobody asks: the file is what is left after a reboot."""
    house.minutes.start()
    house.beats.expect("upkeep", -1.0)
    await house.alarms.look()
    house.beats.forget("upkeep")
    await house.alarms.look()
    await house.minutes.stop()
    files = sorted(house.settings.metrics_path.iterdir())
    lines = [json.loads(line) for path in files for line in path.read_text("utf-8").splitlines()]

    told = [(each["event"], each["name"], each["value"]) for each in lines if "event" in each]
    assert told == [("alert_fired", "loop_silent", 1), ("alert_cleared", "loop_silent", 0)]


async def test_alerts_come_while_all_shared_threads_hang(house: House) -> None:
    """And the metrics file has them, and the status tells them: a dead disk is no reason to fall silent."""
    async with shared_threads_held():
        house.minutes.start()
        house.beats.expect("upkeep", -1.0)
        await house.alarms.look()
        told = [each["name"] for each in (await house.minute())["alerts"]]
        await house.minutes.stop()
    written = "".join(path.read_text("utf-8") for path in house.settings.metrics_path.iterdir())

    assert told == ["loop_silent"] and "alert_fired" in written


async def test_the_part_of_known_questions_is_of_the_last_ones(house: House) -> None:
    """After a day of misses, two hundred hits are all that counts."""
    numbers = {"asked": 0, "hits": 0}
    cache = house.results
    cache.status = lambda: dict(numbers)  # type: ignore[method-assign]
    shares = []
    for asked, hits in ((100, 0), (100, 0), (100, 0), (100, 50), (100, 100), (100, 100)):
        numbers["asked"] += asked
        numbers["hits"] += hits
        shares.append(house.alarms._known_percent())

    kept = len(house.alarms._asked)
    quiet = {house.alarms._known_percent() for _ in range(1000)}

    assert shares == [None, None, 0.0, 25.0, 75.0, 100.0]
    assert quiet == {100.0} and len(house.alarms._asked) == kept, "a quiet day costs no memory"
