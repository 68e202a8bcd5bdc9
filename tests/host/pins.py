"""gpiozero's mock pins, as the process's own way to the pins."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gpiozero
from gpiozero.pins.mock import MockFactory

LAMP, BUTTON = 17, 27


@contextmanager
def mocked() -> Iterator[Any]:
    """The factory of the mock pins, and none afterwards."""
    gpiozero.Device.pin_factory = MockFactory()
    try:
        yield gpiozero.Device.pin_factory
    finally:
        gpiozero.Device.pin_factory.reset()
        gpiozero.Device.pin_factory = None
