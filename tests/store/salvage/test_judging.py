"""Whether a document is what it was: what is stored twice says so."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pi_rag.store.duplicates import copy_hash
from pi_rag.store.salvage.judging import GAP, Passage, judge

TEXTS = ["The boiler is in the cellar.", "It was serviced in May.", "The valve is new."]
TEXT = "\n\n".join(TEXTS)


def passages() -> list[Passage]:
    """Those of TEXT."""
    found, at = [], 0
    for seq, text in enumerate(TEXTS):
        found.append(Passage(10 + seq, seq, at, at + len(text), text, copy_hash(text)))
        at += len(text) + 2
    return found


def test_what_agrees_is_whole() -> None:
    """Text and passages say the same."""
    found = judge(TEXT, len(TEXT), 3, passages())
    assert (found.state, found.text, found.lacks_passages) == ("whole", TEXT, False)


@given(st.integers(0, len(TEXT) - 1), st.integers(0, 6))
def test_one_flipped_bit_of_the_text_is_mended_or_told(at: int, bit: int) -> None:
    """Wherever it is; only in the space between passages can it go unseen."""
    damaged = TEXT[:at] + chr(ord(TEXT[at]) ^ 1 << bit) + TEXT[at + 1 :]
    found = judge(damaged, len(TEXT), 3, passages())
    between = not any(each.start <= at < each.end for each in passages())
    assert found.text == TEXT or found.state == "altered" or found.lacks_passages or between
    assert found.state != "whole" or found.text == TEXT or between


@given(st.sampled_from([0, 1, 2]), st.integers(0, 16), st.integers(0, 6))
def test_one_flipped_bit_of_a_passage_changes_no_text(seq: int, at: int, bit: int) -> None:
    """The document's own text is right, and the passage becomes what stands there, or both are told."""
    given_passages = passages()
    text = given_passages[seq].text
    text = text[:at] + chr(ord(text[at]) ^ 1 << bit) + text[at + 1 :]
    given_passages[seq] = replace(given_passages[seq], text=text)
    found = judge(TEXT, len(TEXT), 3, given_passages)
    assert found.text == TEXT
    assert [each.text for each in found.passages] == TEXTS
    assert found.state in ("whole", "altered")


@pytest.mark.parametrize(("seen", "unseen"), [("Thf", "BOiler"), ("ms in", "is\tin")])
def test_what_the_hash_does_not_tell_is_told_where_both_are_damaged(seen: str, unseen: str) -> None:
    """A flipped bit in the text, and in its passage one of case or space: nobody knows which is right."""
    first, *others = passages()
    there = first.text.replace(unseen.lower().replace("\t", " "), unseen)
    text = seen + TEXT[3:] if len(seen) == 3 else TEXT.replace("is in", seen, 1)
    found = judge(text, len(TEXT), 3, [replace(first, text=there), *others])
    assert (found.state, found.lacks_passages) == ("altered", True)


def test_a_passage_out_of_its_place_does_not_write_over_the_text() -> None:
    """It is left out, and the document cut anew."""
    first, second, third = passages()
    found = judge(TEXT, len(TEXT), 3, [first, replace(second, start=second.start + 16), third])
    assert (found.state, found.text, found.lacks_passages) == ("whole", TEXT, True)


def test_a_text_that_is_gone_is_joined_from_its_passages() -> None:
    """As it was but for the kind of space between them, which is line breaks here."""
    assert judge(None, len(TEXT), 3, passages()).text == TEXT
    assert judge(None, len(TEXT), 3, passages()).state == "joined"


@pytest.mark.parametrize("gone", [0, 1, 2])
def test_where_a_passage_is_gone_too_a_mark_stands(gone: int) -> None:
    """So that nobody takes it for the whole."""
    left = [each for each in passages() if each.seq != gone]
    found = judge(None, len(TEXT), 3, left)
    assert found.state == "cut"
    assert GAP.strip() in found.text
    assert all(each.text in found.text for each in left)


def test_with_neither_there_is_nothing() -> None:
    """It is lost, and is said to be."""
    assert judge(None, 100, 3, []).state == "gone"


def test_a_wrong_count_of_characters_is_not_believed_against_all_passages() -> None:
    """The number is what is damaged."""
    assert judge(TEXT, len(TEXT) + 64, 3, passages()).state == "whole"
