"""The few lines of a passage that are shown."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pi_rag.cli.snippet import LINES_MAX, WIDTH, ending, snippet, whole, words

LONG = "filler " * 200 + "the boiler was serviced " + "filler " * 200


def test_a_short_passage_is_shown_whole() -> None:
    """Nothing is cut that fits."""
    assert snippet("The boiler\n was   serviced.", ["boiler"]) == ["The boiler was serviced."]


def test_a_long_passage_is_shown_around_the_words() -> None:
    """The reader sees why it was found, and that there is more on both sides."""
    shown = " ".join(snippet(LONG, ["boiler"]))
    assert "the boiler was serviced" in shown
    assert shown.startswith("… ")
    assert shown.endswith("…")


def test_a_long_passage_is_shown_where_its_rare_words_are() -> None:
    """A row of a table that has the number asked for, and not the first one, which has the other words."""
    rows = " ".join(f"row {number} of the herons in the reeds;" for number in range(60))
    shown = " ".join(snippet(rows, words("which of the herons in the row 47")))
    assert "row 47 of the herons" in shown
    assert snippet(rows, words("the herons"))[0].startswith("row 0 of")


def test_the_word_that_a_long_passage_was_found_by_is_shown_wherever_it_stands() -> None:
    """None is cut off at the end of the last line."""
    hidden = [
        at
        for at in range(300, 500)
        if "thermostats"
        not in " ".join(
            snippet("reeds " * (at // 6) + "-" * (at % 6) + " thermostats" + " tail" * 99, ["thermostats"])
        )
    ]
    assert hidden == []


def test_a_long_passage_without_the_words_is_shown_from_its_start() -> None:
    """Found by meaning alone: its beginning is the best guess."""
    assert snippet("Start. " + LONG, ["heating"])[0].startswith("Start.")


@given(st.text(max_size=3000), st.lists(st.text(max_size=10), max_size=3))
def test_a_snippet_is_never_more_than_a_few_lines(text: str, wanted: list[str]) -> None:
    """Whatever the passage: bounded lines of bounded width, from the passage's own words."""
    shown = snippet(text, wanted)
    assert len(shown) <= LINES_MAX
    assert all(len(line) <= WIDTH for line in shown)


def test_what_stands_before_a_passage_is_shown_up_to_it() -> None:
    """Its end is what leads to the passage; its beginning is cut off, and that is seen."""
    lines = ending("Far away. " + LONG + "so that is why:")
    assert lines[0].startswith("… ")
    assert lines[-1].endswith("so that is why:")
    assert "Far away" not in " ".join(lines)
    assert ending("Just this.") == ["Just this."]
    assert ending("") == []


@given(st.text(max_size=3000))
def test_an_ending_is_never_more_than_a_few_lines(text: str) -> None:
    """Whatever the text: bounded lines of bounded width."""
    shown = ending(text)
    assert len(shown) <= LINES_MAX
    assert all(len(line) <= WIDTH for line in shown)


def test_a_whole_passage_keeps_its_lines() -> None:
    """Code keeps its shape, and a terminal still obeys none of it."""
    assert whole("\ndef f():\r\n    return 1\x1b[2J\n\n") == ["def f():", "    return 1\ufffd[2J"]


def test_the_words_of_a_query_are_those_worth_marking() -> None:
    """Each once, without quotes and single letters."""
    assert words('Boiler "E-104" a boiler OR don\'t') == ["boiler", "e-104", "or", "don't"]
