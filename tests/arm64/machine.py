"""A Pi's processor to try things on: an arm64 Debian under qemu's user mode, as a Cortex-A76.

Debian's files lie below and are never written to; what is written lies above, in the machine's folder.
The kernel is this machine's own, and a few of its calls are not to be had through qemu: ptrace, seccomp and
Landlock. There is no network. It knows nothing of pi_rag.
"""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

PROCESSOR = "cortex-a76"
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "QEMU_CPU": PROCESSOR,
    # numpy would otherwise start a thread a core in each process, and an emulated one is slow to end.
    "OPENBLAS_NUM_THREADS": "1",
}
"""What a person has who has just logged in; nothing of the machine that runs the tests."""

INSIDE = """
mount -t overlay overlay -o {layers} {root}
mount -t proc proc {root}/proc
mount --rbind /dev {root}/dev
mount -t tmpfs tmpfs {root}/tmp
{shown}
ip link set lo up
exec chroot {root} env -i {environment} sh -c {command}
"""


class Machine:
    """Folders that make a Debian, the uppermost one for what it writes."""

    def __init__(self, below: Sequence[Path], above: Path, shown: Mapping[Path, str] | None = None) -> None:
        """`below` are kept folders, the uppermost first; `shown` the host's, by where they are seen."""
        self._below = below
        self.above = above
        self._shown = shown or {}
        for name in ("written", "work", "root"):
            (above / name).mkdir(parents=True, exist_ok=True)

    def run(
        self, command: str, *, seconds: float, environ: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """A shell's command, to its end. What it started ends with it. Raises subprocess.TimeoutExpired."""
        # The first process of a namespace of processes takes all others with it, and dies with whoever asked.
        alone = [
            "setpriv",
            "--pdeathsig",
            "KILL",
            "unshare",
            "--mount",
            "--pid",
            "--net",
            "--fork",
            "--kill-child",
        ]
        return subprocess.run(
            [*alone, "sh", "-ec", self._script(command, {**ENVIRONMENT, **(environ or {})})],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            check=False,
        )

    def _script(self, command: str, environ: Mapping[str, str]) -> str:
        root = self.above / "root"
        lower = ":".join(str(each) for each in self._below)
        layers = f"lowerdir={lower},upperdir={self.above / 'written'},workdir={self.above / 'work'}"
        shown = [
            f"mkdir -p {root}{there}; mount --bind {here} {root}{there}"
            for here, there in self._shown.items()
        ]
        return INSIDE.format(
            layers=shlex.quote(layers),
            root=shlex.quote(str(root)),
            shown="\n".join(shown),
            environment=" ".join(shlex.quote(f"{name}={value}") for name, value in environ.items()),
            command=shlex.quote(command),
        )
