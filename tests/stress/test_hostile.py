"""Strangers' worst files through a real service, which answers meanwhile.

`pytest --long -s tests/stress/test_hostile.py` takes in all of them; else those that are small. How much
slower the answers get is measured by `python -m benchmarks.hostile`.
"""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import pytest

from pi_rag.errors import DocumentRefused, every_kind
from pi_rag.stress.running import RunningService
from pi_rag.types import ModelCard

HOSTILE = Path(__file__).parents[3] / "shared" / "data" / "docs" / "hostile"
SMALL_KIB = 16
ENDS_S_MAX = 600.0

pytestmark = [
    pytest.mark.model,
    pytest.mark.data,
    pytest.mark.slow,
    pytest.mark.skipif(not HOSTILE.exists(), reason="needs ../shared/data beside the checkout"),
]


def test_every_file_ends_as_stored_or_refused_with_a_reason(
    tmp_path: Path, minilm: ModelCard, long_form: bool
) -> None:
    """No hang, no crash: one service from the first file to the last, and every search is answered whole."""
    files = [path for path in sorted(HOSTILE.rglob("*")) if path.is_file()]
    taken = [str(path) for path in files if long_form or path.stat().st_size <= SMALL_KIB * 1024]
    with RunningService(tmp_path, {"PI_RAG_MODEL": minilm.path}) as service:
        service.client.add_documents([{"source": "bicycle", "text": "a bicycle in the shed"}], wait=True)
        begun_s, pid = time.monotonic(), service.pid
        job = service.client.add_paths(taken)["job"]
        answers: Counter[str] = Counter()
        while job["state"] != "done":
            assert time.monotonic() - begun_s < ENDS_S_MAX, service.client.status()["ingest"]
            answer = service.client.search(f"where is the bicycle, asked for the {answers.total()}th time")
            answers["whole" if answer["hits"] and not answer["degraded"] else str(answer["degraded"])] += 1
            job = service.client.job(job["id"])["job"]
            time.sleep(0.2)  # not waiting for anything: it is how often somebody asks
        problems = service.client.status(check=True)["store"]["problems"]
        log = service.log_text()
        assert service.pid == pid and service.stop() == 0
    codes = Counter(each["code"] for each in job["refusals"])
    print(f"\n{len(taken)} files: {job['items_done']} stored, {dict(codes)}, {answers}")

    assert answers.keys() == {"whole"}
    assert codes.keys() <= {kind.code for kind in every_kind(DocumentRefused)}
    assert job["items_done"] + job["items_unchanged"] + codes.total() == job["items_total"] >= len(taken)
    assert problems == []
    assert "level=error" not in log, log
