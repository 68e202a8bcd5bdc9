"""What the idle service costs in RAM, process by process, as proportional set size.

    python -m benchmarks.memory [--quick] [--json FILE]

The service is started with four workers, adds a few documents, answers a few searches and is then left alone
until its reading child has gone, so that what is counted is what stays.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.model import benchmark_model
from benchmarks.report import Figures, arguments, publish
from pi_rag.stress.running import RunningService

WORKERS = 4
READER_GONE_S_MAX = 60.0


def main() -> int:
    """Measure and print."""
    args = arguments(__doc__ or "").parse_args()
    publish(measure(searches=20 if args.quick else 500), args.json)
    return 0


def measure(searches: int) -> Figures:
    """The share of every process of a service that has worked and now rests."""
    card = benchmark_model()
    docs = Path(__file__).resolve().parents[1] / "docs"
    with tempfile.TemporaryDirectory() as folder:
        environ = {
            "PI_RAG_MODEL": card.path,
            "PI_RAG_WORKERS": str(WORKERS),
            "PI_RAG_INGEST_READER_IDLE_S_MAX": "0",
        }
        with RunningService(Path(folder), environ) as service:
            added = service.run("add", str(docs))
            if added.returncode:
                raise RuntimeError(added.stdout + added.stderr)
            for number in range(searches):
                service.client.search(f"what survives a power cut, asked {number}")
            memory = at_rest(service)
    rows = [
        {"process": f"{each['role']} {each['pid']}", "pss_mib": float(each["pss_mib"] or 0)}
        for each in memory["processes"]
    ]
    return Figures(
        headline={"idle_pss_mib": memory["pss_mib_total"], "processes": len(rows)},
        rows=rows,
        notes={"model": f"{card.name} {card.quantisation}", "workers": WORKERS, "searches": searches},
    )


def at_rest(service: RunningService) -> dict[str, Any]:
    """The service's own account once its reading child has ended."""
    end_s = time.monotonic() + READER_GONE_S_MAX
    while True:
        memory: dict[str, Any] = service.client.status()["memory"]
        if all(each["role"] != "reader" for each in memory["processes"]):
            return memory
        if time.monotonic() > end_s:
            raise RuntimeError("The reading child did not end.")
        time.sleep(0.1)


if __name__ == "__main__":
    sys.exit(main())
