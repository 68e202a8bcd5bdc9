"""What to do about each word of `degraded` and about each alert: one line that a person can act on."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from pi_rag.cli.printing import one_line
from pi_rag.host import sysfs
from pi_rag.host.storage import storage

RESTART = "sudo systemctl restart pi-rag"

DEGRADED = {
    "embedder_unavailable": "Search goes by words alone. Check the model: pi-rag doctor",
    "embedder_timeout": "Vectors come too slowly. See whether other programs keep the machine busy: top",
    "model_mismatch": "The index was made with another model. Embed it with the new one: pi-rag reindex",
    "store_silent": "The database gives no answer. See whether its disk is well: sudo dmesg",
    "store_damaged": "The database is damaged, and nothing is written any more. Stop the service, then: "
    "pi-rag restore BACKUP, or without one: pi-rag recover",
    "store_read_only": "Nothing can be stored until the service is restarted. See that its user may write "
    f"the data folder, then: {RESTART}",
    "store_unusable": "The disk refuses to be read or written. See the kernel's messages: sudo dmesg. If it "
    "is the card, copy what can be read (pi-rag export), and get another.",
    "disk_full": "Nothing can be stored until there is room; then it goes on by itself. See: df -h",
    "safe_mode": "Documents wait, since the service ended in the midst of them too often: pi-rag jobs resume",
    "ingest_refused": "No documents are taken in until memory is free again. If it lasts: raise "
    "memory.budget_mib or lower embedder.workers, and restart the service.",
    "reader_unavailable": "Files that need the reader wait, since it cannot start: PDF, office files, "
    "e-books, mails, archives and web pages. See: pi-rag doctor",
    "memory_short": "Caches are dropped until memory is free again. More room for them: memory.budget_mib",
}

ALERTS = {
    "loop_silent": "A part of the service has not moved for long. The log names it: journalctl -u pi-rag",
    "search_slow": "Searches take longer than they should. See where their time goes: pi-rag top",
    "cache_hits_low": "Few questions were known. Keep more of them: cache.results_max, cache.query_mib_max. "
    "No target: alerts.cache_hits_percent_min = 0",
    "memory_high": "Memory comes near its budget. Fewer workers need less: embedder.workers",
    "dead_letters": "Documents were given up. See why: pi-rag jobs failed. Try them again: pi-rag jobs retry",
    "log_large": "The write-ahead log cannot be emptied: something reads without an end, like a backup.",
    "disk_low": "Make room where the data is. See: df -h",
    "recall_low": "The RAM index finds too few of the nearest. More bits find more: index.bits",
    "hot": "Give the board air or a fan: from 80 °C on it slows down.",
    "undervoltage": "Use the 27 W supply (5.1 V, 5 A), and a good cable.",
}


def degraded(reason: str, status: dict[str, Any], root: Path = sysfs.ROOT) -> str:
    """What to do about one word of a status, looking at the mount below the data where that may be why."""
    if reason == "store_read_only" and status.get("data"):
        where = storage(Path(str(status["data"])), root)
        if where.read_only:
            mend = one_line(writable_again(where.point))
            return f"Nothing can be stored: the data folder is mounted read-only. {mend}"
    return DEGRADED.get(reason, "Run: pi-rag doctor")


def writable_again(point: str) -> str:
    """The command for a disk that is mounted there to be read only. A name may have a space in it."""
    return f"sudo mount -o remount,rw {shlex.quote(point)} && {RESTART}"


def alert(told: dict[str, Any]) -> str:
    """An alert of the status with its figures, as every command shows it: `hot, 81.5 °C (limit 80)`."""
    unit = f" {told['unit']}" if told.get("unit") else ""
    return one_line(
        f"{told.get('name')}, {_rounded(told.get('value'))}{unit} (limit {_rounded(told.get('limit'))})"
    )


def budget(memory: dict[str, Any]) -> str:
    """What became of the settings to fit into a budget; empty where all is as it was set.

    Such as `288 MiB, since the 10 that are set are less than ...; lowered to fit: embedder.workers = 1`.
    """
    wanted, why = memory.get("budget_set_mib"), memory.get("budget_why")
    told = f"the {wanted} that are set are" if wanted else "a quarter of the board's memory is"
    parts = [f"{memory.get('budget_mib')} MiB, since {told} {why}"] if why else []
    lowered = ", ".join(f"{name} = {value}" for name, value in (memory.get("lowered") or {}).items())
    return one_line("; ".join([*parts, *([f"lowered to fit: {lowered}"] if lowered else [])]))


def _rounded(value: Any) -> str:
    """As exact as a person wants it."""
    number = float(value or 0)
    return f"{number:,.0f}" if abs(number) >= 100 else f"{number:.3g}"
