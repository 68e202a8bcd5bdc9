"""Curves over time as SVG: text in, text out. It knows nothing of services or reports.

A curve is broken where nothing was measured, a limit is a dashed line, and what was done is a vertical line
with its name. What is under the pointer is told by the browser itself, from `<title>`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 880, 260
LEFT, RIGHT, TOP, BOTTOM = 62, 14, 26, 34

LABELS_MAX = 14
"""So many lines are named in the plot; there would be no room for more. All are counted below it."""

LINES_MAX = 400
"""Vertical lines drawn; of more, an even choice."""

LABEL_CHARS_MAX = 26

COLOURS = 8
"""The style of the page has so many, .c0 and so on; a ninth curve would have the first one's."""

Point = tuple[float, float | None]
"""Seconds, and a value or nothing."""


@dataclass(frozen=True)
class Curve:
    """One line."""

    name: str
    points: Sequence[Point]
    is_faint: bool = False
    """Drawn thinner: it goes with another one."""


@dataclass(frozen=True)
class Line:
    """Something that was done at one moment."""

    at_s: float
    name: str
    detail: str = ""


@dataclass(frozen=True)
class Plot:
    """What is drawn in one frame."""

    title: str
    unit: str
    curves: Sequence[Curve]
    lines: Sequence[Line] = ()
    away: Sequence[tuple[float, float]] = ()
    """From when to when there was nobody to measure."""
    limit: tuple[str, float] | None = None
    seconds: float = 0.0

    @property
    def has_values(self) -> bool:
        """Whether there is anything to draw."""
        return any(y is not None for curve in self.curves for _, y in curve.points)


@dataclass(frozen=True)
class _Scale:
    seconds: float
    top: float

    def x(self, at_s: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * min(max(at_s / self.seconds, 0.0), 1.0)

    def y(self, value: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * min(max(value / self.top, 0.0), 1.0)


def svg(plot: Plot) -> str:
    """The plot with its legend; empty when there is nothing to draw."""
    if not plot.has_values:
        return ""
    scale = _scale(plot)
    parts = [
        f"<figure><figcaption>{escape(plot.title)}",
        f'<span class="unit">{escape(plot.unit)}</span></figcaption>',
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(plot.title, quote=True)}">',
        *_away(plot, scale),
        *_grid(plot, scale),
        *_lines(plot.lines, scale),
        *(_curve(curve, number, scale) for number, curve in enumerate(plot.curves)),
        *_limit(plot, scale),
        "</svg>",
        _legend(plot),
        "</figure>",
    ]
    return "\n".join(parts)


def ticks(top: float, wanted: int = 5) -> list[float]:
    """Round numbers from 0 on, the last not below `top`: 1, 2 or 5 times a power of ten apart."""
    rough = max(top, 1e-9) / wanted
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(each * power for each in (1, 2, 5, 10) if each * power >= rough * (1 - 1e-9))
    return [round(step * number, 12) for number in range(math.ceil(top / step - 1e-9) + 1)]


def thinned(points: Iterable[Point], seconds: float, wanted: int = 400) -> list[Point]:
    """At most so many points: of neighbours the highest, since peaks are what is looked for."""
    width = max(seconds / wanted, 1e-9)
    highest: dict[int, Point] = {}
    for at_s, value in points:
        place = int(at_s / width)
        before = highest.get(place)
        if before is None or before[1] is None or (value is not None and value > before[1]):
            highest[place] = (at_s, value)
    return [highest[place] for place in sorted(highest)]


def moment(seconds: float) -> str:
    """For an axis: 45 s, 12 min, 3.5 h."""
    if seconds < 120:
        return f"{seconds:g} s"
    return f"{seconds / 60:.4g} min" if seconds < 7200 else f"{seconds / 3600:.3g} h"


def _scale(plot: Plot) -> _Scale:
    values = [y for curve in plot.curves for _, y in curve.points if y is not None]
    highest = max(values, default=0.0)
    # A limit far above everything would press the curves flat; the legend tells it all the same.
    if plot.limit and plot.limit[1] <= 2.5 * highest:
        highest = max(highest, plot.limit[1])
    last_s = max((at_s for curve in plot.curves for at_s, _ in curve.points), default=0.0)
    return _Scale(max(plot.seconds, last_s, 1.0), ticks(max(highest, 1e-9) * 1.02)[-1])


def _grid(plot: Plot, scale: _Scale) -> Iterator[str]:
    for value in ticks(scale.top):
        y = scale.y(value)
        yield f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield f'<text class="tick" x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:g}</text>'
    for at_s in _moments(scale.seconds):
        x = scale.x(at_s)
        place = "end" if x > WIDTH - RIGHT - 20 else "middle"
        yield f'<text class="tick" x="{x:.1f}" y="{HEIGHT - 12}" text-anchor="{place}">{moment(at_s)}</text>'


def _moments(seconds: float) -> list[float]:
    """Where the axis of time has its numbers: whole seconds, minutes or hours."""
    unit = 1.0 if seconds < 120 else 60.0 if seconds < 7200 else 3600.0
    return [each * unit for each in ticks(seconds / unit, 8) if each * unit <= seconds * 1.0001]


def _curve(curve: Curve, number: int, scale: _Scale) -> str:
    """A path with a move wherever something is missing before; a lonely point is a dot."""
    words, is_drawing = [], False
    for at_s, value in curve.points:
        if value is not None:
            words.append(f"{'L' if is_drawing else 'M'}{scale.x(at_s):.1f} {scale.y(value):.1f}")
            if not is_drawing:
                words.append("h0.01")
        is_drawing = value is not None
    return f'<path class="curve {_class(curve, number)}" d="{"".join(words)}"/>'


def _class(curve: Curve, number: int) -> str:
    return f"c{number % COLOURS}{' faint' if curve.is_faint else ''}"


def _short(name: str) -> str:
    return name if len(name) <= LABEL_CHARS_MAX else name[: LABEL_CHARS_MAX - 1] + "…"


def _lines(lines: Sequence[Line], scale: _Scale) -> Iterator[str]:
    """The names go up the line; where two would lie on each other, only the first is written."""
    drawn = (
        lines
        if len(lines) <= LINES_MAX
        else [lines[each * len(lines) // LINES_MAX] for each in range(LINES_MAX)]
    )
    last_x, labels = -100.0, 0
    for each in drawn:
        x = scale.x(each.at_s)
        told = f"{moment(round(each.at_s, 1))}: {each.name} {each.detail}".strip()
        yield f'<g class="mark"><title>{escape(told)}</title>'
        yield f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>'
        if x - last_x >= 13 and labels < LABELS_MAX:
            place = f"translate({x + 3:.1f} {TOP + 4}) rotate(90)"
            yield f'<text transform="{place}">{escape(_short(each.name))}</text>'
            last_x, labels = x, labels + 1
        yield "</g>"


def _away(plot: Plot, scale: _Scale) -> Iterator[str]:
    for from_s, to_s in plot.away:
        x, width = scale.x(from_s), max(1.0, scale.x(to_s) - scale.x(from_s))
        yield (
            f'<rect class="away" x="{x:.1f}" y="{TOP}" width="{width:.1f}" height="{HEIGHT - TOP - BOTTOM}">'
            "<title>not ready</title></rect>"
        )


def _limit(plot: Plot, scale: _Scale) -> Iterator[str]:
    if plot.limit and plot.limit[1] <= scale.top:
        y = scale.y(plot.limit[1])
        yield f'<line class="limit" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'


def _legend(plot: Plot) -> str:
    names = [
        f'<span><i class="{_class(curve, number)}"></i>{escape(curve.name)}</span>'
        for number, curve in enumerate(plot.curves)
    ]
    if plot.limit:
        names.append(f'<span><i class="limit"></i>{escape(plot.limit[0])} {plot.limit[1]:g}</span>')
    if len(plot.lines) > LABELS_MAX:
        counted = Counter(each.name for each in plot.lines)
        names += [
            f'<span><i class="mark"></i>{escape(name)} &times; {count}</span>'
            for name, count in counted.items()
        ]
    return f'<p class="legend">{" ".join(names)}</p>'
