"""What a reader may rely on in every file."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LINES_MAX = 60
"""The issue's bound on a function; a longer one needs the word REASON in a comment beside its `def`."""

SOURCES = sorted((ROOT / "pi_rag").rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("test_*.py"))


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_no_function_is_long_without_a_reason(path: Path) -> None:
    """A function that does not fit a screen says why beside its name."""
    lines = path.read_text(encoding="utf-8").splitlines()
    long = [
        node.name
        for node in functions(path)
        if (node.end_lineno or 0) - node.lineno >= LINES_MAX and "REASON" not in lines[node.lineno - 1]
    ]

    assert long == []


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_every_module_says_what_it_is(path: Path) -> None:
    """Any file can be opened cold."""
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("path", TESTS, ids=named)
def test_every_test_is_a_promise(path: Path) -> None:
    """A test's docstring is a sentence that says what may be relied on."""
    silent = [
        node.name
        for node in functions(path)
        if node.name.startswith("test_") and not (ast.get_docstring(node) or "").rstrip().endswith(".")
    ]

    assert silent == []


def test_the_tests_mirror_the_package() -> None:
    """A module of the top floor has its tests at the same place, or stands here with a reason."""
    covered_elsewhere = {
        "types.py": "values without behaviour",
        "clock.py": "two calls into the standard library",
        "log.py": "seen in every run of the service",
        "http1.py": "only client.py uses it, and tests/test_client.py drives it over a real socket",
    }
    missing = [
        named(path)
        for path in SOURCES
        if path.parent == ROOT / "pi_rag"
        and path.name not in {"__init__.py", *covered_elsewhere}
        and not (ROOT / "tests" / f"test_{path.name}").exists()
    ]

    assert missing == []
