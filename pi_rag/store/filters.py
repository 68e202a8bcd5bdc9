"""What a scope asks for, read and checked before any document is looked at. It knows no SQL.

A filter looks at a document's metadata. For each field it has a plain value (a text, a number, true, false or
null) or tests:

    {"year": 2024}                          is
    {"year": {"in": [2023, 2024]}}          is one of
    {"year": {"gte": 2020, "lt": 2024}}     gt, gte, lt, lte: numbers with numbers, texts with texts
    {"author": {"prefix": "Mil"}}           a text that begins so
    {"author": {"exists": true}}            the document has the field, whatever is in it
    {"author": {"not": "Miller"}}           none of its values is; so may the tests above stand in `not`

`a.b` is the field of that name where a document has one, else `b` inside `a`. Of a list, each element is a
value of the field, and one of them has to pass all the tests.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from pi_rag.errors import FilterInvalid
from pi_rag.text import moment
from pi_rag.types import Kind, Scope

FIELDS_MAX = 32
"""Each field costs a look at every document; more than these is a mistake."""

FIELD_CHARS_MAX = 500
"""A name of a field that is longer than this is something else."""

VALUES_MAX = 1000
"""Values in one `in`, collections or kinds in one scope; a program that wants more wants a collection."""

RANGES = ("gt", "gte", "lt", "lte")
TESTS = ("in", *RANGES, "prefix")

Plain = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Condition:
    """One of the values of `field` passes all `tests`, or with `negated` none does.

    Without tests the field is there, or is not.
    """

    field: str
    tests: tuple[tuple[str, Plain | tuple[Plain, ...]], ...]
    """(name of the test, what is compared with): several values for `in`, one for the others."""
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a document must be. None: it may be any."""

    collections: tuple[str, ...] | None
    kinds: tuple[str, ...] | None
    folder: str | None
    """Without a slash at its end, so it is empty for `/`."""
    since_s: float | None
    until_s: float | None
    """Unix seconds, the first moment that is too late."""
    conditions: tuple[Condition, ...]


def read(scope: Scope) -> Wanted:
    """What `scope` asks for. Raises FilterInvalid, which names what is at fault."""
    if len(scope.filter) > FIELDS_MAX:
        message = f"A filter may name {FIELDS_MAX} fields; this one names {len(scope.filter)}."
        raise FilterInvalid(message, param="filter")
    return Wanted(
        collections=_names("collection", scope.collection),
        kinds=_kinds(scope.kind),
        folder=_folder(scope.under),
        since_s=_moment_s("since", scope.since),
        until_s=_moment_s("until", scope.until, days_later=1),
        conditions=tuple(each for field in scope.filter for each in _conditions(field, scope.filter[field])),
    )


def _conditions(field: str, wanted: Any) -> Iterator[Condition]:
    if len(field) > FIELD_CHARS_MAX:
        raise _wrong(field, f"a name of {len(field)} characters is too long")
    given = _tests(field, wanted)
    tests = _read_tests(field, {name: given[name] for name in given if name in TESTS})
    if tests:
        yield Condition(field, tests)
    if "exists" in given:
        if not isinstance(given["exists"], bool):
            raise _wrong(field, "`exists` is true or false")
        yield Condition(field, (), negated=not given["exists"])
    if "not" in given:
        denied = _tests(field, given["not"])
        if not set(denied) <= set(TESTS):
            raise _wrong(field, f"`not` holds a plain value, or some of: {', '.join(TESTS)}")
        yield Condition(field, _read_tests(field, denied), negated=True)


def _tests(field: str, wanted: Any) -> Mapping[str, Any]:
    """The tests of one field by name; a plain value is one too."""
    if not isinstance(wanted, Mapping):
        return {"in": [wanted]} if not isinstance(wanted, (list, tuple)) else _refuse_list(field)
    unknown = [str(name) for name in wanted if name not in (*TESTS, "exists", "not")]
    if unknown or not wanted:
        known = f"the tests are {', '.join(TESTS)}, exists and not"
        raise _wrong(field, f"{_shown(unknown[0])} is no test; {known}" if unknown else known)
    return wanted


def _refuse_list(field: str) -> Mapping[str, Any]:
    raise _wrong(field, 'for one of several values write {"in": [values]}')


def _read_tests(field: str, given: Mapping[str, Any]) -> tuple[tuple[str, Plain | tuple[Plain, ...]], ...]:
    compared = [given[name] for name in given if name != "in"]
    if any(isinstance(value, bool) or not isinstance(value, (str, int, float)) for value in compared):
        raise _wrong(field, "what is compared by order or prefix is a number or a text")
    if not isinstance(given.get("prefix", ""), str):
        raise _wrong(field, "a prefix is a text")
    if len({isinstance(value, str) for value in compared}) > 1:
        raise _wrong(field, "no value is a number and a text at once")
    return tuple(
        (name, _values(field, given[name]) if name == "in" else _plain(field, given[name])) for name in given
    )


def _values(field: str, wanted: Any) -> tuple[Plain, ...]:
    if not isinstance(wanted, (list, tuple)):
        raise _wrong(field, "`in` holds a list of values")
    if len(wanted) > VALUES_MAX:
        raise _wrong(field, f"it has {len(wanted)} values, and {VALUES_MAX} are the most")
    return tuple(_plain(field, value) for value in wanted)


def _plain(field: str, value: Any) -> Plain:
    """A value that JSON has and that is no list and no object."""
    if value is None or isinstance(value, str):
        return value
    if not isinstance(value, (int, float)):
        raise _wrong(field, "a value is a text, a number, true, false or null")
    try:
        if math.isfinite(value):
            return value
    except OverflowError:
        pass
    raise _wrong(field, "it holds a number that JSON does not have")


def _wrong(field: str, why: str) -> FilterInvalid:
    return FilterInvalid(f"The filter on {_shown(field)} is not understood: {why}.", param="filter")


def _shown(name: str) -> str:
    """A name as it may stand in a message."""
    return repr(name if len(name) <= 60 else name[:59] + "…")


def _names(what: str, given: Any) -> tuple[str, ...] | None:
    """One name or several as a tuple."""
    if given is None:
        return None
    names = (given,) if isinstance(given, str) else given
    if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) for name in names):
        raise FilterInvalid(f"`{what}` is a name or a list of names.", param=what)
    if not 1 <= len(names) <= VALUES_MAX:
        raise FilterInvalid(f"`{what}` has {len(names)} names; it may have 1 to {VALUES_MAX}.", param=what)
    return tuple(names)


def _kinds(given: Any) -> tuple[str, ...] | None:
    kinds = _names("kind", given)
    unknown = [kind for kind in kinds or () if kind not in get_args(Kind)]
    if unknown:
        known = ", ".join(get_args(Kind))
        message = f"{_shown(unknown[0])} is no kind of document."
        raise FilterInvalid(message, hint=f"The kinds are: {known}.", param="kind")
    return kinds


def _folder(given: Any) -> str | None:
    if given is None:
        return None
    if not isinstance(given, str) or not given.strip():
        raise FilterInvalid("`under` is the path of a folder or file.", param="under")
    return given.rstrip("/")


def _moment_s(what: str, given: Any, *, days_later: int = 0) -> float | None:
    """Unix seconds of what may be seconds or ISO 8601. A date alone begins, or ends some days later."""
    if given is None:
        return None
    try:
        return moment.seconds_of(given, days_later=days_later)
    except ValueError:
        raise FilterInvalid(
            f"`{what}` is no moment: {_shown(str(given))}.", hint=moment.HINT, param=what
        ) from None
