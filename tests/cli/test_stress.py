"""`pi-rag stress` as a person runs it: it fails where it must, is stopped, killed and asked for nonsense."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pi_rag.cli import stress as command
from pi_rag.cli.main import main, parser
from pi_rag.stress import family, scenarios
from pi_rag.stress.running import COMMAND
from pi_rag.stress.types import LOST
from pi_rag.types import ModelCard
from tests.stress.truth import until


@dataclass
class Shell:
    """Somebody's terminal: a folder of its own, and a mark by which all that it starts is found again."""

    folder: Path
    environ: dict[str, str]
    mark: str

    def run(self, *words: str, timeout_s: float = 300.0) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*COMMAND, "stress", *words],
            env=self.environ,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def started(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*COMMAND, "stress", *words],
            env=self.environ,
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def processes(self) -> set[int]:
        """All that was started from here, at any depth, and has not ended."""
        needle = f"TEST_MARK={self.mark}".encode()
        found = set()
        for each in Path("/proc").glob("[0-9]*/environ"):
            try:
                if needle in each.read_bytes():
                    found.add(int(each.parent.name))
            except OSError:
                continue
        return {pid for pid in found if family.lives(pid)}

    def check_left_nothing(self) -> None:
        """No process, no folder of a service, no work."""
        until(lambda: not self.processes(), 30.0)
        until(lambda: not list(self.folder.glob("*/work")), 15.0)
        until(lambda: not list((self.folder / "tmp").iterdir()), 15.0)


@pytest.fixture
def shell(tmp_path: Path, minilm: ModelCard) -> Shell:
    return shell_in(tmp_path, minilm)


def shell_in(folder: Path, model: ModelCard) -> Shell:
    mark = uuid.uuid4().hex
    # A socket's path has little room, and a test's folder is deep.
    (folder / "tmp").symlink_to(tempfile.mkdtemp(prefix="t"))
    environ = {key: value for key, value in os.environ.items() if not key.startswith("PI_RAG_")}
    environ |= {"PI_RAG_MODEL": model.path, "PI_RAG_DATA": str(folder / "data"), "TEST_MARK": mark}
    environ |= {"TMPDIR": str((folder / "tmp").resolve()), "HOME": str(folder)}
    return Shell(folder, environ, mark)


@pytest.fixture(scope="module")
def whole(
    tmp_path_factory: pytest.TempPathFactory, minilm: ModelCard
) -> Iterator[tuple[Shell, subprocess.CompletedProcess[str], dict[str, Any]]]:
    """Canary and clients in short, once for several promises."""
    shell = shell_in(tmp_path_factory.mktemp("whole"), minilm)
    words = ("--scenario", "canary", "--scenario", "clients", "--minutes", "0.2")
    done = shell.run("--quick", "--beside", "--seed", "5", "--out", "out", "--json", *words)
    yield shell, done, json.loads((shell.folder / "out" / "report.json").read_text())


Whole = tuple[Shell, subprocess.CompletedProcess[str], dict[str, Any]]


def checks(run: dict[str, Any]) -> dict[str, bool | None]:
    return dict(zip(run["checks"]["name"], run["checks"]["is_kept"], strict=True))


@pytest.mark.model
def test_the_canary_is_caught_by_the_loss_and_by_nothing_else(whole: Whole) -> None:
    """A service whose disk forgot starts soundly: what must find it is what was acknowledged."""
    _, _, told = whole
    canary = told["runs"][0]

    assert canary["ending"] == "whole", canary["reason"]
    assert [name for name, is_kept in checks(canary).items() if is_kept is False] == [LOST]
    assert canary["figures"]["acknowledged_lost"] == 3
    assert canary["is_well"]
    assert not canary["is_kept"]


@pytest.mark.model
def test_clients_in_phases_are_answered_and_lose_nothing(whole: Whole) -> None:
    """All promises but those of time, which a busy machine cannot keep, of 1, 5, 20 and 50 clients."""
    _, _, told = whole
    clients = told["runs"][1]
    broken = [name for name, is_kept in checks(clients).items() if is_kept is not True]

    assert clients["ending"] == "whole", clients["reason"]
    assert [name for name in broken if "searches are fast" not in name] == []
    assert clients["marks"]["name"] == ["1 client", "5 clients", "20 clients", "50 clients"]
    assert set(clients["tally"]["operations"]) >= {"search", "add", "recall"}
    assert clients["figures"]["clients_50_requests"] > clients["figures"]["clients_1_requests"]
    assert clients["figures"]["acknowledged_at_end"] > 0


@pytest.mark.model
def test_a_run_leaves_its_report_and_nothing_else(whole: Whole) -> None:
    """The same on the terminal, in the file, and on a page; the exit code says whether all went well."""
    shell, done, told = whole
    names = {path.name for path in (shell.folder / "out").iterdir()}

    assert json.loads(done.stdout) == told
    assert done.returncode == (0 if told["is_well"] else 1)
    assert names - {"clients.service.log"} == {"report.json", "report.html", "report.txt"}
    assert "--seed 5" in done.stderr
    assert not (shell.folder / "data").exists(), "the person's own data is not touched"
    assert str(shell.folder) not in (shell.folder / "out" / "report.json").read_text()
    shell.check_left_nothing()


@pytest.mark.model
def test_a_report_is_rendered_again_without_a_model(whole: Whole) -> None:
    """From the file alone: the same page, and the exit code of the run."""
    shell, done, _ = whole
    out = shell.folder / "out"
    page = (out / "report.html").read_text()
    (out / "report.html").unlink()
    again = shell.run("--render", "out/report.json")

    assert again.returncode == done.returncode
    assert (out / "report.html").read_text() == page
    assert again.stdout == (out / "report.txt").read_text()


@pytest.mark.model
def test_ctrl_c_keeps_the_report_of_what_has_been(shell: Shell) -> None:
    """It ends soon, with 130, says why, and leaves nothing."""
    process = shell.started("--scenario", "clients", "--beside", "--out", "out")
    until(lambda: len(shell.processes()) >= 8, 60.0)
    process.send_signal(signal.SIGINT)
    stdout, _ = process.communicate(timeout=60)
    told = json.loads((shell.folder / "out" / "report.json").read_text())

    assert process.returncode == 130
    assert told["runs"][0]["ending"] == "interrupted"
    assert "clients: INTERRUPTED: It was interrupted (SIGINT)." in stdout
    assert not told["is_well"]
    shell.check_left_nothing()


@pytest.mark.model
def test_a_killed_harness_leaves_nothing(shell: Shell) -> None:
    """kill -9: service, workers and guests end by themselves, and the folders go."""
    process = shell.started("--scenario", "clients", "--beside", "--out", "out")
    until(lambda: len(shell.processes()) >= 8, 60.0)
    process.kill()
    process.communicate(timeout=60)

    shell.check_left_nothing()


def test_every_scenario_is_listed_and_the_canary_comes_first(capfd: pytest.CaptureFixture[str]) -> None:
    """A reader of a whole run sees first that the harness can fail."""
    assert main(["stress", "--list"]) == 0
    shown = capfd.readouterr().out.splitlines()

    assert shown[1].startswith("canary ")
    assert {line.split()[0] for line in shown[1:]} == set(scenarios.BY_NAME)
    assert scenarios.ALL[0].must_fail
    assert not any(each.must_fail for each in scenarios.ALL[1:])
    assert all(0 < each.quick_minutes <= each.minutes for each in scenarios.ALL)


def test_every_fault_is_listed(capfd: pytest.CaptureFixture[str]) -> None:
    """With what it is, and why where it cannot be done here."""
    from pi_rag.stress import faults

    assert main(["stress", "--faults"]) == 0
    shown = capfd.readouterr().out
    assert all(f"{each.name}: {each.about}" in shown for each in faults.ALL)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--scenario", "cleints"], "Did you mean 'clients'? There are: canary, clients"),
        (["--seed", "x"], "whole number from 0 to 2147483647"),
        (["--seed=-1"], "whole number"),
        (["--seed", "99999999999"], "whole number"),
        (["--seed", "٣"], "whole number"),
        (["--minutes", "0"], "above 0"),
        (["--minutes", "nan"], "number"),
        (["--minutes", "inf"], "number"),
        (["--minutes", "1e9"], "number"),
        (["--space", "1.5"], "whole number"),
        (["--space", "99999999"], "from 0 to 1048576 MiB"),
        (["--list", "--faults"], "not allowed with"),
        (["--render", "missing.json"], "missing.json"),
    ],
)
def test_bad_input_is_refused_at_once(
    words: list[str],
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """With what to do about it, before anything is begun."""
    monkeypatch.chdir(tmp_path)

    assert main(["stress", "--beside", *words]) == 2
    assert told in capfd.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["--space", "1048576"], 7, "The run needs 1048576 MiB"),
        (["--out", "/proc/nowhere", "--space", "0"], 2, "cannot be written"),
        (["--out", "busy"], 2, "another run writes there"),
        (["--out", "full"], 2, "is not empty"),
    ],
)
def test_a_place_that_will_not_do_is_refused(shell: Shell, words: list[str], code: int, told: str) -> None:
    """Too little room, no right to write, or another run's: nothing is begun or taken away there."""
    (shell.folder / "busy" / "work").mkdir(parents=True)
    (shell.folder / "full").mkdir()
    (shell.folder / "full" / "report.json").touch()
    done = shell.run("--beside", "--scenario", "canary", *words)

    assert done.returncode == code, done.stderr
    assert told in done.stderr
    assert (shell.folder / "busy" / "work").exists()
    assert not list((shell.folder / "tmp").iterdir())


def test_without_a_model_nothing_is_begun(shell: Shell) -> None:
    """Exit code 6, and how to get one."""
    del shell.environ["PI_RAG_MODEL"]
    done = shell.run("--beside", "--scenario", "canary")

    assert done.returncode == 6
    assert "pi-rag model pull" in done.stderr
    assert not list(shell.folder.glob("stress-*"))


def test_another_service_is_not_disturbed(shell: Shell) -> None:
    """Exit code 4, and what to do; nothing is begun."""
    # What the kernel tells of a service, without its work.
    command = [sys.executable, "-c", "import time; time.sleep(60)", "pi-rag", "serve"]
    with subprocess.Popen(command) as service:
        done = shell.run("--scenario", "canary")
        service.kill()

    assert done.returncode == 4
    assert str(service.pid) in done.stderr
    assert "--beside" in done.stderr
    assert not list(shell.folder.glob("stress-*"))


def test_what_cannot_be_written_is_shown_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A night's report is on the screen, and the exit code says that it is nowhere else."""
    from pi_rag.cli import stress
    from pi_rag.stress import programme
    from pi_rag.stress.report import Report
    from pi_rag.stress.runner import Plan
    from tests.stress.reported import small

    def run_all(_wanted: object, _plan: Plan, report: Report, out: Path, *_: object) -> None:
        report.runs.append(small("whole", True))
        (out / "report.json.new").mkdir()

    monkeypatch.setattr(stress, "_plan", lambda *_: Plan(1, tmp_path, {}))
    monkeypatch.setattr(programme, "run_all", run_all)

    assert main(["stress", "--out", str(tmp_path / "out"), "--json"]) == 7
    shown = capfd.readouterr()
    assert json.loads(shown.out)["runs"][0]["scenario"] == "load"
    assert "cannot be written" in shown.err
    assert "hint: " in shown.err


def test_a_replay_says_all_that_was_typed_but_folders() -> None:
    """Where another service runs, it would be refused without `--beside`."""
    args = parser().parse_args(["stress", "--quick", "--beside", "--out", "/home/ann"])
    assert command._command(args, 5) == "pi-rag stress --quick --beside --seed 5"
    assert "--beside" not in command._command(parser().parse_args(["stress"]), 5)


def test_a_damaged_report_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Also when only one of its figures is none: exit code 2, and no page of it."""
    from pi_rag.stress import report as reports
    from tests.stress.reported import small

    told = reports.to_json(reports.Report(1, "", [small("whole", True)]))
    told["runs"][0]["figures"] = []
    (tmp_path / "report.json").write_text(json.dumps(told))

    assert main(["stress", "--render", str(tmp_path / "report.json")]) == 2
    assert "The report is damaged: what stands under 'figures' cannot be there." in capfd.readouterr().err
    assert not (tmp_path / "report.html").exists()
