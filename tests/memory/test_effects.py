"""Effects: what a change did, written down and taken the other way round."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pi_rag.errors import ChangeFinal
from pi_rag.memory import effects
from pi_rag.memory.desk import MemoryDesk
from pi_rag.memory.effects import Effect
from pi_rag.memory_types import NewFact
from tests.memory.housing import Housed
from tests.memory.making import AGENT

values = st.none() | st.floats(0, 1) | st.sampled_from(["superseded", "person"]) | st.integers(1, 9)
effects_made = st.lists(
    st.builds(
        Effect,
        st.lists(st.integers(1, 99), min_size=1, unique=True).map(tuple),
        st.dictionaries(st.sampled_from(["gone", "importance", "pinned_by"]), st.tuples(values, values)),
    ),
    max_size=4,
)


@given(effects_made)
def test_the_way_back_from_the_way_back_is_the_way(made: list[Effect]) -> None:
    """And what was written into the log is read from it as it was."""
    assert effects.backwards(effects.backwards(made)) == made
    assert effects.of_detail(json.loads(json.dumps(effects.detail_of(made, more=1)))) == made


async def test_an_effect_is_done_wholly_or_not_at_all(desk: MemoryDesk, home: Housed) -> None:
    """When one memory is not as it was left, none is touched."""
    one, other = [(await desk.remember(NewFact(f"Word {each}"), AGENT)).memory for each in "ab"]
    rise = {"importance": (0.5, 0.9), "tags": ((), ("x",))}
    await home.store.write(effects.done, [Effect((other.id,), rise)], 1.0)
    with pytest.raises(ChangeFinal, match=str(other.id)):
        await home.store.write(effects.done, [Effect((one.id, other.id), rise)], 1.0)

    assert [each.importance for each in await desk.get((one.id, other.id), AGENT)] == [0.5, 0.9]


async def test_what_comes_into_force_is_given_back(desk: MemoryDesk, home: Housed) -> None:
    """So that whoever undoes can look whether there is still room for it."""
    fact = (await desk.remember(NewFact("Word"), AGENT)).memory
    gone = effects.gone([fact.id], "forgotten", 1.0)

    assert await home.store.write(effects.done, [gone], 1.0) == []
    assert await home.store.write(effects.done, effects.backwards([gone]), 1.0) == [fact.id]
