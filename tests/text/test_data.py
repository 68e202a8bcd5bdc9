"""Promises of pi_rag/text/data.py."""

from __future__ import annotations

import json

import pytest

from pi_rag.text.data import DEPTH_MAX, json_records, settings_sections

PEOPLE = [{"name": f"somebody {n}", "tags": ["a", "b, c"], "says": '["{,}"] ' * 8} for n in range(30)]


@pytest.mark.parametrize("indent", [None, 2])
def test_the_elements_of_json_are_records(indent: int | None) -> None:
    """As deep as they are short enough, under the key that holds them; marks within strings are no marks."""
    text = json.dumps({"version": 1, "people": PEOPLE, "end": True}, indent=indent)
    found = json_records(text)
    assert "".join(text[each.start : each.end] for each in found) == text
    whole = [each for each in found if each.context == ("people",)]
    assert [json.loads(text[each.start : each.end].rstrip(" \n,]")) for each in whole] == PEOPLE[1:]


def test_each_line_of_json_is_a_record() -> None:
    """Whatever commas it has."""
    text = "".join(json.dumps(each) + "\n" for each in PEOPLE)
    found = json_records(text)
    assert [json.loads(text[each.start : each.end]) for each in found] == PEOPLE


@pytest.mark.parametrize("text", ["", "{", "[]", '{"a": 1}', "if (a) {\n  b();\n}\n", "[section]\nkey = 1\n"])
def test_what_has_no_elements_is_left_alone(text: str) -> None:
    """Code, a single value, nothing."""
    assert json_records(text) == []


@pytest.mark.parametrize("opened", ['"k":[', '"k":{'])
def test_brackets_that_were_never_opened_let_no_context_grow(opened: str) -> None:
    """Else each comma would keep all the keys before it, and a small file take all memory."""
    found = json_records("[" + "]" * 500 + opened * 500 + '"some words", "and more of them",' * 50 + "]")
    assert max((len(each.inner) for each in found), default=0) <= DEPTH_MAX + 1


def names(text: str) -> list[tuple[tuple[str, ...], str]]:
    """Path and first line of each section."""
    return [(each.path, text[each.start :].partition("\n")[0]) for each in settings_sections(text)]


def test_tables_of_toml_and_ini_are_sections() -> None:
    """With the comments right above them."""
    text = "# top\n\n[unit]\nA = 1\n# of it\n[[unit.part]]\nb = 'x'\n"
    assert names(text) == [((), "# top"), (("unit",), "[unit]"), (("unit.part",), "# of it")]


def test_a_long_list_does_not_hide_the_tables() -> None:
    """Lines within a value are its own."""
    listed = "".join(f'    "package{n}>=1",\n' for n in range(30))
    assert names(f"[a]\nneeds = [\n{listed}]\n[b]\nc = 1\n") == [(("a",), "[a]"), (("b",), "[b]")]


def test_top_level_keys_of_yaml_are_sections() -> None:
    """What stands beside a key is its own."""
    text = "version: 1\n# all\nservices:\n  web:\n    image: x\nvolumes:\n- a\n- b\n"
    assert names(text) == [(("version",), "version: 1"), (("services",), "# all"), (("volumes",), "volumes:")]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "def f():\n    return 1\n",
        "[a]\nfor x in y:\n  z()\nq()\nr()\n",
        "a: 1\nint main() {\n}\n",
        "key: 1\n",
    ],
)
def test_code_is_no_settings_file(text: str) -> None:
    """One line that looks like it is not enough."""
    assert settings_sections(text) == []
