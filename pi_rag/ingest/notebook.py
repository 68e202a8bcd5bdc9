"""One notebook as Markdown: its words as they are, its code in fences, and what the code printed.

It parses what strangers wrote, so it is for the reading child alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from pi_rag.text.decode import decode
from pi_rag.text.titles import title_of
from pi_rag.types import Reading

OUTPUT_CHARS_MAX = 2000
"""Of what one cell printed. More is a table of numbers or a log, and would bury the words around it."""


def read_notebook(name: str, data: bytes) -> Reading:
    """The cells of a Jupyter notebook, of version 3 or 4, in order.

    Raises DocumentRefused kinds, and ValueError, KeyError, TypeError and AttributeError over what is none.
    """
    book = json.loads(decode(data))
    about = book.get("metadata") or {}
    language = str((about.get("kernelspec") or {}).get("language") or "python")
    sheets = [book] if "cells" in book else book["worksheets"]
    blocks = (
        block.strip() for sheet in sheets for cell in sheet["cells"] for block in _blocks(cell, language)
    )
    text = "".join(f"{block}\n\n" for block in blocks if block)
    return Reading(text, title_of("notebook", name, text, str(about.get("title") or "")), "notebook")


def _blocks(cell: Mapping[str, Any], language: str) -> Iterator[str]:
    source = _joined(cell.get("source", cell.get("input", "")))
    if cell["cell_type"] != "code":
        yield source
        return
    if source.strip():
        yield _fenced(source, language)
    for output in cell.get("outputs") or ():
        printed = _joined(output.get("text") or (output.get("data") or {}).get("text/plain") or "")
        if printed.strip():
            yield _fenced(printed[:OUTPUT_CHARS_MAX], "")


def _fenced(text: str, language: str) -> str:
    """Between marks that the text does not have itself."""
    mark = "```"
    while mark in text:
        mark += "`"
    return f"{mark}{language}\n{text.rstrip()}\n{mark}"


def _joined(text: str | list[str]) -> str:
    return text if isinstance(text, str) else "".join(text)
