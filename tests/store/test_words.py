"""No text is a syntax error, and stop words do not get in the way."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pi_rag.store.words import LIFT, PREFIXES_MAX, WORDS_MAX, Narrowed, asked, narrowed
from pi_rag.types import Match


def _expression(query: str, match: Match = "any") -> str | None:
    """The expression, with ^ behind a term that stands there LIFT times."""
    found = asked(query, match)
    lifted = rf'\(("[^"]*")(?: OR \1){{{LIFT - 1}}}\)'
    return re.sub(lifted, r"\1^", found.expression) if found else None


@pytest.mark.parametrize(
    ("query", "expression"),
    [
        ("multi-agent", '"multi" OR "agent"'),
        ('say "cheese"', '"cheese" OR "say"'),
        ("cats OR dogs", '"cats" OR "dogs"'),
        ("NEAR(cats, 3)", '"near" OR "cats" OR "3"'),
        ("café", '"café"'),
        ("a\x00b", '"b"'),
        ("tea Tea TEA", '"tea"'),
        ("the state of the art", '"state" OR "art"'),
        ("Wolfgang's boiler", '"wolfgang" OR "boiler"'),
        ("E-104", '"e 104"^ OR "e" OR "104"'),
        ("E104", '"e 104"^ OR "e104" OR "e" OR "104"'),
        ("192.168.0.1", '"192 168 0 1"^ OR "192" OR "168" OR "0" OR "1"'),
        ("parse_config", '"parse config"^ OR "parse" OR "config"'),
        ("me@example.org", '"me example org"^ OR "me" OR "example" OR "org"'),
        ("C++", '"c plusplus"^ OR "c" OR "plusplus"'),
        ("天気", '"天気"'),
        ("天気予報", '"天気 気予 予報"^ OR "天気" OR "気予" OR "予報"'),
        ("水", '"水" *'),
        ("水 wörter", '"水" * OR "wörter"'),
        ("getUserName", '"getusername"^ OR "getusername" OR "get" OR "user" OR "name"'),
        ("error E-104", '"error" OR "e 104" OR "e" OR "104"'),
        ("🙂", '"u1f642"'),
    ],
)
def test_words_get_through_in_quotes_and_what_belongs_together_as_a_phrase_too(
    query: str, expression: str
) -> None:
    """FTS5's operators lose their meaning; a number or a name in code is also looked for as it stands."""
    assert _expression(query) == expression


@pytest.mark.parametrize(
    ("match", "query", "expression"),
    [
        ("all", "the green tea", '"green" AND "tea"'),
        ("all", "part E-104 天気予報", '"part" AND "e 104" AND "天気 気予 予報"'),
        ("all", 'tea "with milk"', '"with milk" AND "tea"'),
        ("phrase", "state of the art", '"state of the art"'),
        ("phrase", "飲む水 2 水", '"飲む む水 水 2 水" *'),
        ("phrase", "天気予報", '"天気 気予 予報"'),
        ("prefix", "green te", '"green" OR "te" *'),
        ("prefix", "green t", '"green" OR "t"'),
        ("prefix", "the the", '"the" *'),
        ("prefix", "rev E-104", '"rev" OR "e 104" OR "e" OR "104" *'),
    ],
)
def test_a_person_may_ask_for_more_or_for_less(match: Match, query: str, expression: str) -> None:
    """Every word, the words as they stand, or the beginning of the last one."""
    assert _expression(query, match) == expression


@pytest.mark.parametrize(
    ("query", "expression"),
    [
        ('"boiler service"', '"boiler service"'),
        ("“boiler service”", '"boiler service"'),
        ('"green tea" "with milk"', '"green tea" AND "with milk"'),
        ('"boiler service" 2024', '"boiler service" OR "boiler" OR "service" OR "2024"'),
        ('a 5" pipe and a 3" pipe', '"5" OR "pipe" OR "3"'),
        ('"half', '"half"'),
        ('"" tea', '"tea"'),
    ],
)
def test_quotes_hold_words_together(query: str, expression: str) -> None:
    """Alone they require a phrase; within a question they prefer it, for many questions quote a title."""
    assert _expression(query) == expression


def test_stop_words_are_used_when_there_is_nothing_else() -> None:
    """`to be or not to be` is a query too."""
    assert _expression("who are they") == '"who" OR "are" OR "they"'


@pytest.mark.parametrize("match", ["any", "all", "phrase", "prefix"])
@pytest.mark.parametrize("query", ["", " \t\n", '"', "*", "()", "\x00", "\ud800", "--", "___", '""', '" "'])
def test_a_query_without_a_word_has_no_expression(query: str, match: Match) -> None:
    """There is nothing to look for, so nothing is asked."""
    assert asked(query, match) is None


@pytest.mark.parametrize("match", ["any", "all", "prefix"])
def test_a_long_text_is_searched_by_its_first_words(match: Match) -> None:
    """The cost of a query is bounded whatever its length."""
    found = asked(" ".join(f"word{'x' * number}" for number in range(1000)), match)
    assert found is not None
    assert len(found.terms) == WORDS_MAX
    assert found.terms[0] == '"word"'


@pytest.mark.parametrize("match", ["any", "all", "phrase", "prefix"])
@pytest.mark.parametrize(
    "query", ["1." * 4000, "the.of " * 1000, "天気" * 2000, '"to be or" ' * 800, "the of " * 1000]
)
def test_a_long_phrase_is_searched_by_its_first_words_too(query: str, match: Match) -> None:
    """FTS5 reads a list for each word of a phrase, also for one that it has read before."""
    found = asked(query, match)
    assert found is not None
    assert 0 < len(found.expression.split()) <= 4 * WORDS_MAX


def test_few_beginnings_of_words_are_looked_for() -> None:
    """A page of lone letters of a script without spaces does not read the index a hundred times."""
    found = asked(" ".join(map(chr, range(0x3042, 0x3042 + 60))))
    assert found is not None
    assert len(found.terms) == PREFIXES_MAX
    assert all(term.endswith("*") for term in found.terms)


@given(
    st.lists(st.sampled_from(["1.", "the.of ", "天", '"a b" ', "水 ", "x_y "]), min_size=1, max_size=200),
    st.sampled_from(["any", "all", "phrase", "prefix"]),
)
def test_a_bounded_query_still_asks_something(pieces: list[str], match: Match) -> None:
    """What is left out because it is long is never all there is."""
    assert asked("".join(pieces), match) is not None


FEW, ENOUGH, MANY = 100, 10, 800


def test_a_question_of_rare_words_is_asked_as_it_is() -> None:
    """Ranking all of their passages costs little."""
    assert narrowed([('"a"', 50), ('"b"', 50), ('"c"', 0)], FEW, ENOUGH, MANY) is None


@pytest.mark.parametrize(
    ("counts", "expression", "times"),
    [
        ([90, 700, 800], "(a) AND (a OR b OR b)", 2),
        ([90, 801, 801], "a", 1),
        ([90, 390, 400, 410], "(a) AND (a OR b OR c OR b OR c)", 2),
        ([5, 300, 500, 800], "(a OR (b AND (c))) AND (a OR b OR c)", 2),
        ([5, 300, 800], "(a OR (b AND (c))) AND (a OR b OR c)", 2),
        ([300, 400, 500], "a AND (b)", 1),
        ([300, 400, 100, 500], "(c) AND (c OR a OR b OR a OR b)", 2),
        ([300, 800], "a AND (b)", 1),
        ([801, 802, 803], "a AND (b)", 1),
    ],
)
def test_rare_words_propose_and_common_ones_only_weigh(
    counts: list[int], expression: str, times: int
) -> None:
    """Every word that is left stands there equally often, so that BM25 orders as before."""
    pairs = list(zip("abcd", counts, strict=False))
    assert narrowed(pairs[::-1], FEW, ENOUGH, MANY) == Narrowed(expression, times)


@pytest.mark.parametrize("counts", [[5, 300], [801], [5, 90, 801]])
def test_a_single_common_word_has_all_of_its_passages_ranked(counts: list[int]) -> None:
    """Where the rare ones are not enough; nothing narrower would find the same."""
    assert narrowed(list(zip("abc", counts, strict=False)), FEW, 96, MANY) is None


@given(st.lists(st.integers(0, MANY), min_size=1, max_size=8))
def test_a_narrowed_question_holds_each_word_equally_often(counts: list[int]) -> None:
    """As often as it says, and none that no passage has."""
    words = [f"w{number}" for number in range(len(counts))]
    found = narrowed(list(zip(words, counts, strict=True)), FEW, ENOUGH, MANY)
    if found is None:
        assert sum(sorted(counts)[:-1]) <= FEW
        return
    bare = found.expression.replace("(", " ").replace(")", " ").split()
    assert {bare.count(word) for word in words} <= {0, found.times}
    assert all(word not in bare for word, count in zip(words, counts, strict=True) if not count)


@given(st.text(st.characters(exclude_categories=())), st.sampled_from(["any", "all", "phrase", "prefix"]))
def test_what_is_between_the_quotes_is_letters_digits_and_marks(query: str, match: Match) -> None:
    """No quote, NUL or half of a character can reach FTS5."""
    found = asked(query, match)
    for term in found.terms if found else ():
        for part in term.strip("()").split(" OR "):
            inner = part.removesuffix(" *")
            assert inner[0] == inner[-1] == '"'
            assert not set(inner[1:-1]) & set('"\x00')
            inner.encode()
