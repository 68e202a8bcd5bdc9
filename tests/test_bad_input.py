"""What people get wrong, end to end: one clear error with a hint, the right exit code, and nothing lost."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pi_rag.errors import every_kind
from pi_rag.models import sources
from pi_rag.models.shelf import Shelf
from pi_rag.stress.running import COMMAND, RunningService
from pi_rag.types import ModelCard
from tests.models.seeded import write_folder

pytestmark = pytest.mark.model

NOBODY = 65534
EXIT = {kind.code: kind.exit_code for kind in every_kind()}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, minilm: ModelCard) -> Iterator[RunningService]:
    folder = tmp_path_factory.mktemp("service")
    with RunningService(
        folder, {"PI_RAG_MODEL": minilm.path, "PI_RAG_INGEST_DOCUMENT_MIB_MAX": "1"}
    ) as running:
        running.client.add_documents([{"source": "kept", "text": "the kept lamp, multi-agent"}], wait=True)
        yield running


@pytest.fixture(autouse=True)
def nothing_is_lost(service: RunningService) -> Iterator[None]:
    """Whatever a test does, the service lives on with what it had."""
    yield
    hits = service.client.search("kept lamp", k=1)["hits"]
    assert [hit["source"] for hit in hits] == ["kept"]


def refusals(run: subprocess.CompletedProcess[str]) -> dict[str, str]:
    job: dict[str, Any] = json.loads(run.stdout)["job"]
    return {Path(each["source"]).name: each["code"] for each in job["refusals"]}


def filled(content: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(content)


BAD_FILES: dict[str, tuple[Callable[[Path], object], str]] = {
    "empty.txt": (filled(b""), "document_empty"),
    "blank.md": (filled(b" \n\t\n"), "document_empty"),
    "binary.dat": (filled(bytes(range(256)) * 64), "document_binary"),
    "huge.txt": (filled(b"word " * 300_000), "document_too_large"),
    "loop": (lambda path: path.symlink_to(path.name), "document_link_loop"),
    "pipe": (os.mkfifo, "document_unsupported"),
    "cut.pdf": (filled(b"%PDF-1.7\n1 0 obj\n<<"), "document_damaged"),
    "cut.docx": (filled(b"PK\x03\x04cut"), "document_damaged"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_file_that_cannot_be_taken_is_named_with_its_reason(
    service: RunningService, tmp_path: Path, name: str
) -> None:
    """By itself: one line that says why and what to do, and the exit code of its kind."""
    make, code = BAD_FILES[name]
    make(tmp_path / name)

    told = service.run("add", str(tmp_path / name))
    asked = service.run("add", "--json", str(tmp_path / name))

    assert told.returncode == asked.returncode == EXIT[code], told.stdout + told.stderr
    assert name in told.stdout + told.stderr
    assert refusals(asked) == {name: code}


def test_bad_files_do_not_stop_the_good_ones(service: RunningService, tmp_path: Path) -> None:
    """All of them in one folder with one good file: it is taken, each other is a line."""
    for name, (make, _) in BAD_FILES.items():
        make(tmp_path / name)
    (tmp_path / "good.txt").write_text("a good note about the chimney")

    added = service.run("add", "--json", str(tmp_path))

    assert refusals(added) == {name: code for name, (_, code) in BAD_FILES.items()}
    assert service.client.search("chimney", k=1)["hits"][0]["source"] == str(tmp_path / "good.txt")
    assert service.run("remove", "--source", str(tmp_path / "good.txt")).returncode == 0


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1", "shift_jis", "utf-8-sig"])
def test_other_encodings_are_read_as_what_they_are(
    service: RunningService, tmp_path: Path, encoding: str
) -> None:
    """A text file of another age or country is text all the same."""
    text = {
        "shift_jis": "これは日本語の文書です。台所の電球を交換しました。" * 4,
    }.get(encoding, "Die Straße führt über die Brücke zum Café, wo sie häufig saßen. " * 4)
    path = tmp_path / f"{encoding}.txt"
    path.write_bytes(text.encode(encoding))

    assert service.run("add", str(path)).returncode == 0
    listed = service.client.documents(limit=1000)["documents"]
    stored = next(row for row in listed if row["source"] == str(path))
    assert service.client.document(stored["id"])["text"].strip() == text.strip()
    service.client.remove(stored["id"])


WITHOUT_EVERY_DOOR = ("setpriv", "--bounding-set=-dac_override,-dac_read_search")
"""Root that, like any other user, may not read what belongs to others."""


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")
@pytest.mark.skipif(not shutil.which("setpriv"), reason="needs setpriv, of util-linux")
def test_a_file_that_the_service_may_not_read_is_sent_by_who_may(tmp_path: Path, minilm: ModelCard) -> None:
    """Asked for by its path it is refused with the reason; `pi-rag add` of who may read it takes it in."""
    private = tmp_path / "private.txt"
    private.write_text("the number of the bicycle shed is 4711")
    private.chmod(0o600)
    os.chown(private, NOBODY, NOBODY)
    with RunningService(tmp_path, {"PI_RAG_MODEL": minilm.path}, under=WITHOUT_EVERY_DOOR) as service:
        by_path = service.client.add_paths([str(private)], wait=True)["job"]
        found_before = service.client.search("bicycle shed")["hits"]
        sent = service.run("add", str(private))
        found = service.client.search("bicycle shed")["hits"]

    assert [(each["source"], each["code"]) for each in by_path["refusals"]] == [
        (str(private), "document_unreadable")
    ]
    assert found_before == []
    assert sent.returncode == 0, sent.stdout + sent.stderr
    assert [hit["source"] for hit in found] == [str(private)]


def test_a_folder_that_vanishes_while_it_waits_is_one_refusal(
    service: RunningService, tmp_path: Path
) -> None:
    """The documents before it in the queue are taken, and the job comes to its end."""
    gone = tmp_path / "gone"
    gone.mkdir()
    (gone / "a.txt").write_text("never read")
    workers = [worker["pid"] for worker in service.client.status()["embedder"]["workers"]]
    # So many documents are in hand at once: one of the workers only answers queries.
    hands = max(2, len(workers) - 1)
    texts = [{"source": f"before-{number}", "text": f"number {number}"} for number in range(hands)]
    for pid in workers:  # documents stay in hand, so that the folder waits for its turn
        os.kill(pid, signal.SIGSTOP)
    try:
        before = service.client.add_documents(texts)["job"]
        while len(service.client.status()["ingest"]["current"]) < len(texts):
            time.sleep(0.01)
        job = service.client.add_paths([str(gone)])["job"]
        shutil.rmtree(gone)
    finally:
        for pid in workers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
    while job["state"] != "done" or before["state"] != "done":
        job, before = (service.client.job(each["id"])["job"] for each in (job, before))

    assert [(each["source"], each["code"]) for each in job["refusals"]] == [(str(gone), "path_not_found")]
    assert (before["items_done"], before["items_refused"]) == (len(texts), 0)
    for text in texts:
        service.client.remove_source(text["source"])


def test_a_path_that_is_not_there_is_not_found(service: RunningService, tmp_path: Path) -> None:
    """Exit code 3, and the path is named."""
    told = service.run("add", str(tmp_path / "gone"))

    assert told.returncode == EXIT["path_not_found"]
    assert str(tmp_path / "gone") in told.stdout + told.stderr


@pytest.mark.parametrize(
    ("query", "code"),
    [("", "query_empty"), ("  ", "query_empty"), ('""', "query_empty"), ("x" * 100_000, "query_too_long")],
)
def test_a_query_at_fault_is_refused(service: RunningService, query: str, code: str) -> None:
    """Empty or endless: an error with a hint, in words and as JSON."""
    told = service.run("search", query)
    asked = service.run("search", "--json", query)

    assert told.returncode == asked.returncode == EXIT[code]
    assert "hint:" in told.stderr
    assert json.loads(asked.stdout)["error"]["code"] == code


@pytest.mark.parametrize(
    "query", ["multi-agent", 'x"', "OR", "x*", 'a "b', "NEAR(x y)", "title:x", "-k", "(x", "AND NOT"]
)
def test_search_syntax_is_only_words(service: RunningService, query: str) -> None:
    """No query is a syntax error, not even one that looks like a flag."""
    run = service.run("search", "--json", "--", query)

    assert run.returncode == 0, run.stdout
    assert json.loads(run.stdout)["degraded"] == []


def test_multi_agent_is_found_by_words(service: RunningService) -> None:
    """A hyphen neither breaks the query nor hides the document."""
    assert service.client.search("multi-agent", mode="text")["hits"][0]["source"] == "kept"


def serve(tmp_path: Path, environ: dict[str, str], *flags: str) -> subprocess.CompletedProcess[str]:
    """`pi-rag serve` that is expected to refuse to start."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("PI_RAG_")}
    return subprocess.run(
        [*COMMAND, "serve", *flags],
        env=clean | {"PI_RAG_DATA": str(tmp_path / "data"), "PI_RAG_SOCKET": str(tmp_path / "s")} | environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_plain_file_in_the_sockets_place_is_kept(tmp_path: Path) -> None:
    """It is named and left as it is."""
    (tmp_path / "s").write_text("precious")

    run = serve(tmp_path, {})

    assert run.returncode == EXIT["socket_path_invalid"]
    assert str(tmp_path / "s") in run.stderr and "hint:" in run.stderr
    assert (tmp_path / "s").read_text() == "precious"


def test_a_socket_in_use_is_not_taken_over(tmp_path: Path, service: RunningService) -> None:
    """The service that answers there goes on; a second one on its socket or its data says so and ends."""
    same_socket = serve(tmp_path, {"PI_RAG_SOCKET": str(service.socket)})
    same_data = serve(tmp_path, {"PI_RAG_DATA": str(service.data)})

    assert same_socket.returncode == same_data.returncode == EXIT["socket_in_use"]
    assert not (tmp_path / "s").exists()


def test_a_socket_path_too_long_is_refused(tmp_path: Path) -> None:
    """The kernel's limit is told, not its error number."""
    run = serve(tmp_path, {"PI_RAG_SOCKET": str(tmp_path / ("x" * 120))})

    assert run.returncode == EXIT["settings_invalid"]
    assert "107 bytes" in run.stderr


def test_a_typing_mistake_in_the_settings_is_named(tmp_path: Path) -> None:
    """The key and the nearest right one, before anything is made."""
    (tmp_path / "my.toml").write_text("[embedder]\nworkerz = 3\n")

    run = serve(tmp_path, {}, "--config", str(tmp_path / "my.toml"))

    assert run.returncode == EXIT["settings_invalid"]
    assert "embedder.workerz" in run.stderr and "embedder.workers" in run.stderr
    assert not (tmp_path / "data").exists()


def copied_models(minilm: ModelCard, data: Path) -> Path:
    """The installed models in a data folder of their own; the path of this one there."""
    shutil.copytree(Path(minilm.path).parent, data / "models")
    return data / "models" / Path(minilm.path).name


def corrupt(path: Path) -> None:
    """One byte changed: still a GGUF, no longer the one on the list."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)


def test_a_corrupt_model_is_not_loaded_and_words_still_answer(tmp_path: Path, minilm: ModelCard) -> None:
    """The checksum is compared at every load; the service is up, degraded, and says what to do."""
    corrupt(copied_models(minilm, tmp_path / "data"))
    with RunningService(tmp_path, {"PI_RAG_MODEL": minilm.name}, ready=False) as service:
        answer = service.client.search("anything")
        status = service.client.status()
        while status["embedder"]["state"] == "starting":
            status = service.client.status()
        verified = service.run("model", "verify", minilm.name)
        code = service.stop()

    assert answer["degraded"] == ["embedder_unavailable"]
    assert (status["state"], status["ready"]) == ("degraded", False)
    assert "sha256" in status["embedder"]["reason"]
    assert verified.returncode == EXIT["model_corrupt"]
    assert code == 0


def test_without_a_model_documents_are_refused_with_the_way_out(tmp_path: Path) -> None:
    """Nothing waits for ever: adding says at once what is missing and the command that gets it."""
    with RunningService(tmp_path, {}, ready=False) as service:
        added = service.run("add", __file__)
        searched = service.run("search", "anything")

    assert added.returncode == EXIT["model_missing"]
    assert "pi-rag model pull" in added.stderr
    assert searched.returncode == 0


def test_a_model_of_another_kind_is_refused_until_one_goes_back(tmp_path: Path, minilm: ModelCard) -> None:
    """Vectors of two models are never mixed: words answer, adding is refused, and going back mends it."""
    other = make_other_model(tmp_path)
    with RunningService(tmp_path, {"PI_RAG_MODEL": minilm.path}) as service:
        service.client.add_documents([{"source": "a", "text": "the lamp in the hall"}], wait=True)
    with RunningService(tmp_path, {"PI_RAG_MODEL": other}, ready=False) as service:
        answer = service.client.search("lamp in the hall")
        added = service.run("add", __file__)
    with RunningService(tmp_path, {"PI_RAG_MODEL": minilm.path}) as service:
        again = service.client.search("lamp in the hall")

    assert answer["degraded"] == ["model_mismatch"]
    assert [hit["source"] for hit in answer["hits"]] == ["a"]
    assert added.returncode == EXIT["model_mismatch"]
    assert again["degraded"] == []


def make_other_model(folder: Path) -> str:
    """Another model, of 64 dimensions: a small BERT made from a seed, imported as a person would."""
    card = sources.import_path(write_folder(folder / "other"), Shelf(folder / "shelf"))
    assert card.dimensions == 64
    return card.path


def test_a_dead_socket_is_told_with_how_to_start(tmp_path: Path) -> None:
    """Without a service every guest says so, with exit code 5."""
    dead = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(dead))
    for path in (dead, tmp_path / "none"):
        run = subprocess.run(
            [*COMMAND, "--socket", str(path), "status"],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert run.returncode == EXIT["service_down"]
        assert "pi-rag serve" in run.stderr
