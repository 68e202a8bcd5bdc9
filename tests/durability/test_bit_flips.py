"""Flipped bits: seen, or harmless. No process dies of them, and what is saved was not altered unseen."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pi_rag.errors import PiRagError
from pi_rag.stress.running import RunningService
from pi_rag.types import ModelCard
from tests.durability import household
from tests.store.salvage import damage

CHECKOUT = Path(__file__).parents[2]

SECONDS_A_SEED_MAX = 60.0
"""Each takes about half a second here; one that takes so long hangs."""


@dataclass(frozen=True)
class Batch:
    """What a process has said of its seeds, and which one ended it."""

    outcomes: list[dict[str, Any]]
    ended_by: str

    @property
    def wrong(self) -> list[str]:
        found = [f"seed {each['seed']}, {each['where']}: {each['wrong']}" for each in self.outcomes]
        return [said for said, each in zip(found, self.outcomes, strict=True) if each["wrong"]]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an undamaged database."""
    path = tmp_path_factory.mktemp("house") / "data" / "pi-rag.db"
    household.build_at(path)
    return path.parent


def _batch(house: Path, at: Path, count: int, *flags: str) -> Batch:
    """One damage after another in a process of its own: a crash is one of it, and has a seed."""
    command = [
        sys.executable,
        "-m",
        "tests.durability.flipping",
        str(house),
        str(at),
        "0",
        str(count),
        *flags,
    ]
    done = subprocess.run(
        command,
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=SECONDS_A_SEED_MAX * count,
        check=False,
    )
    outcomes = [json.loads(line) for line in done.stdout.splitlines()]
    ended = (
        "" if done.returncode == 0 else f"seed {len(outcomes)} ended it ({done.returncode}): {done.stderr}"
    )
    return Batch(outcomes, ended)


@pytest.mark.slow
def test_damage_is_seen_or_harmless(house: Path, tmp_path: Path, long_form: bool) -> None:
    """1 to 8 bits of a page of the database or its log: opening, reading, searching and writing end in an
    answer that is right but for those bits, or in an error that calls it damage. Nothing else, no crash.
    """
    count = 1000 if long_form else 40
    found = _batch(house, tmp_path / "work", count)
    assert not found.ended_by
    assert found.wrong == []
    assert len(found.outcomes) == count
    seen = sum("store_damaged" in each["errors"] for each in found.outcomes)
    print(f"\n{count} seeds: {seen} seen as damage, {count - seen} harmless")
    assert count // 5 < seen < count


@pytest.mark.slow
def test_what_is_recovered_is_equal_or_named(house: Path, tmp_path: Path, long_form: bool) -> None:
    """Of each: documents and memories come out equal or are named, and the old file stays as it is."""
    count = 1000 if long_form else 12
    found = _batch(house, tmp_path / "work", count, "--recover")
    assert not found.ended_by
    assert found.wrong == []
    assert [each["errors"] for each in found.outcomes] == [[]] * count
    differing = sum(each["differs"] for each in found.outcomes)
    print(f"\n{count} recoveries: {differing} of {count * household.DOCUMENTS} documents were not equal")


@pytest.mark.model
def test_a_service_that_meets_damage_writes_no_more(tmp_path: Path, minilm: ModelCard) -> None:
    """It stays up from the request on that meets it, says what to type, and recovery saves the rest."""
    database = tmp_path / "data" / "pi-rag.db"
    household.build_at(database)
    with RunningService(tmp_path, {"PI_RAG_MODEL": minilm.path}, ready=False) as again:
        _ruin_texts(database)
        told = [_asked(again, number) for number in range(1, household.DOCUMENTS + 1)]
        met = [error for error in told if error is not None]
        assert met
        assert {error.code for error in met} == {"store_damaged"}
        assert "pi-rag restore" in met[0].hint
        assert "pi-rag recover" in met[0].hint
        assert "store_damaged" in again.client.status()["degraded"]
        refused = again.run("remove", "1", "--json")
        assert refused.returncode == 7, refused.stdout + refused.stderr
        assert again.process is not None
        assert again.process.poll() is None
    saved = again.run("recover", "--json")
    assert saved.stdout, saved.stderr
    assert json.loads(saved.stdout)["documents"]["saved"] == household.DOCUMENTS


def _ruin_texts(path: Path) -> None:
    """The content of two pages of texts becomes noise."""
    from pi_rag.store.salvage import layout
    from pi_rag.store.salvage.image import opened
    from pi_rag.store.salvage.trees import Forest

    with opened(path) as image:
        laid = layout.found(image)
        pages = [*Forest(image, laid.roots.values()).pages_of(laid.roots["document_texts"])]
    for page in pages[1:3]:
        damage.overwrite(path, page, random.Random(page).randbytes(damage.PAGE_BYTES))


def _asked(service: RunningService, number: int) -> PiRagError | None:
    try:
        service.client.document(number)
    except PiRagError as error:
        return error
    return None
