"""From the settings and the board to a budget that holds, and to settings that fit into it.

What contradicts itself is no reason not to start: a smaller choice is made, and one line says which. Workers,
the RAM index, page caches, caches and the reading child may together take no more than the budget, all at
their largest. It decides purely; `sized` asks the machine, and tells.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pi_rag import log
from pi_rag.config import Settings
from pi_rag.host import memory

SERVICE_MIB = 160
"""The supervisor at work, the nursery and a small model. Measured: 110 MiB idle with MiniLM."""

WORKER_MIB = 16
"""What a worker's share comes to. Measured: 15 MiB with MiniLM."""

READER_MIB_MIN = 96
"""With less the reading child opens nothing."""

BOARD_UNKNOWN_MIB = 4096
"""Where the kernel does not say how much RAM there is, the smallest board that we are made for is assumed."""

BOARD_PART = 0.25
"""Of the board's RAM, that the service takes when nobody says otherwise: a Pi does other things too."""

BOARD_PART_MAX = 0.75

GROUP_PART_MAX = 0.9
"""Of the cgroup's limit: at the limit itself the kernel kills."""

ROUND_MIB = 512
"""The kernel keeps some of a board's RAM for itself; 3.9 GiB are a board of 4."""

_RENEWED = "embedder."
"""How the names begin of what does change while the service runs."""

Lowered = Mapping[str, int]
"""Settings by name, and what they were lowered to."""

AT_A_RESTART = ("store", "index", "ingest", "watch", "cache", "health", "alerts", "memory", "metrics")
"""The groups of settings of which nothing changes while the service runs."""

_log = log.logger("memory")


@dataclass(frozen=True, slots=True)
class Sized:
    """Settings that fit into a budget, and what became of those that a person made."""

    as_set: Settings
    settings: Settings
    why: str = ""
    """Why the budget is not the one that was set; empty where it is."""
    lowered: Lowered = field(default_factory=dict)

    def told(self) -> dict[str, Any]:
        """As /v1/status shows it in `memory`."""
        return {
            "budget_set_mib": self.as_set.memory.budget_mib,
            "budget_why": self.why,
            "lowered": dict(self.lowered),
        }


def sized(settings: Settings, root: Path = memory.ROOT) -> Sized:
    """The settings with a budget for this machine, and all of them within it. Whatever is changed is told."""
    group = memory.group(root)
    board_mib = memory.total_mib(root) or 0.0
    if not board_mib and not settings.memory.budget_mib:
        _log.warning("board_unknown", reason=f"{BOARD_UNKNOWN_MIB} MiB are assumed")
    budget_mib, why = budget(settings, board_mib, group.max_mib if group else None)
    if why:
        _log.warning("budget_changed", budget_mib=budget_mib, wanted=settings.memory.budget_mib, reason=why)
    fitting, lowered = _fitting(replace(settings, memory=replace(settings.memory, budget_mib=budget_mib)))
    return Sized(settings, fitting, why, lowered)


def resized(fresh: Settings, before: Sized) -> Sized:
    """Settings that were read again, within the budget that is in force. What waits for a restart is told."""
    waiting = [each for each in AT_A_RESTART if getattr(fresh, each) != getattr(before.as_set, each)]
    if waiting:
        _log.warning("settings_wait", reason=f"these begin at a restart: {', '.join(waiting)}")
    fitting, lowered = _fitting(replace(fresh, memory=before.settings.memory))
    kept = {name: value for name, value in before.lowered.items() if not name.startswith(_RENEWED)}
    new = {name: value for name, value in lowered.items() if name.startswith(_RENEWED)}
    return replace(before, settings=fitting, lowered=kept | new)


def _fitting(settings: Settings) -> tuple[Settings, Lowered]:
    fitting, lowered = fit(settings)
    if lowered:
        _log.warning("settings_lowered", budget_mib=settings.memory.budget_mib, reason=_listed(lowered))
    return fitting, lowered


def budget(settings: Settings, board_mib: float, group_mib_max: float | None) -> tuple[int, str]:
    """MiB for the whole service, and why it is not what the settings say; empty where it is.

    `board_mib` 0: not known.
    """
    board_mib = -(-(board_mib or BOARD_UNKNOWN_MIB) // ROUND_MIB) * ROUND_MIB
    wanted = settings.memory.budget_mib or int(board_mib * BOARD_PART)
    found, why = wanted, ""
    for most, name in (
        (board_mib * BOARD_PART_MAX, "the board's memory"),
        (_of(group_mib_max), "the cgroup"),
    ):
        if found > most:
            found, why = int(most), f"more than {name} allows"
    least = SERVICE_MIB + WORKER_MIB * (1 + settings.embedder.query_workers) + _least_mib(settings)
    if found < least:
        found, why = least, "less than one worker and a reader need"
    return found, why


def fit(settings: Settings) -> tuple[Settings, Lowered]:
    """What may take RAM, lowered until all of it is within `memory.budget_mib`; and what was lowered.

    One worker and every part's least come first, then what answers queries. Of the rest no part gets more
    than half when it is too little; then all give up the same share.
    """
    embedder, parts = settings.embedder, _parts(settings)
    room = max(WORKER_MIB, settings.memory.budget_mib - SERVICE_MIB - _least_mib(settings))
    queries = min(embedder.query_workers, room // WORKER_MIB - 1)
    room -= queries * WORKER_MIB
    workers = max(1, min(embedder.workers_wanted, room // 2 // WORKER_MIB))
    room -= workers * WORKER_MIB
    beyond = {name: float((mib - least) * times) for name, (mib, times, least) in parts.items()}
    if sum(beyond.values()) > room:
        beyond = {name: min(mib, room / 2) for name, mib in beyond.items()}
    share = min(1.0, room / (sum(beyond.values()) or 1.0))
    chosen = {name: least + int(beyond[name] * share / times) for name, (_, times, least) in parts.items()}
    lowered = {name: mib for name, mib in chosen.items() if mib < parts[name][0]}
    if workers < embedder.workers_wanted:
        lowered["embedder.workers"] = workers
    if queries < embedder.query_workers:
        lowered["embedder.query_workers"] = queries
    return _with(settings, lowered), lowered


def _parts(settings: Settings) -> Mapping[str, tuple[int, int, int]]:
    """What may take RAM beside the workers: MiB as set, how many take so much, and the least of it."""
    connections = 1 + settings.store.readers + settings.store.readers_overflow_max
    return {
        "ingest.reader_memory_mib_max": (settings.ingest.reader_memory_mib_max, 1, READER_MIB_MIN),
        "index.memory_mib_max": (settings.index.memory_mib_max, 1, 1),
        "store.cache_mib": (settings.store.cache_mib, connections, 1),
        "cache.query_mib_max": (settings.cache.query_mib_max, 1, 0),
        "cache.results_mib_max": (settings.cache.results_mib_max, 1, 0),
    }


def _least_mib(settings: Settings) -> int:
    return sum(times * least for _, times, least in _parts(settings).values())


def _of(group_mib_max: float | None) -> float:
    return float("inf") if group_mib_max is None else group_mib_max * GROUP_PART_MAX


def _with(settings: Settings, values: Lowered) -> Settings:
    changed: dict[str, dict[str, Any]] = {}
    for name, value in values.items():
        group, key = name.split(".")
        changed.setdefault(group, {})[key] = value
    return replace(
        settings, **{group: replace(getattr(settings, group), **new) for group, new in changed.items()}
    )


def _listed(lowered: Lowered) -> str:
    return ", ".join(f"{name} = {value}" for name, value in lowered.items())
