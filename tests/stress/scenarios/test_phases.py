"""Phases of more and more clients: each is looked at, or told as not looked at."""

from __future__ import annotations

from typing import cast

from pi_rag.stress import ending
from pi_rag.stress.scenarios import clients
from pi_rag.stress.types import Stage

from .staging import Said, Timed


class House(Timed):
    """A stage on which starting a crowd takes so long."""

    def __init__(self, seconds: float, starts_s: float = 0.0, codes: tuple[str, ...] = ("",)) -> None:
        super().__init__(seconds)
        self.record.figures["memory_budget_mib"] = 100.0
        self._starts_s, self._codes = starts_s, codes

    def crowd(self, *_: object, **__: object) -> Said:
        self._left_s -= self._starts_s
        return Said({"search": self._codes})


def ran(stage: House) -> dict[str, bool | None]:
    clients.run(cast("Stage", stage))
    return {name: kept for name, kept in stage.kept.items() if not name.startswith("memory")}


PROMISES = {f"{each} clients: no error but busy" for each in (1, 5, 20, 50)} | {
    f"{each} clients: searches are fast" for each in (20, 50)
}


def test_every_phase_is_looked_at_when_there_is_time() -> None:
    """Also the last one, which ends with the run."""
    assert ran(House(100.0)) == dict.fromkeys(PROMISES, True)


def test_a_phase_without_time_is_told_as_not_looked_at() -> None:
    """No promise is passed over in silence: neither of the one that was cut short, nor of those after it."""
    kept = ran(House(100.0, starts_s=30.0))

    assert kept.keys() == PROMISES
    assert {name for name, is_kept in kept.items() if is_kept} == {
        "1 clients: no error but busy",
        "5 clients: no error but busy",
    }
    assert False not in kept.values()


def test_an_interrupted_run_is_not_said_to_have_had_no_time() -> None:
    """The line of a promise that was not looked at says which of the two it was."""
    over, stopped = House(100.0, starts_s=30.0), House(100.0)
    stopped.stop_at(85.0)
    ran(over)
    ran(stopped)

    name = "50 clients: no error but busy"
    assert (over.seen[name], stopped.seen[name]) == (ending.OVER, ending.INTERRUPTED)


def test_guests_who_asked_nothing_or_got_nothing_have_kept_nothing() -> None:
    """The first shows nothing, the second that nobody was served; of memory nothing was seen."""
    nothing, busy = House(100.0, codes=()), House(100.0, codes=("busy",))

    assert set(ran(nothing).values()) == {None}
    assert set(ran(busy).values()) == {False}
    assert nothing.kept["memory stays within the budget"] is None
