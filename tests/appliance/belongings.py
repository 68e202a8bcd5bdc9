"""What a machine has: files, users and groups; and what has changed of it."""

from __future__ import annotations

from dataclasses import dataclass

from tests.appliance.machine import Machine

PASSED_OVER = (
    "/root/pi-rag",  # the checkout that the test laid there
    "/root/.cache/pip",
    "/var/log/journal",
    # The copies that useradd and its like make before they change a file, and their locks.
    "/etc/passwd-",
    "/etc/group-",
    "/etc/shadow-",
    "/etc/gshadow-",
    "/etc/.pwd.lock",
    "/etc/subuid-",
    "/etc/subgid-",
)


@dataclass(frozen=True)
class Belongings:
    """A machine's files, users and groups. A folder that is nobody's in particular does not count."""

    things: frozenset[str]

    @classmethod
    def of(cls, machine: Machine) -> Belongings:
        """What this machine has on its disk. What lies in RAM goes by itself."""
        files = machine.tell("find / -xdev ! -type d -o -name '*pi*rag*'").splitlines()
        accounts = machine.tell("getent passwd; getent group").splitlines()
        return cls(frozenset(name for name in files + accounts if not name.startswith(PASSED_OVER)))

    def differences(self, machine: Machine) -> list[str]:
        """What is there and was not, and what was there and is not."""
        now = Belongings.of(machine)
        return [f"+ {thing}" for thing in sorted(now.things - self.things)] + [
            f"- {thing}" for thing in sorted(self.things - now.things)
        ]
