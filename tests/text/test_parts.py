"""Where a memory's text is cut."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pi_rag.text.parts import TOKENS_MAX, parts, tokens

TURN = "Wolfgang: The boiler showed E-104 again this morning, so I called the plumber about it.\n"


def test_a_fact_is_one_part() -> None:
    """Without the blanks around it; and of blanks alone there is none."""
    assert parts("  The boiler is off. ") == [(2, 20)]
    assert parts(" \n ") == parts("") == []
    assert parts(TURN * 2) == [(0, len(TURN) * 2 - 1)]


def test_a_long_event_is_cut_between_its_turns() -> None:
    """Each part begins where somebody begins to speak."""
    text = TURN * 60
    cut = parts(text)
    assert len(cut) > 3
    assert all(text[start:end].startswith("Wolfgang: ") for start, end in cut)


@given(st.text(max_size=3000))
def test_nothing_is_lost_and_no_part_is_too_long(text: str) -> None:
    """Whatever the text is: every character that is not blank is in a part."""
    cut = parts(text)
    covered = {place for start, end in cut for place in range(start, end)}
    assert all(place in covered for place, letter in enumerate(text) if not letter.isspace())
    assert all(tokens(text[start:end]) <= TOKENS_MAX for start, end in cut)


def test_a_word_without_end_is_cut() -> None:
    """It has more tokens than a part may have, and no place to cut."""
    assert len(parts("x" * 20_000)) > 5


def test_tokens_are_guessed_as_word_pieces_are_made() -> None:
    """Short words and signs are one each, a long word one for each four letters, a number for each two."""
    assert tokens("the boiler, E104") == 6
    assert tokens("antidisestablishment") == 5
    assert tokens("天気 ok") == 3
