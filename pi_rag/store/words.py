"""A person's words as a question to FTS5, such that no text whatever is a syntax error.

Only letters, their marks and digits get through, each word in quotes; so `OR`, `*`, `NEAR(` and `multi-agent`
are words like others. It knows no database.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from pi_rag.store import spelling
from pi_rag.types import Match

WORDS_MAX = 64
"""Words of one query, and as many in its phrases. Each costs a look into the index, in a phrase also where it
stands there again, and the later ones of a long text decide little."""

PREFIXES_MAX = 8
"""Beginnings of words in one query, a lone letter of a script without spaces among them. For each all words
that begin so are read, and no bound on counting helps."""

PREFIX_LETTERS_MIN = 2
"""A shorter beginning is searched as a word: it would be that of a good part of the index."""

LIFT = 6
"""How many times a number or a name in code counts where it is the whole query, so that the passages with
exactly that come first. Among other words it counts once: more made good answers worse."""

LIFTED_WORDS_MAX = 8
"""A longer phrase counts once: each time costs a look for each of its words."""

_STOP_WORDS = """
    a an and are as at be but by can do does for from had has have how i if in into is it its of on or our so
    than that the their them then there these they this to was we were what when where which who why will with
    you your
"""
STOP_WORDS = frozenset(_STOP_WORDS.split())
"""Words of nearly every English passage: they cost time and say nothing."""

_QUOTED = re.compile(r'(?<![^\s(\[])["“„]([^"“”„]+)["“”](?!\w)')
"""A part in quotes. The mark must stand before a word, so that the inches in `5" pipe` quote nothing."""

_ENDS = ".,;:!?()[]{}<>\"'`“”„‘’…"
_ENDING = re.compile(r"['’](?:s|t|d|m|re|ve|ll)$", re.IGNORECASE)
_CODE = re.compile(r"[\d_@\\:+#]|\w\.\w")
"""What sets a number, a name or an address apart from words of prose that a hyphen joins."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a query asks of the word index."""

    terms: tuple[str, ...]
    """Words and phrases of FTS5, each in quotes."""
    every: bool
    """Whether a passage must hold each of them; otherwise any finds it, and each makes it better."""

    @property
    def expression(self) -> str:
        """The MATCH argument that says it."""
        return (" AND " if self.every else " OR ").join(self.terms)


def asked(query: str, match: Match = "any") -> Asked | None:
    """What the query asks for; None when there is no word in it.

    any: any of the words. all: every word. phrase: the words as they stand. prefix: as any, and the last word
    may be the beginning of a longer one. Stop words are left out unless there is nothing else.
    A part in quotes is wanted as a phrase, besides its words; a query that is nothing else requires it. What
    is joined by punctuation and is no prose ("E-104", "192.168.0.1"), and runs of scripts without spaces, are
    wanted as phrases too, which lifts the exact ones.
    """
    rest, parts = _QUOTED.sub(" ", query), _QUOTED.findall(query)
    only_quoted = bool(parts) and not _words(rest)
    if match == "phrase":
        terms = [_phrase(_words(query))]
    elif match == "all" or only_quoted:
        terms = [*map(_phrase, map(_words, parts)), *_every(rest)]
    else:
        terms = [*map(_phrase, map(_words, parts)), *_terms(query, prefix=match == "prefix")]
    chosen = _affordable(terms)
    return Asked(chosen, only_quoted or match in ("all", "phrase")) if chosen else None


def _affordable(terms: Iterable[str]) -> tuple[str, ...]:
    """Each of the first WORDS_MAX once, without the phrases that make too many words together, and without
    beginnings beyond PREFIXES_MAX.
    """
    chosen, further, beginnings = [], 0, 0
    for term in dict.fromkeys(filter(None, terms)):
        spaces, begins = term.count(" "), term.count("*")
        if further + spaces <= WORDS_MAX and beginnings + begins <= PREFIXES_MAX:
            chosen.append(term)
            further, beginnings = further + spaces, beginnings + begins
    return tuple(chosen[:WORDS_MAX])


def plain(term: str) -> str:
    """A term as it stands in an expression, without its repetitions."""
    return term.removeprefix("(").partition(" OR ")[0]


@dataclass(frozen=True, slots=True)
class Narrowed:
    """A question that ranks few passages and finds nearly the same best ones."""

    expression: str
    times: int
    """How often each of its words stands in it; its BM25 is so many times the whole question's."""


def narrowed(counts: Sequence[tuple[str, int]], few: int, enough: int, many: int) -> Narrowed | None:
    """The narrower question; None to rank all with any word.

    FTS5 reads a list of passages fifty times as fast as it ranks them. So the rarest words, of up to `few`
    passages together, propose; where these are not `enough`, the next word does too, together with any other.
    Of the words after them as many weigh as are in `many` passages together: further ones cost more than they
    tell. Each word stands in the expression equally often, which leaves the order by BM25 as it was.
    `counts` has each word with the number of its passages.
    """
    by_rarity = sorted((pair for pair in counts if pair[1]), key=lambda pair: pair[1])
    if sum(count for _, count in by_rarity) <= few:
        return None
    rare, total = _within(by_rarity, few)
    common = [word for word, _ in by_rarity[len(rare) :]]
    rest, _ = _within(by_rarity[len(rare) :], many)
    if total >= enough:
        return _weighed(rare, rest)
    if len(common) < 2:
        return None  # one word alone would have all of its own ranked: nothing is narrower than that
    return _together(rare, common[: max(2, len(rest))])


def _weighed(rare: list[str], rest: list[str]) -> Narrowed:
    """Any of the rare words; the rest makes better what has one."""
    if not rest:
        return Narrowed(_any(rare), 1)
    return Narrowed(f"({_any(rare)}) AND ({_any([*rare, *rest, *rest])})", 2)


def _together(rare: list[str], rest: list[str]) -> Narrowed:
    """Any of the rare words, or the first of the rest with another of them."""
    both = f"{rest[0]} AND ({_any(rest[1:])})"
    if not rare:
        return Narrowed(both, 1)
    return Narrowed(f"({_any([*rare, f'({both})'])}) AND ({_any([*rare, *rest])})", 2)


def _within(by_rarity: Sequence[tuple[str, int]], most: int) -> tuple[list[str], int]:
    """The first words that are in `most` passages together, and in how many they are."""
    words, total = [], 0
    for word, count in by_rarity:
        if total + count > most:
            break
        words.append(word)
        total += count
    return words, total


def _any(words: Iterable[str]) -> str:
    return " OR ".join(words)


def _words(text: str) -> list[str]:
    return spelling.spelled(text).split()


def _units(text: str) -> Iterator[tuple[list[str], str]]:
    """What stands between spaces, each as its words and the phrase that finds just that; "" for prose."""
    for unit in text.split():
        core = _ENDING.sub("", unit.strip(_ENDS))
        words = _words(core)
        if words:
            yield words, _exact(core, words)


def _exact(core: str, words: list[str]) -> str:
    if len(words) == 1:
        return ""
    if spelling.NUMBERED.fullmatch(core):
        # The parts alone: "E104" finds "E-104" too.
        return _phrase(words[1:])
    if spelling.CAMEL.fullmatch(core):
        return f'"{words[0]}"'
    if any(map(spelling.unspaced, words)) or _CODE.search(core):
        return _phrase(words)
    return ""


def _terms(text: str, *, prefix: bool) -> list[str]:
    units = list(_units(text))
    terms = [term for words, exact in units for term in (exact, *_single(words))]
    if len(units) == 1 and len(terms) > 2 and 0 < len(terms[0].split()) <= LIFTED_WORDS_MAX:
        terms[0] = f"({_any([terms[0]] * LIFT)})"
    last = units[-1][0][-1] if units else ""
    if prefix and len(last) >= PREFIX_LETTERS_MIN:
        terms[-1] = f'"{last}" *'
    return _telling(terms)


def _every(text: str) -> list[str]:
    """The words that must all be there: what is no prose as it stands, other words one by one."""
    return _telling(
        [term for words, exact in _units(text) for term in ([exact] if exact else _single(words))]
    )


def _telling(terms: list[str]) -> list[str]:
    """Without stop words, unless there is nothing else."""
    return [term for term in terms if term and term.strip('"') not in STOP_WORDS] or terms


def _single(words: list[str]) -> list[str]:
    """Each word as a term. A letter that ends a run is in the pair before it; a lone one begins words."""
    terms = []
    for before, word in zip(["", *words], words, strict=False):
        if not _lone(word):
            terms.append(f'"{word}"')
        elif not _ends(before, word):
            terms.append(f'"{word}" *')
    return terms


def _phrase(words: list[str]) -> str:
    """The first words one after another. Text may go on behind the last letter of a run."""
    words = words[:WORDS_MAX]
    if len(words) > 1 and _lone(words[-1]) and _ends(words[-2], words[-1]):
        words = words[:-1]
    star = " *" if words and _lone(words[-1]) else ""
    return f'"{" ".join(words)}"{star}' if words else ""


def _lone(word: str) -> bool:
    return spelling.unspaced(word) and len(spelling.letters(word)) == 1


def _ends(pair: str, letter: str) -> bool:
    return pair != letter and pair.endswith(letter)
