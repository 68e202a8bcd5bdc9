"""The page holds all of a report in one file that asks nobody for anything."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from hypothesis import given, settings

from pi_rag.stress.page import away_times, latency_curves, page, throughput_curves
from pi_rag.stress.plots import Curve
from pi_rag.stress.report import Report
from pi_rag.stress.tally import WIDTH
from pi_rag.stress.types import Answer, Check, Record
from tests.stress.reported import records, sample, small

VOID = {"meta", "link", "br", "hr", "img", "input"}


class Balanced(HTMLParser):
    """Notes elements that are closed in another order than they were opened."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.wrong: list[str] = []
        self.seen: set[str] = set()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href", "style")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)


def parsed(html: str) -> Balanced:
    found = Balanced()
    found.feed(html)
    found.close()
    return found


@settings(max_examples=40)
@given(records())
def test_any_record_makes_a_sound_page(record: Record) -> None:
    """Whatever stands in names and reasons: every element is closed, and none comes out of a text."""
    found = parsed(page(Report(1, "again", [record])))

    assert found.wrong == []
    assert found.open == []
    assert found.seen <= set(
        "html head meta title style body h1 h2 p a section span div table tr th td details summary "
        "figure figcaption svg line text path g rect i".split()
    )


def test_nothing_comes_from_the_network() -> None:
    """No address but those within the page, no script, no import of a style."""
    html = page(Report(1, "again", [small("whole", True)]))

    assert parsed(html).links == ["#load"]
    assert not re.search(r"https?:|url\(|@import|<script", html)


def test_what_was_done_is_in_the_plots_with_its_name() -> None:
    """A line for each, escaped; and the time in which nobody was there is shaded."""
    html = page(Report(1, "again", [small("whole", True)]))

    assert "kill -9 of the supervisor" in html
    assert "&lt;b&gt;&amp;" in html
    assert "<b>" not in html
    assert 'class="away"' in html
    for title in ("Latency of search", "Latency of add", "Answers", "Memory", "Temperature", "Processor"):
        assert f"<figcaption>{title}" in html


def test_no_text_becomes_an_element() -> None:
    """Names, promises, reasons, figures and the machine's own words are text, whatever stands in them."""
    evil = "<script>alert(1)</script>"
    record = small("failed", True)
    record.reason, record.scenario, record.began = evil, evil, evil
    record.notes, record.figures, record.machine = [evil], {evil: 1.0}, {evil: evil}
    record.checks = [Check(evil, evil, evil, None)]
    record.tally.slots[evil] = record.tally.slots["search"]
    html = page(Report(1, evil, [record]))

    assert "<script" not in html
    assert html.count("&lt;script") >= 12


def test_a_broken_promise_is_seen_at_a_glance() -> None:
    """In the outcome, in the table, and with what was asked."""
    html = page(Report(1, "again", [small("whole", True, False)]))

    assert "NOT WELL: 1 of 2 promises broken" in html
    assert '<td class="bad">BROKEN</td>' in html


def test_percentiles_are_of_all_answers_of_their_stretch() -> None:
    """p95 of 99 fast answers and a slow one is fast; of a stretch with two slow ones of three it is slow."""
    record = Record("x", 1, 1.0, seconds=3.0)
    record.tally.add([Answer(0.5, "search", 10.0, "")] * 99 + [Answer(0.5, "search", 900.0, "")])
    record.tally.add([Answer(1.5, "search", 10.0, ""), *[Answer(1.5, "search", 900.0, "")] * 2])
    p95 = [value for _, value in latency_curves(record, "search")[0].points]

    assert p95[0] is not None
    assert p95[1] is not None
    assert 10 <= p95[0] <= 10 * WIDTH
    assert 900 <= p95[1] <= 900 * WIDTH


def test_every_answer_is_in_the_throughput() -> None:
    """A long run's stretches are wider, and their rates are of a second all the same."""
    record = Record("x", 1, 1.0, seconds=5000.0)
    record.tally.add(Answer(second + 0.5, "search", 1.0, "") for second in range(0, 5000))
    answered = throughput_curves(record)[0]

    assert len(answered.points) <= 401
    middle = [value for _, value in answered.points[1:-1]]
    assert middle == [1.0] * len(middle)


def test_refusals_and_errors_have_curves_of_their_own() -> None:
    """And only where there were any."""
    names = [curve.name for curve in throughput_curves(small("whole"))]

    assert names == ["answered", "busy", "errors"]
    assert _total(throughput_curves(small("whole"))[1]) == 3


def _total(curve: Curve) -> float:
    return sum(value or 0 for _, value in curve.points)


def test_times_away_are_told_from_first_to_last() -> None:
    """Also one that lasts until the end."""
    ready = [True, False, False, True, False]
    samples = [sample(float(at_s), is_ready=each) for at_s, each in enumerate(ready)]

    assert away_times(samples) == [(1.0, 3.0), (4.0, 4.0)]
