"""How far a job is: a bar on a terminal, a line now and then elsewhere, always on standard error.

`Pace` is the thinking: rates and the time left from what was measured. `rich` is imported only for the bar.
"""

from __future__ import annotations

import contextlib
import sys
from collections import deque
from collections.abc import Iterator
from typing import Any, Protocol

from pi_rag.cli.printing import counted, plain, span
from pi_rag.clock import Clock

WINDOW_S = 30.0
"""The rate is the mean of this long: steady beside one large document, and soon true when it changes."""

ENDED = ("done", "unchanged", "refused", "failed", "cancelled")
"""The counts of a job that are of documents nothing more happens to."""

WORKED_ON = ("done", "failed")
"""Those that took their time. What a folder has that is unchanged or not taken is counted at one moment, when
the folder is listed, which says nothing of how long the others take."""

LINE_S = 5.0
"""Between two lines where there is no terminal, so that a log is not flooded."""


class Progress(Protocol):
    """Somewhere to show a job."""

    def show(self, job: dict[str, Any]) -> None:
        """Show how far it is."""
        ...

    def say(self, text: str) -> None:
        """Show a line that stays."""
        ...


class Pace:
    """How fast a job goes, from its figures over the last WINDOW_S."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int, int]] = deque()

    def figures(self, job: dict[str, Any], now_s: float) -> str:
        """'34/120 documents, 512 passages, 12.3 passages/s, 1 min 5 s left'."""
        self.sample(job, now_s)
        finished, total = self.how_far(job)
        passages = counted(int(job.get("chunks") or 0), "passage")
        parts = [f"{finished:,}/{counted(total, 'document')}", passages]
        documents_s, chunks_s = self.rates()
        parts += [f"{chunks_s:.1f} passages/s"] if chunks_s else []
        # The total still grows while folders are being walked; a time left from it would only mislead.
        parts += (
            [f"{span((total - finished) / documents_s)} left"] if documents_s and finished < total else []
        )
        return ", ".join(parts)

    def how_far(self, job: dict[str, Any]) -> tuple[int, int]:
        """(finished, total) of its documents."""
        return _count(job, ENDED), int(job.get("items_total") or 0)

    def sample(self, job: dict[str, Any], now_s: float) -> None:
        """Remember how far the job is now, for the rates."""
        self._samples.append((now_s, _count(job, WORKED_ON), int(job.get("chunks") or 0)))
        while self._samples[0][0] < now_s - WINDOW_S:
            self._samples.popleft()

    def rates(self) -> tuple[float, float]:
        """(documents, passages) per second; 0 while nothing can be said."""
        (first_s, worked_0, chunks_0), (last_s, worked, chunks) = self._samples[0], self._samples[-1]
        if last_s <= first_s:
            return 0.0, 0.0
        return (worked - worked_0) / (last_s - first_s), (chunks - chunks_0) / (last_s - first_s)


def _count(job: dict[str, Any], names: tuple[str, ...]) -> int:
    return sum(int(job.get(f"items_{name}") or 0) for name in names)


@contextlib.contextmanager
def progress(clock: Clock, *, quiet: bool, pace: Pace | None = None) -> Iterator[Progress]:
    """The bar, the lines, or nothing at all when a program reads the answer."""
    if quiet:
        yield _Nothing()
    elif sys.stderr.isatty():
        with _bar() as bar:
            yield _Bar(bar, clock, pace or Pace())
    else:
        yield Lines(clock, pace or Pace())


class _Nothing:
    def show(self, job: dict[str, Any]) -> None:
        """Show nothing."""

    def say(self, text: str) -> None:
        """Say nothing."""


class Lines:
    """A plain line every LINE_S."""

    def __init__(self, clock: Clock, pace: Pace | None = None) -> None:
        self._clock = clock
        self._pace = pace or Pace()
        self._next_s = clock.monotonic_s() + LINE_S

    def show(self, job: dict[str, Any]) -> None:
        """Print the figures when it is time."""
        now_s = self._clock.monotonic_s()
        figures = self._pace.figures(job, now_s)
        if now_s >= self._next_s:
            self._next_s = now_s + LINE_S
            self.say(figures)

    def say(self, text: str) -> None:
        """Print a line."""
        print(plain(text), file=sys.stderr, flush=True)


def _bar() -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as RichProgress

    # It is drawn when a job is asked for, several times a second; a thread of its own is not needed.
    columns = (BarColumn(bar_width=28), TextColumn("{task.description}", markup=False))
    return RichProgress(*columns, console=Console(stderr=True), transient=True, auto_refresh=False)


class _Bar:
    """A bar that is redrawn in place."""

    def __init__(self, bar: Any, clock: Clock, pace: Pace) -> None:
        self._bar = bar
        self._clock = clock
        self._pace = pace
        self._task = bar.add_task("", total=None)

    def show(self, job: dict[str, Any]) -> None:
        """Redraw it."""
        finished, total = self._pace.how_far(job)
        figures = self._pace.figures(job, self._clock.monotonic_s())
        self._bar.update(
            self._task, completed=finished, total=total or None, description=figures, refresh=True
        )

    def say(self, text: str) -> None:
        """Print a line above the bar."""
        self._bar.console.print(plain(text), markup=False, highlight=False)
