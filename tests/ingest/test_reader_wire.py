"""Promises of pi_rag/ingest/reader_wire.py."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pi_rag.config import IngestSettings
from pi_rag.errors import DocumentBinary, DocumentDamaged, InternalError
from pi_rag.ingest.reader_wire import (
    HEADER_BYTES_MAX,
    Request,
    Terms,
    Unpacked,
    answer,
    reading,
    unpacked,
)
from pi_rag.text.clean import clean
from pi_rag.types import Reading

TERMS = Terms.of(IngestSettings())
PATHS = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="./\\\0"), max_size=1000)


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


@given(st.text(), st.text(max_size=400), st.lists(st.integers(1)), st.data())
def test_a_reading_arrives_as_it_was_sent(
    text: str, title: str, unread: list[int], data: st.DataObject
) -> None:
    """Text, title, pages, metadata and the pages without text."""
    at = st.tuples(st.integers(0, len(text)), st.integers(1, 10**9))
    pages = tuple(sorted(data.draw(st.lists(at))))
    unread = [number % 1000 for number in unread]
    sent = Reading(text, clean(title), "pdf", pages, {"author": clean(title)}, tuple(unread))
    assert reading(answer(sent), "pdf", TERMS) == sent


@given(st.text(st.characters(codec=None, categories=None)))
def test_text_arrives_in_full_length(text: str) -> None:
    """Lone surrogates, which have no UTF-8, are replaced one by one, so that offsets of pages hold."""
    assert len(reading(answer(Reading(text, "", "pdf")), "pdf", TERMS).text) == len(text)


def test_the_longest_text_fits_its_frame() -> None:
    """Even when every character takes the most bytes there are."""
    terms = Terms.of(IngestSettings(document_chars_max=10_000))
    for char in ("\x01", "\U0001f600", '"'):
        sent = answer(Reading(char * 10_000, "", "pdf"))
        assert len(sent) <= terms.answer_bytes_max
        assert reading(sent, "pdf", terms).text == char * 10_000
    with pytest.raises(InternalError):
        reading(answer(Reading("x" * 10_001, "", "pdf")), "pdf", terms)


def test_what_a_document_says_of_itself_is_bounded() -> None:
    """An author of megabytes would go out with every hit."""
    claims = {f"key {number}": "A" * 5_000_000 for number in range(2)} | dict.fromkeys(
        map(str, range(99)), "x"
    )
    made = reading(answer(Reading("x", "T" * 5_000_000, "pdf", (), claims)), "pdf", TERMS)
    assert (len(made.title), len(made.metadata["key 0"]), len(made.metadata)) == (400, 400, 32)


@given(st.lists(st.tuples(PATHS, st.binary()), max_size=9), PATHS)
def test_the_files_of_an_archive_arrive_as_they_were_sent(
    members: list[tuple[str, bytes]], path: str
) -> None:
    """Any bytes, and any number of them."""
    made = unpacked(answer(Unpacked(members, [(path, DocumentBinary("Not read."))])), TERMS)
    assert made.members == members
    assert [(path, error.code, error.message) for path, error in made.refused] == [
        (path, "document_binary", "Not read.")
    ]
    with pytest.raises(DocumentDamaged):
        unpacked(answer(DocumentDamaged("It broke.")), TERMS)


def test_the_most_files_with_the_longest_names_fit_their_frame() -> None:
    """Names of which each character takes the most bytes there are."""
    terms = Terms.of(IngestSettings(archive_members_max=20))
    sent = answer(Unpacked([], [("\x01" * 1000, DocumentBinary("\x01" * 200))] * 20))
    assert sent.index(b"\n") <= terms.head_bytes_max - (1 << 20)
    assert len(unpacked(sent, terms).refused) == 20


def test_a_refusal_is_raised_again() -> None:
    """With its kind, message and hint; not a long one in full."""
    with pytest.raises(DocumentDamaged, match="It broke") as caught:
        reading(answer(DocumentDamaged("It broke.", hint="Mend it.")), "pdf", TERMS)
    assert caught.value.hint == "Mend it."
    with pytest.raises(DocumentDamaged) as caught:
        reading(answer(DocumentDamaged("It broke." * 10_000)), "pdf", TERMS)
    assert len(caught.value.message) == 1000


FINE: dict[str, Any] = {"title": "", "pages": [], "metadata": {}, "unread": []}
WRONG: list[dict[str, Any]] = [
    {"title": 1},
    {"title": "x" * 401},
    *({"pages": pages} for pages in ([1], [[float("inf"), 1]], [[-1, 1]], [[2, 1]], [[1, 1], [0, 2]])),
    {"pages": [[0, 1 << 63]]},
    {"metadata": []},
    {"metadata": {"a": 1}},
    {"metadata": {"a": "x" * 401}},
    {"metadata": dict.fromkeys(map(str, range(33)), "")},
    *({"unread": unread} for unread in (None, ["1"], [-1])),
]


@pytest.mark.parametrize(
    "frame",
    [b"", b"{}", b"\xff\n", b"[]\n", b"1\n", b"{}\n", b'{"title": "x"}\n', b'{"error": 1}\n',
     b'{"error": {"code": "busy"}}\n', b"[" * 200_000 + b"\n", b" " * 20_000_000 + b"{}\n",
     json.dumps(FINE).encode() + b"\n\xff",
     *(json.dumps(FINE | wrong).encode() + b"\nx" for wrong in WRONG)],
)  # fmt: skip
def test_an_answer_of_another_shape_is_not_believed(frame: bytes) -> None:
    """The child may be in the hands of what it read: it cannot say `busy` for the whole service, nor give a
    number that cannot be stored."""
    with pytest.raises(InternalError):
        reading(frame, "pdf", TERMS)


@pytest.mark.parametrize(
    "said",
    [{"members": [1], "refused": []}, {"members": [], "refused": []}, {"members": [["a", 3]], "refused": []},
     {"members": [["a", 8], ["b", -4]], "refused": []}, {"members": [["../a", 4]], "refused": []},
     {"members": [["a", 4]], "refused": [["b", {"code": "busy"}]]},
     {"members": [["a", 4]] + [[str(number), 0] for number in range(1000)], "refused": []}],
)  # fmt: skip
def test_sizes_that_lie_are_not_believed(said: dict[str, object]) -> None:
    """Or a mebibyte of answer becomes many in the service; a path leads nowhere."""
    with pytest.raises(InternalError):
        unpacked(json.dumps(said).encode() + b"\nfour", TERMS)
