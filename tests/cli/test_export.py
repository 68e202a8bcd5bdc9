"""`pi-rag export`: what is written, and when it fails."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.plain import plain_environ
from tests.standin import Asked, Reply, StandIn

HEAD = {"pi_rag_export": 1, "made_by": {"model_name": "m"}}


def said(*objects: object) -> bytes:
    """These as lines, written as the service writes them."""
    return b"".join(json.dumps(each, separators=(",", ":")).encode() + b"\n" for each in objects)


def end(after: int | None) -> dict[str, object]:
    return {"pi_rag_export": 1, "next": after}


def in_parts(service: StandIn, **parts: bytes) -> None:
    """The answer to each `after`."""

    def answer(asked: Asked) -> Reply:
        return 200, parts["after_" + asked.params["after"]]

    service.on("GET", "/v1/export", answer)


def test_documents_are_written_as_they_come(service: StandIn, run: Run) -> None:
    """The parts of an answer are one; only the number of documents is told, on standard error."""
    in_parts(
        service,
        after_0=said(HEAD, {"source": "a"}, end(1)),
        after_1=said(HEAD, {"source": "b"}, {"source": "c"}, end(None)),
    )
    ran = run("export", "--vectors", "--collection", "ä b")
    assert ran.code == 0
    assert ran.out.encode() == said(HEAD, {"source": "a"}, {"source": "b"}, {"source": "c"})
    assert ran.err == "3 documents\n"
    assert [asked.params for asked in service.asked] == [
        {"collection": "ä b", "vectors": "true", "after": after} for after in ("0", "1")
    ]


def test_what_breaks_off_is_not_taken_for_whole(service: StandIn, run: Run) -> None:
    """Without its last line an answer is a failure, even if each line of it is sound."""
    service.on("GET", "/v1/export", said({"source": "a"}))
    ran = run("export")
    assert ran.code == 5
    assert "broke off" in ran.err
    assert service.asked[0].params == {"after": "0"}


def test_a_change_of_the_model_meanwhile_is_a_failure(service: StandIn, run: Run) -> None:
    """The vectors of one file are of one model."""
    other = HEAD | {"made_by": {"model_name": "n"}}
    in_parts(service, after_0=said(HEAD, end(1)), after_1=said(other, end(None)))
    ran = run("export", "--vectors")
    assert ran.code == 6
    assert "changed" in ran.err


def test_an_error_of_the_service_is_told(service: StandIn, run: Run) -> None:
    """Before the first line it is an error like any other."""
    service.refuse("GET", "/v1/export", 503, "busy")
    assert run("export").code == 4


@pytest.mark.skipif(not os.access("/dev/full", os.W_OK), reason="needs /dev/full")
def test_a_full_disk_is_told(service: StandIn) -> None:
    """An export that lacks its end must not look like one that has it."""
    service.on("GET", "/v1/export", said({"source": "a"}, end(None)))
    command = [sys.executable, "-m", "pi_rag.cli.main", "export", "--socket", str(service.socket_path)]
    with Path("/dev/full").open("wb") as full:
        ran = subprocess.run(command, env=plain_environ(), stdout=full, stderr=subprocess.PIPE, check=False)
    assert ran.returncode == 7
    assert b"could not be written" in ran.stderr
    assert b"Traceback" not in ran.stderr
