"""Light commands stay light: what they import is what they need."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pi_rag.cli.main import COMMANDS
from tests.plain import plain_environ
from tests.standin import standing_in

HEAVY = {
    "apsw": "the database",
    "asyncio": "the service's loop",
    "email": "what http.client would bring",
    "fastapi": "the web framework",
    "gguf": "models",
    "huggingface_hub": "models",
    "kreuzberg": "the readers of documents",
    "llama_cpp": "the model",
    "numpy": "vectors",
    "pydantic": "the web framework",
    "rich": "what draws on a terminal",
    "sqlite3": "a database that is not ours",
    "sqlite_vec": "the database",
    "ssl": "what http.client would bring",
    "starlette": "the web framework",
    "structlog": "the service's log",
    "uvicorn": "the web server",
    "pi_rag.models": "models",
    "pi_rag.service": "the service",
    "pi_rag.store": "the database",
    "pi_rag.embedder": "the model",
    "pi_rag.ingest": "the readers of documents",
}
"""What no light command may import, and what it belongs to."""

STATUS = {"version": "0", "ready": True, "state": "ready", "degraded": [], "uptime_s": 1.0}
CHECKOUT = Path(__file__).parents[1]


def imported(*arguments: str, exit_code: int = 0) -> set[str]:
    """The modules that a whole `pi-rag` process imports."""
    command = [sys.executable, "-X", "importtime", "-m", "pi_rag.cli.main", *arguments]
    ran = subprocess.run(
        command, cwd=CHECKOUT, env=plain_environ(), capture_output=True, text=True, check=False
    )
    assert ran.returncode == exit_code, ran.stderr
    lines = [line for line in ran.stderr.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip() for line in lines}


def heavy(modules: set[str]) -> set[str]:
    """Those of them that are heavy, or belong to something heavy."""
    return {
        name for name in HEAVY if any(module == name or module.startswith(f"{name}.") for module in modules)
    }


@pytest.mark.parametrize("name", COMMANDS)
def test_help_imports_nothing_heavy(name: str) -> None:
    """Reading about a command costs nothing of what the command costs."""
    modules = imported(name, "--help")
    assert "pi_rag.cli.main" in modules or "argparse" in modules
    assert heavy(modules) == set()


@pytest.mark.parametrize(
    ("arguments", "method", "path", "answer"),
    [
        (("status",), "GET", "/v1/status", STATUS),
        (("search", "boiler"), "POST", "/v1/search", {"hits": [], "degraded": [], "took_ms": {}}),
        (("get", "1"), "GET", "/v1/documents/1", {"id": 1, "text": ""}),
        (("list",), "GET", "/v1/documents", {"documents": [], "next": None}),
        (("remove", "--source", "/a"), "DELETE", "/v1/documents", {"removed": 1, "withdrawn": 0}),
        (("reindex", "--status"), "GET", "/v1/reindex", {"state": "none"}),
        (("watch", "list"), "GET", "/v1/watches", {"watches": []}),
        (("jobs",), "GET", "/v1/jobs", {"jobs": []}),
        (("export",), "GET", "/v1/export", b'{"pi_rag_export":1,"next":null}\n'),
        (("remember", "a"), "POST", "/v1/memories", {"outcome": "created", "memory": {}}),
        (("recall", "a"), "POST", "/v1/recall", {"hits": []}),
        (("session", "list"), "GET", "/v1/sessions", {"sessions": []}),
        (("memory", "list"), "GET", "/v1/memories", {"memories": []}),
        (("add", "/x", "--no-wait"), "POST", "/v1/documents", {"job": {"id": 1, "state": "queued"}}),
    ],
)
def test_asking_the_service_imports_nothing_heavy(
    tmp_path: Path, arguments: tuple[str, ...], method: str, path: str, answer: object
) -> None:
    """A whole answered command: neither model nor database nor web framework."""
    with standing_in(tmp_path / "s") as service:
        service.on("GET", "/v1/status", STATUS)
        service.on("GET", "/v1/jobs", {"jobs": []})
        service.on(method, path, answer)
        assert heavy(imported(*arguments, "--socket", str(tmp_path / "s"))) == set()


def test_an_import_needs_nothing_heavy(tmp_path: Path) -> None:
    """Its lines are looked at only as far as they must be to be sent."""
    (tmp_path / "export").write_text('{"pi_rag_export":1,"made_by":null}\n')
    with standing_in(tmp_path / "s"):
        command = ("import", str(tmp_path / "export"), "--socket", str(tmp_path / "s"))
        assert heavy(imported(*command)) == set()


def test_the_past_is_shown_without_the_service(tmp_path: Path) -> None:
    """Its files are read, and nothing heavy is imported for that."""
    (tmp_path / "metrics").mkdir()
    (tmp_path / "metrics" / "metrics.jsonl").write_text('{"at":4e9,"state":"ready"}\n')
    assert heavy(imported("metrics", "--data", str(tmp_path))) == set()


@pytest.mark.parametrize("bundle", [(), ("--bundle",)])
def test_the_doctor_loads_no_model_and_no_database(tmp_path: Path, bundle: tuple[str, ...]) -> None:
    """It asks the service what those are like, and looks at a model's file; a report has versions too."""
    report = (*bundle, str(tmp_path / "report")) if bundle else ()
    with standing_in(tmp_path / "s") as service:
        service.on("GET", "/v1/status", STATUS)
        places = ("--socket", str(tmp_path / "s"), "--data", str(tmp_path))
        modules = imported("doctor", *places, *report, exit_code=1)
    assert heavy(modules) <= {"pi_rag.models", *(["email"] if bundle else [])}


def test_the_list_of_models_needs_no_arithmetic(tmp_path: Path) -> None:
    """Listing reads one file; numpy and the hub's library are for fetching and converting."""
    modules = imported("model", "list", "--data", str(tmp_path))
    assert heavy(modules) <= {"pi_rag.models"}


def test_the_measure_sees_what_is_heavy() -> None:
    """The test would notice: a process that does import numpy is told from one that does not."""
    command = [sys.executable, "-X", "importtime", "-c", "import numpy"]
    ran = subprocess.run(command, env=plain_environ(), capture_output=True, text=True, check=True)
    assert "numpy" in heavy({line.rpartition("|")[2].strip() for line in ran.stderr.splitlines()})
