"""A program in which four agents use memory until it is killed; each says before and after what it does.

`python -m tests.memory.killed PATH SEED`. Each line is JSON: [agent, "begin" or "done", what, topic, text].
Each agent has a scope and a session of its own, so that what it finds follows from its own lines alone.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
from dataclasses import replace
from pathlib import Path

from pi_rag.memory_types import Caller, NewEvent, NewFact, Which
from tests.memory.housing import HandClock, Housed, housed, settings_of
from tests.memory.sayings import Saying

AGENTS = 4
TOPICS = ("heat", "light")
SETTINGS = settings_of()


def scope_of(agent: int) -> str:
    """Each has its own."""
    return f"agent:number-{agent}"


async def main(path: Path, seed: int) -> None:
    """Never returns."""
    house = await housed(path, HandClock(), SETTINGS)
    print(json.dumps("ready"), flush=True)
    await asyncio.gather(*(_Agent(house, number, seed).work() for number in range(AGENTS)))


class _Agent:
    """One who goes on where it was when the program was killed."""

    def __init__(self, house: Housed, number: int, seed: int) -> None:
        self._desk = house.desk
        self._number = number
        self._scope = scope_of(number)
        self._caller = Caller("agent", 1000, f"agent-{number}")
        self._dice = random.Random(seed * AGENTS + number)

    async def work(self) -> None:
        found = await self._desk.sessions(self._scope, "open", self._caller, limit=1)
        started = found or [(await self._desk.start_session(self._scope, "work", self._caller)).session]
        while True:
            await self._once(started[0].id)

    async def _once(self, session_id: int) -> None:
        topic, chance = self._dice.choice(TOPICS), self._dice.random()
        if chance < 0.4:
            saying = Saying(TOPICS.index(topic), number=self._dice.randrange(20, 24))
            fact = NewFact(saying.text, self._scope, topic)
            with _told(self._number, "remember", topic, saying.text):
                await self._desk.remember(fact, self._caller)
        elif chance < 0.9:
            text = f"step {self._dice.randrange(10**9)} was done" + " slowly" * self._dice.randrange(60)
            with _told(self._number, "log", "", text):
                await self._desk.log_event(NewEvent(text, session_id), self._caller)
        else:
            await self._forget(topic)

    async def _forget(self, topic: str) -> None:
        which = Which(scope=self._scope, topic=topic)
        found = await self._desk.listing(which, self._caller, limit=10)
        with _told(self._number, "forget", topic, ""):
            await self._desk.forget(
                replace(Which(), ids=tuple(each.id for each in found)), self._caller, dry_run=False
            ) if found else None


class _told:  # noqa: N801 - it reads as a word
    """Says what is about to be done, and that it was."""

    def __init__(self, *what: object) -> None:
        self._what = what

    def __enter__(self) -> None:
        self._say("begin")

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self._say("done")

    def _say(self, when: str) -> None:
        agent, *what = self._what
        print(json.dumps([agent, when, *what]), flush=True)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
