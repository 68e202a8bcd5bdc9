"""How soon the service is whole again, and what it costs while it cannot be.

    python -m benchmarks.recovery [--quick] [--json FILE]

Workers of a running service are killed and stopped, one after another, and the time is taken until another is
ready in its place. Then a service without its model, and one with a damaged model, are left alone for a while
and the processor time of all their processes is read.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.model import benchmark_model
from benchmarks.report import Figures, arguments, publish
from pi_rag.stress.running import RunningService
from pi_rag.types import ModelCard

ROUNDS = 10
ALONE_S = 60.0
WAIT_S_MAX = 60.0


def main() -> int:
    """Measure and print."""
    args = arguments(__doc__ or "").parse_args()
    publish(measure(rounds=2 if args.quick else ROUNDS, alone_s=15.0 if args.quick else ALONE_S), args.json)
    return 0


def measure(rounds: int, alone_s: float) -> Figures:
    """All of it, in services of their own."""
    card = benchmark_model()
    with tempfile.TemporaryDirectory() as folder:
        killed, stopped = _replaced(card, Path(folder) / "sound", rounds)
        missing = _share_alone(card, Path(folder) / "missing", Path.unlink, alone_s)
        damaged = _share_alone(card, Path(folder) / "damaged", _damage, alone_s)
    rows = [
        {"what": "worker killed, another ready, median", "figure": _median(killed) * 1000, "unit": "ms"},
        {"what": "worker killed, another ready, longest", "figure": max(killed) * 1000, "unit": "ms"},
        {"what": "idle worker stopped, another ready", "figure": stopped, "unit": "s"},
        {"what": "model missing, processor", "figure": missing, "unit": "% of a core"},
        {"what": "model damaged, processor", "figure": damaged, "unit": "% of a core"},
    ]
    return Figures(
        headline={"killed_ms_max": max(killed) * 1000, "stopped_s": stopped},
        rows=rows,
        notes={"model": f"{card.name} {card.quantisation}", "rounds": rounds, "alone_s": alone_s},
    )


def _replaced(card: ModelCard, folder: Path, rounds: int) -> tuple[list[float], float]:
    """Seconds from a kill to the next ready worker, each round; and from a stop, once."""
    folder.mkdir()
    with RunningService(folder, {"PI_RAG_MODEL": card.path}) as service:
        _until(lambda: all(each["pid"] for each in _workers(service)))
        killed = [_until_replaced(service, signal.SIGKILL) for _ in range(rounds)]
        return killed, _until_replaced(service, signal.SIGSTOP)


def _until_replaced(service: RunningService, number: int) -> float:
    """A status takes a few milliseconds, so what is measured is that much too long."""
    victim = _workers(service)[0]["pid"]
    begun_s = time.monotonic()
    os.kill(victim, number)
    _until(lambda: all(each["pid"] not in {0, victim} for each in _workers(service)))
    return time.monotonic() - begun_s


def _workers(service: RunningService) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = service.client.status()["embedder"]["workers"]
    return found


def _damage(path: Path) -> None:
    """One bit, in the middle of the weights."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def _share_alone(card: ModelCard, folder: Path, spoil: Callable[[Path], None], alone_s: float) -> float:
    """Percent of a core that a service takes from its start on whose installed model was spoilt.

    Its children are counted too, once they have ended.
    """
    folder.mkdir()
    shelf = Path(shutil.copytree(Path(card.path).parent, folder / "data" / "models"))
    spoil(shelf / Path(card.path).name)
    with RunningService(folder, {}, ready=False) as service:
        before_s, begun_s = _processor_s(service.pid), time.monotonic()
        time.sleep(alone_s)
        used_s = _processor_s(service.pid) - before_s
        assert service.client.status()["degraded"] == ["embedder_unavailable"]
        return 100 * used_s / (time.monotonic() - begun_s)


def _processor_s(pid: int) -> float:
    """Of a process and of its children that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()
    return sum(int(ticks) for ticks in fields[11:15]) / os.sysconf("SC_CLK_TCK")


def _until(condition: Callable[[], bool]) -> None:
    end_s = time.monotonic() + WAIT_S_MAX
    while not condition():
        if time.monotonic() > end_s:
            raise RuntimeError("It did not come to pass within a minute.")


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


if __name__ == "__main__":
    sys.exit(main())
