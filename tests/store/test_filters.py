"""A scope is read before anything is looked at, and what is wrong with it is said."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from pi_rag.errors import FilterInvalid
from pi_rag.store import filters
from pi_rag.types import Scope


def _refusal(scope: Scope) -> FilterInvalid:
    with pytest.raises(FilterInvalid) as caught:
        filters.read(scope)
    return caught.value


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        ([1], '{"in": [values]}'),
        ({}, "in, gt, gte, lt, lte, prefix, exists and not"),
        ({"$gte": 1}, "'$gte' is no test"),
        ({"gt": 1, ">": 1}, "'>' is no test"),
        ({"in": 1}, "a list"),
        ({"in": "abc"}, "a list"),
        ({"in": [[1]]}, "a text, a number"),
        ({"in": [{}]}, "a text, a number"),
        ({"in": [1], "not": [2]}, '{"in": [values]}'),
        ({"in": list(range(filters.VALUES_MAX + 1))}, "1000 are the most"),
        ({"gt": None}, "a number or a text"),
        ({"lte": True}, "a number or a text"),
        ({"gte": [1]}, "a number or a text"),
        ({"gte": 1, "lt": "2"}, "at once"),
        ({"gte": 1, "prefix": "2"}, "at once"),
        ({"prefix": 1}, "a prefix is a text"),
        ({"exists": 1}, "true or false"),
        ({"not": {"exists": True}}, "`not` holds"),
        ({"not": {"not": 1}}, "`not` holds"),
        ({"not": {}}, "in, gt, gte"),
        (float("nan"), "a number that JSON does not have"),
        ({"lt": float("inf")}, "a number that JSON does not have"),
        (10**400, "a number that JSON does not have"),
        (object(), "a text, a number"),
        (b"1", "a text, a number"),
    ],
)
def test_any_other_shape_is_refused_and_says_why(wanted: object, why: str) -> None:
    """The message names the field and what a filter may be; the hint says where it is described."""
    error = _refusal(Scope(None, {"colour": wanted}))
    assert "'colour'" in error.message
    assert why in error.message
    assert "docs/api.md" in error.hint


@pytest.mark.parametrize(
    ("scope", "why"),
    [
        (Scope(None, {f"f{number}": 1 for number in range(33)}), "33"),
        (Scope(None, {"x" * 501: 1}), "501 characters"),
        (Scope([]), "`collection` has 0 names"),
        (Scope(["a"] * 1001), "1001 names"),
        (Scope([1]), "`collection` is a name"),  # type: ignore[list-item]
        (Scope(kind="word"), "'word' is no kind"),
        (Scope(kind=["pdf", "PDF"]), "'PDF' is no kind"),
        (Scope(under=""), "`under`"),
        (Scope(under=1), "`under`"),  # type: ignore[arg-type]
    ],
)
def test_a_scope_is_bounded(scope: Scope, why: str) -> None:
    """What would cost too much, or can match nothing, is told instead of answered with nothing."""
    assert why in _refusal(scope).message


def test_an_error_stays_short() -> None:
    """However long the name of a field is."""
    assert len(_refusal(Scope(None, {"x" * 10**6: 1})).message) < 200
    assert len(_refusal(Scope(None, {"x": {"y" * 10**6: 1}})).message) < 300
    assert len(_refusal(Scope(since="z" * 10**6)).message) < 200


@pytest.fixture
def _berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine an hour east of Greenwich, without summer."""
    monkeypatch.setenv("TZ", "CET-1")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("_berlin")
@pytest.mark.parametrize(
    ("given", "since", "until"),
    [
        ("2026-03-31", "2026-03-30T23:00Z", "2026-03-31T23:00Z"),
        (" 20260331 ", "2026-03-30T23:00Z", "2026-03-31T23:00Z"),
        ("2026-03-31T12:00", "2026-03-31T11:00Z", "2026-03-31T11:00Z"),
        ("2026-03-31 12:00:30Z", "2026-03-31T12:00:30Z", "2026-03-31T12:00:30Z"),
        ("2026-03-31T12:00+05:30", "2026-03-31T06:30Z", "2026-03-31T06:30Z"),
        (0, "1970-01-01T00:00Z", "1970-01-01T00:00Z"),
        (-1.5, "1969-12-31T23:59:58.500Z", "1969-12-31T23:59:58.500Z"),
    ],
)
def test_a_moment_is_seconds_or_a_date(given: Any, since: str, until: str) -> None:
    """Without a zone it is the machine's own; a date begins with its midnight and ends with the next."""
    wanted = filters.read(Scope(since=given, until=given))
    read = [datetime.fromtimestamp(each or 0, UTC) for each in (wanted.since_s, wanted.until_s)]
    assert read == [datetime.fromisoformat(since), datetime.fromisoformat(until)]


@pytest.mark.parametrize(
    "given",
    [
        "",
        "yesterday",
        "2026-02-30",
        "31.3.2026",
        "9999-12-31",
        float("nan"),
        float("inf"),
        True,
        [],
        {},
        10**400,
    ],
)
def test_what_is_no_moment_is_refused(given: Any) -> None:
    """With a date as it may be written."""
    error = _refusal(Scope(until=given))
    assert error.message.startswith("`until` is no moment")
    assert "2026-03-31" in error.hint
