"""pi_rag on a machine: what a person would type there, and what systemd says of it."""

from __future__ import annotations

import shutil
from pathlib import Path

from pi_rag.client import Client
from tests.appliance import image
from tests.appliance.machine import Machine, wait_until

SERVICE = "pi-rag.service"
SOCKET = "/run/pi-rag/pi-rag.sock"
CHECKOUT = "/root/pi-rag"
SITE = "/opt/pi-rag/venv/lib/python3.11/site-packages"
WHEELS = "/srv/wheels"
"""Where pip finds its packages in the machine."""

BROKEN = Path(__file__).with_name("broken.py")

READY_S_MAX = 60.0

TAKEN = "pi_rag systemd configs docs install.sh pyproject.toml README.md LICENSE requirements.lock".split()
"""What install.sh needs of a checkout."""


class Appliance:
    """An installed pi_rag on a machine that is on."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine

    @property
    def client(self) -> Client:
        """A guest that is root."""
        return Client(self.machine.path(SOCKET))

    def says(self, name: str, unit: str = SERVICE) -> str:
        """A property of a unit, as systemd has it."""
        return self.machine.tell(f"systemctl show {unit} --property {name} --value")

    def moment_s(self, name: str, unit: str = SERVICE) -> float:
        """A moment of a unit on the monotonic clock, which is also the clock of the test."""
        return int(self.says(f"{name}Monotonic", unit)) / 1e6

    def seconds(self, name: str) -> float:
        """A span of time of the service, which systemd writes as it is easiest to read."""
        span = self.machine.tell(f"systemd-analyze timespan '{self.says(name)}'")
        return next(int(line.split(":")[1]) / 1e6 for line in span.splitlines() if "s:" in line)

    def booted_s(self) -> float:
        """When systemd began, on the same clock."""
        return int(self.machine.tell("systemctl show --property UserspaceTimestampMonotonic --value")) / 1e6

    def main_pid(self) -> int:
        """The supervisor, by its number inside the machine."""
        return int(self.says("MainPID"))

    def worker_pids(self) -> list[int]:
        """All workers, by their numbers inside the machine."""
        return [worker["pid"] for worker in self.client.status()["embedder"]["workers"] if worker["pid"]]

    def processes(self) -> set[int]:
        """All processes of the machine."""
        return {int(name.name) for name in self.machine.path("/proc").iterdir() if name.name.isdigit()}

    @property
    def run(self) -> str:
        """Which run of the service this is; another one has another word."""
        return self.says("InvocationID")

    @property
    def is_ready(self) -> bool:
        """Whether READY was said."""
        return self.says("ActiveState") == "active"

    def wait_until_ready(self, s_max: float = READY_S_MAX, *, but: str = "") -> None:
        """Until READY was said, in another run than `but`."""
        shown = f"systemctl show {SERVICE} --property ActiveState,InvocationID"

        def ready() -> bool:
            said = self.machine.tell(shown).splitlines()
            return "ActiveState=active" in said and f"InvocationID={but}" not in said

        wait_until(ready, s_max, "the service to be ready")

    def break_on_request(self) -> None:
        """From its next start on the service has the faults of broken.py."""
        shutil.copy2(BROKEN, self.machine.path(f"{SITE}/broken.py"))
        self.machine.path(f"{SITE}/broken.pth").write_text("import broken\n")

    def restart(self, *lines: str) -> None:
        """Restart the service, with `lines` in its unit if there are any, as `systemctl edit` puts them."""
        if lines:
            changed = self.machine.path(f"/etc/systemd/system/{SERVICE}.d/test.conf")
            changed.parent.mkdir(parents=True, exist_ok=True)
            changed.write_text("\n".join(["[Service]", *lines, ""]))
            self.machine.run("systemctl daemon-reload")
        before = self.run
        self.machine.run(f"systemctl restart {SERVICE}")
        self.wait_until_ready(but=before)


def take_checkout(machine: Machine) -> None:
    """Lay the project into a machine that was never switched on, with the engine that was built for it."""
    target = machine.above / CHECKOUT.lstrip("/")
    target.mkdir(parents=True)
    for name in TAKEN:
        source = image.ROOT / name
        if source.is_dir():
            shutil.copytree(source, target / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, target / name)
    wheels = target / ".cache" / "wheels"
    shutil.copytree(image.ENGINE, wheels)
    (wheels / "flags").touch()


def take_packages(machine: Machine) -> None:
    """Tell pip where the packages lie: there is no network."""
    settings = machine.above / "etc" / "pip.conf"
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text(f"[global]\nno-index = true\nfind-links = {WHEELS}\n")
