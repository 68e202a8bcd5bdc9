"""`pi-rag get`, `list`, `remove` and `jobs`: looking at what is remembered, and forgetting it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pi_rag.cli import get
from tests.cli.conftest import Run
from tests.standin import Asked, Reply, StandIn

DOCUMENT: dict[str, Any] = {
    "id": 7,
    "collection": "letters",
    "source": "/home/pi/a.md",
    "title": "A letter",
    "kind": "markdown",
    "content_hash": "00",
    "metadata": {"year": 2024},
    "char_count": 12345,
    "chunk_count": 9,
    "created_at": 1_700_000_000.0,
    "updated_at": 1_700_086_400.0,
}
JOB: dict[str, Any] = {
    "id": 3,
    "state": "running",
    "collection": "letters",
    "created_at": 1_700_000_000.0,
    "finished_at": None,
    "items_total": 10,
    "items_done": 4,
    "items_unchanged": 2,
    "items_refused": 3,
    "chunks": 40,
    "current": "/a/now.pdf",
    "refusals": [{"source": "/a/x", "code": "document_binary", "message": "No text.", "hint": "Leave it."}],
}


@pytest.fixture
def going(service: StandIn) -> StandIn:
    """A service that nothing holds up."""
    service.on("GET", "/v1/status", {"ingest": {"waiting_for": None}})
    return service


def test_get_shows_what_a_document_is(service: StandIn, run: Run) -> None:
    """Facts without the text."""
    service.on("GET", "/v1/documents/7", DOCUMENT | {"text": "the text"})
    out = run("get", "7").out
    assert "A letter" in out
    assert "12,345 characters, 9 passages" in out
    assert '{"year": 2024}' in out
    assert "the text" not in out
    service.on("GET", "/v1/documents/8", DOCUMENT | {"char_count": 1, "chunk_count": 1})
    assert "1 character, 1 passage\n" in run("get", "8").out


def test_get_can_give_nothing_but_the_text(service: StandIn, run: Run) -> None:
    """For another program it is what was read, to the last byte."""
    service.on("GET", "/v1/documents/7", DOCUMENT | {"text": "the\r\ntext \x1b]0;title\x07"})
    assert run("get", "7", "--text").out == "the\r\ntext \x1b]0;title\x07"


def test_get_shows_a_text_on_a_terminal_without_what_that_obeys(
    service: StandIn, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stranger's document does not change the title of the window; line ends of Windows are line ends."""
    service.on("GET", "/v1/documents/7", DOCUMENT | {"text": "the\r\ntext \x1b]0;evil\x07"})
    monkeypatch.setattr(get, "_is_terminal", lambda: True)
    assert run("get", "7", "--text").out == "the\ntext �]0;evil�\n"


def test_get_of_a_missing_document_is_exit_code_three(service: StandIn, run: Run) -> None:
    """The service's own error."""
    service.refuse("GET", "/v1/documents/8", 404, "document_not_found")
    assert run("get", "8").code == 3


def test_list_shows_a_page_and_how_to_go_on(service: StandIn, run: Run) -> None:
    """A row each; the last line leads to the next page."""
    service.on("GET", "/v1/documents", {"documents": [DOCUMENT], "next": 7})
    ran = run("list", "--collection", "letters", "--limit", "1", "--after", "6")
    assert service.asked[0].params == {"collection": "letters", "limit": "1", "after": "6"}
    assert ran.out.splitlines()[0].split() == ["ID", "COLLECTION", "STORED", "PASSAGES", "TITLE", "SOURCE"]
    assert ran.out.splitlines()[1].startswith("7   letters")
    assert ran.out.splitlines()[2] == "There are more: pi-rag list --collection letters --limit 1 --after 7"
    assert run("list").out.endswith("There are more: pi-rag list --after 7\n")
    assert "--collection 'my letters' --after 7" in run("list", "--collection", "my letters").out


@pytest.mark.parametrize("limit", ["0", "1001", "-1", "x", "1.5", "9" * 5000])
def test_a_page_that_cannot_be_is_refused_with_what_it_may_be(run: Run, limit: str) -> None:
    """By the name of the flag, before the service is asked."""
    for command in ("list", "duplicates"):
        ran = run(command, f"--limit={limit}")
        assert ran.code == 2
        assert "--limit" in ran.err and "from 1 to 1000" in ran.err


def test_an_empty_list_says_how_to_begin(service: StandIn, run: Run) -> None:
    """Nothing here is no error."""
    service.on("GET", "/v1/documents", {"documents": [], "next": None})
    ran = run("list")
    assert ran.code == 0
    assert "pi-rag add" in ran.out
    assert run("list", "--after", "7").out == "No more.\n"


def listed(service: StandIn, *ids: int) -> None:
    """These documents are there, and are listed a page at a time."""

    def listing(asked: Asked) -> Reply:
        after = int(asked.params["after"])
        rows = [DOCUMENT | {"id": each} for each in ids if each > after][: int(asked.params["limit"])]
        return 200, {"documents": rows, "next": None}

    service.on("GET", "/v1/documents", listing)


def test_remove_by_number(service: StandIn, run: Run) -> None:
    """And says how much is gone."""
    listed(service, 7)
    service.on("DELETE", "/v1/documents/7", {"removed": 1, "withdrawn": 0})
    assert run("remove", "7").out == "Removed 1 document.\n"


def test_remove_tells_what_will_not_be_stored(service: StandIn, run: Run) -> None:
    """Also when nothing was stored yet, which is not the same as nothing found."""
    service.on("DELETE", "/v1/documents", {"removed": 0, "withdrawn": 2})
    ran = run("remove", "--source", "/a.md")
    assert ran.code == 0
    assert ran.out == "Removed 0 documents. 2 documents that waited to be stored will not be.\n"


def test_remove_several_by_number(service: StandIn, run: Run) -> None:
    """Each is asked for once, and the sum is told."""
    listed(service, 7, 8, 9)
    for number in (7, 8, 9):
        service.on("DELETE", f"/v1/documents/{number}", {"removed": 1, "withdrawn": number % 2})
    assert run("remove", "7", "8", "9", "8", "--json").json == {"removed": 3, "withdrawn": 2}


def test_remove_takes_all_numbers_or_none(service: StandIn, run: Run) -> None:
    """Of a number without a document is said that nothing was removed, and nothing was."""
    listed(service, 1, 10)
    ran = run("remove", "1", "9", "11")
    assert (ran.code, ran.out) == (3, "")
    assert "There is no document 9, 11. Nothing was removed." in ran.err
    assert "Nothing was removed." in run("remove", "1", "9", "--json").json["error"]["message"]
    assert {asked.method for asked in service.asked} == {"GET"}


def test_remove_that_fails_on_the_way_says_how_far_it_came(service: StandIn, run: Run) -> None:
    """What went meanwhile by another hand is no failure; any other error has what was removed before it."""
    listed(service, 7, 8, 9)
    service.on("DELETE", "/v1/documents/7", {"removed": 1, "withdrawn": 0})
    service.refuse("DELETE", "/v1/documents/8", 404, "document_not_found")
    service.refuse("DELETE", "/v1/documents/9", 503, "store_busy")
    told = "Removed before that: 1 document of 3."
    assert told in run("remove", "7", "8", "9").err
    ran = run("remove", "7", "8", "9", "--json")
    assert (ran.code, told in ran.json["error"]["message"]) == (4, True)


@pytest.mark.parametrize("typed", ["notes/n1.txt", "0", "1.5", "9" * 30, str(2**63)])
def test_what_is_no_number_is_told_with_how_to_name_a_source(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, typed: str
) -> None:
    """A person has typed a path where a number belongs: the hint is the command with the whole path."""
    monkeypatch.chdir(tmp_path)
    ran = run("remove", typed)
    assert (ran.code, f"{typed!r} is no number of a document." in ran.err) == (2, True)
    assert f"pi-rag remove --source {tmp_path / typed}" in ran.err


def test_remove_what_lies_under_a_folder(service: StandIn, run: Run, tmp_path: Path) -> None:
    """All pages of the listing are looked through; a folder whose name only begins alike is left alone. What
    waits goes first, lest it be stored while its neighbours are removed."""
    inside = [
        DOCUMENT | {"id": 1, "source": f"{tmp_path}/a.md"},
        DOCUMENT | {"id": 4, "source": f"{tmp_path}/b/c"},
    ]
    beside = DOCUMENT | {"id": 2, "source": f"{tmp_path}-other/a.md"}

    def listing(asked: Asked) -> Reply:
        first = asked.params["after"] == "0"
        return 200, {"documents": [inside[0], beside] if first else [inside[1]], "next": 2 if first else None}

    service.on("GET", "/v1/documents", listing)
    waiting = {str(tmp_path): 2}
    service.on(
        "DELETE",
        "/v1/sources",
        lambda asked: (200, {"withdrawn": waiting.get(asked.params["under"], 0), "reasons": 0}),
    )
    for number in (1, 4):
        service.on("DELETE", f"/v1/documents/{number}", {"removed": 1, "withdrawn": number % 2})
    told = "Removed 2 documents. 3 documents that waited to be stored will not be.\n"
    assert run("remove", "--under", str(tmp_path)).out == told
    deleted = [asked.path for asked in service.asked if asked.method == "DELETE"]
    assert deleted == ["/v1/sources", "/v1/documents/1", "/v1/documents/4"]
    assert run("remove", "--under", f"{tmp_path}/none").code == 3


def test_what_could_not_be_taken_below_a_folder_is_forgotten_with_it(service: StandIn, run: Run) -> None:
    """In one request, however many they are; nothing at all below it is an error."""
    listed(service)
    service.on(
        "DELETE",
        "/v1/sources",
        lambda asked: (200, {"withdrawn": 0, "reasons": 2000 * (asked.params["under"] == "/f")}),
    )
    told = "Removed 0 documents. Why 2,000 sources could not be taken is forgotten.\n"
    assert run("remove", "--under", "/f/", "--collection", "c").out == told
    (gone,) = [asked.params for asked in service.asked if asked.method == "DELETE"]
    assert gone == {"under": "/f", "collection": "c"}
    assert run("remove", "--under", "/g").code == 3


def test_remove_by_source_as_it_was_listed_or_as_it_is_typed(
    service: StandIn, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A source that is a file's path may be typed from the folder one is in."""

    def answer(asked: Asked) -> Reply:
        found = 2 if asked.params["source"] == str(tmp_path / "a.md") else 0
        return 200, {"removed": found, "withdrawn": 0}

    service.on("DELETE", "/v1/documents", answer)
    monkeypatch.chdir(tmp_path)
    assert run("remove", "--source", str(tmp_path / "a.md")).out == "Removed 2 documents.\n"
    assert run("remove", "--source", "a.md", "--collection", "c", "--json").json == {
        "removed": 2,
        "withdrawn": 0,
    }
    assert service.asked[-1].params["collection"] == "c"


def test_removing_a_source_that_is_not_there_is_exit_code_three(service: StandIn, run: Run) -> None:
    """Nothing removed is not a success."""
    service.on("DELETE", "/v1/documents", {"removed": 0, "withdrawn": 0})
    ran = run("remove", "--source", "/none")
    assert ran.code == 3
    assert "'/none'" in ran.err


@pytest.mark.parametrize(
    "arguments", [(), ("7", "--source", "x"), ("7", "--collection", "c"), ("--source", "x", "--under", "y")]
)
def test_remove_wants_to_know_exactly_what(run: Run, arguments: tuple[str, ...]) -> None:
    """Neither nothing nor two things at once; nothing is asked of the service."""
    assert run("remove", *arguments).code == 2


def test_jobs_are_listed_with_what_became_of_them(going: StandIn, run: Run) -> None:
    """A row each, newest first as the service gives them."""
    going.on("GET", "/v1/jobs", {"jobs": [JOB]})
    ran = run("jobs", "--limit", "5")
    assert going.asked[0].params == {"limit": "5"}
    assert ran.out.endswith("4 added, 2 unchanged, 3 not taken, 1 waiting\n")


def test_what_holds_jobs_up_is_shown_with_them(service: StandIn, run: Run) -> None:
    """In words, with what to type: beneath the list, and as a line of one job. One that ended has none."""
    service.on("GET", "/v1/status", {"ingest": {"waiting_for": "paused"}})
    says = "Adding is paused. Let it go on with: pi-rag jobs resume\n"
    for state, expected in (("queued", True), ("running", True), ("done", False)):
        service.on("GET", "/v1/jobs", {"jobs": [JOB | {"state": state}]})
        service.on("GET", "/v1/jobs/3", {"job": JOB | {"state": state}})
        assert run("jobs").out.endswith(says) is expected
        assert (f"waits       {says}" in run("jobs", "3").out) is expected


def test_what_was_given_up_is_shown_with_its_reason(service: StandIn, run: Run) -> None:
    """And what to do about it."""
    letter = {"id": 4, "job_id": 3, "source": "/a.pdf", "attempts": 3, "message": "It hangs.", "died_at": 1e9}
    service.on("GET", "/v1/jobs/failed", {"failed": [letter], "next": 4})
    out = run("jobs", "failed", "--limit", "1").out
    assert "job 3  /a.pdf" in out
    assert "3 times" in out and "It hangs." in out
    assert "pi-rag jobs retry\n" in out
    assert out.endswith("There are more: pi-rag jobs failed --limit 1 --after 4\n")
    of_one = run("jobs", "failed", "3", "--limit", "1", "--after", "2").out
    assert service.asked[-1].params == {"job": "3", "limit": "1", "after": "2"}
    assert "pi-rag jobs retry 3\n" in of_one and "pi-rag jobs failed 3 --limit 1 --after 4\n" in of_one
    service.on("GET", "/v1/jobs/failed", {"failed": [], "next": None})
    assert run("jobs", "failed").out == "Nothing was given up.\n"
    assert run("jobs", "failed", "--after", "9").out == "No more.\n"


@pytest.mark.parametrize(
    "arguments", [("3", "7"), ("3", "--after", "7"), ("--after", "7"), ("--follow",), ("pause", "--follow")]
)
def test_what_says_nothing_is_refused(run: Run, arguments: tuple[str, ...]) -> None:
    """Rather than passed over; nothing is asked of the service."""
    assert run("jobs", *arguments).code == 2


def test_a_job_is_followed_to_its_end(service: StandIn, run: Run) -> None:
    """And then shown."""
    asked = iter([{**JOB, "state": "running"}, {**JOB, "state": "running"}])
    service.on("GET", "/v1/jobs/3", lambda _: (200, {"job": next(asked, {**JOB, "state": "done"})}))
    followed = run("jobs", "3", "--follow")
    assert "done" in followed.out
    assert len(service.asked) == 3


@pytest.mark.parametrize(
    ("became", "code"),
    [
        ({"items_refused": 0, "refusals": []}, 0),
        ({"items_refused": 1}, 2),
        ({"items_refused": 0, "refusals": [], "items_failed": 1}, 2),
        ({"items_refused": 1, "refusals": [{"source": "/x", "code": "path_not_found"}]}, 3),
        ({"items_refused": 0, "refusals": [], "items_cancelled": 1}, 1),
    ],
)
def test_who_follows_a_job_gets_the_exit_code_of_who_added_it(
    service: StandIn, run: Run, became: dict[str, Any], code: int
) -> None:
    """A script that waits for a job knows whether all was taken. Who only looks at it is told, with 0."""
    service.on("GET", "/v1/jobs/3", {"job": JOB | became | {"state": "done"}})
    assert run("jobs", "3", "--follow").code == code
    assert run("jobs", "3").code == 0


@pytest.mark.parametrize(
    ("what", "answer", "said"),
    [
        ("pause", {"paused": True}, "Nothing more is begun."),
        ("resume", {"paused": False}, "It goes on."),
        ("retry", {"retried": 2}, "2 documents will be tried again."),
    ],
)
def test_the_queue_is_steered(going: StandIn, run: Run, what: str, answer: dict[str, Any], said: str) -> None:
    """All of it, or one job, which is then shown."""
    going.on("POST", f"/v1/jobs/{what}", answer)
    assert run("jobs", what).out.strip() == said
    going.on("POST", f"/v1/jobs/3/{what}", {"job": JOB} | answer)
    out = run("jobs", what, "3").out
    assert "4 added" in out
    assert (said in out) is (what == "retry")


def test_where_nothing_was_given_up_nothing_is_said_to_be_tried_again(service: StandIn, run: Run) -> None:
    """It is no error: what was wanted is so. An older service does not say how many of one job."""
    done = JOB | {"state": "done"}
    service.on("POST", "/v1/jobs/retry", {"retried": 0})
    assert run("jobs", "retry").out == "Nothing was given up; there is nothing to try again.\n"
    service.on("POST", "/v1/jobs/3/retry", {"job": done, "retried": 0})
    ran = run("jobs", "retry", "3")
    assert (ran.code, ran.out.splitlines()[0]) == (
        0,
        "Job 3 has given nothing up; there is nothing to try again.",
    )
    service.on("POST", "/v1/jobs/3/retry", {"job": done})
    assert "tr" not in run("jobs", "retry", "3").out.splitlines()[0]


def test_a_job_is_cancelled_by_its_number_alone(service: StandIn, run: Run) -> None:
    """Nobody cancels everything by leaving the number out."""
    service.on("POST", "/v1/jobs/3/cancel", {"job": {**JOB, "state": "cancelled", "items_cancelled": 2}})
    assert "2 cancelled" in run("jobs", "cancel", "3").out
    assert run("jobs", "cancel").code == 2
    assert run("jobs", "cancle").code == 2


def test_a_job_that_has_ended_cannot_be_steered_and_that_is_an_error(service: StandIn, run: Run) -> None:
    """A script must not take it for done; what the service says is shown."""
    for what in ("pause", "resume", "cancel"):
        service.refuse("POST", f"/v1/jobs/3/{what}", 409, "job_ended", message="Job 3 has ended.")
        ran = run("jobs", what, "3")
        assert (ran.code, ran.out) == (2, "")
        assert "Job 3 has ended." in ran.err


def test_no_jobs_say_how_to_begin(service: StandIn, run: Run) -> None:
    """Nothing here is no error."""
    service.on("GET", "/v1/jobs", {"jobs": []})
    assert "pi-rag add" in run("jobs").out


def test_one_job_shows_what_was_not_taken_and_why(going: StandIn, run: Run) -> None:
    """Also how many more there are than the service lists."""
    going.on("GET", "/v1/jobs/3", {"job": JOB})
    out = run("jobs", "3").out
    assert "/a/now.pdf" in out
    assert "not taken: /a/x: No text. (Leave it.)" in out
    assert "not taken: 2 more files" in out


@pytest.mark.parametrize(
    ("arguments", "address", "answer"),
    [
        (("get", "7"), ("GET", "/v1/documents/7"), DOCUMENT | {"text": "t", "new": 1}),
        (("list",), ("GET", "/v1/documents"), {"documents": [DOCUMENT], "next": None, "new": 1}),
        (("jobs",), ("GET", "/v1/jobs"), {"jobs": [JOB], "new": 1}),
        (("jobs", "3"), ("GET", "/v1/jobs/3"), {"job": JOB, "new": 1}),
    ],
)
def test_json_is_the_answer_unchanged(
    service: StandIn, run: Run, arguments: tuple[str, ...], address: tuple[str, str], answer: dict[str, Any]
) -> None:
    """Also the fields that this program does not know."""
    service.on(*address, answer)
    assert run(*arguments, "--json").json == answer
