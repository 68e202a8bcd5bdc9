"""The words in the charts of a presentation, which the library passes over: titles, names, numbers.

It reads the parts of the file as text, without a tree, and is for the reading child alone, which has checked
how large they are.
"""

from __future__ import annotations

import html
import io
import re
import zipfile

WORDS_MAX = 500
"""Of one chart. More is a table of measurements, which nobody reads in a picture."""

_SLIDE = re.compile(r"ppt/slides/_rels/slide(\d{1,5})\.xml\.rels")
_CHART = re.compile(r'Target="(?:\.\.|/ppt)/(charts/[\w.-]{1,100}\.xml)"')
_WORDS = re.compile(r"<(?:a:t|c:v)>([^<]+)</")


def charts_by_slide(data: bytes) -> dict[int, list[str]]:
    """For each slide with charts, by the number of its part, the words of each in one line."""
    found: dict[int, list[str]] = {}
    with zipfile.ZipFile(io.BytesIO(data)) as packed:
        there = set(packed.namelist())
        for name in sorted(there):
            if slide := _SLIDE.fullmatch(name):
                charts = [f"ppt/{part}" for part in _CHART.findall(_text(packed, name))]
                lines = [_words(_text(packed, chart)) for chart in charts if chart in there]
                found[int(slide[1])] = [line for line in lines if line]
    return {number: lines for number, lines in found.items() if lines}


def _words(chart: str) -> str:
    """Each name and number once, in order."""
    words = dict.fromkeys(html.unescape(word).strip() for word in _WORDS.findall(chart))
    return ", ".join([word for word in words if word][:WORDS_MAX])


def _text(packed: zipfile.ZipFile, name: str) -> str:
    return packed.read(name).decode("utf-8", "replace")
