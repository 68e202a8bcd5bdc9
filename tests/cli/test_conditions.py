"""What is typed about documents becomes the interface's own shape, with numbers and texts kept apart."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pi_rag.cli import conditions
from pi_rag.cli.parsing import Parser
from pi_rag.errors import RequestInvalid


def _fields(*typed: str) -> dict[str, Any]:
    parser = Parser(prog="pi-rag search")
    conditions.configure(parser)
    return conditions.fields(parser.parse_args(typed))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("year=2024", ("year", "in", 2024)),
        ('year="2024"', ("year", "in", "2024")),
        ("ok=true", ("ok", "in", True)),
        ("ok=null", ("ok", "in", None)),
        ("name=a=b", ("name", "in", "a=b")),
        ('name=""', ("name", "in", "")),
        ("status = paid ", ("status", "in", "paid")),
        ("status != paid", ("status", "not", "paid")),
        ('status=" paid "', ("status", "in", " paid ")),
        ('x="=1"', ("x", "in", "=1")),
        ("by ^= De ", ("by", "prefix", "De ")),
        ("name=0x1", ("name", "in", "0x1")),
        ("name=NaN", ("name", "in", "NaN")),
        ("name=-Infinity", ("name", "in", "-Infinity")),
        ("name=" + "[" * 100_000, ("name", "in", "[" * 100_000)),
        ("a.b=c d", ("a.b", "in", "c d")),
        ("line=a\nb", ("line", "in", "a\nb")),
        ("tag!=draft", ("tag", "not", "draft")),
        ("author^=Mil", ("author", "prefix", "Mil")),
        ("zip^=10", ("zip", "prefix", "10")),
        ("year>=2020", ("year", "gte", 2020)),
        ("year > 2020", ("year", "gt", 2020)),
        ("date<=2024-07", ("date", "lte", "2024-07")),
        ("year<2.5", ("year", "lt", 2.5)),
        ("x<>1", ("x", "lt", ">1")),
    ],
)
def test_a_condition_keeps_numbers_and_texts_apart(text: str, expected: tuple[str, str, Any]) -> None:
    """A value that reads as JSON is that; anything else is a text."""
    assert conditions.condition(text) == expected


@pytest.mark.parametrize("text", ["year", "=2024", " >=1", "", "2024"])
def test_what_is_no_condition_is_refused_with_the_way_to_write_it(text: str) -> None:
    """A shell takes `>=2020` away when it stands without quotes."""
    with pytest.raises(RequestInvalid, match="'FIELD>=VALUE'"):
        _fields("--filter", text)


@pytest.mark.parametrize(
    ("text", "way"),
    [
        ("year==2024", 'year="=..."'),
        ("year>==2024", 'year>="=..."'),
        ("year=", 'year=""'),
        ("year!= ", 'year!=""'),
    ],
)
def test_what_would_silently_find_nothing_is_refused(text: str, way: str) -> None:
    """The habit of another language, or a variable of the shell that is not set."""
    with pytest.raises(RequestInvalid, match="is no condition") as caught:
        _fields("--filter", text)
    assert way in caught.value.message


def test_several_conditions_become_one_filter() -> None:
    """Equal signs for one field mean one of them; all else has to hold together."""
    typed = ["tag=a", "tag=b", "kind!=x", "kind!=y", "year>=2020", "year<2024", "ok=true"]
    assert _fields(*[word for each in typed for word in ("--filter", each)]) == {
        "filters": {
            "tag": {"in": ["a", "b"]},
            "kind": {"not": {"in": ["x", "y"]}},
            "year": {"gte": 2020, "lt": 2024},
            "ok": True,
        }
    }
    with pytest.raises(RequestInvalid, match="'year'"):
        _fields("--filter", "year>=2020", "--filter", "year>=2021")


def test_what_was_not_given_is_not_sent() -> None:
    """The service has its own defaults; one name stays a name, several are a list."""
    assert _fields() == {}
    assert _fields("--since", "", "--collection", "") == {"since": "", "collection": ""}
    assert _fields("--collection", "a") == {"collection": "a"}
    assert _fields("--collection", "a", "--collection", "b", "--kind", "pdf", "--kind", "code") == {
        "collection": ["a", "b"],
        "kind": ["pdf", "code"],
    }
    assert _fields("--since", "2026-01-01", "--until", "2026-02-01") == {
        "since": "2026-01-01",
        "until": "2026-02-01",
    }


def test_a_path_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sources of files are whole paths; a person may type one from where they are. An address is one."""
    monkeypatch.chdir(tmp_path)
    assert _fields("--under", "letters/") == {"under": str(tmp_path / "letters")}
    assert _fields("--under", "/a/../b") == {"under": "/b"}
    assert _fields("--under", "https://x/y") == {"under": "https://x/y"}


@given(st.lists(st.builds("{}{}{}".format, st.text(), st.sampled_from("=<>"), st.text()), max_size=4))
def test_whatever_is_typed_is_refused_or_can_be_sent(typed: list[str]) -> None:
    """What comes out is JSON."""
    try:
        json.dumps(_fields(*[f"--filter={each}" for each in typed]), allow_nan=False)
    except RequestInvalid as error:
        assert "is no condition" in error.message or "twice" in error.message
