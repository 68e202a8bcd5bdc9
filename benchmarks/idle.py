"""What the service costs while nobody asks it anything: processor, wake-ups, writes, faults, RAM; its start.

    python -m benchmarks.idle [--seconds 600] [--quick] [--json FILE]

The service is started with four workers, adds the project's own pages, answers a few searches and is left
alone until its reading child has gone. Then it is watched through /proc alone, since to ask it would wake it.
The bounds of the project: half a percent of a core, 5 MiB written an hour, 400 MiB with MiniLM and four
workers, and 3 s from a cold start with a warm page cache until it is ready.
"""

from __future__ import annotations

import contextlib
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.memory import WORKERS, at_rest
from benchmarks.model import benchmark_model
from benchmarks.report import Figures, arguments, publish
from pi_rag.stress import neighbours
from pi_rag.stress.running import COMMAND, RunningService

SETTLE_S, QUICK_SETTLE_S = 30.0, 5.0
"""What was put off until there is time for it is done by then; of the short form, most of it."""

QUICK_S = 15.0

STARTS = 5

START_S_MAX = 60.0

TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Spent:
    """What a process has had since its start."""

    processor_s: float
    wake_ups: int
    """How often a thread that it still has went to sleep, so that something had to wake it."""
    written_bytes: int
    page_faults: int
    """How often a page was not there. At rest a process needs no new ones: the kernel had taken it back."""


def main() -> int:
    """Measure and print."""
    parser = arguments(__doc__ or "")
    parser.add_argument("--seconds", type=float, default=600.0, help="how long it is watched (default: 600)")
    args = parser.parse_args()
    figures = measure(QUICK_S, QUICK_SETTLE_S) if args.quick else measure(args.seconds, SETTLE_S)
    publish(figures, args.json)
    return 0


def measure(seconds: float, settle_s: float) -> Figures:
    """The idle service, and then some starts of it."""
    environ = {
        "PI_RAG_MODEL": benchmark_model().path,
        "PI_RAG_WORKERS": str(WORKERS),
        "PI_RAG_INGEST_READER_IDLE_S_MAX": "0",
    }
    with tempfile.TemporaryDirectory() as folder, RunningService(Path(folder), environ) as service:
        _work(service)
        memory = at_rest(service)
        time.sleep(settle_s)
        roles = {int(each["pid"]): str(each["role"]) for each in memory["processes"]}
        begun_s, before = time.monotonic(), {pid: spent(pid) for pid in roles}
        time.sleep(seconds)
        took_s, after = time.monotonic() - begun_s, {pid: spent(pid) for pid in roles}
        alone = neighbours.times()
        starts = [_start(service) for _ in range(STARTS)]
        stolen_s = neighbours.times().stolen_s_since(alone)
    each = {pid: _between(before[pid], after[pid]) for pid in roles}
    rows = [
        {
            "process": f"{role} {pid}",
            "core_percent": round(100 * each[pid].processor_s / took_s, 3),
            "wake_ups_s": round(each[pid].wake_ups / took_s, 2),
            "written_kib_h": round(each[pid].written_bytes / 1024 / took_s * 3600, 1),
            "page_faults_s": round(each[pid].page_faults / took_s, 2),
        }
        for pid, role in roles.items()
    ]
    return Figures(
        headline={
            "core_percent": round(100 * sum(spent.processor_s for spent in each.values()) / took_s, 3),
            "wake_ups_s": round(sum(spent.wake_ups for spent in each.values()) / took_s, 1),
            "written_mib_h": round(
                sum(spent.written_bytes for spent in each.values()) / 2**20 / took_s * 3600, 3
            ),
            "page_faults_s": round(sum(spent.page_faults for spent in each.values()) / took_s, 1),
            "pss_mib": memory["pss_mib_total"],
            "start_s": round(statistics.median(took_s for took_s, _ in starts), 2),
            "start_processor_s": round(statistics.median(processor_s for _, processor_s in starts), 2),
        },
        rows=rows,
        notes={
            "seconds": round(took_s),
            "workers": WORKERS,
            "load_1min": os.getloadavg()[0],
            "stolen_s_of_each_start": round(stolen_s / STARTS, 2),
        },
    )


def spent(pid: int) -> Spent:
    """From the kernel's books. Raises FileNotFoundError when the process has ended."""
    proc = Path("/proc") / str(pid)
    # The name in parentheses may hold anything, so counting begins after it.
    numbers = (proc / "stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    statuses = [found for task in (proc / "task").iterdir() if (found := _status(task))]
    return Spent(
        processor_s=(int(numbers[11]) + int(numbers[12])) / TICKS,
        wake_ups=sum(int(facts["voluntary_ctxt_switches"]) for facts in statuses),
        written_bytes=int(_facts(proc / "io")["write_bytes"]),
        page_faults=int(numbers[7]) + int(numbers[9]),
    )


def _status(task: Path) -> dict[str, str]:
    """Of a thread; empty when it has ended since it was listed."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return _facts(task / "status")
    return {}


def _facts(path: Path) -> dict[str, str]:
    lines = path.read_text(encoding="ascii", errors="replace").splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def _between(before: Spent, after: Spent) -> Spent:
    return Spent(
        after.processor_s - before.processor_s,
        after.wake_ups - before.wake_ups,
        after.written_bytes - before.written_bytes,
        after.page_faults - before.page_faults,
    )


def _work(service: RunningService) -> None:
    added = service.run("add", str(Path(__file__).resolve().parents[1] / "docs"))
    if added.returncode:
        raise RuntimeError(added.stdout + added.stderr)
    for number in range(20):
        service.client.search(f"what survives a power cut, asked {number}")


def _start(service: RunningService) -> tuple[float, float]:
    """Seconds from nothing to READY, and of the processor; all that it reads is in the page cache by now.

    It says by itself when it is ready, as to systemd, since to ask it would cost as much as the start.
    """
    service.stop()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        path = service.socket.with_name("notify")
        path.unlink(missing_ok=True)
        told.bind(str(path))
        told.settimeout(START_S_MAX)
        begun_s = time.monotonic()
        process = subprocess.Popen(
            [*COMMAND, "serve"],
            env=service.environ | {"NOTIFY_SOCKET": str(path)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            while not told.recv(65536).startswith(b"READY=1"):
                pass
            took_s = time.monotonic() - begun_s
            pids = [int(each["pid"]) for each in service.client.status()["memory"]["processes"]]
            return took_s, sum(spent(pid).processor_s for pid in pids)
        finally:
            process.terminate()
            process.wait(60)


if __name__ == "__main__":
    sys.exit(main())
