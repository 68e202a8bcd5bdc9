"""The data folder cannot be written, as on a card that has worn out: a real mount and a real service."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from pi_rag.errors import StoreReadOnly
from pi_rag.stress.running import RunningService
from pi_rag.stress.spoiling import read_only
from pi_rag.types import ModelCard
from tests.service.systemd import Systemd

pytestmark = [
    pytest.mark.model,
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount"),
]


SMALL = {"PI_RAG_WORKERS": "1"}
"""It is started three times, and one worker is enough for a sentence."""


def contents(folder: Path) -> dict[str, str]:
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_a_service_starts_and_answers_from_what_is_there(tmp_path: Path, minilm: ModelCard, end: str) -> None:
    """After a clean stop, and after a kill that left commits in the log: searches are whole, adding is
    refused with the reason, one line of the log says why, nothing is written, and later it goes on.
    """
    systemd = Systemd(tmp_path / "notify")
    environ = {"PI_RAG_MODEL": minilm.path, "NOTIFY_SOCKET": str(systemd.path)} | SMALL
    with RunningService(tmp_path, environ) as service:
        service.client.add_documents([{"source": "a", "text": "the lamp in the hall is lit"}], wait=True)
        service.stop() if end == "stop" else service.kill()
        log = (service.data / "pi-rag.db-wal").exists()
        before, said = contents(service.data), len(service.log_text())
        systemd.forget()
        with read_only(service.data):
            service.start()
            ready = systemd.hear_of("READY")[-1]
            answer = service.client.search("where is a lamp")
            with pytest.raises(StoreReadOnly):
                service.client.add_documents([{"source": "b", "text": "the well is deep"}])
            status = service.client.status()
            lines = service.log_text()[said:].splitlines()
            service.stop()
            after = contents(service.data)
        service.start()
        service.client.add_documents([{"source": "b", "text": "the well is deep"}], wait=True)
        again = service.client.status()

    systemd.close()
    assert log == (end == "kill")
    assert ([hit["source"] for hit in answer["hits"]], answer["degraded"]) == (["a"], [])
    assert (status["ready"], status["state"], status["degraded"]) == (True, "degraded", ["store_read_only"])
    assert ready["STATUS"].startswith("degraded (store_read_only); 1 passage; ")
    assert len([line for line in lines if "event=store_read_only" in line]) == 1
    assert after == before
    assert (again["degraded"], again["counts"]["documents"]) == ([], 2)


def test_a_folder_that_has_nothing_is_refused(tmp_path: Path) -> None:
    """There is nothing to answer from: one clear line, and nothing is left behind."""
    with RunningService(tmp_path, {}, ready=False) as service:
        service.stop()
    for path in (tmp_path / "data").rglob("*.db*"):
        path.unlink()
    with read_only(tmp_path / "data"), pytest.raises(RuntimeError, match="its disk is mounted read-only"):
        service.start()
