"""`pi-rag search`: what is asked, and how the hits are shown."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cli.conftest import Run
from tests.cli.test_printing import Terminal
from tests.standin import StandIn

HIT: dict[str, Any] = {
    "document_id": 7,
    "chunk_id": 70,
    "collection": "default",
    "source": "/home/pi/house.pdf",
    "title": "House",
    "heading": "Heating > Boiler",
    "page": 3,
    "start": 100,
    "end": 180,
    "text": "The boiler was serviced\nin May. \x1b[2JIt is fine.",
    "score": 0.98765,
    "scores": {"vector": 0.81, "text": 4.2, "vector_rank": 1.0},
    "metadata": {},
    "age_s": 5.0,
}
ANSWER: dict[str, Any] = {"hits": [HIT], "degraded": [], "took_ms": {"total": 12.4, "embed": 8.0}}


def test_the_question_is_sent_with_its_flags(service: StandIn, run: Run) -> None:
    """Words without quotes make one query; filters become the interface's own shape."""
    service.on("POST", "/v1/search", ANSWER)
    run("search", "power", "cut", "-k", "3", "--mode", "text", "--collection", "c", "--filter", "year=2024")
    run("search", "x", "--filter", "tag=a", "--filter", "tag=b", "--filter", "ok=true", "--explain")
    run("search", "x", "--under", "/a", "--kind", "pdf", "--since", "2026-01-01", "--until", "2026-02-01")
    first, second, third = service.bodies("/v1/search")
    assert first == {
        "query": "power cut",
        "k": 3,
        "mode": "text",
        "collection": "c",
        "filter": {"year": 2024},
        "explain": False,
    }
    assert second["filter"] == {"tag": {"in": ["a", "b"]}, "ok": True}
    assert second["explain"] is True
    narrowed = {"under": "/a", "kind": "pdf", "since": "2026-01-01", "until": "2026-02-01"}
    assert narrowed.items() <= third.items()
    assert "filter" not in third


def test_a_hit_is_cited(service: StandIn, run: Run) -> None:
    """Number, title, page, heading, score, passage, and where exactly it stands."""
    service.on("POST", "/v1/search", ANSWER)
    ran = run("search", "boiler")
    assert ran.code == 0
    assert ran.out == (
        " 1. House  p. 3  Heating > Boiler  0.988\n"
        "    The boiler was serviced in May. \N{REPLACEMENT CHARACTER}[2JIt is fine.\n"
        "    /home/pi/house.pdf:100-180  (document 7)\n"
        "\n"
        "1 hit in 12 ms (embed 8.0)\n"
    )


def test_a_document_without_title_goes_by_its_source(service: StandIn, run: Run) -> None:
    """There is always something to name it by."""
    bare = HIT | {"title": "", "page": None, "heading": ""}
    service.on("POST", "/v1/search", ANSWER | {"hits": [bare]})
    assert run("search", "x").out.startswith(" 1. /home/pi/house.pdf  0.988\n")


def test_explain_shows_the_scores(service: StandIn, run: Run) -> None:
    """Each hit with the figures behind its rank, and what the service says of the whole, in words."""
    service.on("POST", "/v1/search", ANSWER | {"explain": {"candidates": {"vector": 12}}})
    out = run("search", "boiler", "--explain").out
    assert "    why: meaning 0.81 (no. 1), words 4.2\n" in out
    assert "How it came about:\n  candidates  vector 12\n" in out


def test_words_that_are_nowhere_are_told(service: StandIn, run: Run) -> None:
    """Only when the words found nothing: hits that are there for their meaning alone are no sign of that."""
    by_meaning = ANSWER | {"hits": [HIT | {"scores": {"vector": 0.5}}]}
    service.on("POST", "/v1/search", by_meaning | {"candidates": {"vector": 9, "text": 0}})
    out = run("search", "x").out
    assert out.startswith("No passage has these words. The nearest by meaning, by their cosine:\n")
    assert "0.500" in out and "0.988" not in out
    service.on("POST", "/v1/search", by_meaning | {"candidates": {"vector": 9, "text": 3}})
    assert "No passage" not in run("search", "x").out


def test_what_stands_around_a_hit_is_shown(service: StandIn, run: Run) -> None:
    """Before and after it, and the wishes go to the service by their names."""
    around = ANSWER | {"hits": [HIT | {"before": "In April it leaked.", "after": "Next year again."}]}
    service.on("POST", "/v1/search", around)
    out = run("search", "boiler", "--neighbours", "1", "--no-join", "--newer-first", "30").out
    assert out.index("In April") < out.index("The boiler") < out.index("Next year")
    run("search", "x", "--diversity", "0.2", "--per-document", "2", "--match", "phrase")
    first, second = service.bodies("/v1/search")
    assert (first["neighbours"], first["join"], first["recency_half_life_days"]) == (1, False, 30)
    assert (second["diversity"], second["per_document_max"], second["match"]) == (0.2, 2, "phrase")


def test_what_stands_next_to_a_hit_is_what_is_shown(service: StandIn, run: Run) -> None:
    """Of long neighbours the far ends are cut off, whatever words they hold."""
    before, after = "boiler " + "far " * 400 + "Near before.", "Near after." + " far" * 400 + " boiler"
    service.on("POST", "/v1/search", ANSWER | {"hits": [HIT | {"before": before, "after": after}]})
    out = run("search", "boiler", "--neighbours", "3").out
    assert "Near before.\n    The boiler" in out
    assert "\n    Near after. far" in out


def test_a_passage_is_shown_whole_on_request(service: StandIn, run: Run) -> None:
    """All of its lines as they stand, and all of what stands around it."""
    text = "def f():\n" + "".join(f"    step({number})\n" for number in range(50))
    hit = HIT | {"text": text, "before": "# one\n# two", "after": "x = 1"}
    service.on("POST", "/v1/search", ANSWER | {"hits": [hit]})
    lines = run("search", "step", "--full").out.splitlines()
    assert lines[1:5] == ["    # one", "    # two", "    def f():", "        step(0)"]
    assert "        step(49)" in lines
    assert "full" not in service.bodies("/v1/search")[0]


def test_a_degraded_answer_says_so_first(service: StandIn, run: Run) -> None:
    """Before the hits, in a plain line."""
    service.on("POST", "/v1/search", ANSWER | {"degraded": ["embedder_unavailable"]})
    first = run("search", "x").out.splitlines()[0]
    assert first == "This answer is made from less than everything: embedder_unavailable."


def test_no_hits_come_with_what_to_try(service: StandIn, run: Run) -> None:
    """The advice fits the flags that were given. Nothing found is no error."""
    service.on("POST", "/v1/search", {"hits": [], "degraded": [], "took_ms": {}})
    plain = run("search", "x")
    narrow = run("search", "x", "--mode", "text", "--collection", "c")
    assert plain.code == 0
    assert "Nothing found." in plain.out
    assert "--mode" not in plain.out
    assert "without" not in plain.out
    assert "without --collection\n" in narrow.out
    unknown = {"yaer": "year", "x\x1b": None}
    service.on("POST", "/v1/search", {"hits": [], "unknown_fields": unknown})
    typed = run("search", "x", "--filter", "yaer=1")
    assert "no document has the field 'yaer'; is it 'year'?\n" in typed.out
    assert "\x1b" not in typed.out
    assert "--mode hybrid" in narrow.out


def test_a_flag_that_fits_no_document_is_named(service: StandIn, run: Run) -> None:
    """A collection or a folder that is not there looks like a search that found nothing."""
    flags = ("--collection", "a", "--collection", "b\x1b", "--under", "/gone", "--filter", "x=1")
    named = {"hits": [], "fitting_none": ["collection", "filter", "under"]}
    service.on("POST", "/v1/search", named)
    out = run("search", "x", *flags).out
    assert "  - no document fits --collection a or b\N{REPLACEMENT CHARACTER}\n" in out
    assert "  - no document fits --filter\n  - no document fits --under /gone\n" in out


def test_words_that_all_had_to_be_there_are_named_as_the_reason(service: StandIn, run: Run) -> None:
    """Whether they were required by a flag or by quotes; not where any of them was enough."""
    service.on("POST", "/v1/search", {"hits": []})
    assert "without --match phrase" in run("search", "x", "--match", "phrase").out
    assert "without --match all" in run("search", "x", "--match", "all").out
    assert "without the quotes" in run("search", '"power cut"').out
    assert "without" not in run("search", "power cut", "--match", "prefix").out


def test_a_filter_that_leaves_nothing_out_is_told(service: StandIn, run: Run) -> None:
    """A misspelt field that is denied shows what it was to hide; that is said above the hits."""
    service.on("POST", "/v1/search", ANSWER | {"unknown_fields": {"staus": "status"}})
    out = run("search", "x", "--filter", "staus!=paid").out
    assert out.startswith("Beware: no document has the field 'staus'; is it 'status'?\n 1. House")


def test_the_words_stand_out_on_a_terminal(
    service: StandIn, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bold where a person looks, never in a pipe."""
    service.on("POST", "/v1/search", ANSWER)
    assert "\x1b" not in run("search", "boiler").out
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    run("search", "BOILER")
    assert "The \x1b[1mboiler\x1b[0m was" in terminal.getvalue()
    assert "\x1b[2J" not in terminal.getvalue()


def test_json_is_the_answer_unchanged(service: StandIn, run: Run) -> None:
    """The same object that the interface gives."""
    service.on("POST", "/v1/search", ANSWER)
    assert run("search", "boiler", "--json").json == ANSWER


def test_the_service_decides_what_a_query_may_be(service: StandIn, run: Run) -> None:
    """An empty query is its error, with its hint and exit code."""
    service.refuse("POST", "/v1/search", 400, "query_empty")
    assert run("search", "").code == 2
