"""Texts are spelled so that FTS5 cuts them where a reader would."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pi_rag.store import spelling


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Boiler Service, 2024.", "boiler service 2024"),
        ("天気予報", "天気 気予 予報 報"),
        ("水", "水"),
        ("飲む、水", "飲む む 水"),
        ("カード and 카드는", "カー ード ド and 카드 드는 는"),
        ("ภาษา", "ภา าษ ษา า"),
        ("မြန်မာ", "မြန် န်မာ မာ"),
        ("नमस्ते दुनिया", "नमस्ते दुनिया"),
        ("ｆｕｌｌ ﬁne Straße", "full fine strasse"),
        ("보일러".encode().decode(), "보일 일러 러"),
        ("boi\u00adler می\u200cخواهم", "boiler میخواهم"),
        ("hi🙂❤\ufe0f", "hi u1f642 u2764"),
        ("C++ and c#, i++", "c plusplus and c sharp i plusplus"),
        (
            "getUserName HTTPServer McDonald",
            "getusername get user name httpserver http server mcdonald mc donald",
        ),
        ("E104 2D p53", "e104 e 104 2d 2 d p53 p 53"),
        ("E-104 snake_case v1.2", "e 104 snake case v1 v 1 2"),
        ("a1b2c3 ABC abc", "a1b2c3 abc abc"),
    ],
)
def test_a_text_becomes_these_words(text: str, words: str) -> None:
    """Words, pairs of letters, symbols by number, names in code with their parts."""
    assert spelling.spelled(text).split() == words.split()


def test_composed_and_decomposed_letters_are_the_same() -> None:
    """macOS gives file names decomposed, Korean ones into single sounds."""
    assert spelling.spelled("\u1107\u1169\u110b\u1175\u11af") == spelling.spelled("보일")
    assert spelling.spelled("cafe\u0301") == spelling.spelled("café")


@given(st.text("天気水보a "))
def test_any_part_of_a_run_begins_a_word(text: str) -> None:
    """So one letter, two or more are found wherever they stand."""
    spelled = spelling.spelled(text).split()
    for run in text.replace("a", " ").split():
        for letter in run:
            assert any(word.startswith(letter) for word in spelled)


@given(st.text(st.characters(exclude_categories=())))
def test_no_word_holds_what_could_end_a_quoted_string(text: str) -> None:
    """No quote, NUL or half of a character can reach FTS5."""
    for word in spelling.spelled(text).split():
        assert not set(word) & set('"\x00')
        word.encode()


@given(st.text(st.characters(exclude_categories=())))
def test_every_letter_of_a_text_stays(text: str) -> None:
    """Spelling adds; what it takes away are marks that cannot be seen."""
    for letter in text:
        if letter.isascii() and letter.isalnum():
            assert letter.casefold() in spelling.spelled(text)
