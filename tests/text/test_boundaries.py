"""Promises of pi_rag/text/boundaries.py."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pi_rag.text.boundaries import best_cut


def pieces(text: str, low: int, high: int) -> tuple[str, str, bool]:
    """The two sides of the best cut, and whether it is a seam."""
    at, seam = best_cut(text, low, high)
    return text[:at], text[at:], seam


def test_the_last_white_space_is_the_best_place() -> None:
    """Words stay whole, and the white space goes with the word before it."""
    assert pieces("one two three four", 1, 16) == ("one two three ", "four", False)


def test_punctuation_is_the_second_best() -> None:
    """An address is cut at a slash or a dot, where its tokens add up."""
    assert pieces("https://example.org/path", 1, 23) == ("https://example.org/", "path", False)


def test_chinese_may_be_cut_anywhere() -> None:
    """Each ideograph is a token by itself."""
    assert pieces("这是一个中文句子", 1, 4) == ("这是一个", "中文句子", False)


@pytest.mark.parametrize("word", ["supercalifragilistic", "ภาษาไทยไม่มีช่องว่าง", "ひらがなだけのぶんしょう"])
def test_within_a_word_a_cut_is_a_seam(word: str) -> None:
    """The two sides of such a cut may not be joined again."""
    assert pieces(word, 1, 8)[2]


@pytest.mark.parametrize(
    "whole",
    ["e\u0301", "👍🏽", "👩\u200d🚀", "🇩🇪", "क\u093f", "\r\n", "ni\u0303"[1:]],
)
def test_what_is_seen_as_one_character_is_not_cut(whole: str) -> None:
    """Accents, skin tones, joined emoji and flags stay together when there is another place."""
    text = "ab" + whole + "cd"
    for high in range(1, len(text)):
        at, _ = best_cut(text, 1, high)
        assert not 2 < at < 2 + len(whole)


def test_a_pile_of_accents_is_cut_all_the_same() -> None:
    """A single character of ten thousand marks must not stop the cutting."""
    assert best_cut("a" + "\u0301" * 10_000, 5_000, 5_100) == (5_100, True)


@given(st.text(min_size=2), st.data())
def test_a_cut_is_always_within_its_bounds(text: str, data: st.DataObject) -> None:
    """Whatever the text, there is a cut, and it is where it was asked for."""
    low = data.draw(st.integers(1, len(text) - 1))
    high = data.draw(st.integers(low, len(text) - 1))
    at, _ = best_cut(text, low, high)
    assert low <= at <= high
