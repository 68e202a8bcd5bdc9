"""`pi-rag gpio` as a process of its own, with gpiozero's mock pins and a finger at the end of a pipe."""

from __future__ import annotations

import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pi_rag.cli import gpio
from pi_rag.stress.running import RunningService
from pi_rag.types import ModelCard
from tests.cli.conftest import Run
from tests.plain import plain_environ
from tests.standin import Asked, Reply, StandIn

ROOT = Path(__file__).parents[2]
SMALL = {"PI_RAG_WORKERS": "1"}
"""A service that is sooner there; how many embed is all the same to a lamp."""
WELL = {
    "state": "ready",
    "alerts": [],
    "over_budget": False,
    "ingesting": False,
    "paused": False,
    "searches": 0,
}

BOARD = """
import sys, threading, time
import gpiozero
from gpiozero.pins.mock import MockFactory
from pi_rag.cli import main, panel

board = gpiozero.Device.pin_factory = MockFactory()
lamp, button = board.pin(17), board.pin(27)
shown, is_lit = [], panel.is_lit

def told(signal, since_s):
    if shown[-1:] != [signal]:
        shown.append(signal)
        print(signal, flush=True)
    return is_lit(signal, since_s)

def finger():
    for line in sys.stdin:
        button.drive_low()
        time.sleep(float(line))
        button.drive_high()
        time.sleep(0.1)  # longer than the debounce, as before

panel.is_lit = told
threading.Thread(target=finger, daemon=True).start()
code = main.main(["gpio"])
print("lamp", lamp.function, flush=True)
sys.exit(code)
"""


class Process:
    """`pi-rag gpio` on a board that is made up: what its lamp shows comes line by line."""

    def __init__(self, popen: subprocess.Popen[str]) -> None:
        self.popen = popen
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.popen.stdout is not None
        for line in self.popen.stdout:
            self._lines.put(line.strip())

    def until(self, what: str) -> list[str]:
        """Everything that is shown until this is."""
        seen: list[str] = []
        while what not in seen:
            seen.append(self._lines.get(timeout=30))
        return seen

    def press(self, seconds: float = 0.1) -> None:
        """For at least so long, however busy the machine is."""
        assert self.popen.stdin is not None
        self.popen.stdin.write(f"{seconds}\n")
        self.popen.stdin.flush()

    def end(self) -> tuple[int, str]:
        """(exit code, what it had to say) after SIGTERM."""
        self.popen.send_signal(signal.SIGTERM)
        self.until("lamp input")
        assert self.popen.stderr is not None
        said = self.popen.stderr.read()
        return self.popen.wait(30), said


@contextmanager
def lamp(socket: Path, **environ: str) -> Iterator[Process]:
    """It runs within the block."""
    environment = plain_environ() | {"PYTHONPATH": str(ROOT), "PI_RAG_SOCKET": str(socket)}
    environment |= {"PI_RAG_GPIO_LED_PIN": "17", "PI_RAG_GPIO_BUTTON_PIN": "27", **environ}
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", BOARD]
    with subprocess.Popen(
        command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=environment, cwd="/"
    ) as popen:
        try:
            yield Process(popen)
        finally:
            popen.kill()


def until(condition: Callable[[], bool]) -> None:
    """Wait for it."""
    end_s = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end_s, "it did not come true in time"
        time.sleep(0.02)


def pausable(service: StandIn) -> None:
    """Lay out a service whose ingest can be paused and resumed."""
    paused = {"paused": False}

    def steered(to: bool) -> Callable[[Asked], Reply]:
        def steer(asked: Asked) -> Reply:
            paused["paused"] = to
            return 200, {"paused": to}

        return steer

    service.on("GET", "/v1/pulse", lambda _: (200, WELL | paused))
    service.on("POST", "/v1/jobs/pause", steered(True))
    service.on("POST", "/v1/jobs/resume", steered(False))


def test_a_short_press_pauses_and_the_next_one_resumes(service: StandIn) -> None:
    """And the lamp shows it; SIGTERM gives the pins back and is a clean end."""
    pausable(service)
    with lamp(service.socket_path) as process:
        process.until("ready")
        process.press()
        process.until("paused")
        process.press()
        process.until("ready")
        code, said = process.end()
    steered = [asked.path for asked in service.asked if asked.method == "POST"]
    assert steered == ["/v1/jobs/pause", "/v1/jobs/resume"]
    assert code == 0
    assert said.splitlines() == ["The button was pressed: pause.", "The button was pressed: resume."]


def test_a_press_that_comes_to_nothing_is_shown(service: StandIn) -> None:
    """As when the lamp's user may not pause; the log says why."""
    service.on("GET", "/v1/pulse", WELL)
    service.refuse("POST", "/v1/jobs/pause", 503, "busy")
    with lamp(service.socket_path) as process:
        process.until("ready")
        process.press()
        process.until("error")
        _, said = process.end()
    assert said == "The press came to nothing: pause: busy.\n"


def systemctl(folder: Path, script: str) -> dict[str, str]:
    """An environment with a systemctl that writes down what it is asked for."""
    (folder / "bin").mkdir()
    program = folder / "bin" / "systemctl"
    program.write_text(f'#!/bin/sh\necho "$@" >> {folder}/asked\n{script}\n')
    program.chmod(0o755)
    return {"PATH": f"{folder / 'bin'}:{plain_environ()['PATH']}", "PI_RAG_GPIO_HOLD_S": "1"}


@pytest.mark.parametrize(
    ("hold", "asked"),
    [
        ("service", "--no-ask-password --no-block stop pi-rag.socket"),
        ("machine", "--no-ask-password poweroff"),
    ],
)
def test_a_long_press_stops_what_the_settings_say(
    service: StandIn, tmp_path: Path, hold: str, asked: str
) -> None:
    """By systemd, while the button is still down, and once."""
    service.on("GET", "/v1/pulse", WELL)
    with lamp(service.socket_path, PI_RAG_GPIO_HOLD=hold, **systemctl(tmp_path, "")) as process:
        process.until("ready")
        process.press(30)
        process.until("stopping")
        until((tmp_path / "asked").exists)
        code, said = process.end()
    assert (tmp_path / "asked").read_text() == f"{asked}\n"
    assert (code, said) == (0, f"The button was held: the {hold} is stopped.\n")
    assert {each.path for each in service.asked} == {"/v1/pulse"}


def test_a_long_press_without_the_right_says_so(service: StandIn, tmp_path: Path) -> None:
    """The lamp shows an error, and the log has systemd's own words and the page to read."""
    service.on("GET", "/v1/pulse", WELL)
    environ = systemctl(tmp_path, "echo 'Interactive authentication required.' >&2; exit 1")
    with lamp(service.socket_path, PI_RAG_GPIO_HOLD="service", **environ) as process:
        process.until("ready")
        process.press(30)
        assert process.until("error") == ["stopping", "error"]
        _, said = process.end()
    assert "Interactive authentication required. (docs/led.md" in said


def test_a_long_press_does_nothing_unless_it_is_set(service: StandIn, tmp_path: Path) -> None:
    """Off by default: nobody is asked for anything, and letting go is no short press."""
    pausable(service)
    environ = systemctl(tmp_path, "") | {"PI_RAG_GPIO_HOLD_S": "2"}
    with lamp(service.socket_path, **environ) as process:
        process.until("ready")
        process.press(2.2)  # longer than a long one has to be
        process.press()
        process.until("paused")
        process.end()
    assert not (tmp_path / "asked").exists()
    assert [asked.path for asked in service.asked if asked.method == "POST"] == ["/v1/jobs/pause"]


def test_without_pins_in_the_settings_it_says_so_and_ends(run: Run) -> None:
    """Nothing is driven until somebody says which pin; that is no failure, as the help says."""
    ran = run("gpio")
    assert ran.code == 0
    assert "gpio.led_pin" in ran.out
    helped = " ".join(gpio.DESCRIPTION.split())
    assert "Where no pins are set there is nothing to do: it says so and ends well." in helped


@pytest.mark.skipif(Path("/dev/gpiochip0").exists(), reason="this machine has real pins")
def test_a_machine_without_pins_ends_with_a_code_of_its_own(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """systemd tells by it that another start would not help."""
    monkeypatch.setenv("PI_RAG_GPIO_LED_PIN", "17")
    ran = run("gpio")
    assert (ran.code, ran.out) == (8, "")
    assert "no /dev/gpiochip0" in ran.err


@pytest.mark.model
def test_a_real_service_is_shown_through_its_restart(tmp_path: Path, minilm: ModelCard) -> None:
    """Ready, paused by the button, gone, back and still paused, and resumed by the button."""
    with (
        RunningService(tmp_path, SMALL | {"PI_RAG_MODEL": minilm.path}) as service,
        lamp(service.socket) as process,
    ):
        process.until("ready")
        process.press()
        process.until("paused")
        assert service.client.status()["ingest"]["waiting_for"] == "paused"
        service.stop()
        process.until("error")
        service.start()
        process.until("paused")
        process.press()
        process.until("ready")
        assert service.client.status()["ingest"]["waiting_for"] is None
        assert service.client.search("lamp")["hits"] == []
        process.until("busy")
        code, said = process.end()
        assert service.client.status()["ready"]
    assert code == 0
    assert "The service answers again." in said
