"""A machine on which install.sh has run once, and throw-away copies of it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.appliance import image
from tests.appliance.appliance import CHECKOUT, SERVICE, WHEELS, Appliance, take_checkout, take_packages
from tests.appliance.belongings import Belongings
from tests.appliance.machine import Machine

MakeMachine = Callable[[Mapping[Path, str]], Machine]


@dataclass(frozen=True)
class Installed:
    """What an installation left behind and said."""

    layer: Path
    said: str
    before: Belongings
    """What the machine had before."""


@pytest.fixture(scope="session")
def wheels() -> Path:
    """The packages that pip is given in a machine."""
    if why := image.missing():
        pytest.skip(why)
    return image.WHEELS


@pytest.fixture(scope="session")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeMachine]:
    """Makes a bare Debian that has neither a network nor a compiler, given what of the host it can read."""
    if why := image.missing():
        pytest.skip(why)
    with ExitStack() as made:

        def make(shown: Mapping[Path, str]) -> Machine:
            machine = Machine(tmp_path_factory.mktemp("bare"), [image.root_path()], shown)
            made.callback(_end, machine)
            return machine

        yield make


@pytest.fixture(scope="session")
def installed(bare: MakeMachine, wheels: Path) -> Installed:
    """`sudo ./install.sh` on a bare Debian."""
    machine = bare({wheels: WHEELS})
    take_checkout(machine)
    take_packages(machine)
    machine.switch_on()
    before = Belongings.of(machine)
    said = machine.tell(f"{CHECKOUT}/install.sh || {{ journalctl --unit {SERVICE} --lines 40 >&2; exit 1; }}")
    machine.switch_off()
    return Installed(machine.above, said, before)


@pytest.fixture(scope="module")
def machines(
    installed: Installed, wheels: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Machines]:
    """One machine after another on which pi_rag is installed; nothing that they write outlives the tests."""
    made = Machines(installed, wheels, tmp_path_factory)
    yield made
    made.end()


@pytest.fixture
def appliance(machines: Machines) -> Appliance:
    """A machine that is on and ready. The next test of the file gets the same one, if it still is."""
    return machines.sound()


class Machines:
    """The machine in use, and how to make another."""

    def __init__(self, installed: Installed, wheels: Path, folders: pytest.TempPathFactory) -> None:
        self._layers = [installed.layer, image.root_path()]
        self._shown = {wheels: WHEELS}
        self._folders = folders
        self._now: Appliance | None = None

    def end(self) -> None:
        """Leave none behind."""
        if self._now:
            _end(self._now.machine)

    def sound(self) -> Appliance:
        """The machine in use if its service is ready, and else a new one that was just switched on."""
        if self._now and self._now.machine.is_on and self._now.is_ready:
            return self._now
        self.end()
        machine = Machine(self._folders.mktemp("machine"), self._layers, self._shown)
        self._now = Appliance(machine)
        machine.switch_on()
        self._now.wait_until_ready()
        return self._now


def _end(machine: Machine) -> None:
    """Some hundred MiB, which pytest would keep."""
    machine.pull_the_plug()
    shutil.rmtree(machine.folder)
