"""Waiting ends, and who is told to come again comes again."""

from __future__ import annotations

import pytest

from pi_rag.errors import Busy, ServiceDown
from pi_rag.stress.patience import asked, until


class Gives:
    """One after the other; the last again and again."""

    def __init__(self, *what: object) -> None:
        self.left = list(what)

    def __call__(self) -> object:
        given = self.left.pop(0) if len(self.left) > 1 else self.left[0]
        if isinstance(given, Exception):
            raise given
        return given


def test_waiting_ends_in_time_and_takes_no_error_for_true() -> None:
    """Of a service that is not there, nothing is true; what comes true is seen, in no time too."""
    assert until(Gives(ServiceDown("It is away."), False, True), 30.0, 0.0)
    assert until(Gives(True), 0.0)
    assert not until(Gives(ServiceDown("It is away.")), 0.01, 0.0)


def test_who_is_refused_for_a_moment_asks_again() -> None:
    """The answer counts, and not that there was none before."""
    assert asked(Gives(Busy("One moment."), Busy("One moment."), "told"), look_s=0.0) == "told"


def test_a_last_word_is_taken_for_one() -> None:
    """Other errors come at once, and a refusal that does not end comes in the end."""
    with pytest.raises(ServiceDown):
        asked(Gives(ServiceDown("It is away."), "told"))
    with pytest.raises(Busy):
        asked(Gives(Busy("One moment.")), 0.0)
