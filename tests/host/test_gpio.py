"""Pins by gpiozero's mock of them, and everything that can be wrong with pins."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from pi_rag.config import GpioSettings
from pi_rag.errors import GpioUnusable
from pi_rag.host import gpio
from tests.host.pins import BUTTON, LAMP, mocked
from tests.plain import plain_environ

BOTH = GpioSettings(led_pin=LAMP, button_pin=BUTTON)


def nobody(is_down: bool) -> None:
    """Nobody listens."""


@pytest.fixture
def board() -> Iterator[Any]:
    with mocked() as factory:
        yield factory


@pytest.mark.parametrize(("active_high", "lit"), [("on", True), ("off", False)])
def test_a_lamp_is_lit_by_the_level_it_is_wired_for(board: Any, active_high: str, lit: bool) -> None:
    """Between pin and ground it needs a high pin, between 3.3 V and pin a low one; it begins dark."""
    settings = GpioSettings(led_pin=LAMP, led_active_high=active_high)
    with gpio.opened(settings, nobody) as pins:
        assert board.pin(LAMP).state is not lit
        pins.light(True)
        assert board.pin(LAMP).state is lit
        pins.light(False)
        assert board.pin(LAMP).state is not lit
        assert not pins.is_down


def test_the_lamp_goes_out_when_it_is_left(board: Any) -> None:
    """The pin is given back as an input, which drives nothing."""
    with gpio.opened(BOTH, nobody) as pins:
        pins.light(True)
        assert board.pin(LAMP).function == "output"
    assert board.pin(LAMP).function == "input"
    with gpio.opened(BOTH, nobody):
        pass  # both pins can be had again


def test_every_edge_of_the_button_is_heard(board: Any) -> None:
    """It joins the pin to ground: low is pressed. What it was at the beginning is no edge."""
    heard: list[bool] = []
    with gpio.opened(BOTH, heard.append) as pins:
        button = board.pin(BUTTON)
        assert (button.pull, pins.is_down, heard) == ("up", False, [])
        button.drive_low()
        assert pins.is_down
        button.drive_high()
        button.drive_low()
    assert heard == [True, False, True]


def test_a_button_alone_has_no_lamp(board: Any) -> None:
    """What is not set is not touched."""
    with gpio.opened(GpioSettings(button_pin=BUTTON), nobody) as pins:
        pins.light(True)
    assert [info.name for info in board.pins] == [f"GPIO{BUTTON}"]


def test_a_pin_that_is_taken_is_named(board: Any) -> None:
    """One line that says so, and what to do."""
    with gpio.opened(BOTH, nobody), pytest.raises(GpioUnusable, match=r"^A pin is in use.*17.*") as raised:  # noqa: SIM117
        with gpio.opened(BOTH, nobody):
            pass
    assert "gpio.led_pin" in raised.value.hint


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (Exception("'GPIO busy'"), "A pin is in use by another program: GPIO busy."),
        (OSError(5, "Input/output error"), "The pins cannot be used: [Errno 5] Input/output error."),
        (
            RuntimeError("unable to locate Pi revision"),
            "The pins cannot be used: unable to locate Pi revision.",
        ),
    ],
)
def test_whatever_the_library_raises_is_one_clear_line(
    board: Any, error: Exception, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """lgpio's own errors are no more than Exception; none gets past."""

    def refuse(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("gpiozero.LED", refuse)
    with pytest.raises(GpioUnusable) as raised, gpio.opened(BOTH, nobody):
        pass
    assert raised.value.message == says
    assert raised.value.exit_code == 8


def test_a_machine_without_pins_says_so(tmp_path: Path) -> None:
    """Before any library is loaded."""
    with pytest.raises(GpioUnusable, match="no /dev/gpiochip0"), gpio.opened(BOTH, nobody, tmp_path):
        pass


def chip(root: Path) -> Path:
    """A root folder that has a chip with pins, of which only the name is true."""
    (root / "dev").mkdir()
    (root / "dev" / "gpiochip0").touch()
    return root


def test_pins_that_one_may_not_use_name_the_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library would say the same as of a machine without any."""
    monkeypatch.setattr(os, "access", lambda *_: False)
    with (
        pytest.raises(GpioUnusable, match="may not use") as raised,
        gpio.opened(BOTH, nobody, chip(tmp_path)),
    ):
        pass
    assert "usermod -aG gpio" in raised.value.hint


def test_libraries_that_are_missing_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the line that installs them."""
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.setattr(gpio, "DEBIAN_PACKAGES", str(tmp_path))
    monkeypatch.setenv("LG_WD", "")
    for name in [each for each in sys.modules if each.partition(".")[0] == "gpiozero"]:
        monkeypatch.delitem(sys.modules, name)
    with (
        pytest.raises(GpioUnusable, match="not installed") as raised,
        gpio.opened(BOTH, nobody, chip(tmp_path)),
    ):
        pass
    assert "apt install python3-gpiozero python3-lgpio" in raised.value.hint


REAL = """
import os, sys
from pathlib import Path
from pi_rag.config import GpioSettings
from pi_rag.errors import GpioUnusable
from pi_rag.host import gpio
try:
    with gpio.opened(GpioSettings(led_pin=17), print, Path(sys.argv[1])):
        pass
except GpioUnusable as error:
    print(error.message)
print("lgpio" in sys.modules, os.getcwd(), Path(os.environ["LG_WD"]).exists())
"""


@pytest.mark.skipif(find_spec("lgpio") is None, reason="needs lgpio, which has no wheel for this Python")
@pytest.mark.skipif(Path("/dev/gpiochip0").exists(), reason="this machine has real pins")
def test_the_real_library_leaves_nothing_behind(tmp_path: Path) -> None:
    """lgpio moves the process and makes a pipe: in a folder of its own, which is gone in the end."""
    command = [sys.executable, "-W", "error", "-c", REAL, str(chip(tmp_path))]
    environ = plain_environ() | {"TMPDIR": str(tmp_path), "PYTHONPATH": str(Path(__file__).parents[2])}
    ran = subprocess.run(command, capture_output=True, text=True, env=environ, cwd=tmp_path, check=True)
    assert ran.stderr == ""
    assert ran.stdout.splitlines() == [
        "The pins cannot be used: unable to locate Pi revision in /proc/device-tree or /proc/cpuinfo.",
        "True / False",
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["dev"]
