"""A machine to try things on: a throw-away Debian that systemd boots in a container. The only door to nspawn.

What it writes lies in a folder of its own, above layers that it only reads. It stays there while the machine
is off, and may be a layer of another machine then. There is no network. Whether there is a
memory cgroup, which a Pi has none of by default, is the host's affair. It knows nothing of pi_rag.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

BOOT_S_MAX = 60.0
COMMAND_S_MAX = 300.0
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
}
"""What a person has who has just logged in; nothing of the machine that runs the tests."""


class CommandFailed(AssertionError):
    """A command in the machine did not end well."""


class Machine:
    """A Debian that can be switched on and off, and told what to do."""

    def __init__(self, folder: Path, layers: Sequence[Path], shown: Mapping[Path, str] | None = None) -> None:
        """`folder` takes what is written. `layers` lie below, the uppermost first.

        `shown` are folders of the host that can be read in the machine, by where they are seen.
        """
        self.folder = folder
        self._layers = layers
        self._shown = shown or {}
        self._label = f"pi-rag-{os.getpid()}-{id(self)}"
        self._container: subprocess.Popen[bytes] | None = None
        self._first: int | None = None
        self.above = folder / "above"
        """What the machine wrote; before it is switched on for the first time, what it shall find."""
        for name in ("above", "work", "whole"):
            (folder / name).mkdir(parents=True, exist_ok=True)

    @property
    def is_on(self) -> bool:
        """Whether there is a container that has not ended."""
        return self._container is not None and self._container.poll() is None

    def switch_on(self) -> None:
        """Boot, and come back when systemd answers. What it starts may still be starting."""
        assert not self.is_on
        with (self.folder / "console.log").open("ab") as console:
            self._container = subprocess.Popen(
                self._boot_command(),
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                env={**ENVIRONMENT, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"},
            )
        self._first = wait_until(self._find_first, BOOT_S_MAX, "the machine to have a first process")
        answers = "systemctl is-system-running | grep -Eq 'starting|running|degraded'"
        wait_until(lambda: not self.run(answers, check=False).returncode, BOOT_S_MAX, "systemd to answer")

    def switch_off(self) -> None:
        """As `systemctl poweroff` does it: every unit is stopped in order."""
        self._signal(signal.SIGRTMIN + 4)

    def pull_the_plug(self) -> None:
        """Nothing is asked: every process of the machine is gone at once."""
        self._signal(signal.SIGKILL)

    def run(
        self, command: str, *, user: str = "root", check: bool = True, s_max: float = COMMAND_S_MAX
    ) -> subprocess.CompletedProcess[str]:
        """What a line of shell prints and how it ends. With `check` a bad end is raised as CommandFailed."""
        done = subprocess.run(
            self._inside(command, user), capture_output=True, text=True, timeout=s_max, check=False
        )
        if check and done.returncode:
            raise CommandFailed(f"{command}\nended with {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    def tell(self, command: str, *, user: str = "root") -> str:
        """What a line of shell prints, without the end of line."""
        return self.run(command, user=user).stdout.strip()

    def start(self, command: str, *, user: str = "root") -> subprocess.Popen[str]:
        """A line of shell that goes on by itself; the caller waits for it."""
        return subprocess.Popen(
            self._inside(command, user), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def path(self, path: str) -> Path:
        """Where a file of the running machine is seen from outside."""
        return Path(f"/proc/{self._first}/root{path}")

    def _boot_command(self) -> list[str]:
        """The layers are mounted where only the container sees them, so nothing stays when it has ended."""
        below = ":".join(map(str, self._layers))
        layers = f"lowerdir={below},upperdir={self.above},workdir={self.folder}/work"
        whole = self.folder / "whole"
        nspawn = ["systemd-nspawn", "-D", str(whole), f"--machine={self._label}", "--boot"]
        nspawn += ["--register=no", "--keep-unit", "--console=pipe", "--private-network", "--link-journal=no"]
        nspawn += ["--resolv-conf=off", "--timezone=off"]
        nspawn += [f"--bind-ro={path}:{seen}" for path, seen in self._shown.items()]
        mounted = f"mount -t overlay overlay -o {shlex.quote(layers)} {shlex.quote(str(whole))}"
        # It ends with whoever runs the tests, however that ends.
        own = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--propagation", "private"]
        entered = "".join(f"mkdir {group} && echo $$ >{group}/cgroup.procs && " for group in self._groups())
        return [*own, "sh", "-c", f"{entered}{mounted} && exec {shlex.join(nspawn)}"]

    def _groups(self) -> list[Path]:
        """Control groups of its own: in the same one, two machines would share those of their units."""
        trees = [Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/systemd"), Path("/sys/fs/cgroup/unified")]
        return [tree / self._label for tree in trees if (tree / "cgroup.procs").exists()]

    def _inside(self, command: str, user: str) -> list[str]:
        environment = [f"{name}={value}" for name, value in ENVIRONMENT.items()]
        as_user = [] if user == "root" else ["runuser", "-u", user, "--"]
        enter = ["nsenter", "--target", str(self._first), "--all", "env", "-i", *environment]
        return [*enter, *as_user, "sh", "-c", f"cd && {command}"]

    def _find_first(self) -> int | None:
        """The only child of nspawn is the machine's first process."""
        assert self._container is not None
        assert self._container.poll() is None, (self.folder / "console.log").read_text(errors="replace")
        pid = self._container.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        named = [int(child) for child in children if _name(int(child)) == "systemd"]
        return named[0] if named else None

    def _signal(self, number: int) -> None:
        """Tell the first process, if there still is one, and wait for the end of all."""
        if self._container is not None:
            try:
                if self.is_on and self._first is not None:
                    os.kill(self._first, number)
                    self._container.wait(90)
            finally:
                self._container.kill()
                self._container.wait()
            for group in self._groups():
                subprocess.run(["find", group, "-depth", "-type", "d", "-delete"], check=False)
        self._container = self._first = None


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def wait_until(question: Callable[[], T | None], s_max: float, what: str) -> T:
    """Ask again and again until the answer is one; the answer. Fails with `what` after `s_max`."""
    end_s = time.monotonic() + s_max
    while time.monotonic() < end_s:
        answer = question()
        if answer:
            return answer
        time.sleep(0.1)
    raise AssertionError(f"waited {s_max:.0f} s for {what}")
