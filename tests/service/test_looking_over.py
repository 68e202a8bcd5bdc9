"""POST /v1/upkeep: what is due is done, and what was lost is found."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace

import httpx
import pytest

from pi_rag.service import looking_over
from pi_rag.service.house import House
from pi_rag.store import Connection
from pi_rag.types import ModelCard

CARD = ModelCard(
    name="small",
    path="",
    sha256="0" * 64,
    dimensions=384,
    pooling="mean",
    tokens_max=256,
    query_prefix="",
    quantisation="Q8_0",
    source="test",
    licence="MIT",
)


def lose(db: Connection) -> None:
    """What a card might."""
    db.execute("DELETE FROM chunks_fts WHERE rowid = (SELECT min(id) FROM chunks)")


async def test_a_whole_memory_is_said_to_be_whole(house: House, guest: httpx.AsyncClient) -> None:
    """The answer names what was done, and no problem."""
    body = {"documents": [{"source": "a", "text": "tea in the garden"}], "wait": True}
    assert (await guest.post("/v1/documents", json=body)).status_code == 200

    answer = await guest.post("/v1/upkeep", json={})

    assert answer.status_code == 200
    found = answer.json()
    assert (found["problems"], "plan" in found["done"], found["took_s"] >= 0) == ([], True, True)


async def test_what_was_lost_is_found(
    house: House, guest: httpx.AsyncClient, capsys: pytest.CaptureFixture[str]
) -> None:
    """Words that are gone, and a model whose file has changed; both are said, and the log counts them."""
    body = {"documents": [{"source": "a", "text": "tea in the garden"}], "wait": True}
    await guest.post("/v1/documents", json=body)
    await house.store.write(lose)
    file = house.settings.models_path / "small.gguf"
    file.parent.mkdir(exist_ok=True)
    file.write_text("bits that flipped")
    house.meaning.card = replace(CARD, path=str(file))

    problems = (await guest.post("/v1/upkeep", json={})).json()["problems"]

    assert any("passages without words" in each for each in problems)
    assert any("checksum" in each and "pi-rag model pull --force" in each for each in problems)
    assert f"problems={len(problems)}" in capsys.readouterr().err


class Slow:
    """The model's file, which is read for as long as it is not let go."""

    def __init__(self) -> None:
        self.readings = 0
        self.go = threading.Event()

    def __call__(self, house: House) -> list[str]:
        self.readings += 1
        assert self.go.wait(60)
        return ["a bit"]


async def test_who_asks_again_gets_the_answer_of_the_first_reading(
    guest: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request that is over before the reading has ended costs no second reading, nor its answer."""
    slow = Slow()
    monkeypatch.setattr(looking_over, "_of_the_model", slow)
    first = asyncio.create_task(guest.post("/v1/upkeep", json={}))
    async with asyncio.timeout(30):
        while not slow.readings:
            await asyncio.sleep(0.01)
    first.cancel()
    await asyncio.wait([first])

    again = asyncio.create_task(guest.post("/v1/upkeep", json={}))
    slow.go.set()
    found = (await again).json()

    assert (slow.readings, found["problems"], "plan" in found["done"]) == (1, ["a bit"], True)


async def test_an_old_answer_is_not_given_again(
    guest: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each night reads anew, whoever left before the end of the last one."""
    slow = Slow()
    slow.go.set()
    monkeypatch.setattr(looking_over, "_of_the_model", slow)
    monkeypatch.setattr(looking_over, "KEPT_S", -1.0)
    for _ in range(2):
        assert (await guest.post("/v1/upkeep", json={})).status_code == 200

    assert slow.readings == 2
