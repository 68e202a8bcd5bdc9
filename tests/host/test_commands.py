"""Programs of the system that answer, fail, hang or are not there."""

from __future__ import annotations

import pytest

from pi_rag.host.commands import said


def test_a_program_says_its_line_in_the_language_of_no_country() -> None:
    """What it prints can be relied on to be the same everywhere."""
    assert said("sh", "-c", "echo $LC_ALL") == "C"


@pytest.mark.parametrize(
    "command", [("no-such-program-here",), ("false",), ("sh", "-c", "echo half; exit 3"), ("a\0b",)]
)
def test_one_that_fails_says_nothing(command: tuple[str, ...]) -> None:
    """Missing, failed, failed after half a line, no name of a program."""
    assert said(*command) == ""


def test_one_that_hangs_is_ended() -> None:
    """Within the limit, and not waited for."""
    assert said("sleep", "60", answer_s_max=0.1) == ""
