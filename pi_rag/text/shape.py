"""What a text looks like to who cuts it: sections under headings, and records that stay whole.

It only chooses who looks, by the kind of the document: a table, a chat or a log is told from the text itself,
so that one that is uploaded without a name is cut as well as a file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pi_rag.text.data import json_records, settings_sections
from pi_rag.text.definitions import code_sections
from pi_rag.text.headings import markdown_sections
from pi_rag.text.outline import Section
from pi_rag.text.records import Record
from pi_rag.text.tables import markdown_rows, separated_rows
from pi_rag.text.turns import turns
from pi_rag.types import Kind

_ONE = (Section(0, ()),)
"""A text without headings."""


@dataclass(frozen=True, slots=True)
class Shape:
    """Sections cover the text from 0; records are ascending, and what is between them is running text."""

    sections: Sequence[Section]
    records: Sequence[Record] = ()


def shape_of(text: str, kind: Kind) -> Shape:
    """The shape of a document that was of this kind before it became text."""
    if kind == "code":
        records = json_records(text)
        return Shape(_ONE if records else settings_sections(text) or code_sections(text), records)
    if kind in ("text", "mail"):
        rows = separated_rows(text)
        if rows and rows[0].inner:  # a header, which a log with a comma on each line has not
            return Shape(_ONE, rows)
        return Shape(_ONE, turns(text) or rows or json_records(text))
    return Shape(markdown_sections(text), turns(text) or markdown_rows(text))
