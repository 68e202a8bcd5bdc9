"""What systemd and the service make of a fault: nothing acknowledged is lost, and it is ready again."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.appliance.appliance import SERVICE, Appliance
from tests.appliance.figures import told
from tests.appliance.guests import Guests, sources
from tests.appliance.machine import wait_until

pytestmark = [pytest.mark.root, pytest.mark.model]

STOP_S_MAX = 10.0
BUDGET_MIB = 400
FROZEN_S = 10.0
READY_AGAIN_S_MAX = 15.0
"""Beyond WatchdogSec=."""


@pytest.mark.slow
def test_who_comes_during_a_restart_waits(appliance: Appliance, long_form: bool) -> None:
    """Guests who ask all the while are all answered: none is turned away, none is hung up on."""
    guests, client = Guests(), appliance.client
    with guests.there(*(guests.asking(client, seed) for seed in range(4))):
        for _ in range(10 if long_form else 1):
            guests.wait_for_answers(20)
            appliance.restart()

    told("the longest wait of a query during a restart", max(guests.waits_s), 60)
    assert guests.refusals == []


def test_a_stop_under_load_loses_nothing(appliance: Appliance) -> None:
    """It stops within ten seconds, and what it acknowledged is stored after the next start."""
    guests, client = Guests(), appliance.client
    with guests.there(*(guests.adding(client, seed) for seed in (1, 2)), guests.asking(client, 3)):
        wait_until(lambda: len(guests.acknowledged) > 60, 30, "documents to be taken")
        wait_until(lambda: any(map(_waits, client.jobs()["jobs"])), 30, "a document to be in the queue")
        begun_s = time.monotonic()
        appliance.machine.run(f"systemctl stop pi-rag.socket {SERVICE}")
        took_s = time.monotonic() - begun_s
    assert appliance.says("Result") == "success"

    appliance.machine.run(f"systemctl start pi-rag.socket {SERVICE}")
    wait_until(lambda: sources(client) >= set(guests.acknowledged), 120, "all that was acknowledged")

    told("stop under load", took_s, STOP_S_MAX)
    assert took_s <= STOP_S_MAX
    assert client.failed_jobs()["failed"] == []


def test_a_killed_service_comes_back(appliance: Appliance) -> None:
    """After kill -9 of its main process it comes back with what it knew, and no child of before is left."""
    appliance.client.add_documents([{"source": "key.txt", "text": "the spare key is blue"}], wait=True)
    before, children = appliance.run, appliance.worker_pids()

    appliance.machine.run(f"kill -9 {appliance.main_pid()}")
    appliance.wait_until_ready(but=before)

    assert appliance.client.search("spare key")["hits"][0]["source"] == "key.txt"
    assert set(children).isdisjoint(appliance.processes())


def test_killed_workers_are_not_noticed(appliance: Appliance) -> None:
    """After kill -9 of every worker queries are answered, others come, and the service was not restarted."""
    run, killed = appliance.run, appliance.worker_pids()

    appliance.machine.run(f"kill -9 {' '.join(map(str, killed))}")

    assert appliance.client.search("is anybody there")["degraded"] == []
    wait_until(lambda: len(set(appliance.worker_pids()) - set(killed)) == len(killed), 30, "other workers")
    assert appliance.run == run


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["USR1", "STOP"], ids=["stalled loop", "frozen process"])
def test_who_stands_still_is_ended(appliance: Appliance, fault: str, long_form: bool) -> None:
    """Its pings stop within one interval, whether its loop hangs or all of it, and soon it is ready again."""
    if fault == "STOP" and not long_form:
        pytest.skip("its short form is the stalled loop; --long runs it too")
    appliance.break_on_request()
    appliance.restart(*([] if long_form else ["WatchdogSec=6"]))
    limit_s = appliance.seconds("WatchdogUSec")
    before, run = time.monotonic(), appliance.run

    appliance.machine.run(f"kill -{fault} {appliance.main_pid()}")
    pinged_s = _last_ping_s(appliance, run) - before
    appliance.wait_until_ready(limit_s + 60, but=run)
    ready_s = appliance.moment_s("ActiveEnterTimestamp") - before

    told(f"last ping after {fault}", max(0.0, pinged_s), limit_s / 2)
    told(f"ready again after {fault}", ready_s, limit_s + READY_AGAIN_S_MAX)
    assert pinged_s <= limit_s / 2
    assert ready_s <= limit_s + READY_AGAIN_S_MAX
    assert "Watchdog timeout" in appliance.machine.tell(f"journalctl --unit {SERVICE}")


@pytest.mark.slow
def test_a_leaking_worker_is_replaced(appliance: Appliance, long_form: bool) -> None:
    """The service itself keeps to its budget, which no cgroup knows of, and guests do not notice."""
    if not long_form:
        pytest.skip("it takes most of a minute: --long; tests/stress/test_memory.py has its short form")
    appliance.break_on_request()
    names = {"MEMORY_BUDGET_MIB": BUDGET_MIB, "EMBEDDER_GROWTH_MIB_MAX": 1024, "WORKERS": 2}
    appliance.restart("Environment=" + " ".join(f"PI_RAG_{name}={value}" for name, value in names.items()))
    guests, client, leaking = Guests(), appliance.client, appliance.worker_pids()[0]
    sizes_mib: list[float] = []

    def look() -> None:
        sizes_mib.append(client.status()["memory"]["pss_mib_total"])
        time.sleep(0.5)  # how often, not until when

    with guests.there(guests.asking(client, 1), look):
        appliance.machine.run(f"kill -USR2 {leaking}")
        wait_until(lambda: leaking not in appliance.worker_pids(), 120, "the leaking worker to be replaced")
        begun_s = time.monotonic()
        wait_until(lambda: client.status()["memory"]["step"] == "normal", 60, "all to be normal again")

    told("normal again after a leaking worker was replaced", time.monotonic() - begun_s, 60)
    print(f"the most that was used: {max(sizes_mib):.0f} MiB of {BUDGET_MIB}")
    assert guests.refusals == []
    assert max(sizes_mib) <= BUDGET_MIB * 1.05
    assert "event=memory_recycle" in appliance.machine.tell(f"journalctl --unit {SERVICE}")


@pytest.mark.slow
def test_a_frozen_journal_holds_nobody_up(appliance: Appliance, long_form: bool) -> None:
    """While journald stands still guests are answered as before, though each answer has a line in the log."""
    if not long_form:
        pytest.skip("it takes half a minute: --long; tests/test_log.py has its short form")
    appliance.restart("Environment=PI_RAG_SERVICE_LOG_LEVEL=debug PI_RAG_SERVICE_LOG_TEXTS=on")
    guests = Guests()
    with guests.there(*(guests.asking(appliance.client, seed) for seed in (1, 2))):
        usual_s = guests.p99_s(FROZEN_S)
        appliance.machine.run("systemctl kill --signal STOP systemd-journald.service")
        frozen_s = guests.p99_s(FROZEN_S)
        appliance.machine.run("systemctl kill --signal CONT systemd-journald.service")

    told(f"p99 with a frozen journal (without: {usual_s:.3f} s)", frozen_s, 1)
    assert guests.refusals == []
    assert frozen_s < 1


def test_what_is_stored_is_there_after_the_next_boot(appliance: Appliance) -> None:
    """Switched off in order or by pulling the plug: what was stored is found after the next boot."""
    for number, off in enumerate((appliance.machine.switch_off, appliance.machine.pull_the_plug)):
        source = f"key-{number}.txt"
        appliance.client.add_documents([{"source": source, "text": f"spare key {number} is blue"}], wait=True)
        off()
        appliance.machine.switch_on()
        appliance.wait_until_ready()
        assert source in sources(appliance.client)
    assert "done" in {job["state"] for job in appliance.client.jobs()["jobs"]}


def _waits(job: dict[str, Any]) -> bool:
    return job["state"] in {"queued", "running"}


def _last_ping_s(appliance: Appliance, run: str) -> float:
    """When this run of the service pinged for the last time, asked until it is over."""
    last_s = 0.0

    def over() -> bool:
        nonlocal last_s
        pinged_s, now = appliance.moment_s("WatchdogTimestamp"), appliance.run
        state = appliance.says("ActiveState")
        if now == run and state == "active":
            last_s = max(last_s, pinged_s)
        return state != "active" or now != run

    wait_until(over, 120, "the watchdog to end it")
    return last_s
