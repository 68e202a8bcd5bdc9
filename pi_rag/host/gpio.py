"""The pins of a Raspberry Pi: one lamp, one button. The only file that knows gpiozero and lgpio.

lgpio moves the process to a folder of its own, makes a pipe there and starts a thread, all when it is
imported. So it is imported here only when pins are opened, in a process that does nothing else and is never
forked, with a temporary folder that it may have. What light and presses mean is not known here.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from pi_rag.config import GpioSettings
from pi_rag.errors import GpioUnusable

DEBIAN_PACKAGES = "/usr/lib/python3/dist-packages"
"""Where Debian puts python3-lgpio and python3-gpiozero. A virtual environment does not look there, and the
package index has no lgpio for Python 3.13 and later."""

INSTALL = "Install them with: sudo apt install python3-gpiozero python3-lgpio"
JOIN = "Join their group: sudo usermod -aG gpio $USER   (then log in again)"


class Pins:
    """A lamp and a button; either may be absent, and then does nothing."""

    def __init__(self, lamp: Any, button: Any) -> None:
        self._lamp = lamp
        self._button = button

    @property
    def is_down(self) -> bool:
        """Whether the button is pressed now."""
        return self._button is not None and bool(self._button.is_active)

    def light(self, is_lit: bool) -> None:
        """Turn the lamp on or off."""
        if self._lamp is not None:
            self._lamp.value = is_lit

    def listen(self, on_edge: Callable[[bool], None]) -> None:
        """Have every edge of the button's contact told from now on, from another thread."""
        if self._button is not None:
            self._button.when_activated = lambda: on_edge(True)
            self._button.when_deactivated = lambda: on_edge(False)


@contextmanager
def opened(settings: GpioSettings, on_edge: Callable[[bool], None], root: Path = Path("/")) -> Iterator[Pins]:
    """The pins of these settings; the lamp goes out when they are left.

    `on_edge` is called with True when the button's contact closes and with False when it opens, bounces and
    all, from another thread. Raises GpioUnusable, with one line that says why.
    """
    with ExitStack() as stack:
        try:
            pins = _claimed(settings, stack, root)
        except GpioUnusable:
            raise
        except Exception as error:
            # Both libraries raise errors of many kinds, lgpio's own being no more than Exception.
            raise _named(error) from error
        pins.listen(on_edge)
        yield pins


def _claimed(settings: GpioSettings, stack: ExitStack, root: Path) -> Pins:
    gpiozero, factory = _factory(stack, root)
    lamp = button = None
    if settings.led_pin:
        is_high = settings.led_active_high == "on"
        lamp = gpiozero.LED(settings.led_pin, active_high=is_high, pin_factory=factory)
        stack.callback(lamp.close)
    if settings.button_pin:
        button = gpiozero.DigitalInputDevice(settings.button_pin, pull_up=True, pin_factory=factory)
        stack.callback(button.close)
    return Pins(lamp, button)


def _factory(stack: ExitStack, root: Path) -> tuple[Any, Any]:
    """(gpiozero, its way to the pins): the kernel's, unless this process was given another, as tests do."""
    loaded = sys.modules.get("gpiozero")
    if loaded is not None and loaded.Device.pin_factory is not None:
        return loaded, loaded.Device.pin_factory
    _check_chips(root)
    gpiozero, kind = _libraries(stack)
    factory = kind()
    stack.callback(factory.close)
    return gpiozero, factory


def _check_chips(root: Path) -> None:
    """lgpio says the same of a chip that is not there and of one that may not be used."""
    chips = sorted((root / "dev").glob("gpiochip*"))
    if not chips:
        raise GpioUnusable("This machine has no pins: there is no /dev/gpiochip0.")
    if not any(os.access(chip, os.R_OK | os.W_OK) for chip in chips):
        raise GpioUnusable(f"You may not use the pins: {chips[0]} is closed to you.", hint=JOIN)


def _libraries(stack: ExitStack) -> tuple[Any, Any]:
    """(gpiozero, its factory over lgpio), from this environment or else from Debian's."""
    _give_folder(stack)
    for path in ([], [DEBIAN_PACKAGES]):
        sys.path += path
        try:
            import gpiozero
            from gpiozero.pins.lgpio import LGPIOFactory
        except ImportError as error:
            missing = error
        else:
            return gpiozero, LGPIOFactory
    raise GpioUnusable(f"The libraries for pins are not installed: {missing}.", hint=INSTALL) from missing


def _give_folder(stack: ExitStack) -> None:
    """Where lgpio goes and puts its pipe. It is left again before it is removed."""
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="pi-rag-gpio-"))
    stack.callback(os.chdir, "/")
    os.environ["LG_WD"] = folder


def _named(error: Exception) -> GpioUnusable:
    text = str(error).strip("'\"")
    if "busy" in text.lower() or type(error).__name__ == "GPIOPinInUse":
        return GpioUnusable(
            f"A pin is in use by another program: {text}.",
            hint="Find it with gpioinfo, or choose other pins: gpio.led_pin, gpio.button_pin.",
        )
    return GpioUnusable(f"The pins cannot be used: {text}.")
