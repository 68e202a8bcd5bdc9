"""From a text to passages with vectors, over the strict fake embedder."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pi_rag.config import Settings, from_values
from pi_rag.errors import EmbedderUnavailable
from pi_rag.ingest import cutting
from pi_rag.ingest.cutting import Cutter, passage_tokens_max, text_hash
from pi_rag.ingest.pace import Room
from pi_rag.types import Reading
from tests.embedder.fake import FakeEmbedder

TEXT = "# Boiler\n\n" + "The boiler was serviced in March. " * 60 + "\n\n## Parts\n\n" + "A new pump. " * 90


@pytest.fixture
async def embedder() -> FakeEmbedder:
    fake = FakeEmbedder()
    await fake.start()
    return fake


def embedded_texts(embedder: FakeEmbedder) -> int:
    return sum(count for task, _, count in embedder.calls if task == "embed")


async def test_passages_and_vectors_come_in_pairs(embedder: FakeEmbedder) -> None:
    """Each passage has one vector, made of its headings and its text, in the order of the text."""
    cutter = Cutter(embedder, Settings(), 256)

    chunks = await cutter.cut(Reading(TEXT, "Boiler", "markdown"))
    embedded = await cutter.embed("Boiler", chunks)
    vectors = np.frombuffer(embedded.vectors, dtype=np.float32).reshape(-1, 384)
    last = chunks[-1]
    alone = await embedder.embed([f"{last.heading}\n{last.text}"], lane="ingest", deadline_s=1)

    assert len(chunks) == len(vectors) > 3
    assert all(TEXT[chunk.start : chunk.end] == chunk.text for chunk in chunks)
    assert {chunk.heading for chunk in chunks} == {"Boiler", "Boiler > Parts"}
    np.testing.assert_allclose(vectors[-1], alone[0], atol=1e-6)


async def test_no_passage_is_longer_than_the_model_can_see(embedder: FakeEmbedder) -> None:
    """A model with a short window gets shorter passages instead of losing their ends."""
    cutter = Cutter(embedder, from_values({"ingest.heading_tokens_max": 8}), 64)

    chunks = await cutter.cut(Reading(TEXT, "Boiler", "markdown"))

    assert max(chunk.token_count for chunk in chunks) <= 64 - 8 - 2


@pytest.mark.parametrize(("window", "room"), [(512, 200), (256, 200), (128, 86), (64, 22), (8, 1)])
def test_the_room_of_a_passage_follows_the_window(window: int, room: int) -> None:
    """Headings and the two tokens around a text come off the window; the setting is the upper bound."""
    assert passage_tokens_max(Settings(), window) == room


async def test_the_title_is_said_once(embedder: FakeEmbedder) -> None:
    """Where the headings begin with the title it is not put before them again."""
    cutter = Cutter(embedder, Settings(), 256)
    chunks = await cutter.cut(Reading("# Roof\n\nIt is tight.", "Roof", "markdown"))
    given: list[str] = []
    embed = embedder.embed

    async def remembering(texts, *, lane, deadline_s):  # type: ignore[no-untyped-def]  # a stand-in for one method
        given.extend(texts)
        return await embed(texts, lane=lane, deadline_s=deadline_s)

    embedder.embed = remembering  # type: ignore[method-assign]
    await cutter.embed("Roof", chunks)
    await cutter.embed("House", chunks)

    assert [text.splitlines()[0] for text in given] == ["Roof", "House > Roof"]


async def test_each_count_is_a_sign_of_life_and_waits_for_no_passage(
    embedder: FakeEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long text stands beside documents that fill the workers: it is cut all the same, and seen to move."""
    monkeypatch.setattr(cutting, "COUNT_TEXTS", 2)
    room = Room(1)
    moved: list[str] = []
    cutter = Cutter(embedder, Settings(), 256, room=room)
    async with room.of(), asyncio.timeout(10):
        chunks = await cutter.cut(Reading(TEXT, "Boiler", "markdown"), lambda: moved.append("cut"))
        await cutter.texts("Boiler", chunks, lambda: moved.append("titled"))

    assert len(moved) == len(embedder.calls)
    assert moved.count("cut") > moved.count("titled") > 0


async def test_a_request_is_as_large_as_it_may_be_when_its_turn_comes(embedder: FakeEmbedder) -> None:
    """A book begun beside a search goes on in full requests when the search is over."""
    room = Room(1)
    cutter = Cutter(embedder, from_values({"embedder.workers": 1}), 256, room=room)

    def told(count: int) -> None:
        room.size = 8 if count else 1

    made = await cutter.embed_texts([f"note {number}" for number in range(12)], told)
    assert [count for _, _, count in embedder.calls] == [1, 4, 4, 3]
    assert len(made.vectors) == 12 * 384 * 4
    assert made.vectors[-1536:] == (await cutter.embed_texts(["note 11"])).vectors


async def test_every_row_is_embedded_under_its_header(embedder: FakeEmbedder) -> None:
    """The vector of a passage of a table knows what its columns are; its text is the rows alone."""
    cutter = Cutter(embedder, Settings(), 256)
    rows = "".join(f"2024-01-{n % 28 + 1:02},shop number {n},{n}.50\n" for n in range(200))
    chunks = await cutter.cut(Reading(f"date,payee,amount\n{rows}", "Spent", "text"))
    texts = await cutter.texts("Spent", chunks)

    assert len(chunks) > 1 and all(line in rows for line in chunks[-1].text.splitlines())
    assert all(text.startswith("Spent > date | payee | amount\n2024-") for text in texts[1:])


async def test_the_first_failure_ends_the_document(embedder: FakeEmbedder) -> None:
    """The reason comes out as itself, not wrapped, and nothing goes on behind it."""
    cutter = Cutter(embedder, Settings(), 256)
    chunks = await cutter.cut(Reading(TEXT, "Boiler", "markdown"))
    embedder.broken = EmbedderUnavailable("none")

    with pytest.raises(EmbedderUnavailable):
        await cutter.embed("Boiler", chunks)


async def test_a_text_that_has_a_vector_is_not_embedded(embedder: FakeEmbedder) -> None:
    """Its vector is taken as it is, bit by bit, and stands in its place among those made anew."""
    first = Cutter(embedder, Settings(), 256)
    chunks = await first.cut(Reading(TEXT, "Boiler", "markdown"))
    plain = await first.embed("Boiler", chunks)
    marked = {plain.text_hashes[1]: bytes(range(256)) * 6}

    async def known(hashes: Sequence[bytes]) -> Mapping[bytes, bytes]:
        assert list(hashes) == plain.text_hashes
        return marked

    done: list[int] = []
    cutter = Cutter(embedder, Settings(), 256, known)
    embedder.calls.clear()
    again = await cutter.embed("Boiler", chunks, done.append)
    width = 384 * 4

    assert again.text_hashes == plain.text_hashes
    assert again.vectors[width : 2 * width] == marked[plain.text_hashes[1]]
    assert again.vectors[:width] == plain.vectors[:width]
    assert again.vectors[2 * width :] == plain.vectors[2 * width :]
    assert embedded_texts(embedder) == len(chunks) - 1 == cutter.passages["embedded"]
    assert (cutter.passages["reused"], sum(done)) == (1, len(chunks))


async def test_a_text_that_comes_twice_is_embedded_once(embedder: FakeEmbedder) -> None:
    """The same note under the same heading has the same vector, and both passages have it."""
    cutter = Cutter(embedder, Settings(), 256)
    one = (await cutter.cut(Reading("The lamp is on.", "Lamp", "text")))[0]
    embedder.calls.clear()
    embedded = await cutter.embed("Lamp", [one, one, replace(one, text="It is off.")])
    rows = np.frombuffer(embedded.vectors, dtype=np.float32).reshape(3, 384)

    assert embedded_texts(embedder) == 2
    assert (rows[0] == rows[1]).all() and not (rows[0] == rows[2]).all()


@given(st.text(), st.text())
def test_the_hash_of_a_text_is_its_own(one: str, other: str) -> None:
    """Half characters included: what differs in anything is embedded anew."""
    assert (text_hash(one) == text_hash(other)) == (one == other)
    assert len(text_hash(one)) == 16
