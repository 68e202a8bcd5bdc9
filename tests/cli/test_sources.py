"""`pi-rag sources` answers whether a file is in, since when, and if not, why not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Run
from tests.standin import Asked, Reply, StandIn

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
    """A file from where the person is; else what standard input or an address was called, or where the file
    really lies."""
    monkeypatch.chdir(tmp_path)
    known = [row("now.txt")]
    service.on(
        "GET",
        "/v1/sources",
        lambda asked: (200, {"sources": known if asked.params["under"] == "now.txt" else []}),
    )
    assert "now.txt" in run("sources", "now.txt").out
    assert [each.params["under"] for each in service.asked] == [str(tmp_path / "now.txt"), "now.txt"]
    (tmp_path / "link").symlink_to("/")
    run("sources", "link/a.md")
    assert [each.params["under"] for each in service.asked[2:]] == [
        str(tmp_path / "link/a.md"),
        "link/a.md",
        "/a.md",
    ]


NOTHING: dict[str, Any] = {"sources": [], "next": None, "left_out": None}


def test_nothing_says_what_that_means(service: StandIn, run: Run, tmp_path: Path) -> None:
    """Nothing skipped is good; a file of which nothing is known is to be added."""
    service.on("GET", "/v1/sources", NOTHING)
    path = tmp_path / "no ne"
    path.touch()
    unknown = run("sources", str(path))
    assert (unknown.out, unknown.code) == (f"Nothing is known of {path}. Add it: pi-rag add '{path}'\n", 3)
    assert run("sources", str(path), "--json").code == 3
    assert run("sources", str(path), "--collection", "c").out.endswith(
        f"pi-rag add '{path}' --collection c\n"
    )
    first = run("sources")
    assert (first.out, first.code) == ("Nothing was ever added. Begin with: pi-rag add PATH\n", 0)
    assert run("sources", "--skipped").out == "Nothing was refused.\n"
    assert run("sources", "--json").json == NOTHING


def test_what_is_left_out_says_by_what_and_how_to_take_it(service: StandIn, run: Run, tmp_path: Path) -> None:
    """The service knows; it is asked by the whole path, and what is typed otherwise says nothing of files."""
    why = f"It is left out when a folder above it is added: {tmp_path}/.gitignore names it."
    hidden = tmp_path / "a.log"
    hidden.touch()

    def listing(asked: Asked) -> Reply:
        is_asked = asked.params["under"] == str(hidden) and "skipped" not in asked.params
        return 200, NOTHING | {"left_out": why if is_asked else None}

    service.on("GET", "/v1/sources", listing)
    typed = f"{tmp_path}/./a.log"
    ran = run("sources", typed)
    told = f"Nothing is known of {typed}. {why} To take it all the same: pi-rag add {typed}\n"
    assert (ran.out, ran.code) == (told, 3)
    ran = run("sources", typed, "--skipped")
    assert (ran.out, ran.code) == (told, 3)
    assert run("sources", typed, "--json").json["left_out"] == why


def test_what_does_not_follow_its_file_says_so(service: StandIn, run: Run) -> None:
    """Else one passage would look like any other's."""
    service.on("GET", "/v1/sources", NOTHING | {"sources": [row("/a.log")], "left_out": "It is left out."})
    ran = run("sources", "/a.log")
    assert ran.out.splitlines()[2:] == [
        "It is left out. What is stored of it stays until it is added again, or removed."
    ]


def test_nobody_is_told_to_add_what_is_no_file(service: StandIn, run: Run) -> None:
    """A path that is not there, a name of standard input; of a number, what shows it. An address is one."""
    service.on("GET", "/v1/sources", NOTHING)
    for name in ("/none", "now.txt"):
        ran = run("sources", name)
        assert (ran.out, ran.code) == (f"Nothing is known of {name}, and there is no such file here.\n", 3)
    assert run("sources", "12").out.endswith("no such file here. Document 12: pi-rag get 12\n")
    assert run("sources", "https://a.b/c").out.endswith("Add it: pi-rag add https://a.b/c\n")


def test_a_collection_that_is_not_there_is_not_found(service: StandIn, run: Run) -> None:
    """One with nothing left out is."""

    def listing(asked: Asked) -> Reply:
        has_some = asked.params["collection"] == "letters" and "skipped" not in asked.params
        return 200, NOTHING | {"sources": [row("/a")] if has_some else []}

    service.on("GET", "/v1/sources", listing)
    for flags in ([], ["--skipped"]):
        ran = run("sources", "--collection", "nope", *flags)
        assert (ran.out, ran.code) == ("There is no collection nope. See: pi-rag list\n", 3)
    ran = run("sources", "--collection", "letters", "--skipped")
    assert (ran.out, ran.code) == ("Nothing was refused.\n", 0)
    assert run("sources", "/a", "--collection", "letters", "--skipped").code == 0


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
