"""The benchmark of a backup says nothing rather than something wrong."""

from __future__ import annotations

import os
from typing import Any

import pytest

from benchmarks import backup
from pi_rag.errors import Busy, ServiceDown


class Client:
    """Answers, or raises what it is told to."""

    def __init__(self, search: Exception | None = None, write: Exception | None = None) -> None:
        self._search, self._write = search, write

    def search(self, query: str) -> dict[str, Any]:
        """Of one guest."""
        if self._search:
            raise self._search
        return {"hits": []}

    def add_documents(self, documents: list[dict[str, Any]]) -> dict[str, Any]:
        """Of the other."""
        if self._write:
            raise self._write
        return {}


class Service:
    """As much of a RunningService as a window looks at."""

    def __init__(self, client: Client, pid: int = os.getpid()) -> None:
        self.client, self.pid = client, pid


def seen(service: Service) -> backup.Seen:
    """A window without a copy, long enough for a note."""
    told = backup.Seen()
    backup._window(service, told, 0.5, lambda: None)  # type: ignore[arg-type]
    return told


@pytest.mark.parametrize(
    "service",
    [
        Service(Client(search=ServiceDown("It stops."))),
        Service(Client(write=ServiceDown("It stops."))),
        Service(Client(), pid=2**22 + 1),
    ],
    ids=["who searches", "who writes", "who looks at the memory"],
)
def test_a_guest_that_ends_early_ends_the_measurement(service: Service) -> None:
    """What ended it is raised when the window is over."""
    with pytest.raises((ServiceDown, FileNotFoundError)):
        seen(service)


def test_a_guest_that_is_turned_away_comes_again() -> None:
    """A write beside a copy may be told to come later, and is no figure then."""
    told = seen(Service(Client(write=Busy("Later."))))
    assert told.search_ms and told.write_ms == []
    assert seen(Service(Client())).write_ms


def test_a_window_without_a_search_is_no_measurement() -> None:
    """A ratio to nothing is refused in words."""
    none, some = backup._row("quiet", backup.Seen()), backup._row("backup", backup.Seen(search_ms=[3.0]))
    assert backup._ratio("search_p95_ms", some, some) == 1.0
    for beside, quiet in ((some, none), (none, some)):
        with pytest.raises(ValueError, match="--seconds"):
            backup._ratio("search_p95_ms", beside, quiet)
