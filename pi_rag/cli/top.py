"""`pi-rag top`: a screen that lives, of how the service is now and was in the last minutes.

A thread asks the service; this one draws, and listens to keys. `rich` is imported only when it is run.
"""

from __future__ import annotations

import os
import queue
import select
import signal
import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from pi_rag.cli import printing
from pi_rag.cli.figures import History, Look, stages_of
from pi_rag.cli.parsing import columns
from pi_rag.cli.polling import Polling, Said
from pi_rag.cli.reach import client_of, settings_of
from pi_rag.client import Client
from pi_rag.clock import Clock, SystemClock
from pi_rag.errors import PiRagError, RequestInvalid

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

DESCRIPTION = """\
Searches and passages a second, latencies, caches, workers, memory against its budget, jobs,
temperature and alerts, each main number with a curve of the last five minutes. Of each stage of a
search or a document it shows p50/p95: half of them, and 19 of 20, took no longer, in ms. It goes on
when the service is restarted. Keys: q ends it, p pauses adding and lets it go on. Where there is no
terminal it prints one screen and ends, as with --once; with --json the figures of one look.
"""

EXAMPLES = """\
  pi-rag top
  pi-rag top --once
  pi-rag top --interval 5
  pi-rag top --json
"""

INTERVAL_S_MIN = 0.1
KEYS = "q quit   p pause or resume adding"
LINES_NO_TERMINAL = 1000
"""Of a screen that goes into a pipe."""


def configure(parser: ArgumentParser) -> None:
    """How often, and how long."""
    parser.add_argument("--once", action="store_true", help="print one screen and end")
    parser.add_argument(
        "--interval", type=float, default=2.0, metavar="S", help="seconds between two looks (2)"
    )


def run(args: Namespace) -> int:
    """Show it until q. Raises RequestInvalid; with --once also ServiceDown."""
    if not args.interval >= INTERVAL_S_MIN:
        raise RequestInvalid(f"--interval must be at least {INTERVAL_S_MIN:g} seconds.")
    client = client_of(settings_of(args))
    if args.json:
        printing.as_json(_looked_twice(client, args.interval, SystemClock()).as_object())
    elif args.once or not sys.stdout.isatty():
        _print_once(_looked_twice(client, args.interval, SystemClock()))
    else:
        _Screen(client, args.interval, SystemClock()).live()
    return 0


def looked(client: Client) -> dict[str, Any]:
    """The status, and the page of numbers for Prometheus where the service has one."""
    answer = {"status": client.status(), "metrics": ""}
    with suppress(PiRagError):
        answer["metrics"] = client.metrics()
    return answer


def _remembered(history: History, answer: dict[str, Any], clock: Clock) -> None:
    history.add(Look(clock.monotonic_s(), answer["status"], stages_of(answer["metrics"])))


def _looked_twice(client: Client, interval_s: float, clock: Clock) -> History:
    """A rate is a difference of two."""
    history = History()
    _remembered(history, looked(client), clock)
    time.sleep(interval_s)
    _remembered(history, looked(client), clock)
    return history


def _print_once(history: History) -> None:
    from rich.console import Console

    from pi_rag.cli.screen import frame

    console = Console(width=columns(), highlight=False)
    for line in frame(history, console.width, LINES_NO_TERMINAL):
        console.print(line, no_wrap=True, overflow="ignore", crop=False)


class _Screen:
    """The live one."""

    def __init__(self, client: Client, interval_s: float, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._history = History()
        self._trouble = self._notice = ""
        self._said: queue.SimpleQueue[Said] = queue.SimpleQueue()
        self._polling = Polling(partial(looked, client), self._hear, every_s=interval_s)
        self._is_over = False
        self._wake_out, self._wake_in = os.pipe()
        os.set_blocking(self._wake_in, False)

    def live(self) -> None:
        """Until q, SIGTERM or Ctrl-C; the terminal is then as it was."""
        from rich.console import Console
        from rich.live import Live

        console = Console(highlight=False)
        with ExitStack() as stack:
            stack.enter_context(_signals({signal.SIGTERM: self._end, signal.SIGWINCH: self._wake}))
            keys = stack.enter_context(_keys())
            live = stack.enter_context(
                Live(self._frame(console), console=console, screen=True, auto_refresh=False)
            )
            self._polling.start()
            while not self._is_over:
                live.update(self._frame(console), refresh=True)
                self._wait(keys)

    def _frame(self, console: Console) -> Text:
        from rich.text import Text

        from pi_rag.cli.screen import frame

        width, height = console.size
        return Text("\n").join(
            frame(self._history, width, height, trouble=self._trouble, keys=self._notice or KEYS)
        )

    def _wait(self, keys: int | None) -> None:
        """For a key, an answer, or another size of the terminal."""
        ready, _, _ = select.select([self._wake_out, *([] if keys is None else [keys])], [], [])
        if self._wake_out in ready:
            os.read(self._wake_out, 4096)
        if keys is not None and keys in ready:
            self._pressed(os.read(keys, 64))
        with suppress(queue.Empty):
            while True:
                self._told(self._said.get_nowait())

    def _pressed(self, keys: bytes) -> None:
        # Nothing at all: whoever typed has gone.
        if not keys or b"q" in keys:
            self._end()
        self._notice = ""
        if b"p" in keys:
            self._polling.order(partial(self._steer, "resume" if self._is_paused() else "pause"))

    def _is_paused(self) -> bool:
        last = self._history.last
        waiting_for = (last.status.get("ingest") or {}).get("waiting_for") if last else None
        return waiting_for in {"paused", "safe_mode"}

    def _steer(self, what: str) -> None:
        """Pause or resume, in the thread that asks; the next look shows it."""
        try:
            self._client.steer_jobs(what)
        except PiRagError as error:
            self._notice = error.message

    def _told(self, said: Said) -> None:
        if isinstance(said, PiRagError):
            self._trouble = said.message
        elif isinstance(said, Exception):
            raise said
        else:
            self._trouble = ""
            _remembered(self._history, said, self._clock)

    def _hear(self, said: Said) -> None:
        """From the thread that asks."""
        self._said.put(said)
        self._wake()

    def _end(self) -> None:
        self._is_over = True
        self._wake()

    def _wake(self) -> None:
        with suppress(BlockingIOError):
            os.write(self._wake_in, b".")


@contextmanager
def _signals(handlers: dict[signal.Signals, Any]) -> Iterator[None]:
    """Within it these are called; then it is as it was."""
    before = {number: signal.signal(number, lambda *_, act=act: act()) for number, act in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _keys() -> Iterator[int | None]:
    """Where keys can be read one by one, unseen; None without a terminal. It is then as it was."""
    if not sys.stdin.isatty():
        yield None
        return
    import termios
    import tty

    fd = sys.stdin.fileno()
    before = termios.tcgetattr(fd)
    try:
        tty.setcbreak(fd)
        yield fd
    finally:
        termios.tcsetattr(fd, termios.TCSADRAIN, before)
