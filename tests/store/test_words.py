"""No text is a syntax error, and stop words do not get in the way."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pi_rag.store.words import WORDS_MAX, match_expression


@pytest.mark.parametrize(
    ("query", "expression"),
    [
        ("multi-agent", '"multi" OR "agent"'),
        ('say "cheese"', '"say" OR "cheese"'),
        ("cats OR dogs", '"cats" OR "dogs"'),
        ("NEAR(cats, 3)", '"near" OR "cats" OR "3"'),
        ("body:secret*", '"body" OR "secret"'),
        ("parse_config", '"parse" OR "config"'),
        ("cafe\u0301s", '"cafe\u0301s"'),
        ("a\x00b", '"b"'),
        ("tea Tea TEA", '"tea"'),
        ("the state of the art", '"state" OR "art"'),
        ("日本語 wörter", '"日本語" OR "wörter"'),
    ],
)
def test_only_words_get_through_each_in_quotes(query: str, expression: str) -> None:
    """FTS5's operators lose their meaning."""
    assert match_expression(query) == expression


def test_stop_words_are_used_when_there_is_nothing_else() -> None:
    """`to be or not to be` is a query too."""
    assert match_expression("who are they") == '"who" OR "are" OR "they"'


@pytest.mark.parametrize("query", ["", " \t\n", '"', "*", "()", "\x00", "\ud800", "🙂", "--", "___"])
def test_a_query_without_a_word_has_no_expression(query: str) -> None:
    """There is nothing to look for, so nothing is asked."""
    assert match_expression(query) is None


def test_a_long_text_is_searched_by_its_first_words() -> None:
    """The cost of a query is bounded whatever its length."""
    expression = match_expression(" ".join(f"word{number}" for number in range(10_000)))
    assert expression is not None
    assert expression.count(" OR ") == WORDS_MAX - 1
    assert '"word0"' in expression


@given(st.text(st.characters(exclude_categories=())))
def test_what_is_between_the_quotes_is_letters_digits_and_accents(query: str) -> None:
    """No quote, NUL or half of a character can reach FTS5."""
    for word in (match_expression(query) or "").split(" OR "):
        inner = word.strip('"')
        assert all(letter.isalnum() or "\u0300" <= letter <= "\u036f" for letter in inner)
        inner.encode()
