"""A screen of figures: from a history of looks to lines that fit. It draws nothing and asks nobody.

At 40 columns, as on a phone, a curve has a line of its own; from WIDE on it stands beside its figure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

from rich.text import Text

from pi_rag.cli import advice
from pi_rag.cli.figures import WINDOW_S, History, Look, Series
from pi_rag.cli.printing import counted, one_line, span

WIDE = 64
LABEL = 10
STAGE = 20
"""Columns of one stage with its two times."""
CURVE_MAX = 30
"""Columns of a curve at most: ten seconds each."""

BLOCKS = " ▁▂▃▄▅▆▇█"
COLOURS = {"ready": "green", "degraded": "yellow", "starting": "yellow", "stopping": "yellow"}
SEARCH_STAGES = ("embed", "vector", "text", "fuse", "read", "total")
INGEST_STAGES = ("read", "cut", "embed", "compare", "store", "total")


class Row(NamedTuple):
    """A figure with its name, how it looks, and its curve if it has one."""

    label: str
    value: str
    style: str = ""
    curve: Series = []  # noqa: RUF012 - it is never changed
    is_detail: bool = False
    """It gives way first where there is little room."""


def frame(history: History, width: int, height: int, *, trouble: str = "", keys: str = "") -> list[Text]:
    """The lines of the screen, each at most `width` wide, at most `height` of them.

    `trouble` is why the newest look could not be had; what is shown is then what was known last.
    """
    look = history.last
    rows = [] if look is None else [*_rows(history, look, width)]
    lines = [_head(look, trouble, width)]
    for with_curves, with_details in ((True, True), (True, False), (False, False)):
        kept = [row for row in rows if with_details or not row.is_detail]
        body = [line for row in kept for line in _lines(row, width, look, with_curves=with_curves)]
        if len(body) + 2 <= height:
            break
    foot = [Text(keys, style="dim")] if keys else []
    lines += body[: max(0, height - 1 - len(foot))] + foot
    for line in lines:
        line.truncate(width, overflow="ellipsis")
        if trouble and line is not lines[0]:
            line.stylize("dim")
    return lines[:height]


def curve(series: Series, columns: int, now_s: float) -> str:
    """The last minutes as blocks, oldest first; each column is the most of its moment, blank if unknown."""
    most: dict[int, float] = {}
    for at_s, value in series:
        column = columns - 1 - int((now_s - at_s) / WINDOW_S * columns)
        most[column] = max(value, most.get(column, 0.0))
    top = max(most.values(), default=0.0)
    # What is there and small is seen as the lowest block, other than what is not known.
    levels = {column: 1 + round(7 * value / top) if top else 1 for column, value in most.items()}
    return "".join(BLOCKS[levels.get(column, 0)] for column in range(columns))


def _lines(row: Row, width: int, look: Look | None, *, with_curves: bool) -> Iterator[Text]:
    columns = min(CURVE_MAX, width - LABEL - 1)
    drawn = curve(row.curve, columns, look.at_s) if with_curves and row.curve and look else ""
    line = Text.assemble((row.label.ljust(LABEL), "bold"), (row.value, row.style))
    if drawn and width >= WIDE:
        line.truncate(width - columns - 1, overflow="ellipsis", pad=True)
        yield Text.assemble(line, " ", (drawn, "cyan"))
        return
    yield line
    if drawn:
        yield Text.assemble(" " * LABEL, (drawn, "cyan"))


def _head(look: Look | None, trouble: str, width: int) -> Text:
    if trouble:
        return Text(f"waiting for the service: {one_line(trouble)}", style="bold red")
    if look is None:
        return Text("waiting for the service", style="bold")
    state = one_line(look.status.get("state", "unknown"))
    up = f", up {span(look.number('uptime_s') or 0)}, pi-rag {one_line(look.status.get('version', '?'))}"
    return Text.assemble((state, f"bold {COLOURS.get(state, 'red')}"), up)


def _rows(history: History, look: Look, width: int) -> Iterator[Row]:
    """What is amiss stands first, so that no small screen cuts it off."""
    yield from _amiss(look)
    yield from _searches(history, look)
    yield from _stages("search", history, "query", SEARCH_STAGES, width)
    yield from _ingest(history, look)
    yield from _stages("document", history, "ingest", INGEST_STAGES, width)
    yield from _machine(history, look)


def _searches(history: History, look: Look) -> Iterator[Row]:
    rates = history.rates("searches", "searches")
    yield Row("searches", _rate(rates), curve=rates)
    p50, p95 = (look.number("searches", "window", name) for name in ("p50_ms", "p95_ms"))
    if p50 is not None and p95 is not None:
        yield Row(
            "latency",
            f"p50 {_ms(p50)}, p95 {_ms(p95)} ms",
            curve=history.values("searches", "window", "p95_ms"),
        )
    hits = history.share(("cache", "hits"), ("cache", "misses"))
    yield Row("cached", _cached(look, "cache") + " of vectors", curve=hits)
    yield Row("", _cached(look, "cache", "results") + " of answers")


def _cached(look: Look, *path: str) -> str:
    """The share of what was asked that a cache had, since the start."""
    hits, misses = look.number(*path, "hits") or 0, look.number(*path, "misses") or 0
    return f"{hits / (hits + misses):.0%}" if hits + misses else "-"


def _stages(label: str, history: History, lane: str, stages: tuple[str, ...], width: int) -> Iterator[Row]:
    """What the numbers are and of which time, then p50 and p95 of each stage, as many in a line as fit."""
    told, last_s = history.stages_ms(lane)
    texts = [
        f"{stage} {_ms(told[stage]['p50'])}/{_ms(told[stage]['p95'])}" for stage in stages if stage in told
    ]
    in_line = max(1, (width - LABEL) // STAGE)
    if texts:
        time = "since the start" if last_s is None else f"last {span(last_s)}"
        yield Row(label, f"p50/p95 ms, {time}", is_detail=True)
    for number in range(0, len(texts), in_line):
        yield Row("", ", ".join(texts[number : number + in_line]), is_detail=True)


def _ingest(history: History, look: Look) -> Iterator[Row]:
    rates = history.rates("ingest", "passages", "embedded")
    yield Row("passages", _rate(rates), curve=rates)
    waiting = int(look.number("counts", "items_queued") or 0)
    left_s = history.left_s()
    parts = [counted(int(look.number("counts", "jobs_open") or 0), "job") + " open"]
    parts += [f"{waiting:,} waiting"]
    parts += [f"{span(left_s)} left"] if left_s is not None else []
    yield Row("jobs", ", ".join(parts), curve=history.values("counts", "items_queued") if waiting else [])
    held = (look.status.get("ingest") or {}).get("waiting_for")
    if held:
        yield Row("", f"held up: {one_line(held)}", "yellow")
    dead = int(look.number("jobs", "dead_letters") or 0)
    if dead:
        yield Row("", f"{counted(dead, 'document')} given up: pi-rag jobs failed", "yellow")


def _machine(history: History, look: Look) -> Iterator[Row]:
    memory = look.status.get("memory") or {}
    pss = {each.get("pid"): each.get("pss_mib") for each in memory.get("processes") or []}
    embedder = look.status.get("embedder") or {}
    yield from _workers(embedder.get("workers") or [], pss)
    step = str(memory.get("step", "normal"))
    of = f" of {_mib(memory['budget_mib'])}" if memory.get("budget_mib") else ""
    used = f"{_mib(memory.get('pss_mib_total'))}{of} MiB, {one_line(step)}"
    style = "" if step == "normal" else "red"
    yield Row("memory", used, style, history.values("memory", "pss_mib_total"))
    board = look.status.get("board") or {}
    celsius = look.number("board", "temperature_c")
    parts = [] if celsius is None else [f"{celsius:.0f} °C"]
    parts += [name for name in ("undervoltage", "throttled") if board.get(name)]
    if parts:
        style = "red" if len(parts) > (celsius is not None) else ""
        yield Row("board", ", ".join(parts), style, history.values("board", "temperature_c"))


def _workers(workers: list[dict[str, Any]], pss: dict[Any, Any]) -> Iterator[Row]:
    """How many are in which state, and the memory of each."""
    states = Counter(one_line(each.get("state")) for each in workers)
    yield Row("workers", ", ".join(f"{states[state]} {state}" for state in sorted(states)) or "none")
    if workers:
        yield Row("", " + ".join(_mib(pss.get(each.get("pid"))) for each in workers) + " MiB")


def _amiss(look: Look) -> Iterator[Row]:
    reasons = look.status.get("degraded") or []
    if reasons:
        yield Row("degraded", ", ".join(map(one_line, reasons)), "yellow")
    for number, alert in enumerate(look.status.get("alerts") or []):
        yield Row("" if number else "alerts", advice.alert(alert), "yellow")


def _rate(rates: Series) -> str:
    """The newest, per second."""
    return f"{rates[-1][1]:.1f}/s" if rates else "-"


def _ms(value: float) -> str:
    return f"{value:.0f}" if value >= 10 else f"{value:.1f}"


def _mib(value: object) -> str:
    return f"{value:,.0f}" if isinstance(value, (int, float)) else "?"
