"""The disk is full, at each stage of an ingest: on a real file system of some MiB, with a real service."""

from __future__ import annotations

import base64
import contextlib
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pi_rag.errors import DiskFull
from pi_rag.stress import family
from pi_rag.stress.running import RunningService
from pi_rag.stress.signals import stopped
from pi_rag.stress.spoiling import write_until_full
from pi_rag.types import ModelCard
from tests.stress.truth import until, violations

pytestmark = [
    pytest.mark.model,
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount"),
]

DISK_MIB = 24
PARTS = 400
"""Of a document that needs more room than the log has left."""
RESUMES_S_MAX = 10.0
"""What is promised of an ingest once there is space again."""
REFUSES_S_MAX = 1.0
"""What docs/data.md promises to who adds something meanwhile: a reason, and soon."""

ENVIRON = {"PI_RAG_STORE_WAL_MIB_MAX": "1", "PI_RAG_INDEX_SNAPSHOT_CHANGES": "10"}
"""So that checkpoints and saving the RAM index fall within these few documents."""


class Disk:
    """A small file system of its own, and what takes up its space."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._ballast = path / "ballast"

    @contextmanager
    def full(self, leave_kib: int = 0) -> Iterator[None]:
        """To the last byte, also of the page that the service's log has begun; or all but some."""
        write_until_full(self._ballast, 1 << 20)
        write_until_full(self._ballast, 1)
        if leave_kib:
            os.truncate(self._ballast, self._ballast.stat().st_size - leave_kib * 1024)
        else:
            write_until_full(self.path / "service.log", 1)
        try:
            yield
        finally:
            self._ballast.unlink()


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Disk]:
    folder = tmp_path_factory.mktemp("disk")
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m", "none", str(folder)], check=True)
    try:
        yield Disk(folder)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture(scope="module")
def service(disk: Disk, minilm: ModelCard) -> Iterator[RunningService]:
    """Its data and its log are on that disk."""
    with RunningService(disk.path, ENVIRON | {"PI_RAG_MODEL": minilm.path}) as running:
        running.client.add_documents([{"source": "bicycle", "text": "a bicycle in the shed"}], wait=True)
        yield running


def page(parts: int) -> str:
    """HTML whose parts are all alike: their vectors are known from the first one, so that no time goes by
    with making them, and yet each passage takes its space.
    """
    part = f"<h2>Part</h2><p>{'The kettle was painted in the spring, and the fence was not. ' * 8}</p>"
    return f"<html><head><title>Parts</title></head><body>{part * parts}</body></html>"


def waits_for_space(service: RunningService) -> bool:
    return bool(service.client.status()["ingest"]["waiting_for"] == "disk_full")


def put_off(service: RunningService) -> int:
    return int(service.client.status()["store"]["writer"]["checkpoints_put_off"])


def unsaved(service: RunningService) -> int:
    return int(service.client.status()["index"]["unsaved"])


def refused_s(service: RunningService) -> float:
    """Seconds that the first add took which found no room. What finds some still is no document, and is found
    to be none as soon as it is begun.
    """
    given = {"source": "no-room", "content_base64": base64.b64encode(bytes(12_000)).decode()}
    for _ in range(1000):
        begun_s = time.monotonic()
        try:
            service.client.add_documents([given])
        except DiskFull as refused:
            took_s = time.monotonic() - begun_s
            assert "disk" in refused.message
            print(f"refused after {took_s * 1000:.0f} ms")
            return took_s
    raise AssertionError("there was room for everything")


def is_done(service: RunningService, job: int) -> bool:
    return bool(service.client.job(job)["job"]["state"] == "done")


def searches_are_whole(service: RunningService, asked: str) -> bool:
    answer = service.client.search(f"where is the bicycle, asked while {asked}")
    return answer["hits"][0]["source"] == "bicycle" and not answer["degraded"]


def test_while_queueing_and_moving_the_log(service: RunningService, disk: Disk) -> None:
    """What finds no room in the queue is refused with the reason; what was queued is done once there is. The
    log is moved into the database later, too.
    """
    before = put_off(service)
    with disk.full(leave_kib=320):
        assert refused_s(service) <= REFUSES_S_MAX
    jobs = [each["id"] for each in service.client.jobs(limit=1000)["jobs"]]
    with disk.full():
        assert searches_are_whole(service, "queueing")
        until(lambda: put_off(service) > before)
    until(lambda: not waits_for_space(service), RESUMES_S_MAX)
    late = service.client.add_documents([{"source": "late", "text": "the roof is new"}], wait=True)["job"]
    until(lambda: all(is_done(service, job) for job in jobs))

    assert len(jobs) > 1
    assert late["items_done"] == 1
    assert service.client.status(check=True)["store"]["problems"] == []


@pytest.mark.parametrize("role", ["reader", "worker"])
def test_while_a_document_is_in_hand(service: RunningService, disk: Disk, role: str) -> None:
    """Its reader has it, or its vectors are being made: it is stored once there is room."""
    service.client.add_documents([{"source": f"{role}.html", "text": page(1)}], wait=True)
    with contextlib.ExitStack() as until_seen:
        with stopped(family.family(service.pid)[role]):
            given = {"source": f"{role}-large.html", "text": page(PARTS)}
            job = service.client.add_documents([given])["job"]["id"]
            until(lambda: service.client.status()["ingest"]["current"])
            until_seen.enter_context(disk.full())
        until(lambda: waits_for_space(service))
        assert refused_s(service) <= REFUSES_S_MAX
        assert searches_are_whole(service, role)
    until(lambda: not waits_for_space(service), RESUMES_S_MAX)
    until(lambda: is_done(service, job))

    assert service.client.job(job)["job"]["items_done"] == 1


def test_while_the_index_is_saved(service: RunningService, disk: Disk) -> None:
    """Searches use it, and it is saved later; nothing waits for it."""
    card = service.data / "index" / "snapshot.json"
    failed = False
    for attempt in range(20):  # until the disk is full before the next look at what is to be saved
        given = {"source": f"indexed-{attempt}.html", "text": page(20)}
        service.client.add_documents([given], wait=True)
        with disk.full():
            until(lambda: not card.exists() or unsaved(service) == 0)
            failed = unsaved(service) > 0
            assert refused_s(service) <= REFUSES_S_MAX
            assert searches_are_whole(service, f"saving {attempt}")
        if failed:
            break
    after = service.client.add_documents([{"source": "after", "text": "the pump is dry"}], wait=True)["job"]

    assert failed, "the fault did not happen"
    assert (after["items_done"], service.client.status()["index"]["reason"]) == (1, None)


def test_a_start_on_a_full_disk(service: RunningService, disk: Disk) -> None:
    """After kill -9 the service is there again and answers; with room again, it goes on with the queue."""
    job = service.client.add_documents([{"source": "killed.html", "text": page(PARTS)}])["job"]["id"]
    with disk.full():
        service.kill()
        service.start()
        assert refused_s(service) <= REFUSES_S_MAX
        assert searches_are_whole(service, "starting")
    until(lambda: is_done(service, job))


def test_a_start_where_the_log_has_no_byte_to_spare(service: RunningService, disk: Disk) -> None:
    """All of the log counts, so nothing can be written over: it starts for searching, says what is missing,
    and takes up writing by itself.
    """
    assert service.stop() == 0
    service.start()
    service.client.add_documents([{"source": "spare", "text": "the fence is high"}], wait=True)
    service.kill()
    with disk.full():
        service.start()
        assert searches_are_whole(service, "there is no byte")
        until(lambda: "disk_full" in service.client.status()["degraded"])
    until(lambda: "disk_full" not in service.client.status()["degraded"], RESUMES_S_MAX)
    after = service.client.add_documents([{"source": "room", "text": "the gate is open"}], wait=True)["job"]
    assert after["items_done"] == 1


def test_a_start_without_room_for_the_index_of_a_log(service: RunningService, disk: Disk) -> None:
    """After a clean stop there is none yet. The start waits for room, and then is one like any other."""
    kept = [each["source"] for each in service.client.documents(limit=1000)["documents"]]
    assert service.stop() == 0
    with disk.full(leave_kib=8):
        starting = threading.Thread(target=service.start)
        starting.start()
        until(lambda: b"event=start_waits" in service.log_end())
        assert starting.is_alive()
    starting.join(RESUMES_S_MAX)
    assert not starting.is_alive()
    assert searches_are_whole(service, "there is room again")
    assert service.stop() == 0
    assert violations(service.data / "pi-rag.db", kept) == []
