"""A child for the tests: it answers what it is asked about itself, and ends when its socket does."""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from typing import Any

from pi_rag.processes import confinement, frames, limits
from pi_rag.processes.child import attach

from . import attempts

BYTES_MAX = 1 << 20


def main() -> None:
    """Answer each frame: a JSON object {"do": ...}."""
    sock, arguments = attach(sys.argv[1:])
    with sock:
        while (frame := frames.recv_frame(sock, BYTES_MAX)) is not None:
            answer = _answer(json.loads(frame), arguments)
            frames.send_frame(sock, json.dumps(answer).encode(), BYTES_MAX)


def _answer(asked: dict[str, Any], arguments: list[str]) -> Any:
    match asked["do"]:
        case "arguments":
            return arguments
        case "parent":
            return os.getppid()
        case "environ":
            return os.environ.get(asked["name"])
        case "hang":
            time.sleep(600)
        case "limit":
            limits.apply(limits.Limits(**asked["limits"]))
            names = ("RLIMIT_AS", "RLIMIT_DATA", "RLIMIT_FSIZE", "RLIMIT_NOFILE", "RLIMIT_CORE")
            return {name: resource.getrlimit(getattr(resource, name))[0] for name in names}
        case "confine":
            confinement.confine_files(asked["writable"])
            confinement.confine_calls()
        case "attempt":
            return attempts.made(asked["what"], asked.get("path", ""))
        case "allow_cpu":
            limits.allow_cpu(asked["more_s"])
            used = resource.getrusage(resource.RUSAGE_SELF)
            soft, hard = resource.getrlimit(resource.RLIMIT_CPU)
            return {"left_s": soft - used.ru_utime - used.ru_stime, "hard": hard}
        case "allocate":
            try:
                return len(bytearray(asked["mib"] * 1024 * 1024))
            except MemoryError:
                return "MemoryError"
        case "burn":
            while True:
                pass
    return None


if __name__ == "__main__":
    main()
