"""Promises of pi_rag/text/chunk.py."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pi_rag.text.boundaries import clings
from pi_rag.text.chunk import Atom, Break, atoms, pack
from pi_rag.text.clean import clean
from pi_rag.text.decode import decode
from pi_rag.types import Chunk, Kind

from .shapes import SHAPED
from .test_atoms import KINDS, TEXTS

SYNTHETIC = Path(__file__).parents[3] / "shared" / "data" / "docs" / "hostile" / "synthetic"


def words(text: str, found: list[Atom]) -> list[int]:
    """One token a word, the simplest count that adds up."""
    return [len(text[atom.start : atom.end].split()) for atom in found]


def cut(text: str, kind: Kind = "markdown", tokens_max: int = 20, overlap: int = 0) -> list[Chunk]:
    """Passages of a text by words."""
    found = atoms(text, kind)
    return pack(text, found, [min(count, tokens_max) for count in words(text, found)], tokens_max, overlap)


def sentences(count: int, start: int = 0) -> str:
    """Sentences of ten words each."""
    return " ".join(
        f"Sentence number {n} says something of its own here now." for n in range(start, start + count)
    )


@given(st.one_of(TEXTS, SHAPED), st.sampled_from(KINDS), st.integers(16, 300), st.integers(0, 150), st.data())
@settings(max_examples=400)
def test_every_passage_keeps_the_promises(
    text: str, kind: Kind, tokens_max: int, overlap: int, data: st.DataObject
) -> None:
    """Offsets give the text, nothing is lost or too long, numbers and starts ascend, twice is the same."""
    found = atoms(text, kind)
    counts = data.draw(st.lists(st.integers(0, tokens_max), min_size=len(found), max_size=len(found)))
    chunks = pack(text, found, counts, tokens_max, overlap)
    assert chunks == pack(text, found, counts, tokens_max, overlap)
    assert all(text[chunk.start : chunk.end] == chunk.text == chunk.text.strip() != "" for chunk in chunks)
    assert all(chunk.token_count <= tokens_max for chunk in chunks)
    assert [chunk.seq for chunk in chunks] == list(range(len(chunks)))
    assert all(one.start < other.start for one, other in pairwise(chunks))
    covered = bytearray(len(text))
    for chunk in chunks:
        covered[chunk.start : chunk.end] = b"\1" * len(chunk.text)
    assert all(seen or char.isspace() for char, seen in zip(text, covered, strict=True))


@given(st.one_of(TEXTS, SHAPED), st.sampled_from(KINDS), st.integers(0, 60))
def test_a_record_that_fits_is_never_cut(text: str, kind: Kind, overlap: int) -> None:
    """A row, a turn, an element: no passage begins or ends within one that has room in a passage."""
    found = atoms(text, kind)
    counts = words(text, found)
    chunks = pack(text, found, [min(20, count) for count in counts], 20, overlap)
    by_record: dict[int, list[int]] = {}
    for number, atom in enumerate(found):
        if atom.record is not None:
            by_record.setdefault(atom.record, []).append(number)
    for numbers in by_record.values():
        start, end = found[numbers[0]].start, found[numbers[-1]].end
        parted = any(found[number].breaks in (Break.SEAM, Break.SECTION) for number in numbers[1:])
        if not parted and sum(max(1, counts[number]) for number in numbers) <= 20:
            start += len(text[start:end]) - len(text[start:end].lstrip())
            end = start + len(text[start:end].strip())
            assert all(not start < chunk.start < end and not start < chunk.end < end for chunk in chunks)


@given(st.one_of(TEXTS, SHAPED), st.sampled_from(KINDS), st.integers(16, 60))
def test_only_a_seam_parts_what_is_seen_as_one(text: str, kind: Kind, tokens_max: int) -> None:
    """An accent stays with its letter and a flag with its half, unless nothing else fits."""
    found = atoms(text, kind)
    for atom in found[1:]:
        assert atom.breaks in (Break.SEAM, Break.SECTION) or not clings(
            text[atom.start - 1], text[atom.start]
        )


@given(TEXTS, st.sampled_from(KINDS), st.integers(0, 150))
def test_a_passage_is_never_joined_at_a_seam(text: str, kind: Kind, overlap: int) -> None:
    """Two sides of a cut inside a word are never in one passage: their tokens would not add up."""
    found = atoms(text, kind)
    seams = [atom.start for atom in found if atom.breaks == Break.SEAM]
    for chunk in pack(text, found, [1] * len(found), 300, overlap):
        assert not any(chunk.start < seam < chunk.end for seam in seams)


def test_an_empty_text_has_no_passages() -> None:
    """Nor has one of white space."""
    assert cut("") == []
    assert cut(" \n\n\t \n") == []


def test_a_heading_begins_a_passage() -> None:
    """Sections that are long enough stand alone, under their own path."""
    text = f"# One\n{sentences(1)}\n## Two\n{sentences(1)}\n# Three\n{sentences(1)}\n"
    assert [(chunk.heading, chunk.text.split("\n")[0]) for chunk in cut(text)] == [
        ("One", "# One"),
        ("One > Two", "## Two"),
        ("Three", "# Three"),
    ]


def test_small_sections_go_together_under_their_parent() -> None:
    """Three short answers make one passage; its heading is what theirs have in common."""
    text = "# Questions\nAsked often.\n## Why\nBecause.\n## When\nSoon.\n## Where\nHere.\n"
    (chunk,) = cut(text, tokens_max=60)
    assert chunk.heading == "Questions"
    assert chunk.text == text.strip()


def test_small_sections_do_not_leave_their_parent() -> None:
    """The last short part of one chapter is not put into the next chapter."""
    text = f"# One\n{sentences(2)}\n## Last\nShort.\n# Two\n{sentences(2)}\n"
    assert [chunk.heading for chunk in cut(text, tokens_max=60)] == ["One", "One > Last", "Two"]


def test_a_long_section_is_cut_evenly() -> None:
    """Eleven sentences where ten fit do not leave a rest of one."""
    chunks = cut(sentences(11), tokens_max=100)
    assert [chunk.token_count for chunk in chunks] in ([50, 60], [60, 50])


def test_a_paragraph_is_a_better_end_than_a_sentence() -> None:
    """The cut moves to the blank line near the middle."""
    text = f"{sentences(4)}\n\n{sentences(7, 4)}"
    first, second = cut(text, tokens_max=100)
    assert first.token_count == 40
    assert second.text.startswith("Sentence number 4 ")


def test_a_passage_repeats_the_end_of_the_one_before() -> None:
    """The overlap is whole sentences, within its bound, and within the budget."""
    chunks = cut(sentences(30), tokens_max=100, overlap=25)
    for one, other in pairwise(chunks):
        assert one.end - other.start > 0
        shared = one.text[other.start - one.start :]
        assert len(shared.split()) == 20
        assert shared.startswith("Sentence number")


ROWS = [f"2024-01-{n:02},somebody with number {n},some {n} things of his,{n}.50\n" for n in range(1, 29)]


def test_every_passage_of_a_table_knows_the_header() -> None:
    """It goes with the headings, not into the text; the first passage says it itself."""
    text = "date,payee,what for,amount\n" + "".join(ROWS)
    first, *others = cut(text, "text", tokens_max=40)
    assert first.heading == "" and first.text.startswith("date,")
    assert {chunk.heading for chunk in others} == {"date | payee | what for | amount"}
    assert all(line + "\n" in ROWS for chunk in others for line in chunk.text.splitlines())


def test_a_table_in_a_chapter_stands_under_both() -> None:
    """The headings first, then the header of the table."""
    rows = "".join(f"| {row.strip().replace(',', ' | ')} |\n" for row in ROWS)
    text = f"# Costs\n\n{sentences(1)}\n\n| date | payee | what for | amount |\n|---|---|---|---|\n{rows}"
    first, *others = cut(text, tokens_max=60)
    assert first.heading == "Costs"
    assert {chunk.heading for chunk in others} == {"Costs > date | payee | what for | amount"}


def test_a_row_that_is_repeated_is_whole() -> None:
    """The overlap of a table is rows."""
    text = "date,payee,what for,amount\n" + "".join(ROWS)
    chunks = cut(text, "text", tokens_max=80, overlap=30)
    assert all(one.end > other.start for one, other in pairwise(chunks))
    assert all(line + "\n" in ROWS for chunk in chunks[1:] for line in chunk.text.splitlines())


def test_a_turn_longer_than_a_passage_is_cut_at_its_sentences() -> None:
    """Its parts are told whose it is."""
    text = f"Ann: {sentences(1)}\nBob: {sentences(6)}\nAnn: so it is\nBob: so it is\n"
    chunks = cut(text, "text", tokens_max=25)
    inner = [chunk for chunk in chunks if not chunk.text.startswith(("Ann", "Bob"))]
    assert inner and all(chunk.heading == "Bob:" for chunk in inner)
    assert all(chunk.text.startswith("Sentence number") for chunk in inner)


def test_nothing_is_repeated_across_a_heading() -> None:
    """A passage says nothing of the section before it."""
    text = f"# One\n{sentences(3)}\n# Two\n{sentences(3)}\n"
    chunks = cut(text, tokens_max=40, overlap=20)
    assert all(one.end <= other.start for one, other in pairwise(chunks) if one.heading != other.heading)


def test_a_passage_stands_on_the_page_where_it_begins() -> None:
    """Pages are looked up by offset; before the first there is none."""
    text = "\n\n".join(sentences(2, number) for number in range(3))
    found = atoms(text, "text")
    starts = [text.index(f"Sentence number {number} ") for number in range(4)]
    pages = [(starts[1], 7), (starts[3], 9)]
    chunks = pack(text, found, words(text, found), 20, 0, pages)
    assert [chunk.page for chunk in chunks] == [None, 7, 7]
    assert {chunk.page for chunk in pack(text, found, words(text, found), 20, 0)} == {None}


def test_a_piece_that_is_too_long_is_refused() -> None:
    """It is the caller's to split it first, since only the caller can count again."""
    with pytest.raises(ValueError, match="resplit"):
        pack("word", [Atom(0, 4, Break.SECTION, ())], [17], 16, 0)


def test_pieces_without_tokens_do_not_make_an_endless_passage() -> None:
    """A megabyte of marks that the tokenizer drops is many passages."""
    text = "� " * 500_000
    found = atoms(text, "text")
    assert len(pack(text, found, [0] * len(found), 200, 20)) > 10


@pytest.mark.data
@pytest.mark.skipif(not SYNTHETIC.exists(), reason="needs ../shared/data beside the checkout")
@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("one_line_5MB.txt", "text"),
        ("no_spaces_2MB.txt", "text"),
        ("single_grapheme_zalgo.txt", "text"),
        ("deep_list.md", "markdown"),
        ("deep_blockquote.md", "markdown"),
        ("deep_brackets.md", "markdown"),
        ("unclosed_fence.md", "markdown"),
        ("frontmatter_unterminated.md", "markdown"),
        ("huge_table.md", "markdown"),
        ("deep.json", "code"),
    ],
)
def test_hostile_texts_are_cut_like_any_other(name: str, kind: Kind) -> None:
    """A line of five megabytes, a word of two, nesting fifty thousand deep: whole, and within the budget."""
    text = clean(decode((SYNTHETIC / name).read_bytes()))
    found = atoms(text, kind)
    counts = [min(200, (atom.end - atom.start) // 4) for atom in found]
    chunks = pack(text, found, counts, 200, 20)
    assert sum(len(chunk.text) for chunk in chunks) >= len("".join(text.split()))
    assert all(chunk.token_count <= 200 for chunk in chunks)
    assert len(found) <= 1000 + len(text) // 16
