"""What a text speaks of, found by rules: names, files, URLs, mail addresses, code, dates, tags. Pure.

Two texts that name the same thing get the same key, however it is written there: "22 November 2026" and
"2026-11-22", "https://example.org/a/" and "example.org/a". Rules are tried in the order of the table, and
what one has taken the next does not see, so that "notes.md" within a URL is no file.

Names are told by their capital letters, so in scripts without capitals none are found; and a word that opens
a sentence is a name only where something else speaks for it. It knows no dictionary, no model and no memory.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

EntityKind = Literal["name", "file", "url", "email", "code", "date", "tag"]

ENTITIES_MAX: Final = 64
"""Of one text. A text that names more is a list, and links everything with everything."""

KEY_CHARS_MAX: Final = 200
"""A longer key is cut off: its beginning tells it apart well enough."""

MONTHS: Final = {
    name: number
    for number, names in enumerate(
        (
            "jan january januar", "feb february februar", "mar march märz", "apr april", "may mai",
            "jun june juni", "jul july juli", "aug august", "sep sept september", "oct october okt oktober",
            "nov november", "dec december dez dezember",
        ),
        start=1,
    )
    for name in names.split()
}  # fmt: skip

WEEKDAYS: Final = frozenset(
    """
    monday tuesday wednesday thursday friday saturday sunday
    mondays tuesdays wednesdays thursdays fridays saturdays sundays
    montag dienstag mittwoch donnerstag freitag samstag sonntag
    """.split()
)


@dataclass(frozen=True, slots=True)
class Entity:
    """Something that a text mentions. Equal keys of one kind are the same thing."""

    kind: EntityKind
    key: str
    name: str
    """As it is written in the text."""


def entities_in(text: str, tags: Iterable[str] = ()) -> tuple[Entity, ...]:
    """What the text mentions, each once, in the order of the rules and then of the text; the tags first.

    At most ENTITIES_MAX. It takes time in proportion to the text.
    """
    found: dict[tuple[str, str], Entity] = {}
    for entity in _all(text, tags):
        if entity.key:
            found.setdefault((entity.kind, entity.key), entity)
        if len(found) == ENTITIES_MAX:
            break
    return tuple(found.values())


def _all(text: str, tags: Iterable[str]) -> Iterator[Entity]:
    for tag in tags:
        yield _entity("tag", tag.lstrip("#").casefold(), tag)
    left = text
    for pattern, read in _RULES:
        matches = list(pattern.finditer(left))
        spans = []
        for match in matches:
            read_of = list(read(match))
            yield from read_of
            spans += [match.span()] if read_of else []
        left = _without(left, spans)
    yield from _names(left)


def _without(text: str, spans: Sequence[tuple[int, int]]) -> str:
    """The text with these places left blank. What stood there was a thing: it does not open a sentence."""
    pieces, at = [], 0
    for start, end in spans:
        pieces += [text[at:start], "\x00" * (end - start)]
        at = end
    return "".join([*pieces, text[at:]])


def _entity(kind: EntityKind, key: str, name: str) -> Entity:
    return Entity(kind, key.strip()[:KEY_CHARS_MAX], name.strip()[:KEY_CHARS_MAX])


_EXTENSIONS: Final = (
    "md|markdown|txt|rst|adoc|org|tex|log|csv|tsv|json|jsonl|ya?ml|toml|ini|cfg|conf|env|xml|html?|css|scss|svg|sql"
    "|py|pyi|ipynb|rb|go|rs|js|mjs|cjs|jsx|ts|tsx|java|kt|swift|c|cc|cpp|cxx|h|hpp|cs|php|pl|lua|sh|bash|zsh|fish|ps1"
    "|bat|r|jl|ex|exs|erl|hs|scala|vue|svelte|tf|proto|lock|patch|diff|service|timer|socket"
    "|pdf|docx?|xlsx?|pptx?|odt|ods|odp|epub|mobi|eml|mbox|ics|vcf|rtf|png|jpe?g|gif|webp|tiff?|bmp|mp3|mp4|wav|ogg"
    "|mkv|mov|zip|tar|gz|bz2|xz|7z|deb|rpm|whl|iso|img|db|sqlite3?|gguf|onnx|safetensors|bin|exe|so|dll|bak"
)

_URL = re.compile(
    r"\b(?:https?|ftp|ssh|git|wss?)://[^\s<>\"'`\x00]++|\bwww\.[^\s<>\"'`\x00]++", re.IGNORECASE
)
_EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]++(?:\.[\w-]++)++")
_PATH = re.compile(
    r"(?<![\w/\\.~@+-])"
    r"(?:(?:~|\.{1,2})?/[\w.@+-][\w.@+/-]*+"  # /etc/fstab, ~/notes, ./x
    r"|[A-Za-z]:\\[\w.@+\\-]++"  # C:\notes
    rf"|(?:[\w.@+-]++/)++[\w@+-][\w.@+-]*\.(?:{_EXTENSIONS})(?![\w-])"  # docs/api.md
    rf"|[\w@+-][\w.@+-]*\.(?:{_EXTENSIONS})(?![\w-])"  # api.md
    r"|(?:Makefile|Dockerfile|Containerfile|LICENSE|CHANGELOG|README)(?![\w-]))"
)
_HOST = re.compile(
    r"(?<![\w.-])(?:\d{1,3}(?:\.\d{1,3}){3}|(?:[a-z0-9-]++\.)++(?:com|org|net|io|dev|de|uk|eu|fr|ch|at|local|lan|home))"
    r"(?::\d{1,5})?(?![\w-])(?!\.\w)",
    re.IGNORECASE,
)
_QUOTED = re.compile(r"`([^`\n\x00]{1,80})`")
_CODE = re.compile(
    r"(?<![\w.$-])(?:"
    r"[A-Za-z_$][\w$]*+(?:(?:\.|::|->)[A-Za-z_$][\w$]*+)*+\(\)"  # a.b()
    r"|[A-Za-z][\w$]*+(?:(?:::|->)[A-Za-z_][\w$]*+)++"  # A::b
    r"|(?:[A-Za-z_]\w*+\.)*+_*+[A-Za-z][A-Za-z0-9]*+_\w++(?:\.\w++)*+"  # a_b, a.b_c, A_B
    r"|[a-z]++[A-Z0-9]*+[A-Z][A-Za-z0-9]*+"  # aB
    r"|(?:[A-Z][a-z0-9]++){2,}+(?![A-Za-z])"  # AbCd
    r"|--[a-z][\w-]++"  # --option
    r"|[A-Z][A-Z0-9]{1,9}+-\d++"  # ABC-12
    r"|\#\d++"  # #12
    r"|(?=\d*+[a-f])(?=[a-f]*+\d)[0-9a-f]{7,40}"  # a commit
    r")(?![\w-])"
)
_MONTH = "|".join(sorted(MONTHS, key=len, reverse=True))
_DATE = re.compile(
    r"(?<![\w./-])(?:"
    r"(?P<y1>\d{4})-(?P<m1>\d{2})(?:-(?P<d1>\d{2}))?(?:T\d[\d:.]*+Z?|(?![\w-]))"
    r"|(?P<d2>\d{1,2})\.(?P<m2>\d{1,2})\.(?P<y2>\d{4})(?!\w)"
    rf"|(?P<d3>\d{{1,2}})(?:st|nd|rd|th|\.)?\ (?:of\ )?(?P<m3>{_MONTH})\b\.?,?(?:\ (?P<y3>\d{{4}})(?!\w))?"
    rf"|(?P<m4>{_MONTH})\b\.?\ (?P<d4>\d{{1,2}})(?:st|nd|rd|th)?(?!\w)(?:,?\ (?P<y4>\d{{4}})(?!\w))?"
    rf"|(?P<m5>{_MONTH})\b\.?\ (?P<y5>\d{{4}})(?!\w)"
    r")",
    re.IGNORECASE,
)
_HASHTAG = re.compile(r"(?<![\w&#/])#([^\W\d_][\w-]{1,49})")


def _url(match: re.Match[str]) -> Iterator[Entity]:
    name = match.group().rstrip(".,;:!?)]}*_")
    address = re.sub(r"^(?:\w+://)?(?:www\.)?", "", name)
    host, slash, path = address.partition("/")
    yield _entity("url", host.casefold() + slash + path.rstrip("/") if path else host.casefold(), name)


def _host(match: re.Match[str]) -> Iterator[Entity]:
    yield _entity("url", match.group().casefold().removeprefix("www."), match.group())


def _email(match: re.Match[str]) -> Iterator[Entity]:
    yield _entity("email", match.group().casefold(), match.group())


def _path(match: re.Match[str]) -> Iterator[Entity]:
    """The path, and the last name of it: by that a file is mostly spoken of."""
    name = match.group().rstrip("./\\")
    yield _entity("file", name.removeprefix("./").replace("\\", "/").casefold(), name)
    base = re.split(r"[/\\]", name)[-1]
    if base != name:
        yield _entity("file", base.casefold(), base)


def _quoted(match: re.Match[str]) -> Iterator[Entity]:
    inner = match.group(1).strip()
    path = _PATH.fullmatch(inner)
    if path is not None:
        yield from _path(path)
    elif inner:
        yield _entity("code", inner.removesuffix("()"), inner)


def _code(match: re.Match[str]) -> Iterator[Entity]:
    yield _entity("code", match.group().removesuffix("()"), match.group())


def _date(match: re.Match[str]) -> Iterator[Entity]:
    """2026-11-22, 2026-11, or --11-22 where the year is not said (ISO 8601)."""
    year, month, day = (
        next((value for number in "12345" if (value := match.groupdict().get(part + number))), None)
        for part in "ymd"
    )
    number = MONTHS.get((month or "").casefold()) or int(month or 0)
    if not 1 <= number <= 12 or not 1 <= int(day or 1) <= 31:
        return
    key = f"{year or '-'}-{number:02}" + (f"-{int(day):02}" if day else "")
    yield _entity("date", key, match.group())


def _hashtag(match: re.Match[str]) -> Iterator[Entity]:
    yield _entity("tag", match.group(1).casefold(), match.group(1))


_Rule = tuple[re.Pattern[str], Callable[[re.Match[str]], Iterator[Entity]]]

_RULES: Final[tuple[_Rule, ...]] = (
    (_URL, _url),
    (_EMAIL, _email),
    (_QUOTED, _quoted),
    (_DATE, _date),
    (_PATH, _path),
    (_HOST, _host),
    (_HASHTAG, _hashtag),
    (_CODE, _code),
)

_WORD = re.compile(r"[^\W\d_](?:[\w&]|['’-](?=\w))*+|[.!?:;\n]++|[^\w\s]|\d++|\x00++")
_JOINING: Final = frozenset("of de da di del della van von der den la le the and".split())
_SPEAKING: Final = frozenset(
    "is was has had will would can said and or met went came told got made took saw gave left wrote".split()
)
_ENDING: Final = re.compile(r"['’].*$")
_DOING: Final = re.compile(r"[a-z]+(?:s|ed)")
_COMMON: Final = frozenset(
    """
    a about above after again all already also although always am an and another any are as at be
    because been before being below between both but by can cannot could did do does doing done down
    during each either else even ever every everyone everything few first for from get had has have
    having he hello her here hers hey hi him his how however i if in instead into is it its just last
    later let like many maybe me might mine more most much must my neither never next no nobody none nor
    not nothing now of off oh ok okay on once one only or other our ours out over own perhaps please
    same second see she should since so some somebody someone something soon still such sure than thank
    thanks that the their theirs them then there therefore these they thing this those though three
    through thus to today together tomorrow tonight too two under until up us use used using very was we
    well were what whatever when where whether which while who whom whose why will with within without
    would yes yesterday yet you your yours der die das ein eine einer und oder aber ich du er sie es wir
    ihr nicht kein keine wenn weil dass ist war sind hat mit von zu auf bei nach vor add ask bring buy
    call change check close come delete find fix give go install keep know look make meet move need open
    pay put read remember remind remove run save send set show start stop take tell try turn update
    visit wait want write user users agent agents
    """.split()
)


def _names(text: str) -> Iterator[Entity]:
    """Runs of words with capital letters; small words may stand between two of them ("Bank of England")."""
    words = [match.group() for match in _WORD.finditer(text)]
    inside = {word for place, word in enumerate(words) if _is_capital(word) and not _opens(words, place)}
    place = 0
    while place < len(words):
        run = _run(words, place)
        if run and _is_name(run, words, place, inside):
            name = re.sub(r"['’]s?$", "", " ".join(run))
            yield _entity("name", name.casefold(), name)
        place += max(len(run), 1)


def _run(words: Sequence[str], place: int) -> list[str]:
    """The words of the name that begins here; none if no name begins here."""
    run: list[str] = []
    joining: list[str] = []
    for word in words[place : place + 8]:
        if _is_capital(word):
            run += [*joining, word]
            joining = []
            if word.endswith(("'s", "’s")):
                break
        elif run and word in _JOINING and word != "and" and len(joining) < 2:
            joining.append(word)
        else:
            break
    return run


def _is_name(run: Sequence[str], words: Sequence[str], place: int, inside: set[str]) -> bool:
    """A word alone that opens a sentence has to be one that is written with a capital elsewhere too, or be
    followed by what people and things do."""
    if len(run) > 1 or not _opens(words, place):
        return True
    after = words[place + 1] if place + 1 < len(words) else ""
    does = after in _SPEAKING or (_DOING.fullmatch(after) is not None and after not in _COMMON)
    return does or run[0] in inside or run[0].isupper() or run[0].endswith(("'s", "’s"))


def _is_capital(word: str) -> bool:
    if not word[0].isupper():
        return False
    folded = _ENDING.sub("", word).casefold()
    return len(folded) > 1 and not (folded in _COMMON or folded in MONTHS or folded in WEEKDAYS)


def _opens(words: Sequence[str], place: int) -> bool:
    """Whether the word opens a sentence, a line or a quotation."""
    return place == 0 or not (words[place - 1][0].isalnum() or words[place - 1][0] in ",\x00&/-")
