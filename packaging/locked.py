"""Prints what locks install on a machine of a kind with a Python: `locked.py MACHINE PYTHON LOCK...`.

pip judges a line's markers by the machine that runs it, even where it fetches for another. The engine is left
out: packaging/wheel makes it. It knows nothing of the network.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement

ENGINE = "llama-cpp-python"


def locked(machine: str, python: str, locks: list[Path]) -> Iterator[str]:
    """Each `name==version` that holds for CPython `python`, as 3.13, on a Linux `machine`, as aarch64."""
    place = {
        "platform_machine": machine,
        "platform_system": "Linux",
        "sys_platform": "linux",
        "os_name": "posix",
        "python_version": python,
        "python_full_version": f"{python}.0",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
    }
    lines = [line for lock in locks for line in lock.read_text(encoding="utf-8").splitlines()]
    for wanted in [Requirement(line) for line in lines if line and not line.startswith("#")]:
        if wanted.name != ENGINE and (wanted.marker is None or wanted.marker.evaluate(place)):
            yield f"{wanted.name}{wanted.specifier}"


if __name__ == "__main__":
    print(*locked(sys.argv[1], sys.argv[2], [Path(each) for each in sys.argv[3:]]), sep="\n")
