"""Promises of pi_rag/ingest/exported.py."""

from __future__ import annotations

import base64
import contextlib
import json
import struct
from dataclasses import asdict, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pi_rag.errors import DocumentDamaged
from pi_rag.ingest import exported
from pi_rag.store.export import Stored, StoredPassage
from pi_rag.types import Chunk, DocumentRow, Reading
from tests.store.making import FINGERPRINT, axis

ROW = DocumentRow(
    3, "default", "a.pdf", "Ä", "pdf", "c0ffee", {"year": 2024}, 10, 1, 1.5, 2.5, "green\ntea\u2028!"
)
STORED = Stored(ROW, ((0, 4),), (StoredPassage(Chunk(0, 0, 5, "green", "Tea", 4, 1), b"\x01" * 16, axis(0)),))


def test_a_document_is_one_line() -> None:
    """All fields, and nothing that another program would take for the end of a line."""
    line = exported.line(STORED, vectors=False)
    assert line.count(b"\n") == 1 and line.endswith(b"\n")
    assert json.loads(line) == {
        "collection": "default",
        "source": "a.pdf",
        "title": "Ä",
        "kind": "pdf",
        "metadata": {"year": 2024},
        "created_at": 1.5,
        "updated_at": 2.5,
        "content_hash": "c0ffee",
        "text": "green\ntea\u2028!",
        "pages": [[0, 4]],
    }


def test_passages_come_along_when_vectors_do() -> None:
    """Their place, headings, page and tokens, what they were made of, and little-endian float32 in base64."""
    (passage,) = json.loads(exported.line(STORED, vectors=True))["passages"]
    assert passage == {
        "start": 0,
        "end": 5,
        "heading": "Tea",
        "page": 4,
        "tokens": 1,
        "hash": "01" * 16,
        "vector": "AACAPwAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    }


def test_half_characters_in_metadata_are_written_as_escapes() -> None:
    """They can be kept, so they can leave; a line is UTF-8 all the same."""
    row = DocumentRow(3, "c", "a", "é", "text", "h", {"odd": "\ud800"}, 1, 0, 1.0, 1.0, "é")
    line = exported.line(Stored(row, ()), vectors=False)
    assert json.loads(line.decode())["metadata"] == {"odd": "\ud800"}
    assert json.loads(line)["text"] == "é"


def test_lines_that_are_no_documents_are_told_by_their_mark() -> None:
    """The first says what made the vectors, the last where to go on."""
    assert json.loads(exported.head(FINGERPRINT)) == {
        "pi_rag_export": 1,
        "made_by": {
            "model_name": "tiny",
            "model_sha256": "0" * 64,
            "pooling": "cls",
            "query_prefix": "query: ",
            "dimensions": 8,
            "chunker_version": 1,
        },
    }
    assert exported.end(None) == b'{"pi_rag_export":1,"next":null}\n'


UNIT = base64.b64encode(axis(0)).decode()
MADE_BY = asdict(FINGERPRINT)
PASSAGE = {"start": 0, "end": 5, "heading": "Tea", "page": 4, "tokens": 1, "hash": "01" * 16, "vector": UNIT}
LINE = {"source": "a", "text": "green", "passages": [PASSAGE]}

storable = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
plain = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | storable
json_values = st.recursive(
    plain | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(storable, inner, max_size=3),
    max_leaves=8,
)


@given(
    text=storable.filter(bool),
    title=storable,
    metadata=st.dictionaries(storable, json_values, max_size=4),
    dates=st.tuples(st.floats(0, 1e10), st.floats(0, 1e10)),
)
def test_what_was_written_is_read(
    text: str, title: str, metadata: dict[str, Any], dates: tuple[float, float]
) -> None:
    """Every character, number and moment, whatever a line of text or of JSON would make of it."""
    chunk = Chunk(0, 0, len(text), text, title, 7, 3)
    row = DocumentRow(1, "c", "s", title, "pdf", "hash", metadata, len(text), 1, *dates, text)
    stored = Stored(row, ((0, 7),), (StoredPassage(chunk, b"\x02" * 16, axis(1)),))
    line = exported.line(stored, vectors=True)

    given = exported.read(exported.payload(json.loads(line), MADE_BY))

    assert line.count(b"\n") == 1
    assert given.reading == Reading(text, title, "pdf", ((0, 7),), metadata)
    assert (given.content_hash, given.dates) == ("hash", dates)
    assert given.made == exported.Made(FINGERPRINT, [chunk], [b"\x02" * 16], axis(1))
    assert given.is_stored_as(row)
    assert (given.title, given.metadata) == (None, None)


def test_what_no_text_may_hold_is_replaced_in_metadata_too() -> None:
    """An export comes in by the same rule as any document: U+FFFD for NUL and for half of a character."""
    given = exported.read(exported.payload({**LINE, "metadata": {"\0": ["a\ud800"]}}, None))
    assert given.reading.metadata == {"\ufffd": ["a\ufffd"]}


@pytest.mark.parametrize(("title", "metadata"), [("Voles", {"year": 2024}), ("", {"room": "den"}), ("V", {})])
def test_what_was_given_with_a_document_comes_along(title: str, metadata: dict[str, Any]) -> None:
    """Beside what its file says of itself."""
    stored = replace(STORED, given_title=title, given_metadata=metadata)
    line = json.loads(exported.line(stored, vectors=False))
    assert line["given"] == {"title": title, "metadata": metadata}
    given = exported.read(exported.payload(line, None))
    assert (given.title, given.metadata) == (title, metadata)


def test_a_text_and_a_source_are_enough() -> None:
    """A line that another program has written needs no more; passages without their model are passed over."""
    given = exported.read(exported.payload({"source": "a", "text": "tea\0"}, None))
    assert given.reading == Reading("tea\N{REPLACEMENT CHARACTER}", "", "text")
    assert (given.content_hash, given.dates, given.made) == ("", None, None)
    assert exported.read(exported.payload(LINE, None)).made is None


def row(*numbers: float) -> str:
    return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"text": None}, "`text` is not a text"),
        ({"text": 1}, "`text` is not a text"),
        ({"titel": "x"}, "There is no field 'titel'"),
        ({"kind": "film"}, "`kind` is none of: text"),
        ({"title": []}, "`title` is not a text"),
        ({"metadata": [1]}, "`metadata` is not an object"),
        ({"given": "Voles"}, "`given` is not an object"),
        ({"given": {"titel": "Voles"}}, "There is no field 'titel' in `given`"),
        ({"given": {"title": 5}}, "`title` is not a text"),
        ({"given": {"metadata": []}}, "`metadata` is not an object"),
        ({"metadata": {"a": json.loads("[" * 70 + "]" * 70)}}, "nested more than"),
        ({"pages": [[1]]}, "`pages`"),
        ({"pages": [[5, 1], [4, 2]]}, "`pages`"),
        ({"pages": [[0, True]]}, "`pages`"),
        ({"pages": [[0, 2**63]]}, "`pages`"),
        ({"pages": [[-1, 1]]}, "`pages`"),
        ({"passages": [PASSAGE | {"tokens": -(2**63) - 1}]}, "passage 0 ends"),
        ({"passages": [PASSAGE | {"page": -(10**30)}]}, "passage 0 ends"),
        ({"created_at": 1.0}, "Unix seconds"),
        ({"created_at": 1.0, "updated_at": -1.0}, "Unix seconds"),
        ({"created_at": 1.0, "updated_at": 1e12}, "Unix seconds"),
        ({"content_hash": 5}, "`content_hash` is not a text"),
        ({"passages": {}}, "`passages` is not a list"),
        ({"passages": ["x"]}, "passage 0"),
        ({"passages": [PASSAGE | {"text": "x"}]}, "passage 0"),
        ({"passages": [PASSAGE | {"start": 5}]}, "passage 0 ends"),
        ({"passages": [PASSAGE | {"start": -1}]}, "passage 0 ends"),
        ({"passages": [PASSAGE | {"end": 2**40}]}, "passage 0 ends"),
        ({"passages": [PASSAGE | {"start": "0"}]}, "`start` is not a whole number"),
        ({"passages": [PASSAGE | {"tokens": True}]}, "`tokens` is not a whole number"),
        ({"passages": [PASSAGE | {"hash": "xy"}]}, "hexadecimal"),
        ({"passages": [PASSAGE | {"vector": "?"}]}, "base64"),
        ({"passages": [PASSAGE | {"vector": "é"}]}, "base64"),
        ({"passages": [PASSAGE | {"vector": row(1.0)}]}, "not 8 numbers"),
        ({"passages": [PASSAGE | {"vector": row(*[0.0] * 8)}]}, "unit length"),
        ({"passages": [PASSAGE | {"vector": row(*[1.0] * 8)}]}, "unit length"),
        ({"passages": [PASSAGE | {"vector": row(float("nan"), *[0.0] * 7)}]}, "unit length"),
        ({"passages": [PASSAGE | {"vector": row(float("inf"), *[0.0] * 7)}]}, "unit length"),
    ],
)
def test_what_is_wrong_with_a_line_is_said(changed: dict[str, Any], reason: str) -> None:
    """Each field by its name; nothing of a stranger's reaches the index unseen."""
    with pytest.raises(DocumentDamaged) as told:
        exported.read(exported.payload(LINE | changed, MADE_BY))
    assert reason in told.value.message
    assert "docs/export.md" in told.value.hint


@given(json_values)
def test_no_line_is_more_than_refused(value: Any) -> None:
    """Whatever JSON stands where a field should be."""
    for name in exported.FIELDS:
        with contextlib.suppress(DocumentDamaged):
            exported.read(exported.payload(LINE | {name: value}, MADE_BY))
    for name in exported.PASSAGE_FIELDS:
        with contextlib.suppress(DocumentDamaged):
            exported.read(exported.payload(LINE | {"passages": [PASSAGE | {name: value}]}, MADE_BY))


def test_passages_that_leave_out_text_are_told() -> None:
    """White space between them may be missing; they may overlap; nothing else."""

    def leaves_out(text: str, *spans: tuple[int, int]) -> bool:
        chunks = [Chunk(0, start, end, text[start:end], "", None, 1) for start, end in spans]
        return exported.Made(FINGERPRINT, chunks, [], b"").leaves_out(text)

    assert not leaves_out(" green tea ", (1, 6), (7, 10))
    assert not leaves_out("green tea", (0, 7), (4, 9))
    assert leaves_out("green tea", (0, 5))
    assert leaves_out("green tea", (6, 9))
    assert leaves_out("a green tea", (0, 1), (8, 11))
    assert leaves_out("green", (0, 9))
    assert leaves_out("green tea", (0, 9), (0, 5))
