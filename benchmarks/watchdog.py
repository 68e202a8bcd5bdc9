"""What watching memory costs: the processor time of looking at all processes of a service, of one core.

    python -m benchmarks.watchdog [--quick] [--json FILE]

A service with four workers runs; its processes are looked at from here as its watchdog looks at them, with
the same code and as often. `idle` is a service at rest, `growing` one of whose processes seems to grow at
every look, so that each is measured as often as it may be.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from benchmarks.model import benchmark_model
from benchmarks.report import Figures, arguments, publish
from pi_rag.clock import SystemClock
from pi_rag.config import MemorySettings
from pi_rag.host.heat import undervoltage
from pi_rag.service import sampling
from pi_rag.service.sampling import Known, Sampler
from pi_rag.stress.running import RunningService

WORKERS = 4


def main() -> int:
    """Measure and print."""
    args = arguments(__doc__ or "").parse_args()
    publish(measure(seconds=10.0 if args.quick else 60.0), args.json)
    return 0


def measure(seconds: float) -> Figures:
    """The share of a core that looking takes, at rest and while a process grows."""
    card = benchmark_model()
    with tempfile.TemporaryDirectory() as folder:
        environ = {"PI_RAG_MODEL": card.path, "PI_RAG_WORKERS": str(WORKERS)}
        with RunningService(Path(folder), environ) as service:
            service.client.search("is anybody there")
            processes = service.client.status()["memory"]["processes"]
            known = [(each["pid"], each["role"]) for each in processes]
            idle = _cost(known, seconds)
            sampling.GROWN_MIB = 0.0  # any size is grown then
            growing = _cost(known, seconds)
    return Figures(
        headline={"idle_percent": idle["core_percent"], "growing_percent": growing["core_percent"]},
        rows=[{"service": "idle", **idle}, {"service": "growing", **growing}],
        notes={"processes": len(known), "look_s": MemorySettings().look_s, "seconds": seconds},
    )


def _cost(known: Known, seconds: float) -> dict[str, float]:
    settings = MemorySettings()
    sampler = Sampler(settings, SystemClock(), undervoltage=undervoltage)
    began_s, used_s, looks = time.monotonic(), 0.0, 0
    while time.monotonic() - began_s < seconds:
        before_s = time.thread_time()
        if not sampler.may_rest(known):
            sampler.look(known)
        used_s, looks = used_s + time.thread_time() - before_s, looks + 1
        time.sleep(settings.look_s)
    percent = 100 * used_s / (time.monotonic() - began_s)
    return {
        "core_percent": round(percent, 3),
        "look_ms": round(1000 * used_s / looks, 3),
        "measuring_ms": sampler.cost_ms,
    }


if __name__ == "__main__":
    sys.exit(main())
