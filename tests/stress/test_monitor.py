"""The monitor sees what is there, notices what is not, and costs little."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pi_rag.client import Client
from pi_rag.errors import ServiceDown
from pi_rag.stress.monitor import SHARE_MAX, Monitor
from pi_rag.stress.types import Sample
from tests.stress.truth import until


class Service(Client):
    """Says how it is, or nothing."""

    def __init__(self) -> None:
        super().__init__(Path("/nowhere"))
        self.is_down = False

    def status(self, *, check: bool = False) -> dict[str, Any]:
        if self.is_down:
            raise ServiceDown("It is away.")
        return {"ready": True, "degraded": ["embedder_unavailable"], "counts": {"items_queued": 3}}


class Clock:
    """Stands still until it is set."""

    at_s = 0.0

    def __call__(self) -> float:
        return self.at_s


def monitor(supervisor: int | None, data: Path, clock: Clock, kept: list[Sample]) -> tuple[Monitor, Service]:
    service = Service()
    return Monitor(lambda: supervisor, service, data, clock, kept.append), service


def test_it_tells_what_the_service_and_the_kernel_say(tmp_path: Path) -> None:
    """Memory, files and threads of the process, the log's size, the queue and the state."""
    (tmp_path / "pi-rag.db-wal").write_bytes(b"x" * (3 << 20))
    look, _ = monitor(os.getpid(), tmp_path, Clock(), [])

    sample = look.look()

    assert sample.pss_mib["supervisor"] > 5
    assert sample.private_mib["supervisor"] <= sample.pss_mib["supervisor"] + 1
    assert sample.descriptors > 2
    assert sample.threads >= 1
    assert sample.wal_mib == 3.0
    assert sample.disk_free_mib > 0
    assert (sample.queued, sample.is_ready, sample.degraded) == (3, True, ("embedder_unavailable",))


def test_a_service_that_is_silent_or_gone_is_told_as_such(tmp_path: Path) -> None:
    """No answer is no error of the monitor's, and neither is a process that has ended."""
    look, service = monitor(None, tmp_path / "missing", Clock(), [])
    service.is_down = True

    sample = look.look()

    assert (sample.queued, sample.is_ready, sample.degraded) == (-1, False, ())
    assert sample.pss_mib == {}
    assert (sample.descriptors, sample.threads, sample.wal_mib) == (0, 0, 0.0)


def test_the_share_of_a_core_is_what_was_used_since_the_look_before(tmp_path: Path) -> None:
    """A process that computes for all of two seconds has a whole core; the first look cannot know."""
    clock = Clock()
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as busy:
        look, _ = monitor(busy.pid, tmp_path, clock, [])
        assert look.look().processor_share["supervisor"] == 0
        used_s = _used_s(busy.pid)
        until(lambda: _used_s(busy.pid) >= used_s + 0.2)
        clock.at_s = 0.4
        share = look.look().processor_share["supervisor"]
        busy.kill()

    assert share >= 0.4


def _used_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_memory_is_counted_only_as_often_as_it_costs_little(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counting that takes 30 ms is done each three seconds; between, the last count stands."""
    clock, counted, now = Clock(), [], [0.0]

    def counting(pid: int) -> Any:
        from pi_rag.host.memory import Size

        counted.append(pid)
        now[0] += 3 * SHARE_MAX
        return Size(float(len(counted)), 1.0)

    monkeypatch.setattr("pi_rag.stress.monitor.memory.size", counting)
    monkeypatch.setattr("pi_rag.stress.monitor.time.thread_time", lambda: now[0])
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as idle:
        look, _ = monitor(idle.pid, tmp_path, clock, [])
        seen = []
        for clock.at_s in range(7):
            seen.append(look.look().pss_mib["supervisor"])
        idle.kill()

    assert seen == [1, 1, 1, 2, 2, 2, 3]
    assert look.size_every_s == 3


def test_it_samples_until_it_is_told_to_end(tmp_path: Path) -> None:
    """And not once after that."""
    kept: list[Sample] = []
    look, _ = monitor(os.getpid(), tmp_path, Clock(), kept)
    with look:
        until(lambda: len(kept) >= 2)
    count = len(kept)

    assert not look._thread.is_alive()
    assert len(kept) == count


def test_a_look_that_fails_is_counted_and_not_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody takes a monitor that has ended for a service in which nothing happens."""
    monkeypatch.setattr("pi_rag.stress.monitor.EVERY_S", 0.0)
    kept: list[Sample] = []
    failing = [ValueError("of what nobody thought")] * 2

    def keep(each: Sample) -> None:
        if failing:
            raise failing.pop()
        kept.append(each)

    look = Monitor(os.getpid, Service(), tmp_path, Clock(), keep)
    with look:
        until(lambda: kept)
    assert look.errors == {"ValueError: of what nobody thought": 2}
