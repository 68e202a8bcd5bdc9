"""`pi-rag sources` answers whether a file is in, since when, and if not, why not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Run
from tests.standin import StandIn

SCAN = {"code": "document_needs_ocr", "message": "It is pictures of text.", "hint": "Run ocrmypdf."}


def row(source: str, **more: Any) -> dict[str, Any]:
    return {"source": source, "collection": "letters", "passages": 0, "seen_at": 1_700_000_000.0} | more


def test_each_source_has_its_fate(service: StandIn, run: Run) -> None:
    """Stored, waiting, or not taken and why; harmless on a terminal; the last line leads on."""
    rows = [
        row("/a\x1b.md", indexed_at=1_700_000_000.0, passages=12),
        row("/b.md", waiting=True, seen_at=None),
        row("/scan.pdf", skipped=SCAN),
        row("/was.pdf", skipped=SCAN, passages=3),
    ]
    service.on("GET", "/v1/sources", {"sources": rows, "next": "/scan.pdf@letters"})
    flags = ("--skipped", "--collection", "letters", "--limit", "3", "--after", "/0@letters")
    lines = run("sources", "/", *flags).out.splitlines()
    assert service.asked[-1].params == {
        "under": "/", "skipped": "true", "collection": "letters", "limit": "3", "after": "/0@letters"
    }  # fmt: skip
    assert lines[0].split() == ["SEEN", "STORED", "COLLECTION", "SOURCE"]
    assert lines[1].endswith("letters     /a\N{REPLACEMENT CHARACTER}.md: 12 passages")
    assert lines[2].split() == ["-", "waiting", "letters", "/b.md:", "not", "read", "yet"]
    assert lines[3].endswith("/scan.pdf: not taken: It is pictures of text. (Run ocrmypdf.)")
    assert lines[4].endswith(
        "/was.pdf: 3 passages of before; not taken: It is pictures of text. (Run ocrmypdf.)"
    )
    assert lines[5] == (
        "There are more: pi-rag sources / --skipped --collection letters --limit 3 --after /scan.pdf@letters"
    )


def test_a_source_is_found_by_its_whole_path_or_as_it_was_typed(
    service: StandIn, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file from where the person is; else what standard input or an address was called."""
    monkeypatch.chdir(tmp_path)
    known = [row("now.txt")]
    service.on(
        "GET",
        "/v1/sources",
        lambda asked: (200, {"sources": known if asked.params["under"] == "now.txt" else []}),
    )
    assert "now.txt" in run("sources", "now.txt").out
    assert [each.params["under"] for each in service.asked] == [str(tmp_path / "now.txt"), "now.txt"]


def test_nothing_says_what_that_means(service: StandIn, run: Run) -> None:
    """Nothing skipped is good; nothing known is to be added."""
    service.on("GET", "/v1/sources", {"sources": [], "next": None})
    unknown = run("sources", "/no ne")
    assert (unknown.out, unknown.code) == ("Nothing is known of /no ne. Add it: pi-rag add '/no ne'\n", 3)
    assert run("sources", "/none", "--json").code == 3
    first = run("sources")
    assert (first.out, first.code) == ("Nothing was ever added. Begin with: pi-rag add PATH\n", 0)
    assert run("sources", "--skipped").out == "Nothing was left out.\n"
    assert run("sources", "--json").json == {"sources": [], "next": None}


def test_a_page_after_the_last_says_no_more(service: StandIn, run: Run) -> None:
    """The last one may have been full to the brim; that is no sign that nothing is known."""
    service.on("GET", "/v1/sources", {"sources": [], "next": None})
    for path in ([], ["/home"], ["--skipped"]):
        last = run("sources", *path, "--after", "/home/z.md@default")
        assert (last.out, last.code) == ("No more.\n", 0)


def test_the_next_page_can_be_typed_whatever_the_name(service: StandIn, run: Run) -> None:
    """A name with blanks in a row or a control character is typed so that it is still that name."""
    service.on("GET", "/v1/sources", {"sources": [row("/a")], "next": "/a  b\x1b.md@letters"})
    assert "--after $'/a  b\\033.md@letters'\n" in run("sources").out
