"""What a reader may rely on in every file."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LINES_MAX = 60
"""The issue's bound on a function; a longer one needs the word REASON in a comment beside its `def`."""

PACKAGE = ROOT / "pi_rag"
SOURCES = sorted(PACKAGE.rglob("*.py"))
MODULES = [path for path in SOURCES if path.name != "__init__.py"]
TESTS = sorted((ROOT / "tests").rglob("test_*.py"))

SEEN_THROUGH = {
    "cli/get.py": "cli/test_documents.py",
    "cli/jobs.py": "cli/test_documents.py",
    "cli/list.py": "cli/test_documents.py",
    "cli/memories.py": "cli/test_memory.py",
    "cli/memory_files.py": "cli/test_memory.py",
    "cli/model_change.py": "cli/test_reindex.py",
    "cli/parsing.py": "cli/test_main.py",
    "cli/reach.py": "cli/test_main.py",
    "index/proposer.py": "index/contract.py",
    "store/backups.py": "store/test_backup.py",
    "store/derived.py": "store/test_keeper.py",
    "store/salvage/filling.py": "store/test_recovery.py",
    "store/salvage/image.py": "store/salvage/test_trees.py",
    "store/salvage/layout.py": "store/salvage/test_trees.py",
    "store/salvage/mending.py": "store/test_recovery.py",
    "store/salvage/mending_memory.py": "store/test_recovery.py",
    "store/salvage/mending_queue.py": "store/test_recovery.py",
    "store/salvage/witnesses.py": "store/test_recovery.py",
    "cli/refusals.py": "cli/test_add.py",
    "cli/remove.py": "cli/test_documents.py",
    "cli/repeats.py": "cli/test_duplicates.py",
    "cli/upload.py": "cli/test_add.py",
    "embedder/crew.py": "embedder/test_tuning.py",
    "embedder/links.py": "embedder/test_pool_faults.py",
    "embedder/llama.py": "embedder/test_engine.py",
    "embedder/order.py": "embedder/test_nursery.py",
    "embedder/place.py": "embedder/test_pool_faults.py",
    "embedder/staff.py": "embedder/test_pool.py",
    "http1.py": "test_client.py",
    "ingest/story.py": "ingest/test_runner.py",
    "memory/exporting.py": "memory/test_importing.py",
    "memory/phrasing.py": "memory/test_reviewing.py",
    "memory/means.py": "memory/test_desk.py",
    "query/choosing.py": "query/test_desk.py",
    "query/course.py": "query/test_desk.py",
    "query/question.py": "query/test_desk.py",
    "service/answers.py": "service/test_routes.py",
    "service/app.py": "service/test_routes.py",
    "service/house.py": "service/test_routes.py",
    "service/intake.py": "service/test_routes.py",
    "service/agents/answers.py": "service/agents/test_tools.py",
    "service/agents/arguments.py": "service/agents/test_tools.py",
    "service/agents/asker.py": "service/agents/test_tools.py",
    "service/agents/documents.py": "service/agents/test_server.py",
    "service/agents/instructions.py": "service/agents/test_server.py",
    "service/renewing.py": "service/test_run.py",
    "service/schemas.py": "service/test_routes.py",
    "service/strict_route.py": "service/test_routes.py",
    "store/memory/seen.py": "store/memory/test_words.py",
    "store/word_index.py": "store/test_by_words.py",
    "store/worded.py": "store/test_by_words.py",
    "store/memory/ordering.py": "memory/test_reviewing.py",
    "memory/blending.py": "memory/test_recalling.py",
    "memory/finding.py": "memory/test_recalling.py",
    "memory/learned.py": "memory/test_recalling.py",
    "memory/uses.py": "memory/test_recalling.py",
    "store/memory/passing.py": "memory/test_timelines.py",
    "text/outline.py": "text/test_headings.py",
    "types.py": "store/test_scope.py",
    "stress/injecting_nursery.py": "stress/test_injecting.py",
    "stress/jumping.py": "stress/scenarios/test_faults.py",
    "stress/making.py": "ingest/test_reading.py",
    "stress/crowd.py": "stress/test_runner.py",
    "stress/scenarios/canary.py": "cli/test_stress.py",
    "stress/scenarios/clients.py": "cli/test_stress.py",
    "stress/truth.py": "stress/test_runner.py",
    "stress/torn.py": "stress/scenarios/test_kills.py",
}
"""Modules without a test file of their own, and the test file, below tests/, that sees each of them work."""


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_no_function_is_long_without_a_reason(path: Path) -> None:
    """A function that does not fit a screen says why beside its name."""
    lines = path.read_text(encoding="utf-8").splitlines()
    long = [
        node.name
        for node in functions(path)
        if (node.end_lineno or 0) - node.lineno >= LINES_MAX and "REASON" not in lines[node.lineno - 1]
    ]

    assert long == []


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_every_module_says_what_it_is(path: Path) -> None:
    """Any file can be opened cold."""
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("path", TESTS, ids=named)
def test_every_test_is_a_promise(path: Path) -> None:
    """A test's docstring is a sentence that says what may be relied on."""
    silent = [
        node.name
        for node in functions(path)
        if node.name.startswith("test_") and not (ast.get_docstring(node) or "").rstrip().endswith(".")
    ]

    assert silent == []


def test_the_tests_mirror_the_package() -> None:
    """A module has its tests at the same place, or stands in the table with the file that sees it work."""
    mirrors = {
        path: ROOT / "tests" / path.parent.relative_to(PACKAGE) / f"test_{path.name}" for path in MODULES
    }
    unmirrored = {str(path.relative_to(PACKAGE)) for path, mirror in mirrors.items() if not mirror.exists()}
    nowhere = [file for file in SEEN_THROUGH.values() if not (ROOT / "tests" / file).exists()]

    assert unmirrored == set(SEEN_THROUGH)
    assert nowhere == []
