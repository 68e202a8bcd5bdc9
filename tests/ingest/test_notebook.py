"""Promises of pi_rag/ingest/notebook.py."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pi_rag.ingest.notebook import OUTPUT_CHARS_MAX, read_notebook


def notebook(*cells: dict[str, Any], **about: Any) -> bytes:
    """A notebook of version 4."""
    return json.dumps({"cells": cells, "metadata": about, "nbformat": 4}).encode()


def code(source: str | list[str], *outputs: dict[str, Any]) -> dict[str, Any]:
    """One cell of code with what it printed."""
    return {"cell_type": "code", "source": source, "outputs": outputs}


def test_words_stay_and_code_is_fenced() -> None:
    """In order, with what was printed; pictures have no words."""
    data = notebook(
        {"cell_type": "markdown", "source": ["# Birds\n", "\n", "- tit\n", "- wren"]},
        code(
            ["x = 1\n", "print(x)"],
            {"text": ["1\n"]},
            {"data": {"image/png": "iVBOR", "text/plain": "<Figure>"}},
        ),
        code("  "),
        kernelspec={"language": "julia"},
    )
    reading = read_notebook("a.ipynb", data)
    assert reading.text == (
        "# Birds\n\n- tit\n- wren\n\n```julia\nx = 1\nprint(x)\n```\n\n```\n1\n```\n\n```\n<Figure>\n```\n\n"
    )
    assert (reading.title, reading.kind) == ("Birds", "notebook")


def test_what_was_printed_is_cut() -> None:
    """A log of a million lines would bury the words around it."""
    text = read_notebook("a.ipynb", notebook(code("x", {"text": "z" * 100_000}))).text
    assert text.count("z") == OUTPUT_CHARS_MAX


def test_a_fence_within_a_cell_does_not_end_its_fence() -> None:
    """The marks around it are longer."""
    assert "````python\n```\n````" in read_notebook("a.ipynb", notebook(code("```"))).text


def test_notebooks_of_version_3_are_read() -> None:
    """Their cells are in sheets, and code is called input."""
    cells = [{"cell_type": "code", "input": "x = 1"}]
    data = json.dumps({"worksheets": [{"cells": cells}], "nbformat": 3}).encode()
    assert "x = 1" in read_notebook("a.ipynb", data).text


@pytest.mark.parametrize("data", [b"{", b"[]", b"{}", b'{"cells": [1]}', b'{"cells": [{"source": "x"}]}'])
def test_what_is_no_notebook_is_an_error_of_a_known_kind(data: bytes) -> None:
    """Whoever calls it turns these into a refusal."""
    with pytest.raises((ValueError, KeyError, TypeError, AttributeError)):
        read_notebook("a.ipynb", data)
