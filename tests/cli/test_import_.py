"""`pi-rag import`: what is sent, how bad lines are told, and what becomes of vectors."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from pi_rag.cli import import_
from pi_rag.ingest import exported
from tests.cli.conftest import Run
from tests.cli.test_add import job, refused
from tests.cli.test_export import end, said
from tests.standin import Asked, Reply, StandIn

HEAD = {"pi_rag_export": 1, "made_by": {"model_name": "m"}}


def line(source: str, **fields: Any) -> dict[str, Any]:
    return {"source": source, "text": f"text of {source}"} | fields


def answers(service: StandIn, *jobs: dict[str, Any], vectors: str = "none", **more: Any) -> None:
    """The service's answers, one after another."""
    waiting = list(jobs)

    def answer(_: Asked) -> Reply:
        return 202, {"job": waiting.pop(0), "vectors": vectors, "different": []} | more

    service.on("POST", "/v1/import", answer)


def test_lines_are_sent_by_collection(service: StandIn, run: Run, tmp_path: Path) -> None:
    """As they are, with what made their vectors; empty lines and the end are no documents."""
    file = tmp_path / "m.jsonl"
    one, two, three = line("a", collection="x"), line("b"), line("c", collection="x", passages=[1])
    file.write_bytes(said(HEAD, one, two) + b"\n \n" + said(three, end(None)))
    answers(service, job(1, items_done=2, chunks=3), job(2, items_unchanged=1), vectors="used")
    ran = run("import", str(file))
    assert service.bodies("/v1/import") == [
        {"documents": [one, three], "made_by": HEAD["made_by"], "collection": "x", "wait": False},
        {"documents": [two], "made_by": HEAD["made_by"], "collection": "default", "wait": False},
    ]
    assert ran.code == 0
    assert ran.out.startswith("2 added, 1 unchanged, 0 not taken, 3 passages in ")
    assert "Vectors: those of the file" in ran.out


def test_bad_lines_are_told_by_number_and_the_rest_goes_on(
    service: StandIn, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that nobody can read are told here, the others by the service; exit code two."""
    bad = [
        b"{",
        b"\xff\xfe",
        b"[1]",
        b'{"text": "t"}',
        b'{"source": 1}',
        b'{"source": "a", "x": NaN}',
        b"[" * 9999,
    ]
    bad += [b'{"source": "a", "collection": ["c"]}']
    data = said(line("good")) + b"\n".join(bad) + b"\n" + said(line("empty", text="")).rstrip(b"\n")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))
    answers(service, job(items_done=1, chunks=1, **refused(("document_empty", "empty"))))
    ran = run("import", "-")
    assert ran.code == 2
    told = [each for each in ran.out.splitlines() if each.startswith("not taken")]
    assert [each.split(":")[1] for each in told] == [f" line {number}" for number in (*range(2, 10), 10)]
    assert "not taken: line 10: empty: document_empty! (Do so.)" in told
    assert "1 added, 0 unchanged, 9 not taken, 1 passage" in ran.out
    assert [each["source"] for each in service.bodies("/v1/import")[0]["documents"]] == ["good", "empty"]


@pytest.mark.parametrize(
    "data",
    [
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + b"\n\xff\xd8" * 50,
        b"%PDF-1.4\n1 0 obj\n",
        b"\x1f\x8b\x08\0",
        b"A letter.\nIts end.\n",
        b"[1]\n",
        b'{\n  "name": "x"\n}\n',
        b'\n{"name": "x"}\n{"name": "y"}\n',
    ],
)
def test_what_is_no_export_is_told_once(service: StandIn, run: Run, tmp_path: Path, data: bytes) -> None:
    """By its first line, with what takes such files; nothing is sent."""
    (tmp_path / "f").write_bytes(data)
    ran = run("import", str(tmp_path / "f"))
    assert (ran.code, ran.out, service.asked) == (2, "", [])
    assert len([line for line in ran.err.splitlines() if "is no export: its first line" in line]) == 1
    assert "pi-rag add FILE" in ran.err


@pytest.mark.parametrize("data", [b"", b"\n \n"])
def test_an_empty_file_is_told(service: StandIn, run: Run, tmp_path: Path, data: bytes) -> None:
    """Most often the command that wrote it has failed."""
    (tmp_path / "f").write_bytes(data)
    ran = run("import", str(tmp_path / "f"))
    assert (ran.code, ran.out, service.asked) == (2, "", [])
    assert f"There is nothing in {tmp_path / 'f'}." in ran.err
    assert "an empty memory" in ran.err


def test_refusals_come_in_the_order_of_their_lines(service: StandIn, run: Run, tmp_path: Path) -> None:
    """Whoever has refused them; those of a line that nobody knows come last."""
    (tmp_path / "f").write_bytes(said(line("a")) + b"{\n" + said(line("b")) + b"\xff\n")
    answers(
        service, job(**refused(("document_empty", "b"), ("document_empty", "a"), ("document_empty", "z")))
    )
    told = [each for each in run("import", str(tmp_path / "f")).out.splitlines() if "not taken: " in each]
    assert [each.split(": ")[1] for each in told] == ["line 1", "line 2", "line 3", "line 4", "z"]
    assert "line 2: It is not JSON, from its character 2 on." in told[1]
    assert "line 4: It is not UTF-8, from its byte 1 on." in told[3]


def test_one_line_that_spoils_a_request_does_not_cost_the_others(
    service: StandIn, run: Run, tmp_path: Path
) -> None:
    """A request that is refused whole is sent line by line."""
    (tmp_path / "f").write_bytes(said(line("a"), line("b"), line("c")))

    def answer(asked: Asked) -> Reply:
        sources = [each["source"] for each in asked.body["documents"]]
        if "b" in sources:
            wire = {"code": "request_invalid", "message": "Not b.", "hint": "", "retry_after_ms": None}
            return 400, {"error": wire}
        return 200, {"job": job(items_done=1, chunks=1), "vectors": "none", "different": []}

    service.on("POST", "/v1/import", answer)
    ran = run("import", str(tmp_path / "f"))
    assert ran.code == 2
    assert ran.out.splitlines()[0].startswith("not taken: line 2: b: Not b.")
    assert "2 added, 0 unchanged, 1 not taken" in ran.out


def test_requests_are_bounded(service: StandIn, run: Run, tmp_path: Path) -> None:
    """Near client.upload_mib; a line that is too large with its vectors goes without, and else is refused."""
    config = tmp_path / "c.toml"
    config.write_text("[client]\nupload_mib = 1\n[service]\nrequest_mib_max = 1\n")
    half = "x" * 600_000
    lines = [line("a", text=half), line("b", text=half), line("c", text="t", passages=[half, half])]
    (tmp_path / "f").write_bytes(said(*lines, line("d", text=half * 2), line("e", text=half * 4), line("f")))
    answers(service, *(job(number, items_done=1) for number in range(9)))
    ran = run("import", str(tmp_path / "f"), "--config", str(config))
    sent = [[each["source"] for each in body["documents"]] for body in service.bodies("/v1/import")]
    assert sent == [["a"], ["b", "c", "f"]]
    assert service.bodies("/v1/import")[1]["documents"][1] == {"source": "c", "text": "t"}
    assert ran.code == 2
    assert [each.split(":")[1] for each in ran.out.splitlines()[:2]] == [" line 4", " line 5"]
    assert "Vectors of 1 long line did not fit" in ran.out


def test_vectors_that_are_made_again_are_said(service: StandIn, run: Run, tmp_path: Path) -> None:
    """With what sets the models apart."""
    (tmp_path / "f").write_bytes(said(HEAD, line("a")))
    answers(service, job(), vectors="made_anew", different=["model_sha256", "pooling"])
    out = run("import", str(tmp_path / "f")).out
    assert "Vectors: made again" in out
    assert "(different: model_sha256, pooling)" in out


def test_json_is_the_services_words(service: StandIn, run: Run, tmp_path: Path) -> None:
    """Jobs, refusals with their lines, and what became of vectors."""
    (tmp_path / "f").write_bytes(said(line("a"), line("b")))
    answers(service, job(items_done=1, **refused(("document_empty", "b"))), vectors="used")
    ran = run("import", str(tmp_path / "f"), "--json")
    assert ran.code == 2
    assert ran.json["vectors"] == "used"
    assert [(each["line"], each["code"]) for each in ran.json["refusals"]] == [(2, "document_empty")]
    assert ran.json["jobs"][0]["items_done"] == 1


def test_a_file_of_a_newer_pi_rag_is_refused(service: StandIn, run: Run, tmp_path: Path) -> None:
    """What its lines mean is not known; nothing is sent."""
    (tmp_path / "f").write_bytes(said({"pi_rag_export": 2}, line("a")))
    ran = run("import", str(tmp_path / "f"))
    assert ran.code == 2
    assert "newer" in ran.err
    assert service.asked == []


def test_a_file_that_is_not_there_or_no_file_is_told(service: StandIn, run: Run, tmp_path: Path) -> None:
    """Before the service is asked."""
    assert run("import", str(tmp_path / "none")).code == 3
    assert run("import", str(tmp_path)).code == 2
    assert service.asked == []


def test_both_sides_mean_the_same_format() -> None:
    """The command line does not import the service's side, but must agree with it."""
    assert import_.VERSION == exported.VERSION
    assert json.loads(exported.end(None))[exported.MARK] == import_.VERSION
