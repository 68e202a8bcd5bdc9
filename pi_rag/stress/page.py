"""A run as one page for a browser: promises in tables, and curves of what was measured and done.

One file without a script, a font or a picture from anywhere: it can be opened from a stick, and sent. It is
made of a report alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from pi_rag.host.heat import SLOWED_C
from pi_rag.stress import plots
from pi_rag.stress.private import without_names
from pi_rag.stress.report import Report, outcome, verdict, word
from pi_rag.stress.tally import Histogram
from pi_rag.stress.types import Check, Record, Sample

POINTS_MAX = 400

MEMORY_ROLES = ("supervisor", "nursery", "worker", "reader", "other")

STYLE = """\
:root { color-scheme: light dark; --paper: #fff; --ink: #1c1e21; --soft: #667; --rule: #dde; --good: #1a7f4b;
  --bad: #c62828; --mark: #a0522d; --away: #d9534f2b; }
@media (prefers-color-scheme: dark) { :root { --paper: #15171a; --ink: #e6e7e9; --soft: #9aa2ad;
  --rule: #2c3138; --good: #4cc38a; --bad: #ff7b72; --mark: #e0a06a; --away: #ff7b7233; } }
* { box-sizing: border-box; }
body { background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; margin: 0 auto;
  max-width: 1240px; padding: 1.5rem 1rem 4rem; }
h1 { font-size: 1.6rem; margin: 0 0 .3rem; } h2 { font-size: 1.25rem; margin: 0; }
.soft, .unit { color: var(--soft); font-weight: normal; font-size: .92em; }
section { border-top: 2px solid var(--rule); margin-top: 2.2rem; padding-top: 1.2rem; }
.good { color: var(--good); } .bad { color: var(--bad); } .good, .bad { font-weight: 600; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; margin: .8rem 0 1.2rem; }
th, td { text-align: left; vertical-align: top; padding: .28rem .8rem .28rem 0;
  border-bottom: 1px solid var(--rule); font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
th { color: var(--soft); font-weight: 600; } td:last-child, th:last-child { white-space: nowrap; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 520px), 1fr));
  gap: 1.1rem 1.6rem; }
figure { margin: 0; } figcaption { font-weight: 600; }
svg { width: 100%; height: auto; display: block; }
svg text { fill: var(--soft); font: 12px system-ui, sans-serif; }
.grid { stroke: var(--rule); } .away { fill: var(--away); }
.curve { fill: none; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; }
.curve.faint { stroke-width: 1.2; opacity: .75; }
svg .mark line { stroke: var(--mark); stroke-width: 1; stroke-dasharray: 2 3; }
svg .mark text { fill: var(--mark); font-size: 11px; }
svg .limit { stroke: var(--bad); stroke-dasharray: 7 4; }
.legend { margin: .1rem 0 0; font-size: .87rem; color: var(--soft); display: flex; flex-wrap: wrap;
  gap: .1rem 1rem; }
.legend i { display: inline-block; width: 1.1rem; height: 0; border-top: 3px solid; margin-right: .35rem;
  vertical-align: middle; } .legend i.faint { border-top-width: 1px; }
.legend i.limit { border-top: 2px dashed var(--bad); } .legend i.mark { border-top: 2px dotted var(--mark); }
"""

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8a6fdf", "#7f7f7f")
"""Told apart by those who see few colours (Okabe and Ito 2008), but for the last two."""


def page(report: Report) -> str:
    """The whole page."""
    colours = "".join(
        f".c{number} {{ stroke: {colour}; border-color: {colour} !important; }}\n"
        for number, colour in enumerate(COLOURS)
    )
    parts = [
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>pi-rag stress, seed {report.seed}</title>",
        f"<style>{STYLE}{colours}</style></head><body>",
        *_head(report),
        *(part for record in report.runs for part in _section(record)),
        "</body></html>",
    ]
    return "\n".join(parts) + "\n"


def _head(report: Report) -> Iterator[str]:
    yield "<h1>pi-rag stress</h1>"
    yield f'<p class="{_tone(report.is_well)}">{_text(verdict(report))}</p>'
    if report.runs:
        machine = " &middot; ".join(
            f"{_text(name)}: {_text(value)}" for name, value in report.runs[0].machine.items()
        )
        yield f'<p class="soft">{machine}</p>'
    rows = [
        f'<tr><td><a href="#{_text(each.scenario)}">{_text(each.scenario)}</a></td>'
        f"<td>{each.seconds:.0f} s</td>"
        f'<td class="{_tone(each.is_well)}">{_text(outcome(each))}</td></tr>'
        for each in report.runs
    ]
    head = "<tr><th>scenario</th><th>took</th><th>outcome</th></tr>"
    yield f'<div class="scroll"><table>{head}{"".join(rows)}</table></div>'


def _section(record: Record) -> Iterator[str]:
    yield f'<section id="{_text(record.scenario)}"><h2>{_text(record.scenario)} '
    yield f'<span class="{_tone(record.is_well)}">{_text(outcome(record))}</span></h2>'
    form = "quick form" if record.is_quick else "whole form"
    began = f"{form}, seed {record.seed}, began {_text(record.began)}, took {record.seconds:.0f} s"
    yield f'<p class="soft">{began}</p>'
    yield from (f"<p>{_text(each)}</p>" for each in record.notes)
    yield _checks(record.checks)
    yield '<div class="plots">'
    yield from (drawn for each in plots_of(record) if (drawn := plots.svg(each)))
    yield "</div>"
    if record.figures:
        rows = "".join(
            f"<tr><td>{_text(name)}</td><td>{value:g}</td></tr>"
            for name, value in sorted(record.figures.items())
        )
        yield f"<details><summary>All figures</summary><table>{rows}</table></details>"
    yield "</section>"


def _checks(checks: list[Check]) -> str:
    rows = "".join(
        f"<tr><td>{_text(each.name)}</td><td>{_text(each.asked)}</td><td>{_text(each.seen)}</td>"
        f'<td class="{"soft" if each.is_kept is None else _tone(each.is_kept)}">{word(each)}</td></tr>'
        for each in checks
    )
    return (
        '<div class="scroll"><table><tr><th>promise</th><th>asked</th><th>seen</th><th>kept</th></tr>'
        f"{rows}</table></div>"
    )


def plots_of(record: Record) -> Iterator[plots.Plot]:
    """All that can be drawn of one run. A plot without a value is left out by who draws."""
    lines = [
        plots.Line(each.at_s, without_names(each.name), without_names(each.detail)) for each in record.marks
    ]
    away, seconds = away_times(record.samples), _seconds(record)

    def plot(
        title: str, unit: str, curves: list[plots.Curve], limit: tuple[str, float] | None = None
    ) -> plots.Plot:
        return plots.Plot(title, unit, curves, lines, away, limit, seconds)

    for operation in sorted(record.tally.slots, key=lambda name: (name != "search", name)):
        yield plot(f"Latency of {operation}", "ms", latency_curves(record, operation))
    yield plot("Answers", "a second", throughput_curves(record))
    budget = record.figures.get("memory_budget_mib")
    yield plot(
        "Memory",
        "MiB of proportional set size",
        memory_curves(record),
        ("budget", budget) if budget else None,
    )
    roles = [role for role in MEMORY_ROLES if any(role in each.processor_share for each in record.samples)]
    yield plot(
        "Processor",
        "cores",
        [_sampled(record, role, lambda s, r=role: s.processor_share.get(r)) for role in roles],
    )
    yield plot(
        "Queue",
        "documents that wait",
        [_sampled(record, "waiting", lambda s: s.queued if s.queued >= 0 else None)],
    )
    yield plot(
        "Descriptors and threads",
        "of the supervisor",
        [
            _sampled(record, "descriptors", lambda s: s.descriptors or None),
            _sampled(record, "threads", lambda s: s.threads or None),
        ],
    )
    yield plot("Write-ahead log", "MiB", [_sampled(record, "log", lambda s: s.wal_mib)])
    heat = _sampled(record, "processor", lambda s: s.temperature_c)
    yield plot("Temperature", "°C", [heat], ("slowed from", SLOWED_C))


def latency_curves(record: Record, operation: str) -> list[plots.Curve]:
    """p50 and p95 of each stretch of time. They are of all its answers, not means of percentiles."""
    stretches = _stretches(record, operation)
    return [
        plots.Curve("p95", [(at_s, each.percentile_ms(95)) for at_s, each in stretches]),
        plots.Curve("p50", [(at_s, each.percentile_ms(50)) for at_s, each in stretches], is_faint=True),
    ]


def _stretches(record: Record, operation: str) -> list[tuple[float, Histogram]]:
    """Neighbouring slots together, so that there are not more than can be drawn."""
    tally = record.tally
    slots = tally.slots.get(operation, {})
    width = max(1, -(-(max(slots, default=0) + 1) // POINTS_MAX))
    joined: dict[int, Histogram] = {}
    for slot, histogram in slots.items():
        joined.setdefault(slot // width, Histogram()).merge(histogram)
    return [((place + 0.5) * width * tally.slot_s, joined[place]) for place in sorted(joined)]


def throughput_curves(record: Record) -> list[plots.Curve]:
    """Answers, refusals and errors a second, of all operations together."""
    tally, together = record.tally, Histogram()
    last = max((max(slots, default=0) for slots in tally.slots.values()), default=0)
    width = max(1, -(-(last + 1) // POINTS_MAX))
    joined: dict[int, Histogram] = (
        {place: Histogram() for place in range(last // width + 1)} if tally.slots else {}
    )
    for slots in tally.slots.values():
        for slot, histogram in slots.items():
            joined[slot // width].merge(histogram)
            together.merge(histogram)
    seconds = width * tally.slot_s

    def curve(name: str, count: object) -> plots.Curve:
        assert callable(count)
        return plots.Curve(
            name, [((place + 0.5) * seconds, count(each) / seconds) for place, each in joined.items()]
        )

    curves = [curve("answered", lambda each: each.codes[""] + each.codes["degraded"])]
    if together.codes["busy"]:
        curves.append(curve("busy", lambda each: each.codes["busy"]))
    if together.codes["degraded"]:
        curves.append(curve("of them degraded", lambda each: each.codes["degraded"]))
    if together.errors():
        curves.append(curve("errors", lambda each: sum(each.errors().values())))
    return curves


def memory_curves(record: Record) -> list[plots.Curve]:
    """Each role, and all together."""
    roles = [role for role in MEMORY_ROLES if any(role in each.pss_mib for each in record.samples)]
    whole = _sampled(record, "all", lambda sample: sum(sample.pss_mib.values()) or None)
    return [whole, *(_sampled(record, role, lambda s, r=role: s.pss_mib.get(r)) for role in roles)]


def _sampled(record: Record, name: str, value: object) -> plots.Curve:
    """What every sample says of one thing."""
    assert callable(value)
    points = ((each.at_s, value(each)) for each in record.samples)
    return plots.Curve(name, plots.thinned(points, _seconds(record), POINTS_MAX))


def _seconds(record: Record) -> float:
    """Until the last thing that was seen: the run's own seconds begin before its service is there."""
    moments = [each[-1].at_s for each in (record.samples, record.marks) if each]
    return max([*moments, 1.0])


def away_times(samples: list[Sample]) -> list[tuple[float, float]]:
    """From when to when the service was not ready, as far as one look a second can tell."""
    times: list[tuple[float, float]] = []
    since_s: float | None = None
    for each in samples:
        if not each.is_ready and since_s is None:
            since_s = each.at_s
        elif each.is_ready and since_s is not None:
            times.append((since_s, each.at_s))
            since_s = None
    if since_s is not None:
        times.append((since_s, samples[-1].at_s))
    return times


def _tone(is_good: bool) -> str:
    return "good" if is_good else "bad"


def _text(told: object) -> str:
    return escape(without_names(str(told)))
