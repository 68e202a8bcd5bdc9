"""One damaged database after another, opened and used as the service would, in a process of its own.

    python -m tests.durability.flipping HOUSE FOLDER FIRST COUNT [--recover]

HOUSE is the folder of an undamaged database. A line of JSON for each seed says what came of it; whoever
started this sees from a line that is missing which damage ended the process. `wrong` is what must not be: an
answer that differs by more than the flipped bits can explain and of which nothing was said, a file that was
changed where it was refused, an error without a name.
"""

from __future__ import annotations

import asyncio
import json
import random
import shutil
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from pi_rag.cli.recover import as_sent
from pi_rag.clock import SystemClock
from pi_rag.config import StoreSettings
from pi_rag.errors import InternalError, PiRagError, StoreBusy, StoreDamaged, StoreUnusable
from pi_rag.memory.remembering import words_hash
from pi_rag.store import by_words, documents, folder, nearest, recovery
from pi_rag.store.recovery import Means, Saved
from pi_rag.store.store import Store
from pi_rag.types import Scope
from tests.durability import household
from tests.durability.household import Held
from tests.store.salvage import damage

SETTINGS = StoreSettings(check_s_max=60.0)

WORDS = ("boiler", "kettle", "水道")
FIRST, OTHERS_MAX = 10, 1
"""Of so many that a search finds first, so many may be others when nothing was said: bits of a vector may
have been flipped."""

Answers = Sequence[Sequence[int]]
"""The numbers of the passages that each search finds first."""


class Seen:
    """What was asked of one damaged database, and what is wrong with the answers."""

    def __init__(self, wanted: Held, right: Answers = ()) -> None:
        self.wanted = wanted
        self.right = right
        """What searches find in the undamaged one."""
        self.errors: list[str] = []
        self.wrong: list[str] = []
        self.differs = 0

    async def ask(self, what: str, asked: Awaitable[Any]) -> Any:
        """An answer, or None after an error that has a name."""
        try:
            return await asked
        except StoreDamaged as error:
            self.errors.append(error.code)
        except (StoreBusy, StoreUnusable, InternalError) as error:
            self.wrong.append(f"{what}: damage is called {error.code}: {error}")
        except PiRagError as error:
            self.errors.append(error.code)
        except Exception as error:
            self.wrong.append(f"{what}: {type(error).__name__}: {error}")
        return None


async def use(path: Path, wanted: Held, right: Answers) -> Seen:
    """Open, list, get, search by words and vectors, add, remove, close."""
    seen = Seen(wanted, right)
    before = [each.read_bytes() for each in _files(path)]
    store = await seen.ask("open", asyncio.to_thread(Store.open, path, SETTINGS, SystemClock()))
    if store is None:
        # The policies of the writer may have put a page at the log's end before the damage was met.
        now = [each.read_bytes() if each.exists() else b"" for each in _files(path)]
        if not all(each.startswith(old) for each, old in zip(now, before, strict=True)):
            seen.wrong.append("a refused database was changed")
        return seen
    try:
        await _read(store, seen)
        await _write(store, seen)
    finally:
        await seen.ask("close", store.close())
    return seen


async def _read(store: Store, seen: Seen) -> None:
    rows = await seen.ask("list", store.read(documents.listing, None, 1000, None)) or []
    texts: dict[tuple[str, str], str | None] = {}
    for row in rows:
        got = await seen.ask("get", store.read(documents.get, row.id))
        if got is not None:
            texts[row.collection, row.source] = got.text
    answers = await _searched(store, seen)
    if not seen.errors:
        _compare(texts, seen)
        others = [len(set(was) - set(now)) for was, now in zip(seen.right, answers, strict=True)]
        if max(others) > OTHERS_MAX:
            seen.wrong.append(f"searches find others, and nobody said so: {others} of {FIRST}")


async def _searched(store: Store, seen: Seen) -> list[list[int]]:
    """What is found first by some words, and by a vector; nothing where that is an error."""
    words = (store.read(by_words.by_words, word, FIRST, Scope(), 1.0, 1.0) for word in WORDS)
    found = [await seen.ask("words", each) or [] for each in words]
    vector = household.vector_of("a question")
    near = await seen.ask("vectors", store.read(nearest.nearest, store.derived, vector, FIRST, Scope()))
    return [[number for number, _ in each] for each in (*found, near.found if near else [])]


def _compare(texts: dict[tuple[str, str], str | None], seen: Seen) -> None:
    """Nothing was said to be wrong; then all is there, but for the flipped bits themselves."""
    for key, (_, _, _, text) in seen.wanted.documents.items():
        got = texts.get(key)
        if got == text:
            continue
        seen.differs += 1
        if got is None and not any(_near(each[1], key[1]) for each in texts):
            seen.wrong.append(f"{key[1]} is gone, and nobody said so")
        elif got is not None and not _near(got, text):
            seen.wrong.append(f"{key[1]} says something else, and nobody said so")


def _near(one: str, other: str) -> bool:
    """Whether they differ in so many letters as bits were flipped, at most."""
    same_length = abs(len(one) - len(other)) <= damage.BITS_MAX
    return same_length and sum(a != b for a, b in zip(one, other, strict=False)) <= damage.BITS_MAX


async def _write(store: Store, seen: Seen) -> None:
    """After damage was met in a write, nothing is written any more."""
    await seen.ask("add", store.write(household.put, 900))
    for document_id in (3, 20, 41):
        await seen.ask("remove", store.write(documents.remove, document_id))
    if store.is_damaged:
        before = len(seen.errors)
        await seen.ask("add after damage", store.write(household.put, 901))
        if len(seen.errors) == before:
            seen.wrong.append("it writes on after damage")


def save(path: Path, wanted: Held) -> Seen:
    """Recover it, and hold what was saved against what there was."""
    seen = Seen(wanted)
    means = Means(as_sent, words_hash)
    originals = {each: each.read_bytes() for each in _files(path) if each.exists()}
    try:
        saved = recovery.recover(path, path, SETTINGS, means, 5000.0, dry_run=False)
    except InternalError as error:
        seen.wrong.append(f"recover: {error}")
    except PiRagError as error:
        seen.errors.append(error.code)
        if any(each.read_bytes() != data for each, data in originals.items()):
            seen.wrong.append("a refused recovery has changed the file")
    except Exception as error:
        seen.wrong.append(f"recover: {type(error).__name__}: {error}")
    else:
        _kept(path, saved, originals, seen)
        _hold_against(household.held_at(path), saved, seen)
    return seen


def _kept(path: Path, saved: Saved, originals: dict[Path, bytes], seen: Seen) -> None:
    if saved.kept is None:
        is_as_it_was = all(each.read_bytes() == data for each, data in originals.items())
        if not (saved.is_sound and is_as_it_was):
            seen.wrong.append("nothing was kept")
        return
    for original, kept in zip(_files(path), _files(saved.kept), strict=True):
        if original in originals and kept.read_bytes() != originals[original]:
            seen.wrong.append(f"{kept.name} is not what it was")


def _hold_waiting(after: Held, saved: Saved, seen: Seen) -> None:
    """What waited waits, under its name but for the flipped bits, or as many are told of."""
    gone = [
        name
        for name in seen.wanted.waiting - after.waiting
        if name not in saved.queue.lost and not any(_near(name, each) for each in after.waiting)
    ]
    if gone and not saved.queue.lost and not saved.log_last_torn:
        seen.wrong.append(f"{gone[0]} waited and is gone, and nobody said so")


def _hold_against(after: Held, saved: Saved, seen: Seen) -> None:
    """Equal, or named. Of titles and metadata there is no second copy: a flipped letter there is not seen."""
    named = {(each.collection, each.source) for each in (*saved.documents.partial, *saved.documents.lost)}
    for key, row in seen.wanted.documents.items():
        got = after.documents.get(key)
        if got == row:
            continue
        seen.differs += 1
        if key in named or (saved.log_last_torn and got is None):
            continue
        if got is None or got[3] != row[3] or not all(map(_near, got[:3], row[:3])):
            seen.wrong.append(f"{key[1]} was altered, and nobody said so")
    _hold_waiting(after, saved, seen)
    told = " ".join((*saved.memories.lost, *saved.memories.partial))
    for number, memory in seen.wanted.memories.items():
        got = after.memories.get(number)
        if got is None and f" {number} " not in told and f" {number}:" not in told:
            if not saved.log_last_torn:
                seen.wrong.append(f"memory {number} is gone, and nobody said so")
        elif got is not None and not _near(got[3], memory[3]) and f"memory {number}:" not in told:
            seen.wrong.append(f"memory {number} was altered, and nobody said so")


def _files(path: Path) -> tuple[Path, Path]:
    return path, folder.wal_path(path)


def outcomes(house: Path, at: Path, seeds: range, *, recovers: bool) -> Iterator[dict[str, Any]]:
    """What came of each seed."""
    at.mkdir(parents=True, exist_ok=True)
    wanted = _wanted(house, at)
    right = asyncio.run(_right(_copy(house, at), wanted))
    for seed in seeds:
        path = _copy(house, at)
        where = damage.flip([*_files(path)], random.Random(seed))
        seen = save(path, wanted) if recovers else asyncio.run(use(path, wanted, right))
        if not path.exists() or not path.stat().st_size:
            seen.wrong.append("the file is gone")
        yield {
            "seed": seed,
            "where": where,
            "errors": sorted(set(seen.errors)),
            "differs": seen.differs,
            "wrong": seen.wrong,
        }


def _wanted(house: Path, at: Path) -> Held:
    return household.held_at(_copy(house, at))


async def _right(path: Path, wanted: Held) -> Answers:
    store = Store.open(path, SETTINGS, SystemClock())
    try:
        return await _searched(store, Seen(wanted))
    finally:
        await store.close()


def _copy(house: Path, at: Path) -> Path:
    shutil.rmtree(at / "data", ignore_errors=True)
    shutil.copytree(house, at / "data")
    return at / "data" / "pi-rag.db"


def main(words: list[str]) -> None:
    """A line for each seed, as soon as it is known."""
    house, at, first, count, *flags = words
    seeds = range(int(first), int(first) + int(count))
    say: Callable[[str], object] = sys.stdout.write
    for outcome in outcomes(Path(house), Path(at), seeds, recovers="--recover" in flags):
        say(json.dumps(outcome) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
