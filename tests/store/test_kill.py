"""kill -9 at any moment: what was acknowledged is there, what was not is wholly there or not at all."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from pi_rag.clock import SystemClock
from pi_rag.config import StoreSettings
from pi_rag.store import checkup, documents
from pi_rag.store.keeper import Keeper
from pi_rag.store.store import Store
from tests.store.killed import INDEX, passages
from tests.store.test_keeper import known, stored

ROUNDS = 20

CHECKOUT = Path(__file__).parents[2]

State = dict[str, int]
"""The version of each source that is there; 0 when it is not."""


def _killed(path: Path, seed: int, acknowledgements: int, later_s: float) -> list[list[str]]:
    """Run the program until it has acknowledged so many writes and a moment more, and kill it: its lines."""
    command = [sys.executable, "-m", "tests.store.killed", str(path), str(seed)]
    lines: list[list[str]] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=CHECKOUT) as program:
        assert program.stdout is not None
        try:
            while sum(line[0] == "done" for line in lines) < acknowledgements:
                lines.append(program.stdout.readline().split())
                assert lines[-1], "the program ended by itself"
            with suppress(subprocess.TimeoutExpired):
                program.wait(later_s)
        finally:
            program.kill()
        return lines + [line.split() for line in program.stdout]


def _applied(before: State, lines: list[list[str]]) -> tuple[State, State]:
    """What must be there after these lines, and what may be there instead of it: the write in progress."""
    must, may = dict(before), dict[str, int]()
    for what, _, source, version in (line for line in lines if len(line) == 4):
        if what == "begin":
            may = {source: int(version)}
        else:
            must[source], may = int(version), {}
    return must, may


async def _found(path: Path, sources: State) -> State:
    """What is there, every document whole, with nothing left over."""
    store = Store.open(path, StoreSettings(), SystemClock(), INDEX)
    assert await store.read(checkup.check) == []
    await Keeper(store, SystemClock()).look()
    assert await known(store) == await stored(store)
    rows = await store.read(documents.listing, None, 100, None)
    found = dict.fromkeys(sources, 0)
    for row in rows:
        text = (await store.read(documents.get, row.id)).text or ""
        version = int(text.split()[2])
        assert text == "\n".join(passages(row.source, version))
        found[row.source] = version
    assert await store.close()
    return found


def test_twenty_kills_lose_nothing_that_was_acknowledged(path: Path) -> None:
    """The same database is killed again and again, and each time opens at once and passes the checkup;
    its RAM index, saved or made anew, knows what is there and nothing else.
    """
    dice = random.Random(11)
    state: State = {}
    for seed in range(ROUNDS):
        lines = _killed(path, seed, dice.randint(1, 60), dice.uniform(0, 0.02))
        must, may = _applied(state, lines)
        state = asyncio.run(_found(path, must | may))
        for source, version in state.items():
            assert version in {must.get(source, 0), may.get(source, must.get(source, 0))}
