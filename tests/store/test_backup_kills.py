"""kill -9 of a backup, and of a restore, at any moment: never half a file under a final name."""

from __future__ import annotations

import asyncio
import contextlib
import random
import subprocess
import sys
from pathlib import Path

import pytest

from pi_rag.clock import SystemClock
from pi_rag.config import StoreSettings
from pi_rag.store import backup, content, inspection, restore
from pi_rag.store.long_read import Reading
from pi_rag.store.store import Store
from pi_rag.stress.running import COMMAND
from tests.plain import plain_environ

CHECKOUT = Path(__file__).parents[2]

KILLS, KILLS_LONG = 20, 200
RESTORES, RESTORES_LONG = 6, 100

WITHIN_S = 0.6
"""A kill comes at most so long after the program is ready, or after its first backup is there."""


def killed_at_work(path: Path, to: Path, dice: random.Random) -> list[list[str]]:
    """Run the program, kill it in its first backup or just after it, and give its lines."""
    command = [sys.executable, "-m", "tests.store.backed_up", str(path), str(to), "16"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=CHECKOUT, env=plain_environ()
    ) as program:
        assert program.stdout is not None
        lines = [program.stdout.readline()]
        assert lines == ["ready\n"]
        if dice.random() < 0.5:
            lines.append(program.stdout.readline())
        with contextlib.suppress(subprocess.TimeoutExpired):
            program.wait(dice.uniform(0.0, WITHIN_S))
            raise AssertionError(f"it ended by itself: {program.returncode}")
        program.kill()
        return [line.split() for line in [*lines[1:], *program.stdout]]


def whole_backups(to: Path) -> dict[str, str]:
    """The checksum of every file under a final name. Fails where one is not whole."""
    found = {}
    for path in to.glob(f"*{backup.SUFFIX}"):
        seen = inspection.inspect(path, StoreSettings(), deep=False)
        assert seen.problems == [] and seen.card is not None and seen.digest is not None, path
        found[path.name] = seen.digest.content
    return found


@pytest.mark.slow
def test_a_killed_backup_leaves_nothing_under_the_final_name(tmp_path: Path, long_form: bool) -> None:
    """What was said to be made is there and what it was; what half-made files are left, the next removes."""
    dice = random.Random(8)
    path, to = tmp_path / "data" / "pi-rag.db", tmp_path / "backups"
    to.mkdir()
    said: dict[str, str] = {}
    halves = 0
    for _ in range(KILLS_LONG if long_form else KILLS):
        lines = killed_at_work(path, to, dice)
        made = {name: checksum for word, name, checksum in lines if word == "made"}
        found = whole_backups(to)
        assert made.items() <= found.items()
        # One more may be there: renamed, and killed before it was said.
        assert len(found.keys() - made.keys() - said.keys()) <= 1
        left = len(list(to.glob(".*.partial")))
        assert left <= 1, "what the one before left was not removed"
        halves += left
        said = found
        for name in sorted(found)[:-3]:
            (to / name).unlink()
    print(
        f"\nkills {KILLS_LONG if long_form else KILLS}, half-made files left by them {halves}, under a name 0"
    )
    assert halves > 0, "no kill fell into a backup"
    assert inspection.inspect(path, StoreSettings(), deep=True).problems == []
    newest = to / max(said)
    done = restore.restore(newest, tmp_path / "new" / "pi-rag.db", StoreSettings(), 0.0, lambda _: None)
    assert done.card.content == said[newest.name] == content_of(tmp_path / "new" / "pi-rag.db")


def content_of(database: Path) -> str:
    """The checksum of what a service would find at its start."""

    def digest(reading: Reading) -> str:
        return content.digest(reading.db).content

    async def opened() -> str:
        store = Store.open(database, StoreSettings(), SystemClock())
        try:
            return await store.aside(digest)
        finally:
            assert await store.close()

    return asyncio.run(opened())


@pytest.mark.slow
def test_a_killed_restore_leaves_the_old_one_or_the_new_one(tmp_path: Path, long_form: bool) -> None:
    """The next start is clean, and every database that was ever put aside is still whole."""
    dice = random.Random(9)
    path, to = tmp_path / "data" / "pi-rag.db", tmp_path / "backups"
    to.mkdir()
    while len(whole_backups(to)) < 2:
        killed_at_work(path, to, dice)
    sources = sorted(to.glob(f"*{backup.SUFFIX}"))[:2]
    contents = [inspection.inspect(each, StoreSettings(), deep=False).digest for each in sources]
    assert contents[0] is not None and contents[1] is not None
    old, outcomes = content_of(path), {"old": 0, "new": 0}
    for number in range(RESTORES_LONG if long_form else RESTORES):
        wanted = contents[number % 2]
        assert wanted is not None
        command = [*COMMAND, "restore", str(sources[number % 2]), "--data", str(path.parent), "--json"]
        with subprocess.Popen(
            command, stdout=subprocess.DEVNULL, env=plain_environ(), cwd=CHECKOUT
        ) as program:
            with contextlib.suppress(subprocess.TimeoutExpired):
                program.wait(dice.uniform(0.2, 1.5))
            program.kill()
        now = content_of(path)
        assert now in {old, wanted.content}
        outcomes["new" if now == wanted.content else "old"] += 1
        old = now
    print(f"\nrestores killed at random: {outcomes}")
    assert inspection.inspect(path, StoreSettings(), deep=True).problems == []
    for kept in path.parent.glob("pi-rag.db.before-restore-*[0-9Z]"):
        assert inspection.inspect(kept, StoreSettings(), deep=False).problems == []
