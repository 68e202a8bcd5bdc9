"""The flags that say which documents a search may answer from, and the fields of the request they become."""

from __future__ import annotations

import os
import re
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Iterable
from pathlib import Path
from typing import Any, get_args

from pi_rag.cli.parsing import a_path, json_or_text
from pi_rag.errors import RequestInvalid
from pi_rag.types import Kind

Condition = tuple[str, str, Any]
"""(field, test, value); the tests are those of the interface."""

_TESTS = {"=": "in", "!=": "not", "^=": "prefix", ">=": "gte", "<=": "lte", ">": "gt", "<": "lt"}
_CONDITION = re.compile(r"(.*?)(!=|\^=|>=|<=|=|>|<)(.*)", re.DOTALL)


RULES = """\
The first three may be given several times. All conditions of --filter must hold; only of several
with = on one field one has to. A value that reads as JSON is that: year=2024 is the number,
'year="2024"' the text.
"""


def configure(parser: ArgumentParser) -> None:
    """The flags."""
    group = parser.add_argument_group("which documents", RULES)
    group.add_argument("--collection", metavar="C", action="append", help="only in this collection")
    group.add_argument(
        "--filter",
        metavar="CONDITION",
        action="append",
        default=[],
        type=condition,
        help="only documents whose metadata match: year=2024, tag!=draft, author^=Mil (begins so), or with "
        "quotes 'year>=2020', and as that <=, >, <",
    )
    kinds = get_args(Kind)
    group.add_argument(
        "--kind",
        action="append",
        choices=kinds,
        metavar="KIND",
        help=f"only documents of this kind: {', '.join(kinds)}",
    )
    group.add_argument(
        "--under", metavar="PATH", type=_whole, help="only this file, or what lies below this folder"
    )
    group.add_argument(
        "--since", metavar="DATE", help="only what was stored or replaced on this day or later"
    )
    group.add_argument("--until", metavar="DATE", help="the same, on this day or earlier")


def fields(args: Namespace) -> dict[str, Any]:
    """What was given, as keywords of `Client.search`. Raises RequestInvalid."""
    given = {
        "collection": _one_or_all(args.collection),
        "filters": _merged(args.filter) or None,
        "under": args.under,
        "kind": _one_or_all(args.kind),
        "since": args.since,
        "until": args.until,
    }
    return {name: value for name, value in given.items() if value is not None}


def condition(text: str) -> Condition:
    """'year=2024' as ('year', 'in', 2024): a value that reads as JSON is one, anything else is text."""
    match = _CONDITION.fullmatch(text)
    if match is None or not match[1].strip():
        raise _no_condition(text, "write FIELD=VALUE, or with quotes 'FIELD>=VALUE'")
    field, sign, value = match[1].strip(), match[2], match[3].lstrip()
    if value.startswith("="):
        raise _no_condition(text, f"equal is one =; a text that begins so is written '{field}{sign}\"=...\"'")
    if not value:
        raise _no_condition(text, f"it has no value; the empty text is written '{field}{sign}\"\"'")
    # What a text begins with is a text, even when it is a number, and may end with a space.
    return field, _TESTS[sign], value if sign == "^=" else json_or_text(value.rstrip())


def _no_condition(text: str, why: str) -> ArgumentTypeError:
    return ArgumentTypeError(f"{text!r} is no condition: {why}")


def _merged(given: Iterable[Condition]) -> dict[str, Any]:
    """All conditions as one filter. Of several equal signs for one field, one has to hold."""
    merged: dict[str, dict[str, Any]] = {}
    for field, test, value in given:
        tests = merged.setdefault(field, {})
        if test == "in":
            tests.setdefault("in", []).append(value)
        elif test == "not":
            tests.setdefault("not", {"in": []})["in"].append(value)
        elif tests.setdefault(test, value) is not value:
            raise RequestInvalid(f"--filter says twice what {field!r} is compared with.")
    return {field: _plain(tests) for field, tests in merged.items()}


def _plain(tests: dict[str, Any]) -> Any:
    """A single wanted value in its short form."""
    return tests["in"][0] if set(tests) == {"in"} and len(tests["in"]) == 1 else tests


def _one_or_all(names: list[str] | None) -> str | list[str] | None:
    return names[0] if names and len(names) == 1 else names


def _whole(path: str) -> str:
    """A path as documents have it in their source, whatever folder the command was typed in."""
    return path if "://" in path else os.path.normpath(Path(a_path(path)).absolute())
