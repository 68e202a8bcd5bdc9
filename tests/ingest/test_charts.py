"""Promises of pi_rag/ingest/charts.py."""

from __future__ import annotations

import io
import zipfile

from pi_rag.ingest.charts import WORDS_MAX, charts_by_slide
from pi_rag.ingest.reader_child import read

from .making import pptx

CHART = (
    "<c:chart><a:t>Birds &amp; bees</a:t><c:v>tits</c:v><c:v>12</c:v><c:v>tits</c:v><c:v> </c:v></c:chart>"
)


def with_charts(made_of: bytes, slide: int, *charts: str) -> bytes:
    """The presentation with charts on one of its slides."""
    made = io.BytesIO(made_of)
    with zipfile.ZipFile(made, "a") as packed:
        targets = "".join(f'<Relationship Target="../charts/chart{n}.xml"/>' for n in range(len(charts)))
        packed.writestr(f"ppt/slides/_rels/slide{slide}.xml.rels", f"<r>{targets}<r Target='../x.xml'/></r>")
        for number, chart in enumerate(charts):
            packed.writestr(f"ppt/charts/chart{number}.xml", chart)
    return made.getvalue()


def test_words_of_charts_belong_to_their_slide() -> None:
    """Each once; a slide that has only a chart is a page too."""
    data = with_charts(pptx(("Birds", "far"), ("", ""), ("Bees", "near")), 2, CHART, "<c:chart/>")
    assert charts_by_slide(data) == {2: ["Birds & bees, tits, 12"]}
    reading = read("a.pptx", "pptx", data, 1000)
    assert reading.text == "## Birds\n\nfar\n\nChart: Birds & bees, tits, 12\n\n## Bees\n\nnear\n\n"
    assert [page for _, page in reading.pages] == [1, 2, 3]


def test_a_chart_of_thousands_of_numbers_is_cut() -> None:
    """It would bury the words around it."""
    chart = "".join(f"<c:v>{number}</c:v>" for number in range(10_000))
    assert len(charts_by_slide(with_charts(pptx(("", "")), 1, chart))[1][0].split()) == WORDS_MAX


def test_a_presentation_without_charts_has_none() -> None:
    """Nor one whose chart is missing."""
    assert charts_by_slide(pptx(("Birds", "far"))) == {}
