"""`pi-rag duplicates`, and what `add` and `jobs` say of repeats."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Run
from tests.standin import StandIn

PAIR: dict[str, Any] = {
    "document": {"id": 12, "collection": "letters", "source": "/home/pi/copy\x1b[2J.md"},
    "of": {"id": 7, "collection": "letters", "source": "/home/pi/a.md"},
    "passages": 9,
    "share": 0.9,
    "similarity": 0.9871,
}
OTHER = {"id": 8, "collection": "papers", "source": "/home/pi/a.md"}
REPEATED: dict[str, Any] = {
    "source": "/home/pi/b.md",
    "chunks": 40,
    "near_duplicates": 3,
    "of_source": "/home/pi/a.md",
    "of_documents": 1,
}
JOB: dict[str, Any] = {
    "id": 3,
    "state": "done",
    "collection": "letters",
    "created_at": 1_700_000_000.0,
    "finished_at": 1_700_000_001.0,
    "items_total": 1,
    "items_done": 1,
    "items_unchanged": 0,
    "items_refused": 0,
    "chunks": 40,
    "current": None,
    "refusals": [],
    "near_duplicates": 3,
    "repeated": [REPEATED],
}
SAID = "3 of 40 passages of /home/pi/b.md are near-duplicates of /home/pi/a.md"


def test_pairs_are_shown_with_how_much_and_how_alike(service: StandIn, run: Run) -> None:
    """A row each, harmless on a terminal; the last line leads to the next page."""
    service.on("GET", "/v1/duplicates", {"duplicates": [PAIR], "next": "12-7"})
    lines = run("duplicates", "--share", "0.9", "--limit", "1", "--after", "3-1").out.splitlines()
    assert service.asked[0].params == {"share_min": "0.9", "limit": "1", "after": "3-1"}
    assert lines[0].split() == ["ID", "OF", "PASSAGES", "SHARE", "ALIKE", "SOURCE"]
    assert lines[1].split(maxsplit=5) == [
        "12",
        "7",
        "9",
        "90%",
        "0.987",
        "/home/pi/copy�[2J.md of /home/pi/a.md",
    ]
    assert lines[2] == "There are more: pi-rag duplicates --share 0.9 --limit 1 --after 12-7"


def test_no_pairs_are_said_to_be_none(service: StandIn, run: Run) -> None:
    """With the share that was looked for."""
    service.on("GET", "/v1/duplicates", {"duplicates": [], "next": None})
    assert run("duplicates").out == "No document repeats 50% or more of another one's passages.\n"


def test_a_program_gets_the_page_as_it_is(service: StandIn, run: Run) -> None:
    """The service's own object."""
    page = {"duplicates": [PAIR], "next": None}
    service.on("GET", "/v1/duplicates", page)
    assert run("duplicates", "--json").json == page


@pytest.mark.parametrize("text", ["-0.1", "1.1", "half", "nan"])
def test_a_share_that_cannot_be_is_refused(run: Run, text: str) -> None:
    """Before anybody is asked."""
    ran = run("duplicates", f"--share={text}")
    assert ran.code == 2
    assert "from 0 to 1" in ran.err


def test_an_add_says_what_its_documents_repeat(service: StandIn, run: Run, tmp_path: Path) -> None:
    """After what was not taken, before the count of everything."""
    note = tmp_path / "b.md"
    note.write_text("A note.")
    service.on("POST", "/v1/documents", {"job": JOB})
    out = run("add", str(note)).out.splitlines()
    assert out[:2] == [SAID, "3 near-duplicates in all. They are kept; see which with: pi-rag duplicates"]


def test_a_job_says_what_its_documents_repeat(service: StandIn, run: Run) -> None:
    """Also later. Several originals are counted, the first of them named."""
    one = REPEATED | {"near_duplicates": 1, "of_documents": 3}
    service.on("GET", "/v1/jobs/3", {"job": JOB | {"repeated": [REPEATED, one]}})
    out = run("jobs", "3").out
    assert SAID in out.splitlines()
    assert (
        "1 of 40 passages of /home/pi/b.md is a near-duplicate of /home/pi/a.md and 2 other documents" in out
    )


def test_a_line_names_the_collection_of_the_other_when_it_is_another(service: StandIn, run: Run) -> None:
    """The same file in two collections would else read as a repeat of itself."""
    here, there = REPEATED | {"of_collection": "letters"}, REPEATED | {"of_collection": "papers\n"}
    service.on("GET", "/v1/jobs/3", {"job": JOB | {"repeated": [here, there]}})
    service.on("GET", "/v1/duplicates", {"duplicates": [PAIR | {"of": OTHER}], "next": None})
    lines = run("jobs", "3").out.splitlines()
    assert [line for line in lines if "of 40" in line] == [SAID, f"{SAID} in papers"]
    assert run("duplicates").out.rstrip().endswith(" of /home/pi/a.md in papers")


def test_a_job_without_repeats_says_nothing_of_them(service: StandIn, run: Run) -> None:
    """Also one of an older service, which does not know them."""
    old = {name: value for name, value in JOB.items() if name not in {"near_duplicates", "repeated"}}
    service.on("GET", "/v1/jobs/3", {"job": old})
    assert "duplicate" not in run("jobs", "3").out


def test_a_hit_says_what_it_repeats_and_what_repeats_it(service: StandIn, run: Run) -> None:
    """Of a passage of its own nothing is said; `--unique` is passed on."""
    original = {"chunk_id": 1, "document_id": 7, "source": "/home/pi/a.md", "similarity": 0.98}
    hit = {"document_id": 8, "source": "b", "start": 0, "end": 3, "text": "tea", "score": 1.0, "scores": {}}
    hit["collection"] = "letters"
    elsewhere = original | {"collection": "papers"}
    repeats = [{"duplicate_of": original | {"collection": "letters"}}, {"duplicate_of": elsewhere}]
    hits = [hit | repeats[0], hit | repeats[1], hit | {"duplicates": 2}, hit]
    service.on("POST", "/v1/search", {"hits": hits, "degraded": [], "took_ms": {}})
    out = run("search", "tea", "--unique").out
    assert service.asked[0].body["unique"] is True
    said = [line.strip() for line in out.splitlines() if "nearly the same" in line]
    assert said == [
        "nearly the same as /home/pi/a.md  (document 7)",
        "nearly the same as /home/pi/a.md in papers  (document 7)",
        "nearly the same in 2 newer passages",
    ]


def test_a_page_of_pairs_after_the_last_says_no_more(service: StandIn, run: Run) -> None:
    """It does not say that nothing is repeated."""
    service.on("GET", "/v1/duplicates", {"duplicates": [], "next": None})
    assert run("duplicates", "--after", "12-7").out == "No more.\n"
