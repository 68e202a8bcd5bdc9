"""Promises of pi_rag/ingest/reader_wire.py."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pi_rag.config import IngestSettings
from pi_rag.errors import DocumentBinary, DocumentDamaged, InternalError
from pi_rag.ingest.archive import Unpacked
from pi_rag.ingest.reader_wire import (
    HEADER_BYTES_MAX,
    Request,
    Terms,
    answer,
    reading,
    unpacked,
    unpacked_answer,
)
from pi_rag.types import Reading


def test_terms_arrive_as_they_were_sent() -> None:
    """They are one argument of a command line."""
    terms = Terms.of(IngestSettings(read_s_max=0.5))
    assert Terms.from_argument(terms.as_argument()) == terms
    assert terms.cpu_s_max == 2


@given(st.text(st.characters(codec=None, categories=None)), st.binary(), st.integers(0, 10**9))
def test_a_request_arrives_as_it_was_sent(name: str, data: bytes, page: int) -> None:
    """Any name, any bytes, line breaks and lone surrogates too."""
    asked = Request(name, "pdf", data, page)
    assert Request.from_frame(asked.to_frame()) == asked


def test_the_head_of_a_request_is_bounded() -> None:
    """A name of any length leaves room for the largest document."""
    assert len(Request("\U0001f600" * 100_000, "pdf", b"").to_frame()) <= HEADER_BYTES_MAX


@given(st.text(), st.text(), st.lists(st.tuples(st.integers(0), st.integers(1))), st.text())
def test_a_reading_arrives_as_it_was_sent(
    text: str, title: str, pages: list[tuple[int, int]], value: str
) -> None:
    """Text, title, pages, metadata and the pages without text."""
    sent = Reading(text, title, "pdf", tuple(pages), {"author": value}, tuple(number for _, number in pages))
    assert reading(answer(sent), "pdf") == sent


def test_the_longest_text_fits_its_frame() -> None:
    """Even when every character takes the most bytes there are."""
    settings = IngestSettings(document_chars_max=10_000)
    for char in ("\x01", "\U0001f600", '"'):
        assert len(answer(Reading(char * 10_000, "", "pdf"))) <= Terms.of(settings).answer_bytes_max


@given(st.lists(st.tuples(st.text(), st.binary())), st.text())
def test_the_files_of_an_archive_arrive_as_they_were_sent(
    members: list[tuple[str, bytes]], path: str
) -> None:
    """Any bytes, and any number of them."""
    made = unpacked(unpacked_answer(Unpacked(members, [(path, DocumentBinary("Not read."))])))
    assert made.members == members
    assert [(path, error.code, error.message) for path, error in made.refused] == [
        (path, "document_binary", "Not read.")
    ]
    with pytest.raises(DocumentDamaged):
        unpacked(answer(DocumentDamaged("It broke.")))
    with pytest.raises(InternalError):
        unpacked(b'{"members": [1]}')


def test_a_refusal_is_raised_again() -> None:
    """With its kind, message and hint."""
    with pytest.raises(DocumentDamaged, match="It broke") as caught:
        reading(answer(DocumentDamaged("It broke.", hint="Mend it.")), "pdf")
    assert caught.value.hint == "Mend it."


@pytest.mark.parametrize(
    "frame",
    [b"", b"\xff", b"[]", b"1", b"{}", b'{"text": "x"}', b'{"error": 1}', b'{"error": {"code": "busy"}}',
     b'{"text": "x", "title": "", "pages": [1], "metadata": {}, "unread": []}',
     b'{"text": "x", "title": "", "pages": [], "metadata": {}}',
     b'{"text": "x", "title": "", "pages": [], "metadata": [], "unread": []}'],
)  # fmt: skip
def test_an_answer_of_another_shape_is_not_believed(frame: bytes) -> None:
    """The child may be in the hands of what it read: it cannot say `busy` for the whole service."""
    with pytest.raises(InternalError):
        reading(frame, "pdf")
