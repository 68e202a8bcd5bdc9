"""kill -9 while four agents use memory: what was acknowledged is there, what was not wholly or not at all."""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pi_rag.memory_types import Caller, Which
from pi_rag.store import checkup
from tests.memory.housing import HandClock, housed
from tests.memory.killed import AGENTS, SETTINGS, TOPICS, scope_of

CHECKOUT = Path(__file__).parents[2]
KILLS, KILLS_LONG = 3, 100
PERSON = Caller("person", 1000, "test")

Said = tuple[str, str, str]
"""What was done, on which topic, with which text."""

Line = tuple[int, str, Said]
"""Of which agent; begin or done."""


@dataclass
class Expected:
    """What one agent's scope holds after some of what it did."""

    facts: dict[str, tuple[str, int]] = field(default_factory=dict)
    """By topic: the text in force, and how often it was repeated."""
    events: list[str] = field(default_factory=list)

    def after(self, said: Said) -> Expected:
        """And one thing more."""
        what, topic, text = said
        facts, events = dict(self.facts), list(self.events)
        if what == "log":
            events.append(text)
        elif what == "forget":
            facts.pop(topic, None)
        else:
            known, repeats = facts.get(topic, ("", -1))
            facts[topic] = (text, repeats + 1 if known == text else 0)
        return Expected(facts, events)


@pytest.mark.slow
def test_kills_lose_nothing_that_was_acknowledged(tmp_path: Path, long_form: bool) -> None:
    """The same database, killed again and again, holds of each agent what its lines say; and is whole."""
    path = tmp_path / "data" / "pi-rag.db"
    dice = random.Random(7)
    state = {agent: Expected() for agent in range(AGENTS)}
    for seed in range(KILLS_LONG if long_form else KILLS):
        lines = _killed(path, seed, dice.randint(1, 80), dice.uniform(0, 0.02))
        may = _applied(state, lines)
        found = asyncio.run(_found(path))
        for agent in range(AGENTS):
            assert found[agent] in may[agent], f"agent {agent} after kill {seed}"
        state = found
    assert sum(len(each.events) for each in state.values()) > KILLS


def _killed(path: Path, seed: int, acknowledgements: int, later_s: float) -> list[Line]:
    """Run the program until so much was acknowledged and a moment more, and kill it: its lines."""
    command = [sys.executable, "-m", "tests.memory.killed", str(path), str(seed)]
    lines: list[str] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=CHECKOUT) as program:
        assert program.stdout is not None
        try:
            while sum('"done"' in line for line in lines) < acknowledgements:
                lines.append(program.stdout.readline())
                assert lines[-1], "the program ended by itself"
            with suppress(subprocess.TimeoutExpired):
                program.wait(later_s)
        finally:
            program.kill()
        lines += program.stdout.readlines()
    whole = [json.loads(line) for line in lines if line.startswith("[") and line.endswith("]\n")]
    return [(agent, when, (what, topic, text)) for agent, when, what, topic, text in whole]


def _applied(state: dict[int, Expected], lines: list[Line]) -> dict[int, list[Expected]]:
    """What each agent's scope may hold: what was acknowledged, or that and what was under way."""
    may: dict[int, list[Expected]] = defaultdict(list)
    for agent, now in state.items():
        may[agent] = [now]
        for number, when, said in lines:
            if number == agent and when == "begin":
                may[agent] = [may[agent][0], may[agent][0].after(said)]
            elif number == agent:
                may[agent] = may[agent][1:]
    return may


async def _found(path: Path) -> dict[int, Expected]:
    """What is there, with nothing left over; events in their order without a gap."""
    house = await housed(path, HandClock(), SETTINGS)
    assert await house.store.read(checkup.check) == []
    found = {}
    for agent in range(AGENTS):
        mine = Which(scope=scope_of(agent))
        rows = await house.desk.listing(mine, PERSON, limit=1_000_000)
        facts = {row.topic or "": (row.text, row.repeats) for row in rows if row.type == "fact"}
        events = sorted((row for row in rows if row.type == "event"), key=lambda row: row.seq or 0)
        assert [row.seq for row in events] == list(range(1, len(events) + 1))
        assert len(facts) == sum(row.type == "fact" for row in rows) <= len(TOPICS)
        found[agent] = Expected(facts, [row.text for row in events])
    await house.close()
    return found
