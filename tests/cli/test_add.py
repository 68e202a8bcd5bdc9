"""`pi-rag add`: what is handed over, what is read here instead, and what is told in the end."""

from __future__ import annotations

import base64
import io
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from pi_rag.cli import follow
from pi_rag.cli.add import NOTHING_FOUND
from tests.cli.conftest import Run
from tests.cli.test_main import spawn
from tests.standin import Asked, Reply, StandIn


def job(number: int = 1, **fields: Any) -> dict[str, Any]:
    """A finished job in which nothing happened, but for these fields."""
    empty = {
        "id": number,
        "state": "done",
        "collection": "default",
        "items_total": 0,
        "items_done": 0,
        "items_unchanged": 0,
        "items_refused": 0,
        "chunks": 0,
        "current": None,
        "refusals": [],
    }
    return empty | fields


def refused(*codes_and_sources: tuple[str, object]) -> dict[str, Any]:
    """The fields of a job that refused these."""
    refusals = [
        {"source": str(source), "code": code, "message": f"{code}!", "hint": "Do so."}
        for code, source in codes_and_sources
    ]
    return {"items_refused": len(refusals), "refusals": refusals}


@pytest.fixture
def posts(service: StandIn) -> StandIn:
    """A service whose first answer refuses nothing; tests lay out their own."""
    service.on("POST", "/v1/documents", {"job": job(items_done=1, chunks=3)})
    return service


def answers(service: StandIn, *jobs: dict[str, Any]) -> None:
    """The service's answers to posts, one after another."""
    waiting = list(jobs)
    service.on("POST", "/v1/documents", lambda asked: (202, {"job": waiting.pop(0)}))


def contents(body: Any) -> dict[str, bytes]:
    """What was uploaded, by source."""
    return {each["source"]: base64.b64decode(each["content_base64"]) for each in body["documents"]}


def test_paths_are_handed_over_whole(
    posts: StandIn, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Relative ones become absolute, without dots; the service reads them itself."""
    monkeypatch.chdir(tmp_path)
    ran = run("add", "a.md", "/b/../c", "--collection", "letters")
    assert posts.bodies("/v1/documents") == [
        {"paths": [str(tmp_path / "a.md"), "/c"], "collection": "letters", "wait": False}
    ]
    assert ran.code == 0
    assert ran.out.startswith("1 added, 0 unchanged, 0 not taken, 3 passages in ")


def test_addresses_of_the_web_are_handed_over_as_they_are(posts: StandIn, run: Run) -> None:
    """The service says whether it fetches; `//` in one is no double slash of a path."""
    urls = ["https://example.org/a/../b//c?x=1", "HTTP://example.org"]
    assert run("add", *urls, "/x").code == 0
    assert posts.bodies("/v1/documents")[0]["paths"] == [*urls, "/x"]
    assert run("add", urls[0], "--title", "T").code == 2


def test_it_waits_until_the_job_is_done(service: StandIn, run: Run) -> None:
    """The job is asked for again and again; what it says at last is told."""
    states = [job(state="queued"), job(state="running", items_total=2, items_done=1)]
    states.append(job(items_total=2, items_done=1, items_unchanged=1, chunks=1))
    service.on("POST", "/v1/documents", {"job": states[0]}, 202)
    service.on("GET", "/v1/jobs/1", lambda asked: (200, {"job": states[len(service.asked) - 1]}))
    ran = run("add", "/x")
    assert [asked.path for asked in service.asked] == ["/v1/documents", "/v1/jobs/1", "/v1/jobs/1"]
    assert ran.out.startswith("1 added, 1 unchanged, 0 not taken, 1 passage in ")


def test_every_file_not_taken_is_named_with_the_reason(service: StandIn, run: Run) -> None:
    """A line each, the count of those no longer listed, and exit code two."""
    many = refused(("document_binary", "/a"), ("document_empty", "/b\n/c")) | {"items_refused": 5}
    answers(service, job(**many))
    ran = run("add", "/x")
    assert ran.code == 2
    assert ran.out.splitlines()[:3] == [
        "not taken: /a: document_binary! (Do so.)",
        "not taken: /b /c: document_empty! (Do so.)",
        "not taken: 3 more files",
    ]
    assert "0 added, 0 unchanged, 5 not taken" in ran.out


def test_what_was_cancelled_meanwhile_is_told(service: StandIn, run: Run) -> None:
    """It is not in, and whoever waits for it must not take it for done. What was refused counts for more."""
    answers(service, job(items_done=5, items_cancelled=6), job(items_cancelled=1, **refused(("bad", "/a"))))
    ran = run("add", "/x")
    assert ran.code == 1
    assert ran.out.startswith("5 added, 0 unchanged, 0 not taken, 6 cancelled, 0 passages in ")
    assert run("add", "/x").code == 2


def test_a_folder_with_nothing_in_it_is_told(service: StandIn, run: Run) -> None:
    """That all of it may be left out is no fault, and easily overlooked."""
    answers(service, job(), job(items_unchanged=1))
    ran = run("add", "/x")
    assert (ran.code, ran.out.splitlines()[0]) == (0, NOTHING_FOUND)
    assert NOTHING_FOUND not in run("add", "/x").out


def test_after_an_outage_it_says_how_the_rest_gets_in(
    service: StandIn, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The job goes on with what the service was given; what was still to be sent is known only here."""
    monkeypatch.setattr(follow, "AWAY_S_MAX", 0.0)
    service.on("POST", "/v1/documents", {"job": job(state="running")}, 202)
    service.refuse("GET", "/v1/jobs/1", 503, "service_down")
    ran = run("add", "/x")
    assert ran.code == 5
    assert "added by the same command, run again" in ran.err
    assert "job 1 is kept and goes on" in ran.err


def test_a_path_that_nobody_finds_is_exit_code_three(service: StandIn, run: Run, tmp_path: Path) -> None:
    """Neither the service nor this user: the spelling is wrong."""
    answers(service, job(items_done=1, **refused(("path_not_found", tmp_path / "none"))))
    ran = run("add", str(tmp_path), str(tmp_path / "none"))
    assert ran.code == 3
    assert f"not taken: {tmp_path / 'none'}" in ran.out
    assert len(service.asked) == 1


def test_what_the_service_may_not_read_is_read_here(service: StandIn, run: Run, tmp_path: Path) -> None:
    """A service of another user, kept out of /home: the files are sent under the same source."""
    mine, hidden = tmp_path / "mine.md", tmp_path / "hidden.md"
    mine.write_bytes(b"mine \xff")
    hidden.write_bytes(b"hidden")
    first = refused(("document_unreadable", mine), ("path_not_found", hidden), ("document_binary", "/x"))
    answers(service, job(1, items_done=4, chunks=4, **first), job(2, items_done=2, chunks=2))
    ran = run("add", str(tmp_path), "--collection", "c")
    body = service.bodies("/v1/documents")[1]
    assert contents(body) == {str(mine): b"mine \xff", str(hidden): b"hidden"}
    assert body["collection"] == "c"
    assert ran.code == 2
    assert ran.out.splitlines()[0] == "not taken: /x: document_binary! (Do so.)"
    assert "6 added, 0 unchanged, 1 not taken, 6 passages" in ran.out


def test_a_folder_the_service_may_not_enter_is_walked_here(
    service: StandIn, run: Run, tmp_path: Path
) -> None:
    """All files below it are sent."""
    folder = tmp_path / "home"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.md").write_text("a")
    (folder / "sub" / "b.md").write_text("b")
    answers(service, job(1, **refused(("document_unreadable", folder))), job(2, items_done=2))
    ran = run("add", str(folder))
    assert ran.code == 0
    assert contents(service.bodies("/v1/documents")[1]) == {
        str(folder / "a.md"): b"a",
        str(folder / "sub" / "b.md"): b"b",
    }


def test_a_file_that_neither_may_read_keeps_the_services_reason(
    service: StandIn, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not tried again here."""
    secret = tmp_path / "secret"
    secret.write_text("x")
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    answers(service, job(**refused(("document_unreadable", secret))))
    ran = run("add", str(secret))
    assert ran.code == 2
    assert "document_unreadable!" in ran.out
    assert len(service.asked) == 1


def test_large_uploads_go_in_several_requests(service: StandIn, run: Run, tmp_path: Path) -> None:
    """Each request stays near client.upload_mib; only a larger file goes alone beyond it."""
    for name, size in [("a", 400_000), ("b", 400_000), ("c", 1_200_000), ("d", 10)]:
        (tmp_path / name).write_bytes(b"x" * size)
    config = tmp_path / "c.toml"
    config.write_text("[client]\nupload_mib = 1\n")
    paths = [tmp_path / name for name in "abcd"]
    answers(
        service,
        job(1, **refused(*(("document_unreadable", path) for path in paths))),
        *(job(number, items_done=1) for number in (2, 3, 4, 5)),
    )
    ran = run("add", *map(str, paths), "--config", str(config))
    assert ran.code == 0
    sent = [list(contents(body)) for body in service.bodies("/v1/documents")[1:]]
    assert [[Path(source).name for source in batch] for batch in sent] == [["a"], ["b"], ["c"], ["d"]]


def test_half_a_folder_is_not_left_for_want_of_memory(service: StandIn, run: Run, tmp_path: Path) -> None:
    """The second request is refused for a moment, and sent again; the first would have been told at once."""
    for name in "ab":
        (tmp_path / name).write_bytes(b"x" * 800_000)
    config = tmp_path / "c.toml"
    config.write_text("[client]\nupload_mib = 1\n")
    paths = [str(tmp_path / name) for name in "ab"]
    short = {"code": "memory_short", "message": "It is short.", "hint": "Wait.", "retry_after_ms": 10}
    waiting: list[Reply] = [
        (200, {"job": job(1, **refused(*(("document_unreadable", path) for path in paths)))}),
        (200, {"job": job(2, items_done=1)}),
        (503, {"error": short}),
        (200, {"job": job(3, items_done=1)}),
    ]
    service.on("POST", "/v1/documents", lambda asked: waiting.pop(0))
    ran = run("add", *paths, "--config", str(config))
    assert ran.code == 0
    assert "2 added" in ran.out
    assert "It is short." in ran.err


def test_what_cannot_be_uploaded_is_refused_here(
    service: StandIn, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Too large, no regular file, gone meanwhile: a line each, and the others are sent."""
    large, pipe, gone, good = (tmp_path / name for name in ("large", "pipe", "gone", "good"))
    large.write_bytes(b"x" * (1 << 20) + b"x")
    os.mkfifo(pipe)
    good.write_text("good")
    monkeypatch.setenv("PI_RAG_INGEST_DOCUMENT_MIB_MAX", "1")
    paths = [large, pipe, gone, good]
    monkeypatch.setattr(os, "access", lambda path, mode: path in map(str, paths))
    answers(
        service,
        job(1, **refused(*(("document_unreadable", path) for path in paths))),
        job(2, items_done=1),
    )
    ran = run("add", *map(str, paths))
    assert list(contents(service.bodies("/v1/documents")[1])) == [str(good)]
    assert ran.code == 3
    for path in (large, pipe, gone):
        assert f"not taken: {path}: " in ran.out
    assert "1 added, 0 unchanged, 3 not taken" in ran.out


def test_standard_input_is_sent_under_its_name(
    posts: StandIn, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bytes as they come; the service finds out what they are."""
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"caf\xe9")))
    ran = run("add", "-", "--source", "now.txt", "--title", "Now")
    assert ran.code == 0
    assert posts.bodies("/v1/documents") == [
        {
            "documents": [
                {"source": "now.txt", "content_base64": base64.b64encode(b"caf\xe9").decode(), "title": "Now"}
            ],
            "collection": "default",
            "wait": False,
        }
    ]


def test_metadata_are_of_all_that_is_added(
    posts: StandIn, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of paths that the service reads, of files read here, of standard input; JSON where it is JSON."""
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"now")))
    given = (
        "year=2024",
        "room= kitchen",
        'tags=["a", 1]',
        "sum=1=1",
        "nan=NaN",
        "far=1e999",
        "none=",
        "yes=true",
    )
    flags = [part for each in given for part in ("--metadata", each)]
    assert run("add", "/x", "-", "--source", "now.txt", *flags).code == 0
    (tmp_path / "a.md").write_text("a")
    assert run("add", str(tmp_path / "a.md"), "--title", "T", *flags).code == 0
    wanted = {
        "year": 2024,
        "room": " kitchen",
        "tags": ["a", 1],
        "sum": "1=1",
        "nan": "NaN",
        "far": "1e999",
        "none": "",
        "yes": True,
    }
    assert [body["metadata"] for body in posts.bodies("/v1/documents")] == [wanted] * 3


@pytest.mark.parametrize("flags", [("year",), ("=2024",), (" =1",), ("a=1", "a=2")])
def test_metadata_that_are_none_are_told_before_anything_is_sent(
    service: StandIn, run: Run, flags: tuple[str, ...]
) -> None:
    """A key without a value, a value without a key, a key that is there twice."""
    ran = run("add", "/x", *(part for each in flags for part in ("--metadata", each)))
    assert ran.code == 2
    assert service.asked == []


def test_an_empty_standard_input_is_refused_here(
    run: Run, service: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Most often the command before the pipe failed; that is told even to who does not wait."""
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"")))
    ran = run("add", "-", "--source", "nothing.txt", "--no-wait")
    assert ran.code == 2
    assert "Standard input is empty." in ran.err
    assert service.asked == []


def test_standard_input_is_bounded(run: Run, service: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    """An endless pipe does not fill the RAM."""
    monkeypatch.setenv("PI_RAG_INGEST_DOCUMENT_MIB_MAX", "1")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"x" * (2 << 20))))
    ran = run("add", "-", "--source", "endless")
    assert ran.code == 2
    assert "Standard input is larger than 1 MiB." in ran.err


def test_a_titled_file_is_read_here(posts: StandIn, run: Run, tmp_path: Path) -> None:
    """The interface gives titles to documents, not to paths."""
    (tmp_path / "a.md").write_text("a")
    run("add", str(tmp_path / "a.md"), "--title", "T")
    (document,) = posts.bodies("/v1/documents")[0]["documents"]
    assert document["title"] == "T"
    assert document["source"] == str(tmp_path / "a.md")


def test_a_name_that_is_no_utf8_is_refused_as_in_a_folder(service: StandIn, run: Run, tmp_path: Path) -> None:
    """No JSON could carry it, and nobody could ask for it later; how to rename it is said. Titled or not."""
    name = tmp_path / os.fsdecode(b"caf\xe9.md")
    name.write_text("x")
    for flags in ([], ["--title", "T"]):
        ran = run("add", str(name), *flags)
        assert (ran.code, service.asked) == (2, [])
        assert f"not taken: {tmp_path}/caf\\xe9.md: Its name is not UTF-8" in ran.out
        assert "convmv" in ran.out


@pytest.mark.parametrize(
    "arguments",
    [
        ("-",),
        ("/x", "--source", "s"),
        ("-", "-", "--source", "s"),
        ("/x", "/y", "--title", "t"),
        ("/", "--title", "t"),
        ("-", "/x", "--source", "s", "--title", "t"),
        ("-", "--source", os.fsdecode(b"caf\xe9.txt")),
    ],
)
def test_flags_that_contradict_are_told_before_anything_is_sent(
    service: StandIn, run: Run, arguments: tuple[str, ...]
) -> None:
    """Exit code two, and the service was not asked."""
    assert run("add", *arguments).code == 2
    assert service.asked == []


def test_no_wait_comes_back_at_once(service: StandIn, run: Run) -> None:
    """And says where to look, and what holds it up, if anything does."""
    for waiting_for, more in (
        (None, ""),
        ("paused", "Adding is paused. Let it go on with: pi-rag jobs resume\n"),
    ):
        answers(service, job(7, state="queued"))
        service.on("GET", "/v1/status", {"ingest": {"waiting_for": waiting_for}})
        service.on("GET", "/v1/jobs", {"jobs": []})
        ran = run("add", "/x", "--no-wait")
        assert ran.code == 0
        assert ran.out == f"Queued as job 7. See it with: pi-rag jobs 7\n{more}"


def test_a_job_that_waits_for_its_turn_can_go_first(
    service: StandIn, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it waits behind is said, with the flag; the flag is sent with paths and with texts."""
    answers(service, *[job(7, state="queued")] * 3)
    service.on("GET", "/v1/status", {"ingest": {}})
    service.on("GET", "/v1/jobs", {"jobs": [job(6, state="running", items_total=3)]})
    ran = run("add", "/x", "--no-wait")
    assert "Job 7 waits behind job 6, which has 3 documents left." in ran.out
    assert "--priority high" in ran.out
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"text")))
    run("add", "/x", "-", "--source", "a.txt", "--no-wait", "--priority", "high")
    assert [body.get("priority") for body in service.bodies("/v1/documents")] == [None, "high", "high"]


def test_json_is_the_services_object(service: StandIn, run: Run, tmp_path: Path) -> None:
    """One job unchanged; the jobs of files read here beside it."""
    answers(service, job(items_done=1, new=1))
    assert run("add", "/x", "--json").json == {"job": job(items_done=1, new=1)}
    (tmp_path / "a").write_text("a")
    first = job(1, **refused(("document_unreadable", tmp_path / "a"), ("document_binary", "/b")))
    answers(service, first, job(2, items_done=1))
    ran = run("add", "/x", "--json")
    assert ran.json == {"job": first, "uploads": [job(2, items_done=1)]}
    assert ran.code == 2


def test_a_full_queue_is_exit_code_four(service: StandIn, run: Run) -> None:
    """The right request at the wrong moment."""
    service.refuse("POST", "/v1/documents", 503, "busy", retry_after_ms=1000)
    assert run("add", "/x").code == 4


def test_ctrl_c_stops_only_the_waiting(service: StandIn) -> None:
    """A real signal to a real process: it says that the job goes on, and how to see it."""

    def interrupt(asked: Asked) -> Reply:
        child.send_signal(signal.SIGINT)
        child.wait()
        return 200, {"job": job(5, state="running")}

    service.on("POST", "/v1/documents", {"job": job(5, state="queued")}, 202)
    service.on("GET", "/v1/jobs/5", interrupt)
    child = spawn("add", "/x", "--socket", str(service.socket_path))
    out, err = child.communicate()
    assert child.returncode == 130
    assert out == b""
    assert b"pi-rag jobs 5" in err
    assert b"Traceback" not in err
