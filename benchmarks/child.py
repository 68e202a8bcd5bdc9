"""One child process of a benchmark: a JSON order a line goes in, a JSON answer a line comes out.

It knows nothing of what is ordered, only that an answer may be `{"failed": why}`, that it may never come,
and that the child may be gone.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.environment import CACHE, ROOT

LOG = CACHE / "children.log"
END_S_MAX = 20.0


class PeerFailed(Exception):
    """A row cannot be measured here; its text says why."""


class Child:
    """One process that answers orders."""

    def __init__(self, command: Sequence[str], **environ: str) -> None:
        LOG.parent.mkdir(parents=True, exist_ok=True)
        inherited = {key: value for key, value in os.environ.items() if key != "OPENBLAS_NUM_THREADS"}
        with LOG.open("ab") as log:
            self.process = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**inherited, **environ},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )

    def send(self, order: Mapping[str, Any]) -> None:
        """Begin an order. Raises PeerFailed."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps(order) + "\n")
            self.process.stdin.flush()
        except OSError as error:
            raise PeerFailed(f"it ended: {error}") from error

    def answer(self, seconds_max: float | None = None) -> Mapping[str, Any]:
        """Wait for its answer, at most so long. Raises PeerFailed; a child that is late is killed."""
        assert self.process.stdout is not None
        # There is at most one line under way, so none hides in the buffer that select cannot see.
        if not select.select([self.process.stdout], [], [], seconds_max)[0]:
            self.process.kill()
            raise PeerFailed(f"it was not done after {seconds_max:.0f} s")
        line = self.process.stdout.readline()
        if not line:
            raise PeerFailed(f"it ended with {self.process.wait()}; see {LOG.relative_to(ROOT)}")
        answer: Mapping[str, Any] = json.loads(line)
        if "failed" in answer:
            raise PeerFailed(answer["failed"])
        return answer

    def end(self) -> None:
        """Close its input and wait until it is gone."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        try:
            self.process.wait(timeout=END_S_MAX)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
