"""What agents cost: their bridges, and the one service behind them.

    python -m benchmarks.agents [--quick] [--json FILE]

A whole service with a real model; each client is a whole `pi-rag mcp` of its own, spoken to over its standard
input and output, as an agent's program does. First one, then fifty at once, each asking different questions.
Times are read beside those of one client in the same run.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.model import benchmark_model
from benchmarks.report import Figures, arguments, publish
from pi_rag.host import memory
from pi_rag.stress.running import RunningService

PI_RAG = str(Path(sys.executable).with_name("pi-rag"))
HANDSHAKE = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "benchmark", "version": "1"},
}
CLIENTS = 50
PAUSE_S = 5.0
"""Between two questions of one client: an agent thinks between them. Fifty then ask ten times a second."""


class Agent:
    """One client with a bridge of its own."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        began = time.monotonic()
        self._process = subprocess.Popen(
            [PI_RAG, "mcp"], env=dict(environ), stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self._asked = 0
        self.welcome = self.ask("initialize", HANDSHAKE)
        self.handshake_ms = (time.monotonic() - began) * 1000

    def ask(self, method: str, params: Mapping[str, Any]) -> Any:
        """One request and its answer."""
        self._asked += 1
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        line = json.dumps({"jsonrpc": "2.0", "id": self._asked, "method": method, "params": params})
        self._process.stdin.write(line.encode() + b"\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def search_ms(self, query: str) -> float:
        """How long a search takes as the agent sees it."""
        began = time.monotonic()
        answer = self.ask("tools/call", {"name": "search", "arguments": {"query": query}})
        assert not answer["result"].get("isError"), answer
        return (time.monotonic() - began) * 1000

    def resident_mib(self) -> float:
        """The most it has had resident."""
        text = Path(f"/proc/{self._process.pid}/status").read_text()
        line = next(each for each in text.splitlines() if each.startswith("VmHWM"))
        return int(line.split()[1]) / 1024

    def end(self) -> None:
        """As a client ends."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()


def main() -> int:
    """Measure and print."""
    args = arguments(__doc__ or "").parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        RunningService(Path(folder), {"PI_RAG_MODEL": benchmark_model().path}) as service,
    ):
        fill(service.environ)
        figures = measure(service, rounds=10 if args.quick else 40)
    publish(figures, args.json)
    return 0


def fill(environ: Mapping[str, str]) -> None:
    """Some passages to search: pages of this project."""
    docs = Path(__file__).parents[1] / "docs"
    pages = [str(docs / name) for name in ("start.md", "data.md", "watch.md")]
    subprocess.run([PI_RAG, "add", *pages], env=dict(environ), check=True, capture_output=True)


def measure(service: RunningService, rounds: int) -> Figures:
    """One client alone, then all at once."""
    Agent(service.environ).end()  # the first one has the service load the protocol
    handshakes, bare = [], []
    for _ in range(rounds):
        began = time.monotonic()
        subprocess.run([sys.executable, "-c", "import json, socket"], check=True)
        bare.append((time.monotonic() - began) * 1000)
        agent = Agent(service.environ)
        handshakes.append(agent.handshake_ms)
        agent.end()
    alone = Agent(service.environ)
    one = [paced(alone, number) for number in range(2 * rounds)]
    before_mib = total_mib(service)
    agents = [Agent(service.environ) for _ in range(CLIENTS - 1)] + [alone]
    many, during_mib = together(service, agents, rounds)
    resident = [agent.resident_mib() for agent in agents]
    for agent in agents:
        agent.end()
    return Figures(
        headline={
            "handshake_p50_ms": round(statistics.median(handshakes), 1),
            "resident_mib_max": round(max(resident), 1),
        },
        rows=[
            {"clients": 1, "p50_ms": round(statistics.median(one), 1), "p95_ms": round(p95(one), 1)},
            {"clients": CLIENTS, "p50_ms": round(statistics.median(many), 1), "p95_ms": round(p95(many), 1)},
        ],
        notes={
            "handshake_p95_ms": round(p95(handshakes), 1),
            "bare_python_p50_ms": round(statistics.median(bare), 1),
            "p95_ratio": round(p95(many) / p95(one), 2),
            "service_mib_more": round(during_mib - before_mib, 1),
            "searches_s": round(CLIENTS / PAUSE_S),
        },
    )


def paced(agent: Agent, number: int) -> float:
    """One question, and the pause after it: as many in a second as all of them ask together."""
    took = agent.search_ms(f"what is kept, and where? {number}")
    time.sleep(PAUSE_S / CLIENTS)
    return took


def together(service: RunningService, agents: list[Agent], rounds: int) -> tuple[list[float], float]:
    """All ask at their own pace. Each time, and the most memory that the service had meanwhile."""
    found: list[float] = []

    def work(agent: Agent, number: int) -> None:
        time.sleep(PAUSE_S * number / len(agents))
        for turn in range(max(2, rounds // 8)):
            began = time.monotonic()
            found.append(agent.search_ms(f"how is {number} done in turn {turn}?"))
            time.sleep(max(0.0, PAUSE_S - (time.monotonic() - began)))

    threads = [threading.Thread(target=work, args=(agent, n)) for n, agent in enumerate(agents)]
    for thread in threads:
        thread.start()
    most = 0.0
    while any(thread.is_alive() for thread in threads):
        most = max(most, total_mib(service))
        time.sleep(0.2)
    return found, most


def total_mib(service: RunningService) -> float:
    """Proportional set size of the service and all its children."""
    pids = [service.pid]
    for pid in pids:
        pids += memory.children(pid)
    return sum(memory.pss_mib(pid) or 0.0 for pid in pids)


def p95(values: list[float]) -> float:
    """What nineteen of twenty do not exceed."""
    return sorted(values)[min(len(values) - 1, int(len(values) * 0.95))]


if __name__ == "__main__":
    sys.exit(main())
