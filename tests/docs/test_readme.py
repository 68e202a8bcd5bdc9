"""What the pages tell a reader to type works, against a real service."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pi_rag.stress.running import RunningService
from tests.appliance.machine import wait_until
from tests.docs.pages import ROOT, blocks, examples

pytestmark = pytest.mark.model

NOT_THERE = {
    "change_not_found",
    "document_not_found",
    "job_not_found",
    "memory_not_found",
    "model_not_found",
    "path_not_found",
    "session_not_found",
}
"""Refusals that are right, since the numbers in the examples are made up, and its model is not installed."""


STICK = "/mnt/usb"
"""Where the examples have a stick; no test writes there."""


def typed(command: str, service: RunningService) -> subprocess.CompletedProcess[str]:
    """Run a line as a reader would, in the project's folder, with pi-rag in the PATH."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environ = service.environ | {"PATH": path, "SOCKET": str(service.socket)}
    return subprocess.run(
        ["bash", "-c", command],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("page", ["README.md", "docs/api.md"])
def test_the_example_in_python_works(service: RunningService, page: str) -> None:
    """The lines for OpenAI's client give a vector for each text, with nothing but the socket changed."""
    (example,) = [block.text for block in blocks((ROOT / page).read_text()) if block.language == "python"]
    here = example.replace("/run/pi-rag/pi-rag.sock", str(service.socket))
    names: dict[str, Any] = {}
    exec(here, names)
    with names["client"]:
        lengths = [len(each.embedding) for each in names["answer"].data]

    assert here != example
    assert lengths == [384, 384]


@pytest.mark.parametrize("command", examples((ROOT / "README.md").read_text()))
def test_the_readme_works_as_it_stands(command: str, service: RunningService) -> None:
    """Each command of README.md ends well and says something."""
    done = typed(command, service)
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_the_first_search_finds_the_page(service: RunningService) -> None:
    """The first search of README.md finds the page that answers it, by meaning and by words."""
    search = next(each for each in examples((ROOT / "README.md").read_text()) if " search " in each)
    found = json.loads(typed(f"{search} --json", service).stdout)
    assert "operate.md" in [Path(hit["source"]).name for hit in found["hits"][:3]]
    assert found["degraded"] == []


def requests() -> list[str]:
    """The curl commands of docs/api.md, each on one line."""
    page = (ROOT / "docs" / "api.md").read_text().replace("\\\n", " ")
    return [line for block in blocks(page) for line in block.text.splitlines() if line.startswith("curl")]


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed: apt-get install curl")
@pytest.mark.parametrize("command", requests(), ids=lambda line: " ".join(shlex.split(line)[3:6]))
def test_every_request_of_the_interface_is_understood(
    command: str, service: RunningService, tmp_path: Path
) -> None:
    """Each curl example is answered in (lines of) JSON: with success, or that something is not there."""
    done = typed(f"{command.replace(STICK, str(tmp_path))} --silent", service)
    answers = [json.loads(line) for line in done.stdout.split("\n") if line]
    assert answers
    for answer in answers:
        assert (answer.get("error") or {"code": "document_not_found"})["code"] in NOT_THERE, answer


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed: apt-get install curl")
def test_the_example_of_a_backup_makes_one(service: RunningService, tmp_path: Path) -> None:
    """With a folder of the test's own in place of the stick, a file comes to lie in it, and nowhere else."""
    wait_until(lambda: service.client.backup_status()["state"] != "running", 60, "the backup before to end")
    (command,) = [each for each in requests() if STICK in each]
    typed(f"{command.replace(STICK, str(tmp_path))} --silent", service)
    wait_until(lambda: service.client.backup_status()["state"] != "running", 60, "the backup to end")

    told = service.client.backup_status()
    assert (told["state"], [told["path"]]) == ("done", [str(each) for each in tmp_path.iterdir()])


def test_every_address_is_described(service: RunningService) -> None:
    """docs/api.md names each method and address that /openapi.json has, and no other but MCP's: that has its
    own way to describe itself."""
    done = typed("curl --silent --unix-socket $SOCKET http://pi-rag/openapi.json", service)
    has = {
        f"{method.upper()} {re.sub(r'{[^}]*}', '{id}', path)}"
        for path, methods in json.loads(done.stdout)["paths"].items()
        for method in methods
    }
    heads = re.findall(r"^## (.+)$", (ROOT / "docs" / "api.md").read_text(), re.M)
    told = {each for head in heads for each in re.findall(r"(?:GET|POST|PATCH|DELETE) /[\w/{}]+", head)}
    assert told == has | {"POST /mcp"}
