"""Curves are drawn where they belong, and nothing that is drawn can be more than text."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from pi_rag.stress import plots
from pi_rag.stress.plots import Curve, Line, Plot

points = st.lists(st.tuples(st.floats(0, 1e5), st.none() | st.floats(0, 1e9)), max_size=50)


@given(
    points,
    st.lists(st.builds(Line, st.floats(0, 1e5), st.text(max_size=40), st.text(max_size=9)), max_size=30),
)
def test_any_plot_is_sound_and_stays_in_its_frame(made: list[plots.Point], lines: list[Line]) -> None:
    """Whatever the values and names are: the picture can be parsed, and no point lies outside."""
    clean = [Line(each.at_s, _printable(each.name), _printable(each.detail)) for each in lines]
    drawn = plots.svg(Plot("title", "ms", [Curve("one", made)], clean))
    if not any(value is not None for _, value in made):
        assert drawn == ""
        return

    ElementTree.fromstring(drawn.replace("&times;", "x"))
    for path in re.findall(r' d="([^"]*)"', drawn):
        for x, y in re.findall(r"[ML]([\d.e+-]+) ([\d.e+-]+)", path):
            assert plots.LEFT <= float(x) <= plots.WIDTH
            assert 0 <= float(y) <= plots.HEIGHT


def _printable(text: str) -> str:
    return "".join(letter for letter in text if letter.isprintable())


def test_where_nothing_was_measured_the_curve_is_broken() -> None:
    """Two pieces, and no line over the gap."""
    drawn = plots.svg(Plot("t", "", [Curve("c", [(0, 1.0), (1, 2.0), (2, None), (3, 1.0), (4, 2.0)])]))

    assert re.findall(r"[ML]", re.findall(r' d="([^"]*)"', drawn)[0]) == ["M", "L", "M", "L"]


@given(st.floats(1e-6, 1e9))
def test_ticks_are_round_and_reach_the_top(top: float) -> None:
    """From 0, equal steps of 1, 2 or 5, and not more than can be read."""
    found = plots.ticks(top)

    assert found[0] == 0
    assert found[-1] >= top * (1 - 1e-6)
    assert 2 <= len(found) <= 7
    assert f"{found[1]:e}"[0] in "125"


@given(points)
def test_thinning_keeps_the_highest(made: list[plots.Point]) -> None:
    """A peak of one second is what a long run is looked at for."""
    kept = plots.thinned(made, 1e5, 10)

    assert len(kept) <= 11
    assert max((y for _, y in kept if y is not None), default=None) == max(
        (y for _, y in made if y is not None), default=None
    )


def test_a_limit_far_above_is_told_and_does_not_press_the_curve_flat() -> None:
    """A budget of gigabytes over a curve of megabytes."""
    near = plots.svg(Plot("t", "", [Curve("c", [(0, 80.0), (1, 90.0)])], limit=("budget", 100.0)))
    far = plots.svg(Plot("t", "", [Curve("c", [(0, 80.0), (1, 90.0)])], limit=("budget", 6000.0)))

    assert 'line class="limit"' in near
    assert 'line class="limit"' not in far
    assert "budget 6000" in far


def test_a_thousand_faults_are_counted_and_drawn_in_part() -> None:
    """Names would lie on each other; each kind is told with its number."""
    lines = [Line(float(number), f"kill {number % 2}") for number in range(1000)]
    drawn = plots.svg(Plot("t", "", [Curve("c", [(0, 1.0), (1000, 1.0)])], lines))

    assert drawn.count('<g class="mark">') == plots.LINES_MAX
    assert "kill 0 &times; 500" in drawn
    assert len(re.findall("rotate", drawn)) <= plots.LABELS_MAX
