"""A request under a key is done once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pi_rag.errors import KeyReused
from pi_rag.memory.once import Once
from pi_rag.memory_types import NewFact
from pi_rag.store import Connection
from pi_rag.store.memory import memories
from tests.memory.housing import Housed
from tests.memory.making import AGENT, OTHER_AGENT, PERSON, fact_of

FACT = NewFact("Mo is a cat.")


def once_of(key: str | None = "k", fact: NewFact = FACT, caller: object = AGENT) -> Once | None:
    return Once.of(caller, key, fact)  # type: ignore[arg-type]


def test_without_a_key_there_is_nothing_to_look_for() -> None:
    """Such a request is done each time."""
    assert once_of(None) is None


async def test_a_key_answers_for_its_own_request_and_guest_alone(home: Housed) -> None:
    """Another request with it is a mistake; another client, user or door has keys of its own."""
    once = once_of()
    assert once is not None

    def kept(db: Connection) -> None:
        memory = memories.add(db, replace(fact_of(0, FACT.text), id=0))
        once.keep(db, {"memory": memory.id}, memory.id, 10)

    await home.store.write(kept)

    async def answered(asked: Once | None) -> object:
        assert asked is not None
        return await home.store.read(asked.answered)

    assert await answered(once_of()) == {"memory": 1}
    assert await answered(once_of("other")) is None
    for guest in (OTHER_AGENT, PERSON, replace(AGENT, uid=7)):
        assert await answered(once_of(caller=guest)) is None
    with pytest.raises(KeyReused):
        await answered(once_of(fact=replace(FACT, importance=0.6)))
