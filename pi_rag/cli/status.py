"""`pi-rag status`: one screen about the service, from its own answer. It opens no file and no model."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import Any

from pi_rag.cli import advice, held, printing, watch
from pi_rag.cli.model_change import state_line
from pi_rag.cli.printing import counted, one_line, span, styled
from pi_rag.cli.reach import client_of, settings_of
from pi_rag.host.heat import SUPPLY

DESCRIPTION = """\
It says whether the service is ready, which model answers, how its workers are, how much is
remembered, what is being added, how much memory is used, and what to do when something is amiss.
"""

EXAMPLES = """\
  pi-rag status
  pi-rag status --json
"""

_COLOURS = {"ready": "green", "degraded": "yellow", "starting": "yellow", "stopping": "yellow"}


def configure(parser: ArgumentParser) -> None:
    """It has no flags of its own."""


def run(args: Namespace) -> int:
    """Ask once and print. Raises ServiceDown when nobody answers."""
    settings = settings_of(args)
    status = client_of(settings).status()
    if args.json:
        printing.as_json(status)
    else:
        printing.table([*_lines(status), ("socket", one_line(settings.socket_path))])
        _print_advice(status)
    return 0


def _lines(status: dict[str, Any]) -> list[tuple[str, str]]:
    """(label, text) for every part of the answer that is there."""
    state = str(status.get("state", "unknown"))
    up = f", pi-rag {status.get('version', '?')}, up {span(float(status.get('uptime_s') or 0))}"
    lines = [("state", styled(one_line(state), _COLOURS.get(state, "bold")) + one_line(up))]
    embedder = dict(status.get("embedder") or {})
    # Without a model there is nothing that workers could lack.
    why = "" if status.get("model") else str(embedder.pop("reason", None) or "")
    lines.append(("model", _model(status.get("model"), why)))
    lines.append(("workers", _workers(embedder, is_starting=state == "starting")))
    lines.append(("memory", _memory(status.get("memory") or {})))
    lines += [("budget", budget)] if (budget := advice.budget(status.get("memory") or {})) else []
    lines += [("board", board)] if (board := _board(status.get("board") or {})) else []
    lines.append(("stored", _counts(status.get("counts", {}))))
    lines.append(("adding", _ingest(status.get("ingest") or {}, status.get("counts") or {})))
    lines += [("held up", why)] if (why := held.up_by(status.get("ingest") or {})) else []
    lines += [("told", told)] if (told := _told(status.get("remembered") or {})) else []
    lines += [("no answer", stuck)] if (stuck := _stuck(status.get("ingest") or {})) else []
    lines += [("watching", watching)] if (watching := watch.state_line(status.get("watching") or {})) else []
    lines += [("index", _index(status["index"]))] if status.get("index") else []
    lines += [("reindex", reindexing)] if (reindexing := state_line(status.get("reindex") or {})) else []
    lines += [("cache", _cache(status["cache"], "query", "queries"))] if status.get("cache") else []
    answers = (status.get("cache") or {}).get("results")
    lines += [("answers", _cache(answers, "answer", "answers"))] if answers else []
    return lines


def _model(model: dict[str, Any] | None, why: str) -> str:
    """`why` there is none, as the service says it."""
    if not model:
        return one_line(f"none: {why}") if why else "none; get one with: pi-rag model pull"
    facts = [model.get("quantisation"), f"{model.get('dimensions')} dimensions", model.get("pooling")]
    return one_line(f"{model.get('name')} ({', '.join(str(fact) for fact in facts if fact)})")


def _workers(embedder: dict[str, Any], *, is_starting: bool) -> str:
    workers = embedder.get("workers") or []
    # Before its first start a place is like one whose worker has ended.
    first = {"ended": "starting"} if is_starting else {}
    states = [first.get(str(worker.get("state")), str(worker.get("state"))) for worker in workers]
    parts = [f"{states.count(state)} {state}" for state in sorted(set(states))]
    queued = embedder.get("queued") or {}
    waiting = [f"{queued[lane]} {lane} waiting" for lane in sorted(queued) if queued[lane]]
    reason = [str(embedder["reason"])] if embedder.get("reason") else []
    restarts = [counted(int(embedder["restarts"]), "restart")] if embedder.get("restarts") else []
    return one_line("; ".join([", ".join(parts) or "none", *waiting, *restarts, *reason]))


_STEPS = {
    "shed": "short: caches are dropped",
    "refuse": "short: no documents are taken in for a while",
    "recycle": "short: no documents are taken in; a worker is replaced if it has grown",
    "fewer": "short: one worker is left for documents",
    "words": "short: searches are answered from words alone",
}
"""What the service gives up for want of memory; in normal times nothing is said."""


def _memory(memory: dict[str, Any]) -> str:
    total = memory.get("pss_mib_total")
    if total is None:
        return "not measured"
    processes = memory.get("processes") or []
    budget = f" of {float(memory['budget_mib']):.0f}" if memory.get("budget_mib") else ""
    step = f"; {_STEPS[memory['step']]}" if memory.get("step") in _STEPS else ""
    return f"{float(total):.0f}{budget} MiB in {counted(len(processes), 'process', 'processes')}{step}"


def _board(board: dict[str, Any]) -> str:
    """Empty where the machine tells nothing of it, as virtual ones do."""
    celsius = board.get("temperature_c")
    warm = [] if celsius is None else [f"{float(celsius):.0f} °C"]
    warm += ["slowed"] if board.get("throttled") else []
    return one_line(
        "; ".join([*warm, *([f"too little power: {SUPPLY}"] if board.get("undervoltage") else [])])
    )


def _counts(counts: dict[str, Any] | None) -> str:
    if counts is None:
        return "not counted: all readers of the database are taken"
    nouns = {"documents": "document", "chunks": "passage", "collections": "collection"}
    return ", ".join(counted(int(counts.get(name) or 0), noun) for name, noun in nouns.items())


def _told(remembered: dict[str, Any]) -> str:
    """What people and agents have told; empty where they have told nothing."""
    nouns = ("fact", "event", "session", "scope")
    parts = [counted(int(remembered[f"{noun}s"]), noun) for noun in nouns if remembered.get(f"{noun}s")]
    pending = [f"{remembered['pending']:,} found by words alone so far"] if remembered.get("pending") else []
    return ", ".join([*parts, *pending])


def _ingest(ingest: dict[str, Any], counts: dict[str, Any]) -> str:
    current = ingest.get("current") or []
    queued = int(counts.get("items_queued") or 0)
    if not current and not queued:
        return ", ".join(["nothing", *_paused(ingest)])
    parts = [counted(queued, "document") + " waiting"]
    parts += [f"{float(ingest['rate_chunks_s']):.1f} passages/s"] if ingest.get("rate_chunks_s") else []
    parts += _paused(ingest)
    parts += [f"now {current[0]}"] if current else []
    return one_line(", ".join(parts))


def _paused(ingest: dict[str, Any]) -> list[str]:
    why = held.NOT_BEGUN.get(str(ingest.get("waiting_for")))
    return [f"{why}: let it go on with pi-rag jobs resume"] if why else []


def _stuck(ingest: dict[str, Any]) -> str:
    stuck = ingest.get("disks_stuck") or []
    return one_line(", ".join(f"from {each['mount']} for {span(float(each['for_s']))}" for each in stuck))


def _index(index: dict[str, Any]) -> str:
    if index.get("reason"):
        return one_line(f"none, all vectors are read: {index['reason']}")
    recall = index.get("recall") or {}
    seen = [f"{recall['mean']:.1%} of the nearest {recall['at']} found"] if recall.get("samples") else []
    held = f"{counted(int(index.get('passages') or 0), 'passage')} in {float(index.get('mib') or 0):.1f} MiB"
    return one_line(", ".join([f"{index.get('kind')}, {held}", *seen]))


def _cache(cache: dict[str, Any], noun: str, plural: str) -> str:
    if cache.get("state") != "on":
        why = ": the machine is short of memory" if cache.get("state") == "shed" else ""
        return one_line(f"{cache.get('state')}{why}")
    held = counted(int(cache.get("entries") or 0), noun, plural)
    hits, misses = int(cache.get("hits") or 0), int(cache.get("misses") or 0)
    rate = [f"{hits:,} of {hits + misses:,} asked were known"] if hits + misses else []
    return one_line(", ".join([f"{held} in {float(cache.get('bytes') or 0) / 2**20:.1f} MiB", *rate]))


def _print_advice(status: dict[str, Any]) -> None:
    for reason in status.get("degraded") or []:
        print(styled(f"degraded: {one_line(reason)}", "yellow"))
        print(f"  {advice.degraded(str(reason), status)}")
    for alert in status.get("alerts") or []:
        since = span(float(alert.get("for_s") or 0))
        print(styled(f"alert: {advice.alert(alert)}, for {since}", "yellow"))
        print(f"  {advice.ALERTS.get(str(alert.get('name')), 'Run: pi-rag doctor')}")
