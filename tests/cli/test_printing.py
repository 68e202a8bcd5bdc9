"""What is printed: nothing that a terminal would obey, figures that people read."""

from __future__ import annotations

import io
import shutil
import subprocess
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pi_rag.cli import printing


class Terminal(io.StringIO):
    """A text stream that says it is a terminal."""

    def isatty(self) -> bool:
        """Yes."""
        return True


@given(st.text(st.characters()))
def test_no_text_of_a_stranger_reaches_the_terminal_as_a_command(text: str) -> None:
    """Control characters and marks that reorder letters are replaced; the rest stays as it is."""
    shown = printing.plain(text)
    assert len(shown) == len(text.replace("\r\n", "\n"))
    for character in shown:
        assert character in "\t\n" or unicodedata.category(character) != "Cc"
        assert character not in "\u202e\u2066"


def test_one_line_is_one_line() -> None:
    """Line breaks in a title cannot forge a line of ours."""
    assert printing.one_line("a\n\nb\tc  d") == "a b c d"


def test_words_are_marked_only_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole words, whatever their case; nothing at all in a pipe."""
    assert printing.marked("The Boiler", ["boiler"]) == "The Boiler"
    monkeypatch.setattr("sys.stdout", Terminal())
    assert printing.marked("The Boiler, boilers", ["boiler"]) == "The \x1b[1mBoiler\x1b[0m, boilers"
    assert printing.marked("1+1 is (a+b)", ["(a+b"]) == "1+1 is (a+b)".replace("(a+b", "\x1b[1m(a+b\x1b[0m")
    assert printing.styled("x", "bold") == "\x1b[1mx\x1b[0m"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0 s"),
        (3.21, "3.2 s"),
        (59, "59 s"),
        (250, "4 min 10 s"),
        (7500, "2 h 5 min"),
        (273_600, "3 d 4 h"),
    ],
)
def test_spans_are_for_people(seconds: float, text: str) -> None:
    """The two largest units that matter."""
    assert printing.span(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (87 << 20, "87 MiB"), (5000 << 30, "5000 GiB")],
)
def test_sizes_are_for_people(count: int, text: str) -> None:
    """One figure and a unit."""
    assert printing.size(count) == text


def test_counts_have_the_right_noun() -> None:
    """One passage, two passages."""
    assert printing.counted(1, "passage") == "1 passage"
    assert printing.counted(1200, "passage") == "1,200 passages"
    assert printing.counted(2, "process", "processes") == "2 processes"


def test_columns_are_as_wide_as_they_need(capsys: pytest.CaptureFixture[str]) -> None:
    """The last column has no end, and no line has blanks at its end."""
    printing.table([("a", "long", "x"), ("bcd", "e", "")])
    printing.table([])
    assert capsys.readouterr().out == "a    long  x\nbcd  e\n"


def test_a_stamp_that_is_missing_is_a_dash() -> None:
    """Nobody's answer can break the table."""
    assert printing.stamp(None) == "-"
    assert printing.stamp(0)[:3] in {"196", "197"}


@pytest.mark.skipif(not shutil.which("bash"), reason="bash is what a person types into on a Pi")
@given(names=st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0")), max_size=9))
@settings(max_examples=20)
def test_a_command_that_is_shown_is_what_a_shell_takes(names: list[str]) -> None:
    """Whatever a stranger called his file: the shell gives our program the very name, and the terminal obeys
    nothing of it."""
    names = [*names, "two  blanks", "a\nb", "it's\x1b[2J7", "back\\slash", "\u202e'"]
    shown = printing.typed("sources", *names)
    assert shown == printing.plain(shown)
    assert "\n" not in shown
    as_taken = f"pi-rag() {{ printf '%s\\0' \"$@\"; }}; {shown}"
    told = subprocess.run(["bash", "-c", as_taken], capture_output=True, check=True).stdout
    assert told.decode().split("\0")[:-1] == ["sources", *names]
