"""`pi-rag gpio`: a lamp that shows how the service is, and a button, on the pins of a Raspberry Pi.

It is a process of its own and a guest of the service like any other: whatever happens to it or to the pins,
the service does not notice. A thread speaks with the service; this one keeps lamp and button.
"""

from __future__ import annotations

import queue
import signal
import subprocess
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from pi_rag.cli.panel import Panel
from pi_rag.cli.polling import Polling, Said
from pi_rag.cli.printing import one_line
from pi_rag.cli.reach import settings_of
from pi_rag.client import Client
from pi_rag.clock import Clock, SystemClock
from pi_rag.config import GpioSettings, Settings
from pi_rag.errors import PiRagError
from pi_rag.host import gpio
from pi_rag.host.signals import Press, Signal

DESCRIPTION = """\
The lamp shows whether the service is ready, busy, adding, degraded, over its memory budget or gone.
A short press pauses adding, the next one lets it go on; a long press stops the service or the
machine, where the settings say so. Which pins, and what a press does, is set in [gpio];
docs/led.md shows the wiring and every pattern. Where no pins are set there is nothing to do: it
says so and ends well. Pins that are set and cannot be used are exit code 8.
"""

EXAMPLES = """\
  pi-rag gpio
  pi-rag gpio --config /etc/pi-rag/pi-rag.toml
"""

ANSWER_S_MAX = 2.0
"""A service that says nothing for so long is not well, whatever it says later."""

ANSWERED_S = 3.0
"""How long the lamp answers a long press, or says that a press came to nothing."""

SYSTEMCTL_S_MAX = 20.0

STOPS = {
    "service": ("--no-block", "stop", "pi-rag.socket"),
    "machine": ("poweroff",),
}
"""What systemctl is asked for. The service goes with its socket; else the next guest would start it again."""


def configure(parser: ArgumentParser) -> None:
    """It has no flags of its own."""


def run(args: Namespace) -> int:
    """Keep lamp and button until SIGTERM or Ctrl-C. Raises GpioUnusable or SettingsInvalid."""
    settings = settings_of(args)
    if not settings.gpio.led_pin and not settings.gpio.button_pin:
        print("No pins are set, so there is nothing to do: see gpio.led_pin and gpio.button_pin.")
        return 0
    keeper = Keeper(settings, SystemClock())
    signal.signal(signal.SIGTERM, lambda *_: keeper.end())
    with gpio.opened(settings.gpio, keeper.edge) as pins:
        keeper.keep(pins)
    return 0


class Keeper:
    """Between the pins and the service."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings: GpioSettings = settings.gpio
        self._happenings: queue.SimpleQueue[Callable[[], object]] = queue.SimpleQueue()
        """What is to be done by the thread that keeps the lamp, in order."""
        self._clock = clock
        # lgpio moves the process to another folder.
        path = settings.socket_path.absolute()
        self._client = Client(path, answer_s_max=ANSWER_S_MAX, answer_mib_max=1)
        self._polling = Polling(self._client.pulse, self._hear, every_s=settings.gpio.poll_s)
        self._panel: Panel | None = None
        self._is_paused = False
        self._is_gone = self._is_over = False

    def edge(self, is_down: bool) -> None:
        """The button's contact changed. Called from the library's thread."""
        self._happenings.put(partial(self._edge, is_down, self._clock.monotonic_s()))

    def end(self) -> None:
        """Keep no longer. It may be called from a signal's handler."""
        self._happenings.put(self._end)

    def keep(self, pins: gpio.Pins) -> None:
        """Do what is due, and wait for what happens next, until `end`."""
        self._panel = Panel(pins, self._settings, self._pressed, self._clock.monotonic_s())
        self._polling.start()
        wait_s: float | None = 0.0
        while not self._is_over:
            with suppress(queue.Empty):
                self._happenings.get(timeout=wait_s)()
            if self._happenings.empty():
                wait_s = self._panel.step(self._clock.monotonic_s())

    def _end(self) -> None:
        self._is_over = True

    def _edge(self, is_down: bool, at_s: float) -> None:
        assert self._panel is not None
        self._panel.edge(is_down, at_s)

    def _hear(self, said: Said) -> None:
        """From the thread that asks."""
        self._happenings.put(partial(self._told, said))

    def _told(self, said: Said) -> None:
        assert self._panel is not None
        if isinstance(said, Exception) and not isinstance(said, PiRagError):
            raise said
        is_gone = isinstance(said, PiRagError)
        if is_gone != self._is_gone:
            _log(f"No answer: {said}" if is_gone else "The service answers again.")
        self._is_gone = is_gone
        self._panel.told(None if isinstance(said, Exception) else said)
        self._is_paused = not isinstance(said, Exception) and bool(said.get("paused"))

    def _pressed(self, press: Press) -> None:
        if press == "short" and self._settings.press == "pause":
            self._polling.order(partial(self._steer, "resume" if self._is_paused else "pause"))
        elif press == "long" and self._settings.hold != "off":
            self._show(Signal.STOPPING)
            self._polling.order(partial(self._stop, self._settings.hold))

    def _steer(self, what: str) -> None:
        """Pause or resume, in the thread that asks; the next answer shows it."""
        try:
            self._client.steer_jobs(what)
        except PiRagError as error:
            self._failed(f"{what}: {error}")
        else:
            _log(f"The button was pressed: {what}.")

    def _stop(self, what: str) -> None:
        """Ask systemd, in the thread that asks."""
        _log(f"The button was held: the {what} is stopped.")
        command = ["systemctl", "--no-ask-password", *STOPS[what]]
        try:
            subprocess.run(command, capture_output=True, text=True, timeout=SYSTEMCTL_S_MAX, check=True)
        except subprocess.CalledProcessError as error:
            why = error.stderr or f"exit code {error.returncode}"
            self._failed(f"systemctl: {why} (docs/led.md tells which right it needs)")
        except (OSError, subprocess.TimeoutExpired) as error:
            self._failed(f"systemctl: {error}")

    def _failed(self, why: str) -> None:
        _log(f"The press came to nothing: {why}")
        self._happenings.put(partial(self._show, Signal.ERROR))

    def _show(self, what: Signal) -> None:
        assert self._panel is not None
        self._panel.show(what, self._clock.monotonic_s() + ANSWERED_S)


def _log(text: str) -> None:
    """A line for the journal, or for the terminal."""
    print(one_line(text), file=sys.stderr, flush=True)
