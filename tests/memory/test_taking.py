"""What is done with every text before it is kept."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pi_rag.errors import DeadlineExceeded, EmbedderUnavailable, SecretRefused
from pi_rag.memory.desk import MemoryDesk
from pi_rag.memory.means import Maker
from pi_rag.memory.taking import taken
from pi_rag.memory_types import NewFact
from pi_rag.store.memory import vectors
from tests.memory.housing import FINGERPRINT, Housed, settings_of
from tests.memory.making import AGENT

FLOAT_BYTES = 4


async def test_a_text_has_a_vector_for_each_part(desk: MemoryDesk, home: Housed) -> None:
    """A short one has one; its entities are those of its words and tags."""
    short = await taken(desk.means, "Mo sleeps in notes.md", "pets", ("cat",))
    long = await taken(desk.means, "Mo sleeps all day long. " * 100)
    width = home.embedder.dimensions * FLOAT_BYTES

    assert short.vectors is not None
    assert long.vectors is not None
    assert (len(short.vectors), len(long.vectors) > 2 * width) == (width, True)
    assert {"notes.md", "cat"} <= {entity.name for entity in short.entities}


@pytest.mark.parametrize("field", ["text", "topic", "tag"])
async def test_a_secret_is_found_wherever_it_stands(desk: MemoryDesk, field: str) -> None:
    """Refused before anything is made of it; masked, it reaches no vector and no entity."""
    key = "ghp_" + "a1B2" * 9
    said = {"text": "Mo is a cat.", "topic": "pets", "tag": "cat"} | {field: f"key {key}"}
    with pytest.raises(SecretRefused):
        await taken(desk.means, said["text"], said["topic"], (said["tag"],))
    desk.follow(settings_of(secrets="mask"))
    got = await taken(desk.means, said["text"], said["topic"], (said["tag"],))

    assert key not in repr(got)
    assert got.warnings == ("Masked: GitHub token.",)


@pytest.mark.parametrize(
    ("error", "word"),
    [(EmbedderUnavailable("x"), "embedder_unavailable"), (DeadlineExceeded("x"), "embedder_timeout")],
)
async def test_without_a_vector_it_says_why(
    desk: MemoryDesk, home: Housed, monkeypatch: pytest.MonkeyPatch, error: Exception, word: str
) -> None:
    """In a closed word, as a search does."""

    async def refuse(*_: object, **__: object) -> object:
        raise error

    monkeypatch.setattr(home.embedder, "embed", refuse)

    assert (await taken(desk.means, "Mo is a cat.")).degraded == (word,)


async def test_where_there_is_no_model_no_vector_is_asked_for(desk: MemoryDesk, home: Housed) -> None:
    """The text is kept by its words."""
    nobody = Maker(home.embedder, None, "", 0)
    desk.means = replace(desk.means, maker=lambda: nobody)
    asked = len(home.embedder.calls)

    assert (await taken(desk.means, "Mo is a cat.")).degraded == ("embedder_unavailable",)
    assert len(home.embedder.calls) == asked


async def test_a_vector_of_another_model_is_not_mixed_in(desk: MemoryDesk, home: Housed) -> None:
    """The memory waits for one of the model in use, and says so."""
    await desk.remember(NewFact("Mo is a cat."), AGENT)
    newer = Maker(home.embedder, replace(FINGERPRINT, model_sha256="1" * 64), "", 254)
    desk.means = replace(desk.means, maker=lambda: newer)
    got = await desk.remember(NewFact("It rains."), AGENT)

    assert got.degraded == ("model_mismatch",)
    assert [each[0] for each in await home.store.read(vectors.waiting, 10)] == [got.memory.id]
