"""The one that must fail: a disk that forgets what it had confirmed, so that acknowledged documents are lost.

The database is put back, byte for byte, to what it was before documents were added and acknowledged, as a
card does that lies about having written. The service then starts soundly, and nothing in it can tell. If the
harness does not find the loss, its word on all else is worth nothing.
"""

from __future__ import annotations

import shutil
from itertools import islice
from pathlib import Path

from pi_rag.stress import workload
from pi_rag.stress.signals import stopped
from pi_rag.stress.types import Scenario, Stage

KEPT, LOST = 5, 3
"""How many documents the disk has kept, and how many it then forgets."""

FILES = ("pi-rag.db", "pi-rag.db-wal")
"""What a power cut would leave of the memory."""


def run(stage: Stage) -> None:
    """Add, note what is on the disk, add more, and have the disk forget that."""
    service, data, before = stage.service, stage.service.data, stage.folder / "before"
    documents = list(islice(workload.documents(stage.seed), KEPT + LOST))
    _added(stage, documents[:KEPT])
    before.mkdir()
    # What lies on the disk while nothing is written is what a power cut would leave.
    with stopped([service.pid]):
        _copied(data, before)
    _added(stage, documents[KEPT:])
    service.kill()
    stage.mark("the disk forgets", f"{LOST} acknowledged documents")
    for name in FILES:
        (data / name).unlink(missing_ok=True)
    _copied(before, data)
    service.start()


def _added(stage: Stage, documents: list[dict[str, str]]) -> None:
    """Add and wait, so that each is acknowledged and stored."""
    job = stage.service.client.add_documents(documents, wait=True)["job"]
    assert job["state"] == "done", job
    stage.acknowledged(documents)


def _copied(source: Path, target: Path) -> None:
    for name in FILES:
        if (source / name).exists():
            shutil.copy2(source / name, target / name)


SCENARIO = Scenario(
    name="canary",
    about="must fail: the disk forgets documents that were acknowledged, and the harness has to find out",
    minutes=1.0,
    quick_minutes=1.0,
    run=run,
    must_fail=True,
)
