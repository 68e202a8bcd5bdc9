"""What keeps two texts apart whose vectors lie together."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pi_rag.text.contrast import Contrast, contrasts, same_words, surely_differ

SENTENCES = st.lists(
    st.sampled_from(
        "the Ann Bob is on off not 7 8 1,000 kg notes/a.md api_key Tuesday may red likes 不 don't".split()
    ),
    max_size=12,
).map(" ".join)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("The boiler is on.", "the boiler is  ON"),
        ("She doesn't eat meat", "She does not eat meat"),
        ("We use pnpm for the web project", "For the web project, pnpm is what we use"),
        ("The invoice is due 22 November 2026", "The invoice is due on 2026-11-22"),
        ("Has two dogs", "Has 2 dogs"),
        ("Bob works from home on Fridays.", "On Fridays Bob works from home."),
        ("Backups run every night.", "Every night, backups run."),
        ("The valve opens if the pump fails", "If the pump fails, the valve opens"),
        ("The flat costs 1,000 euros", "The flat costs 1000 euros"),
        ("Breakfast is at 07:30", "Breakfast is at 7:30"),
        ("The user prefers dark mode", "The user likes dark themes best of all"),
    ],
)
def test_two_ways_to_say_one_thing_do_not_differ(one: str, other: str) -> None:
    """What says the same in other words may be merged."""
    assert contrasts(one, other) == set()


@pytest.mark.parametrize(
    ("one", "other", "kind"),
    [
        ("The meeting is at 7", "The meeting is at 8", "numbers"),
        ("Bin day is Tuesday", "Bin day is Thursday", "numbers"),
        ("It weighs 5 kg", "It weighs 5 g", "numbers"),
        ("It is -5 degrees", "It is 5 degrees", "numbers"),
        ("It opens at 8 am", "It opens at 8 pm", "numbers"),
        ("Due on 2026-11-22", "Due on 22 November 2027", "numbers"),
        ("Has two dogs", "Has three dogs", "numbers"),
        ("The boiler is on", "The boiler is off", "negation"),
        ("She does not eat meat", "She eats meat", "negation"),
        ("Likes tea, not coffee", "Likes coffee, not tea", "negation"),
        ("The service is available", "The service is unavailable", "negation"),
        ("Die Heizung läuft nicht", "Die Heizung läuft", "negation"),
        ("灯不亮", "灯亮", "negation"),
        ("Ann likes tea", "Bob likes tea", "names"),
        ("The config lives in /etc/a.conf", "The config lives in /etc/b.conf", "names"),
        ("Deploy with `make deploy`", "Deploy with `make release`", "names"),
        ("The code is aB3x", "The code is AB3X", "names"),
        ("Ann owes Bob money", "Bob owes Ann money", "order"),
        ("Drive from 3 to 5", "Drive from 5 to 3", "order"),
        ("If the pump fails, the valve opens", "If the valve opens, the pump fails", "order"),
        ("The dog chased the cat", "The cat chased the dog", "order"),
        ("The car is red", "The car is blue", "words"),
        ("The boiler was serviced", "The boiler was serviced in 2024", "detail"),
    ],
)
def test_what_must_not_be_merged_is_told_apart(one: str, other: str, kind: Contrast) -> None:
    """A number, a name, a denial or a word that differs is seen, and said by its kind."""
    assert kind in contrasts(one, other)


@given(SENTENCES, SENTENCES)
@example("Ann on Ann Ann", "Ann Ann the the the Ann")
def test_it_is_the_same_either_way_round(one: str, other: str) -> None:
    """Which of the two was there first makes no difference."""
    assert contrasts(one, other) == contrasts(other, one)


@given(st.text(max_size=200))
def test_nothing_differs_from_itself(text: str) -> None:
    """A text may always stand for itself, however it is spaced."""
    assert contrasts(text, f"  {text}\n") == set()


@given(SENTENCES, st.integers(10, 10**6))
def test_another_number_is_always_seen(sentence: str, number: int) -> None:
    """Whatever stands around it, one number is not taken for another."""
    assert "numbers" in contrasts(f"{sentence} count {number}", f"{sentence} count {number + 1}")


@given(SENTENCES)
def test_one_denial_more_is_always_seen(sentence: str) -> None:
    """A text is never merged with what denies it."""
    assert "negation" in contrasts(f"{sentence} it never rains", f"{sentence} it rains")


@given(st.text(max_size=100))
def test_the_form_of_the_same_words_is_final(text: str) -> None:
    """The form of a form is itself, so it may be stored and compared."""
    assert same_words(same_words(text)) == same_words(text)


def test_a_code_keeps_its_capitals_and_a_question_its_mark() -> None:
    """Two codes, and a question and its answer, are not the same words."""
    assert same_words("Use KEY ab3X!") == "use key ab3X"
    assert same_words("Is it on?") != same_words("Is it on.")


NUMBERS = """
    the Ann is 1 13 20 35 135 1,000 1000 07:30 20.5 2026 2026-11-22 22 November May 20kg `20` twenty one
    -20 (20) 20/11/2026 ٢٠ € Nov
"""
NUMBERED = st.lists(st.sampled_from(NUMBERS.split()), max_size=8).map(" ".join)


@given(NUMBERED, NUMBERED)
@example("It drew 35 litres on 22 November", "It drew 14 litres on 22 November")
def test_what_surely_differs_is_told_apart(one: str, other: str) -> None:
    """The short way is never wrong where it says something, and says it either way round."""
    if surely_differ(one, other):
        assert contrasts(one, other) & {"numbers", "detail"}
    assert surely_differ(one, other) == surely_differ(other, one)


def test_another_number_is_seen_the_short_way() -> None:
    """As in what a machine says again and again; small ones are left to the long way."""
    line = "On day {} of the year the pump drew 35 litres."
    assert surely_differ(line.format(20), line.format(21))
    assert not surely_differ(line.format(20), line.format(20))
    assert not surely_differ(line.format(7), line.format(8))
