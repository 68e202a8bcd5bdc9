"""The line that systemd and a person read."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pi_rag.alerts import Alert
from pi_rag.service.house import House
from pi_rag.service.telling import CHARS_MAX, Facts, Telling, line
from pi_rag.types import Counts, NewItem

WELL = Facts(
    state="ready",
    degraded=(),
    reason=None,
    counts=Counts(documents=1200, chunks=9000, collections=1, jobs_open=0, items_queued=0),
    workers=5,
    is_making_index=False,
    alerts=(),
)


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        (WELL, "ready; 9,000 passages; 5 workers"),
        (
            replace(WELL, counts=Counts(1, 1, 1, 1, 3), workers=1, is_making_index=True),
            "ready; 1 passage; 1 worker; 3 documents in the queue; making the index",
        ),
        (
            replace(WELL, state="degraded", degraded=["embedder_unavailable"], reason="No model.", workers=0),
            "degraded (embedder_unavailable): No model.; 9,000 passages; 0 workers",
        ),
        (
            replace(
                WELL,
                counts=None,
                alerts=[Alert("hot", 81.5, 80, "°C", 9), Alert("disk_low", 1342.6, 0, "MiB", 9)],
            ),
            "ready; 5 workers; alert: hot 81.5 °C, disk_low 1,343 MiB",
        ),
    ],
)
def test_one_line_says_how_it_is(facts: Facts, said: str) -> None:
    """State and why, what there is, who works, what waits, and what fires."""
    assert line(facts) == said


def test_a_line_stays_one() -> None:
    """However long a reason is."""
    long = line(replace(WELL, state="degraded", degraded=["embedder_unavailable"], reason="so " * 500))

    assert len(long) == CHARS_MAX and long.endswith("…")


async def test_it_is_said_when_it_has_changed_and_not_more_often_than_asked(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first goes with READY; after that only what is new, and never twice within its time."""

    class Ticks:
        now_s = 0.0

        def monotonic_s(self) -> float:
            return self.now_s

        def wall_s(self) -> float:
            raise AssertionError("a jump of the clock must not matter")

    clock, said = Ticks(), list[str]()
    monkeypatch.setattr(house, "clock", clock)
    telling = Telling(house, said.append)
    first = await telling.first()
    await telling.look()
    job = await house.runner.enqueue("default", [NewItem("text", "a", payload=b"the lamp is on")])
    await house.runner.finished(job)
    clock.now_s = 1.0
    await telling.look()
    assert said == []
    clock.now_s = 6.0
    await telling.look()
    await telling.look()
    clock.now_s = 12.0
    await telling.look()

    assert first == "ready; 0 passages; 0 workers"
    assert said == ["ready; 1 passage; 0 workers"]
