"""Promises of pi_rag/text/definitions.py."""

from __future__ import annotations

import pytest

from pi_rag.text.definitions import code_sections

PYTHON = '''"""Doc."""
import os

# How many.
LIMIT = 3


@cache
def first(a: int) -> int:
    """Doc."""
    def inner() -> int:
        return a
    return inner()


class Box(Base):
    """Doc."""

    size = 1

    # Opens it.
    async def open(self) -> None:
        pass

    @property
    def lid(self) -> str:
        return ""


if __name__ == "__main__":
    first(1)
'''

GO = """package main

// Area of a circle.
func (c *Circle) Area() float64 {
\treturn 1
}

type Circle struct {
\tr float64
}
"""

JAVASCRIPT = """export default class Tree extends Base {
  grow(by) {
    if (by > 1) {
      return by;
    }
  }
}
export const cut = async (tree) => {
  return tree;
};
function plant() {
}
"""

C = """#include <stdio.h>

static int twice(int value)
{
    if (value) {
        return 2 * value;
    }
#ifdef DEBUG
    puts("x");
#endif
    return 0;
}

int main(int argc, char **argv) {
    return twice(argc);
}
"""

RUST = """pub struct Point {
    x: i32,
}

impl Display for Point {
    /// Writes it.
    pub fn fmt(&self) -> Result {
        Ok(())
    }
}
"""


def labels(code: str) -> list[str]:
    """The last name of each section's path, with its depth."""
    return [" > ".join(section.path) for section in code_sections(code)]


def beginning(code: str, path: tuple[str, ...]) -> str:
    """The first line of the section with this path."""
    section = next(section for section in code_sections(code) if section.path == path)
    return code[section.start :].splitlines()[0].strip()


def test_python_is_seen_by_its_definitions() -> None:
    """Functions, classes and methods have names; a function within a function is a part of it."""
    assert labels(PYTHON) == [
        "",
        "def first",
        "class Box",
        "class Box > def open",
        "class Box > def lid",
        "",
    ]


def test_comments_and_decorators_belong_to_what_is_below_them() -> None:
    """A section begins with the comment that explains it, unless a blank line parts them."""
    assert beginning(PYTHON, ("def first",)) == "@cache"
    assert beginning(PYTHON, ("class Box", "def open")) == "# Opens it."
    assert beginning(PYTHON, ("class Box",)) == "class Box(Base):"
    assert beginning(GO, ("func Area",)) == "// Area of a circle."


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (GO, ["", "func Area", "type Circle"]),
        (JAVASCRIPT, ["class Tree", "class Tree > grow()", "cut()", "function plant"]),
        (C, ["", "twice()", "main()"]),
        (RUST, ["struct Point", "impl Display for Point", "impl Display for Point > fn fmt"]),
        ("CREATE TABLE IF NOT EXISTS birds (\n  id INTEGER\n);\n", ["TABLE birds"]),
        ("greet() {\n  echo hi\n}\n", ["greet()"]),
        ("module Zoo\n  class Ape < Animal\n    def eat\n    end\n  end\nend\n",
         ["module Zoo", "module Zoo > class Ape", "module Zoo > class Ape > def eat"]),
    ],
)  # fmt: skip
def test_other_languages_are_seen_by_the_same_rules(code: str, expected: list[str]) -> None:
    """What begins like a definition is one, whatever the language."""
    assert labels(code) == expected


@pytest.mark.parametrize(
    "code",
    [
        '{"class": "x", "def": [1, 2]}\n',
        "if (x) {\n  y();\n}\nwhile (true) {\n}\n",
        "class of things that matter\n",
        "return foo(bar) {\n",
        "\n\n\n",
        "",
    ],
)
def test_what_is_no_definition_makes_no_section(code: str) -> None:
    """Data, loops and prose have no names."""
    assert labels(code) == [""]


def test_sections_cover_the_text_in_order() -> None:
    """They begin at 0 and ascend."""
    for code in (PYTHON, GO, JAVASCRIPT, C, RUST):
        starts = [section.start for section in code_sections(code)]
        assert starts[0] == 0
        assert starts == sorted(set(starts))


def test_classes_in_classes_are_followed_only_so_far() -> None:
    """Fifty thousand nested classes give paths that can be read."""
    code = "".join(" " * min(depth, 150) + f"class C{depth}:\n" for depth in range(50_000))
    assert max(len(section.path) for section in code_sections(code)) <= 6
