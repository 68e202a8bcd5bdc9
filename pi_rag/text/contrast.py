"""Whether two texts that are alike say the same: other numbers, other names, a denial, another word. Pure.

Vectors of "the boiler is on" and "the boiler is off", of "at 7" and "at 8", are as near as those of two ways
to say one thing. So what a vector holds for a duplicate is looked at here before it is merged, since a merge
keeps only one of the two. It errs on one side: two texts that say the same may be told apart, and both are
kept.

Words of denial and opposites are English, with the commonest of German, French, Spanish and Chinese. It knows
no model and no memory.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

from pi_rag.text.entities import MONTHS, WEEKDAYS, Entity, entities_in

Contrast = Literal["numbers", "negation", "names", "words", "order", "detail"]
"""numbers: each has a number, a unit, a day or a month that the other has not. negation: one denies what the
other says, or says its opposite. names: each names somebody, a file, an address or an identifier that the
other does not. words: they are the same but for a word or two. order: the same words, names or numbers, the
other way round. detail: one of them has a number or a name more."""

_EDGES: Final = ".,;:!\"'()[]{}<>…“”„‘’«»*_`"
_NUMBER = re.compile(r"(?:(?<![^\s(=:])[-−])?\d+(?:[.,:]\d+)*")
_DIGITS = re.compile(r"\d+")
_PLAIN = re.compile(r"(?<!\S)(?:1[3-9]|[2-9]\d|[1-9]\d{2,})(?!\S)")
"""A number that stands for itself, from 13 on."""

_JOINED = re.compile(r"\d[.,:]\d")
_IN_DATES = re.compile("|".join(sorted(MONTHS, key=len, reverse=True)))
_UNIT = re.compile(
    r"(?<=\d)\s?(°\s?[cf]\b|[%€$£]|(?:am|pm|[kmgt]i?b|[kmcµn]?[mgl]|[km]?wh?|[kmg]?hz|[km]?v|m?a|ms|min|h|s|d"
    r"|km/h|mph|seconds?|minutes?|hours?|days?|weeks?|months?|years?|percent|euros?|dollars?|pounds?|degrees?)\b)"
    r"|([€$£])(?=\s?\d)"
)
_DENIAL = re.compile(
    r"not|no|never|none|nobody|nothing|neither|nor|without|cannot|\w+n['’]t"
    r"|nicht|kein(?:e[nmrs]?)?|nie|niemals|ohne|pas|jamais|sans|nunca|jamás"
)
_DENIAL_UNSPACED = re.compile("[不没沒無未]")
_COUNTED: Final = "zero one two three four five six seven eight nine ten eleven twelve".split()
_SMALL: Final = frozenset(
    """
    the a an to of is be are was were it its that this these those and or any some have has had do does
    did for at by as my your our their his her i we you they he she will would there so too very just
    really also please
    """.split()
)
"""Words that say little by themselves."""

_OPPOSITES: Final = tuple(
    frozenset(pair.split("/"))
    for pair in """
    on/off open/closed open/shut opened/closed true/false yes/no enabled/disabled enable/disable
    left/right allow/deny allow/forbid allowed/forbidden allowed/denied always/never before/after
    up/down more/less most/least like/dislike likes/dislikes love/hate loves/hates like/hate likes/hates
    accept/refuse accept/reject accepted/rejected hot/cold warm/cold buy/sell start/stop started/stopped
    with/without first/last early/late morning/evening public/private inside/outside in/out above/below
    over/under high/low fast/slow good/bad safe/unsafe minimum/maximum min/max increase/decrease
    increased/decreased add/remove added/removed full/empty wet/dry success/failure passed/failed
    pass/fail online/offline include/exclude included/excluded north/south east/west everyone/nobody
    everything/nothing must/may required/optional won/lost alive/dead works/broken ein/aus an/aus auf/zu
    offen/geschlossen immer/nie mit/ohne vor/nach links/rechts
    """.split()
)
_DENYING: Final = ("un", "dis", "non", "in", "im", "ir")
"""Beginnings that turn a word into its opposite."""

_ENDING = re.compile(r"(?<=\w{3})(?:ing|ed|es|s|e)$")
_NAMED: Final = frozenset(("name", "file", "url", "email", "code"))


@dataclass(frozen=True, slots=True)
class _Said:
    """What is looked at in one text."""

    text: str
    folded: str
    words: tuple[str, ...]
    stems: tuple[str, ...]
    """Of the words that say something by themselves: no number, and no denial."""
    line: tuple[str, ...]
    """The same with numbers and denials, in their order."""
    codes: frozenset[str]
    """Words of letters and digits, as they are written."""
    values: tuple[str, ...]
    """Numbers, units, days and months in one form."""
    names: tuple[Entity, ...]
    denied: tuple[str, ...]
    """The word after each denial."""


def same_words(text: str) -> str:
    """The words of a text in one form: texts for which it is equal say the same, word for word.

    Case, spaces and the signs around words do not count; within a word they do, and so does a question mark.
    What mixes letters with digits keeps its case: it may be a code.
    """
    words = (word.strip(_EDGES) for word in unicodedata.normalize("NFKC", text).split())
    return " ".join(word if _is_mixed(word) else word.casefold() for word in words if word)


def contrasts(one: str, other: str) -> frozenset[Contrast]:
    """In what two texts that are alike differ; empty if one may stand for both. The same either way round."""
    if same_words(one) == same_words(other):
        return frozenset()
    first, second = _said(one), _said(other)
    found: set[Contrast] = set()
    found |= _two_sided("numbers", _values_lacking(first, second), _values_lacking(second, first))
    found |= _two_sided("names", _names_lacking(first, second), _names_lacking(second, first))
    if _denies(first, second):
        found.add("negation")
    if _is_turned(first, second):
        found.add("order")
    if not found and _few_words_apart(first, second):
        found.add("words")
    return frozenset(found)


def surely_differ(one: str, other: str) -> bool:
    """Whether one has a plain number that the other has nowhere: then `contrasts` is not empty.

    It takes a thirtieth of the time, and says nothing of all others. Of many that are near a new fact, most
    are the same with another number.
    """
    return _has_a_number_more(one, other) or _has_a_number_more(other, one)


def _has_a_number_more(one: str, other: str) -> bool:
    """Small ones may be written out, some are parts of dates, and joined ones have several forms."""
    if not (one.isascii() and other.isascii()) or _JOINED.search(other) or _IN_DATES.search(one.casefold()):
        return False
    return not set(_PLAIN.findall(one)) <= set(_DIGITS.findall(other))


def _two_sided(kind: Contrast, mine: Sequence[str], theirs: Sequence[str]) -> set[Contrast]:
    if mine and theirs:
        return {kind}
    return {"detail"} if mine or theirs else set()


def _is_mixed(word: str) -> bool:
    if word.isalpha() or word.isdigit():
        return False
    return any(letter.isdigit() for letter in word) and any(letter.isalpha() for letter in word)


@lru_cache(maxsize=2)
def _said(text: str) -> _Said:
    """Of one text that is held against many it is made once. No more are kept: what is erased must go."""
    text = unicodedata.normalize("NFKC", text)
    words = tuple(same_words(text).casefold().replace("?", "").split())
    found = entities_in(text)
    return _Said(
        text,
        text.casefold(),
        words,
        tuple(_ENDING.sub("", word) for word in words if _is_telling(word)),
        tuple(_ENDING.sub("", word) for word in words if word not in _SMALL),
        frozenset(word for word in same_words(text).split() if _is_mixed(word)),
        tuple(_values(text, words, [entity for entity in found if entity.kind == "date"])),
        tuple(entity for entity in found if entity.kind in _NAMED),
        tuple(_denied(words)),
    )


def _is_telling(word: str) -> bool:
    is_value = word[0].isdigit() or word in _COUNTED or word in WEEKDAYS or word in MONTHS
    return not (is_value or word in _SMALL or _DENIAL.fullmatch(word))


def _values(text: str, words: Sequence[str], dates: Sequence[Entity]) -> Iterator[str]:
    """A date is one value, and its parts are none."""
    for date in dates:
        yield date.key
        text = text.replace(date.name, " ")
    folded = text.casefold()
    for match in _NUMBER.finditer(folded):
        yield _number(match.group())
    for match in _UNIT.finditer(folded):
        yield (match.group(1) or match.group(2)).replace(" ", "").rstrip("s")
    yield from (str(_COUNTED.index(word)) for word in words if word in _COUNTED and word != "one")
    for word in re.findall(r"[^\W\d_]+", folded):
        if word in WEEKDAYS:
            yield word.rstrip("s")
        elif word in MONTHS and len(word) > 3 and word != "march":
            yield f"month {MONTHS[word]}"


def _number(written: str) -> str:
    """ "1,000" is 1000, "07:30" is 7:30."""
    if re.fullmatch(r"[-−]?\d{1,3}(?:,\d{3})+", written):
        written = written.replace(",", "")
    return re.sub(r"^0(?=\d:)", "", written).replace("−", "-")


def _denied(words: Sequence[str]) -> Iterator[str]:
    for place, word in enumerate(words):
        following = [other for other in words[place + 1 : place + 4] if other not in _SMALL]
        if _DENIAL.fullmatch(word) and not (word == "no" and following and following[0].isdigit()):
            yield _ENDING.sub("", following[0]) if following else ""
        yield from _DENIAL_UNSPACED.findall(word)


def _values_lacking(one: _Said, other: _Said) -> list[str]:
    """What the one says more often than the other. "one" is a number only where the other has a 1."""
    lacking = Counter(one.values) - Counter(other.values)
    return [value for value in lacking if not (value == "1" and "one" in other.words)]


def _names_lacking(one: _Said, other: _Said) -> list[str]:
    """Also a code that the other writes with other capitals."""
    keys = {entity.key for entity in other.names}
    folded = {code.casefold() for code in other.codes}
    return [
        *(entity.key for entity in one.names if entity.key not in keys and _place(entity, other) < 0),
        *(code for code in one.codes - other.codes if code.casefold() in folded),
    ]


def _place(entity: Entity, said: _Said) -> int:
    """Where the text has the words of this name, as a name or not; -1 if nowhere."""
    within, key = said.text if entity.kind == "code" else said.folded, entity.key
    place = within.find(key)
    while place >= 0 and (_in_word(within, place - 1) or _in_word(within, place + len(key))):
        place = within.find(key, place + 1)
    return place


def _in_word(text: str, place: int) -> bool:
    return 0 <= place < len(text) and (text[place].isalnum() or text[place] == "_")


def _denies(one: _Said, other: _Said) -> bool:
    if len(one.denied) != len(other.denied):
        return True
    mine, theirs = set(one.denied), set(other.denied)
    if (mine - theirs) & set(other.stems) or (theirs - mine) & set(one.stems):
        return True
    here, there = set(one.words) - set(other.words), set(other.words) - set(one.words)
    if any(len(pair & here) == 1 and len(pair & there) == 1 for pair in _OPPOSITES):
        return True
    return _is_turned_by_prefix(here, there) or _is_turned_by_prefix(there, here)


def _is_turned_by_prefix(these: set[str], those: set[str]) -> bool:
    """Whether one has "available" where the other has "unavailable"."""
    return any(prefix + word in those for word in these if len(word) > 3 for prefix in _DENYING)


def _is_turned(one: _Said, other: _Said) -> bool:
    """Whether names, numbers or all words come in another order: "Ann owes Bob", "Bob owes Ann"."""
    if _is_rotated(one.line, other.line):
        return False
    shared = set(one.names) & set(other.names)
    return (
        _in_order(shared, one) != _in_order(shared, other)
        or _is_permuted(
            [value for value in one.values if value in other.values],
            [value for value in other.values if value in one.values],
        )
        or _is_permuted(one.stems, other.stems)
    )


def _in_order(names: set[Entity], said: _Said) -> list[Entity]:
    """As the text has them. "Ann" and "Ann Lee" may begin at one place: their letters decide."""
    return sorted(names, key=lambda each: (_place(each, said), each.key, each.kind))


def _is_rotated(these: tuple[str, ...], those: tuple[str, ...]) -> bool:
    """Whether one is the other with its end in front: "Backups run every night", "Every night backups run".

    Of two words that says nothing: "3, 5" and "5, 3".
    """
    if len(these) != len(those) or len(these) < 3:
        return these == those
    return any(these[at:] + these[:at] == those for at in range(len(these)) if these[at] == those[0])


def _is_permuted(these: Sequence[str], those: Sequence[str]) -> bool:
    return these != those and sorted(these) == sorted(those)


def _few_words_apart(one: _Said, other: _Said) -> bool:
    """Whether each has a word or two that the other has not, and all else is common."""
    these, those = set(one.stems), set(other.stems)
    return bool(these & those) and 0 < len(these - those) <= 2 and 0 < len(those - these) <= 2
