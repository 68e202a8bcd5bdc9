"""The life of the service as a process: start, readiness, reload, stop."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import apsw
import httpx
import pytest

from pi_rag.config import StoreSettings
from pi_rag.errors import BadInput
from pi_rag.store import connection, migrations
from pi_rag.stress import family, workload
from pi_rag.stress.running import RunningService
from pi_rag.types import ModelCard
from tests.service.systemd import Systemd
from tests.stress import truth

pytestmark = pytest.mark.model

HEAP_BYTES = 64 << 20


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[Systemd]:
    listener = Systemd(tmp_path / "notify")
    yield listener
    listener.close()


def until(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    end_s = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end_s, "it did not come true in time"
        time.sleep(0.02)


def test_ready_is_said_after_the_proof_and_stopping_at_the_end(
    tmp_path: Path, minilm: ModelCard, systemd: Systemd
) -> None:
    """systemd hears READY once everything has worked, and STOPPING when asked to end; the exit is clean."""
    environ = {"PI_RAG_MODEL": minilm.path, "NOTIFY_SOCKET": str(systemd.path)}
    with RunningService(tmp_path, environ) as service:
        start = systemd.hear_of("READY")
        ready = service.client.status()["ready"]
        pids = family.all_of(service.pid)
        code = service.stop()
        end = systemd.hear_of("STOPPING")

    phases = [each["STATUS"] for each in start if "STATUS" in each]
    assert phases[:3] == ["opening the database", "loading the model", "trying a search"]
    assert phases[3].startswith("ready; 0 passages; ")
    assert any("EXTEND_TIMEOUT_USEC" in each for each in start)
    assert ready
    assert "WATCHDOG" not in {field for each in (*start, *end) for field in each}
    assert code == 0
    assert not service.socket.exists()
    assert family.left_after(pids, 1.0) == set()


def test_an_old_database_asks_systemd_for_patience(
    tmp_path: Path, minilm: ModelCard, systemd: Systemd
) -> None:
    """Before the steps are taken; a start cut off in the middle of them would be cut off again and again."""
    (tmp_path / "data").mkdir()
    old = apsw.Connection(str(tmp_path / "data" / "pi-rag.db"))
    connection.apply(old, connection.WRITER, StoreSettings())
    migrations.migrate(old, migrations.STEPS[:7])
    old.close()
    environ = {"PI_RAG_MODEL": minilm.path, "NOTIFY_SOCKET": str(systemd.path)}
    with RunningService(tmp_path, environ):
        heard = systemd.hear_of("READY")

    assert heard[1] == {
        "EXTEND_TIMEOUT_USEC": "3600000000",
        "STATUS": "bringing the database to the new schema",
    }


def test_a_clock_that_was_set_back_a_year_costs_one_line(tmp_path: Path) -> None:
    """The database is from a year after now, as for a Pi that starts without a network. It is served."""
    with RunningService(tmp_path, {}, ready=False) as service:
        database = tmp_path / "data" / "pi-rag.db"
        service.stop()
        next_year_s = time.time() + 365 * 86_400
        os.utime(database, (next_year_s, next_year_s))
        service.start()
        service.wait_until_up(30)
        assert service.client.documents()["documents"] == []
        lines = [line for line in service.log_text().splitlines() if "event=clock_behind" in line]

    assert len(lines) == 1
    assert "level=warning" in lines[0] and "timedatectl" in lines[0]


def test_settings_that_cannot_hold_cost_one_line_and_no_start(tmp_path: Path) -> None:
    """They worked so before; the log says which one wins."""
    with RunningService(tmp_path, {"PI_RAG_CLIENT_UPLOAD_MIB": "97"}, ready=False) as service:
        lines = [line for line in service.log_text().splitlines() if "event=settings_doubtful" in line]

    assert len(lines) == 1
    assert "client.upload_mib (97)" in lines[0] and "which holds" in lines[0]


def test_without_a_model_systemd_is_told_ready_but_degraded(tmp_path: Path, systemd: Systemd) -> None:
    """A restart would not mend it, so the service stays up, answers from words, and says what is missing."""
    with RunningService(tmp_path, {"NOTIFY_SOCKET": str(systemd.path)}, ready=False) as service:
        told = systemd.hear_of("READY")[-1]
        status = service.client.status()

    assert told["READY"] == "1"
    assert "degraded" in told["STATUS"] and "No model" in told["STATUS"]
    assert (status["ready"], status["state"], status["degraded"]) == (
        False,
        "degraded",
        ["embedder_unavailable"],
    )


def test_its_threads_share_two_heaps(tmp_path: Path) -> None:
    """Also where no unit of systemd says so: with one for each thread, memory creeps up for hours."""
    with RunningService(tmp_path, {"MALLOC_ARENA_MAX": ""}, ready=False) as service:
        for _ in range(20):
            service.client.search("lamp", mode="text")
        heaps = thread_heaps(service.pid)

    assert heaps <= 1, "one besides the heap of the whole process"


def thread_heaps(pid: int) -> int:
    """The C library lays each in a reserve of 64 MiB that begins at a multiple of that."""
    maps = [line.split() for line in Path(f"/proc/{pid}/maps").read_text().splitlines()]
    places = [[int(end, 16) for end in each[0].split("-")] for each in maps if len(each) == 5]
    return sum(
        start % HEAP_BYTES == 0 and end == behind and last == start + HEAP_BYTES
        for (start, end), (behind, last) in pairwise(places)
    )


def test_sighup_takes_over_what_can_change_and_keeps_the_rest(tmp_path: Path, minilm: ModelCard) -> None:
    """A new bound holds at once, without a restart; a mistake in the file changes nothing."""
    config = tmp_path / "my.toml"
    config.write_text("[query]\nk_max = 5\n")
    with RunningService(tmp_path, {"PI_RAG_MODEL": minilm.path, "PI_RAG_CONFIG": str(config)}) as service:
        with pytest.raises(BadInput):
            service.client.search("lamp", k=6)
        budget_mib = service.client.status()["memory"]["budget_mib"]
        config.write_text(f"[query]\nk_max = 7\n[memory]\nbudget_mib = {budget_mib + 100}\n")
        os.kill(service.pid, signal.SIGHUP)
        until(lambda: "settings_reloaded" in service.log_text())
        service.client.search("lamp", k=7)
        assert "these begin at a restart: memory" in service.log_text()
        assert service.client.status()["memory"]["budget_mib"] == budget_mib
        config.write_text("[query]\nk_maxx = 9\n")
        os.kill(service.pid, signal.SIGHUP)
        until(lambda: "settings_kept" in service.log_text())
        service.client.search("lamp", k=7)
        with pytest.raises(BadInput):
            service.client.search("lamp", k=8)


def test_sighup_renews_the_embedder_without_a_gap(tmp_path: Path, minilm: ModelCard) -> None:
    """More workers at once, while searches go on whole; what would change vectors waits for a restart."""
    config = tmp_path / "my.toml"
    config.write_text("[embedder]\nworkers = 1\n")
    with RunningService(tmp_path, {"PI_RAG_MODEL": minilm.path, "PI_RAG_CONFIG": str(config)}) as service:
        service.client.add_documents(list(islice(workload.documents(5), 3)), wait=True)
        config.write_text("[embedder]\nworkers = 3\n")
        os.kill(service.pid, signal.SIGHUP)
        answers: list[Mapping[str, Any]] = []
        while "embedder_renewed" not in service.log_text():
            answers.append(service.client.search(f"lamp number {len(answers)}"))
        assert answers
        assert not any(answer["degraded"] for answer in answers)
        assert len(service.client.status()["embedder"]["workers"]) == 4
        config.write_text("[embedder]\nworkers = 3\ntokens_max = 300\ntexts_per_call_max = 2\n")
        os.kill(service.pid, signal.SIGHUP)
        until(lambda: "begin at a restart" in service.log_text())
        assert not service.client.search("a lamp")["degraded"]


def test_a_stop_under_load_keeps_everything_acknowledged(tmp_path: Path, minilm: ModelCard) -> None:
    """SIGTERM in the middle of a long job: it ends in time, and the next start finishes the job."""
    wanted = list(islice(workload.documents(5), 300))
    with RunningService(tmp_path, {"PI_RAG_MODEL": minilm.path}) as service:
        job = service.client.add_documents(wanted, wait=False)["job"]
        until(lambda: service.client.job(job["id"])["job"]["items_done"] > 3)
        begun_s = time.monotonic()
        code = service.stop()
        took_s = time.monotonic() - begun_s
        service.start()
        until(lambda: service.client.job(job["id"])["job"]["state"] == "done", 120.0)
        done = service.client.job(job["id"])["job"]

    assert code == 0
    assert took_s < 10.0
    assert (done["items_done"], done["items_refused"]) == (300, 0)
    assert truth.violations(service.data / "pi-rag.db", [each["source"] for each in wanted]) == []


def test_queries_asked_before_are_known_after_a_restart_and_a_kill(tmp_path: Path, minilm: ModelCard) -> None:
    """A stop keeps what was asked again; a kill before the next save loses no more than that."""

    def asked(query: str) -> str:
        explain = service.client.search(query, explain=True)["explain"]
        return "hit" if explain["results"] == "hit" else str(explain["cache"])

    with RunningService(tmp_path, {"PI_RAG_MODEL": minilm.path}) as service:
        first = [asked("where is the lamp") for _ in range(2)]
        service.stop()
        service.start()
        stopped = asked("where is the lamp")
        late = [asked("who lit it") for _ in range(2)]
        service.kill()
        service.start()
        killed = [asked("where is the lamp"), asked("who lit it")]

    assert first == late == ["miss", "hit"]
    assert stopped == "hit"
    assert killed == ["hit", "miss"]


def test_of_an_edited_file_only_what_changed_is_embedded(tmp_path: Path, minilm: ModelCard) -> None:
    """With the real model: the count of the embedded says so, and the new words are found by meaning."""
    rooms = [f"## Room {number}\n\n" + f"Lamp {number} is lit at night. " * 20 for number in range(12)]
    edited = [*rooms[:5], "## Room 5\n\n" + "A cat sleeps on the sofa. " * 20, *rooms[6:]]
    with RunningService(tmp_path, {"PI_RAG_MODEL": minilm.path}) as service:
        for each in (rooms, edited):
            service.client.add_documents([{"source": "rooms.md", "text": "\n\n".join(each)}], wait=True)
        passages = service.client.status()["ingest"]["passages"]
        first = service.client.search("where does the pet rest", mode="vector")["hits"][0]

    assert passages == {"embedded": 13, "reused": 11}
    assert first["text"].count("cat") == 20


def test_a_log_that_cannot_be_written_ends_nothing() -> None:
    """Its disk may be full; what the service does is worth more than its account of it."""
    code = "from pi_rag import log; log.logger('a').warning('b'); print('on')"
    with Path("/dev/full").open("wb") as full:
        ended = subprocess.run(
            [sys.executable, "-c", code], timeout=60, check=False, stdout=subprocess.PIPE, stderr=full
        )

    assert ended.stdout == b"on\n"


def test_neither_log_nor_metrics_hold_text_of_documents_or_queries(tmp_path: Path, minilm: ModelCard) -> None:
    """What people store and ask stays between them and the database, even at the finest level of the log."""
    environ = {"PI_RAG_MODEL": minilm.path, "PI_RAG_SERVICE_LOG_LEVEL": "debug", "PI_RAG_METRICS_LINE_S": "1"}
    with RunningService(tmp_path, environ) as service:
        document = {"source": "s", "title": "canaryword", "text": "canaryword in a text"}
        service.client.add_documents([document], collection="canaryword", wait=True)
        service.client.search("canaryword in a query")
        numbers = got(service.socket, "/metrics")
        file = service.data / "metrics" / "metrics.jsonl"
        until(lambda: file.exists() and '"searches":1' in file.read_text())

    for told in (service.log_text(), numbers, file.read_text()):
        assert "canaryword" not in told
    assert "event=searched" in service.log_text()
    assert 'pi_rag_stage_seconds_count{lane="query",stage="total"} 1.0' in numbers


def got(socket: Path, address: str) -> str:
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(socket))) as guest:
        return guest.get(f"http://service{address}").text


def test_the_answer_of_the_command_is_the_answer_of_the_interface(tmp_path: Path, minilm: ModelCard) -> None:
    """`pi-rag search --json` prints the same object as POST /v1/search: a program may use either."""
    with RunningService(tmp_path, {"PI_RAG_MODEL": minilm.path}) as service:
        service.client.add_documents([{"source": "s", "text": "the lamp in the hall"}], wait=True)
        printed = json.loads(service.run("search", "lamp", "--json").stdout)
        answered = service.client.search("lamp")

    for answer in (printed, answered):
        answer.pop("took_ms")
        for hit in answer["hits"]:
            hit.pop("age_s")
    assert printed == answered
