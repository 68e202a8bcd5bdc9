"""What a light command costs as a whole process, beside the cheapest Python that could do its work.

    python -m benchmarks.startup [--quick] [--json FILE]

All run in turn, in one run, against a whole service with four workers at rest, so that only ratios are
read. The bound of the project is three times `python -c "import json, socket"`.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.model import benchmark_model
from benchmarks.report import Figures, arguments, publish
from pi_rag.stress.running import RunningService

PI_RAG = str(Path(sys.executable).with_name("pi-rag"))
BASE = [sys.executable, "-c", "import json, socket"]


def main() -> int:
    """Measure and print."""
    args = arguments(__doc__ or "").parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        RunningService(Path(folder), {"PI_RAG_MODEL": benchmark_model().path}) as service,
    ):
        figures = measure(service.environ, rounds=20 if args.quick else 60)
    publish(figures, args.json)
    return 0


def measure(environ: Mapping[str, str], rounds: int) -> Figures:
    """Run each command `rounds` times, one after the other, so that noise falls on all alike."""
    commands = {
        'python -c "import json, socket"': BASE,
        "pi-rag status": [PI_RAG, "status"],
        "pi-rag status --json": [PI_RAG, "status", "--json"],
        "pi-rag list": [PI_RAG, "list"],
        "pi-rag --version": [PI_RAG, "--version"],
    }
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            times[name].append(_elapsed_ms(command, environ))
    medians = {name: statistics.median(values) for name, values in times.items()}
    base = medians['python -c "import json, socket"']
    rows = [
        {"command": name, "ms": round(ms, 1), "ratio": round(ms / base, 2)} for name, ms in medians.items()
    ]
    return Figures(
        headline={"status_ratio": rows[1]["ratio"], "status_ms": rows[1]["ms"]},  # type: ignore[dict-item]
        rows=rows,
        notes={"rounds": rounds, "python": sys.version.split()[0]},
    )


def _elapsed_ms(command: Sequence[str], environ: Mapping[str, str]) -> float:
    begun_s = time.perf_counter()
    subprocess.run(command, env=environ, stdout=subprocess.DEVNULL, check=False)
    return (time.perf_counter() - begun_s) * 1000


if __name__ == "__main__":
    sys.exit(main())
