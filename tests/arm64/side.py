"""What is asked of pi_rag on either processor: `python -m tests.arm64.side WHAT JOB ANSWER`.

WHAT is widen, vectors or service; JOB and ANSWER are JSON files. It does not know which processor it runs on.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from pi_rag.client import Client
from pi_rag.stress.running import RunningService
from tests.arm64.image import PATIENCE

ANSWER_S_MAX = 3600.0
"""An emulated processor is thirty times slower than a Pi's."""


def widen(job: dict[str, Any]) -> dict[str, Any]:
    """{"model", "to"}: the same weights in F32, so that nothing is rounded to 8 bits on its way through."""
    import llama_cpp

    wanted = llama_cpp.llama_model_quantize_default_params()
    wanted.ftype = llama_cpp.LLAMA_FTYPE_ALL_F32
    wanted.allow_requantize = True
    assert llama_cpp.llama_model_quantize(job["model"].encode(), job["to"].encode(), wanted) == 0
    return {}


def vectors(job: dict[str, Any]) -> dict[str, Any]:
    """{"model", "texts", "tokens_max"} to {"vectors"}: one text a call. And what the engine says."""
    import llama_cpp

    from pi_rag.embedder.engine import Engine
    from pi_rag.embedder.llama import Model

    engine = Engine(Model.load(job["model"]), job["tokens_max"])
    rows = [engine.embed([text])[0].tolist() for text in job["texts"]]
    engine.close()
    return {"vectors": rows, "engine": llama_cpp.llama_print_system_info().decode()}


def service(job: dict[str, Any]) -> dict[str, Any]:
    """{"folder", "model", "steps"} to {"steps"}: what a service on that folder answers after each step.

    A step is {"documents", "forget", "queries"}: documents are added, sources are forgotten, queries asked.
    """
    environ = {"PI_RAG_MODEL": job["model"], **PATIENCE}
    with RunningService(Path(job["folder"]), environ, start_s_max=600.0) as running:
        client = Client(running.socket, answer_s_max=ANSWER_S_MAX)
        return {"steps": [_done(client, **step) for step in job["steps"]]}


def _done(client: Client, documents: list[Any], forget: list[str], queries: list[str]) -> dict[str, Any]:
    """{"tops", "degraded", "problems"}: the hits of each query, and what is wrong in the whole database."""
    if documents:
        client.add_documents(documents, wait=True)
    for source in forget:
        client.remove_source(source)
    asked = [(mode, query) for query in queries for mode in ("hybrid", "vector")]
    answers = {f"{mode}: {query}": client.search(query, k=10, mode=mode) for mode, query in asked}
    return {
        "tops": {query: [_place(hit) for hit in answer["hits"]] for query, answer in answers.items()},
        "degraded": sorted({each for answer in answers.values() for each in answer["degraded"]}),
        "problems": client.status(check=True)["store"]["problems"],
    }


def _place(hit: dict[str, Any]) -> list[Any]:
    return [hit["source"], hit["start"], hit["end"], hit["score"]]


if __name__ == "__main__":
    what, job, answer = sys.argv[1:]
    done = {"widen": widen, "vectors": vectors, "service": service}[what](json.loads(Path(job).read_text()))
    Path(answer).write_text(json.dumps(done))
