"""Promises of pi_rag/ingest/odp.py."""

from __future__ import annotations

import pytest

from pi_rag.errors import DocumentEncrypted, DocumentTooLarge
from pi_rag.ingest import odp
from pi_rag.ingest.odp import read_odp

from .making import open_document

SLIDES = """
<draw:page><draw:frame presentation:class="title"><draw:text-box><text:p>Bir<text:span>ds</text:span></text:p>
</draw:text-box></draw:frame><draw:frame><draw:text-box><text:list><text:list-item><text:p>tit</text:p>
</text:list-item></text:list><text:p/></draw:text-box></draw:frame></draw:page>
<draw:page><table:table><table:table-row><table:table-cell><text:p>a</text:p></table:table-cell><table:table-cell>
<text:p>b</text:p></table:table-cell></table:table-row><table:table-row><table:table-cell><text:p>1</text:p>
</table:table-cell><table:table-cell/></table:table-row></table:table></draw:page>
"""


def test_slides_are_pages() -> None:
    """Titles are headings, lists and tables stay what they are."""
    reading = read_odp("a.odp", open_document("presentation", SLIDES, "On birds"))
    assert reading.text == "## Birds\n\n- tit\n\n| a | b |\n| --- | --- |\n| 1 |  |\n\n"
    assert reading.pages == ((0, 1), (17, 2))
    assert (reading.title, reading.metadata) == ("On birds", {"created": "2024-01-02T03:04:05"})


def test_one_behind_a_password_is_told() -> None:
    """Its parts are noise."""
    with pytest.raises(DocumentEncrypted):
        read_odp("a.odp", open_document("presentation", "", manifest="<encryption-data/>"))


def test_what_unpacks_to_too_much_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    """No more than the bound is ever held."""
    monkeypatch.setattr(odp, "XML_BYTES_MAX", 10_000)
    with pytest.raises(DocumentTooLarge):
        read_odp("a.odp", open_document("presentation", " " * 20_000))
