"""What every embedder promises: the real pool and the fake are held to the same lines."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from pi_rag.errors import DeadlineExceeded, TokensInvalid
from pi_rag.types import Embedder

MIB = 1024 * 1024
LONG_S = 120.0
"""Never the reason why a test fails: machines that test are slow at times."""

HOSTILE = {
    "empty": "",
    "spaces": "   \n\t ",
    "nul": "\0",
    "nul_within": "before\0after",
    "one_mib": "river " * (MIB // 6),
    "one_long_word": "x" * MIB,
    "100k_tokens": "stone " * 100_000,
    "lone_surrogate": "a \ud800 b \udfff c",
    "emoji_run": "😀👩‍👩‍👧‍👦🏳️‍🌈" * 500,
    "right_to_left": "שלום עולם مرحبا بالعالم " * 50,
    "zalgo": "Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢L̠ͨͧͩ͘G̴̻͈͍͔̹̑͗̎̅͛́Ǫ̵̹̻̝̳͂̌̌͘ " * 50,
    "no_characters": "￿\ufdd0\u2028",
    "controls": "".join(map(chr, range(32))),
    "special_tokens": "[CLS] [SEP] [PAD] [MASK] [UNK]",
    "no_spaces": "汉字" * 2000,
}


class EmbedderContract:
    """Subclasses give the fixture `embedder`, started, of 384 dimensions."""

    async def test_texts_become_unit_rows(self, embedder: Embedder) -> None:
        """One float32 row a text, each of length one."""
        rows = await embedder.embed(["a river", "a stone", "winter"], lane="query", deadline_s=LONG_S)
        assert rows.shape == (3, 384)
        assert rows.dtype == np.float32
        assert np.allclose(np.linalg.norm(rows, axis=1), 1.0, atol=1e-3)

    async def test_no_texts_are_no_rows(self, embedder: Embedder) -> None:
        """An empty request has an empty answer of the right width."""
        assert (await embedder.embed([], lane="ingest", deadline_s=LONG_S)).shape == (0, 384)
        assert await embedder.count_tokens([], lane="ingest", deadline_s=LONG_S) == []

    async def test_answers_come_in_the_order_of_the_texts(self, embedder: Embedder) -> None:
        """Whatever is packed with what, row i belongs to text i."""
        texts = [f"number {n} " + "and a word " * (n % 37) for n in range(150)]
        together = await embedder.embed(texts, lane="ingest", deadline_s=LONG_S)
        for index in (0, 1, 36, 74, 149):
            alone = await embedder.embed([texts[index]], lane="query", deadline_s=LONG_S)
            assert float(alone[0] @ together[index]) > 0.999
            assert int(np.argmax(together @ alone[0])) == index

    async def test_similar_texts_have_similar_vectors(self, embedder: Embedder) -> None:
        """A text is nearer to its variation than to another."""
        rows = await embedder.embed(
            [
                "bread rises in the warm oven",
                "the bread in the oven rises",
                "quarterly tax returns for small firms",
            ],
            lane="query",
            deadline_s=LONG_S,
        )
        assert float(rows[0] @ rows[1]) > float(rows[0] @ rows[2]) + 0.1

    async def test_concurrent_callers_get_their_own(self, embedder: Embedder) -> None:
        """Forty calls at once, in both lanes, are not mixed up."""
        texts = [f"the story of house number {n}" for n in range(40)]
        calls = [
            embedder.embed([text], lane="ingest" if n % 2 else "query", deadline_s=LONG_S)
            for n, text in enumerate(texts)
        ]
        rows = np.concatenate(await asyncio.gather(*calls))
        together = await embedder.embed(texts, lane="query", deadline_s=LONG_S)
        assert np.min(np.sum(rows * together, axis=1)) > 0.999

    @pytest.mark.parametrize("name", HOSTILE)
    async def test_a_hostile_text_has_a_vector_and_a_count(self, embedder: Embedder, name: str) -> None:
        """No string ends a worker or gives a vector that is none."""
        text = HOSTILE[name]
        rows = await embedder.embed([text, "after"], lane="ingest", deadline_s=LONG_S)
        assert np.allclose(np.linalg.norm(rows, axis=1), 1.0, atol=1e-3)
        counts = await embedder.count_tokens([text, "after"], lane="ingest", deadline_s=LONG_S)
        assert counts[0] >= 0
        assert counts[1] == 1

    async def test_token_ids_are_texts_too(self, embedder: Embedder) -> None:
        """The same ids have the same vector, others another; each counts as one token."""
        rows = await embedder.embed([(2023, 2024), (2025,), (2023, 2024)], lane="query", deadline_s=LONG_S)
        assert np.array_equal(rows[0], rows[2])
        assert float(rows[0] @ rows[1]) < 0.999
        counts = await embedder.count_tokens([(2023, 2024), ()], lane="query", deadline_s=LONG_S)
        assert counts == [2, 0]

    @pytest.mark.parametrize("ids", [(-1,), (10**6,), (2023, 2**40)])
    async def test_an_id_that_is_none_is_refused(self, embedder: Embedder, ids: tuple[int, ...]) -> None:
        """By name, at once, and it costs nobody else anything."""
        with pytest.raises(TokensInvalid):
            await embedder.embed([(2023,), ids], lane="query", deadline_s=LONG_S)
        assert (await embedder.embed([(2023,)], lane="query", deadline_s=LONG_S)).shape == (1, 384)

    async def test_counts_add_up_over_words(self, embedder: Embedder) -> None:
        """Pieces cut between words have as many tokens as the whole; nothing has none."""
        left, right = "a river runs over stone", "and winter keeps it"
        counts = await embedder.count_tokens(
            [left, right, f"{left} {right}", ""], lane="ingest", deadline_s=9
        )
        assert counts[0] + counts[1] == counts[2]
        assert counts[3] == 0

    async def test_no_time_left_is_said_at_once(self, embedder: Embedder) -> None:
        """A deadline in the past costs no work."""
        with pytest.raises(DeadlineExceeded):
            await embedder.embed(["late"], lane="query", deadline_s=0.0)
