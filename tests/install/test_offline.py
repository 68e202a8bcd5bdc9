"""install.sh --offline: a bundle is looked over before it is used, and no network is asked for anything."""

from __future__ import annotations

import hashlib
import platform
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from tests.install.shell import ROOT, Shell

HERE = platform.machine()
PYTHON = ".".join(platform.python_version_tuple()[:2])
GO = 'ROOT="{root}"; main --offline nothing-such'
"""`nothing-such` ends with code 2 and the usage, once a bundle was found good and before anything is done."""


def bundle(folder: Path, machine: str = HERE, pythons: str = f"3.0 {PYTHON}") -> Path:
    """A bundle's bones: its file of machines, an engine with its flags, a model, and their sums."""
    files = {
        "offline/for": f"{machine} {pythons}\n",
        "offline/wheels/flags": "",
        "offline/wheels/llama_cpp_python-0-py3-none-any.whl": "engine",
        "offline/models/mine.gguf": "weights",
        "offline/models/models.json": "{}",
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    sums = [f"{hashlib.sha256(text.encode()).hexdigest()}  ./{name}\n" for name, text in files.items()]
    (folder / "SHA256SUMS").write_text("".join(sums))
    return folder


def refusal(done: CompletedProcess[str]) -> str:
    """The one line that says why; another one says what to do, and nothing was begun."""
    assert (done.returncode, done.stdout) == (1, "")
    empty, why, remedy = done.stderr.rstrip("\n").split("\n")
    assert (empty, remedy[:2], why[:12]) == ("", "  ", "install.sh: ")
    return why


def test_a_whole_bundle_is_taken(shell: Shell) -> None:
    """A bundle for this machine and Python, with every sum right, is gone on with: to an unknown word."""
    done = shell.run(GO.format(root=bundle(shell.folder / "my bundle")))
    assert done.returncode == 2, done.stderr
    assert not (shell.folder / "cache").exists()


def test_the_source_alone_is_no_bundle(shell: Shell) -> None:
    """A checkout has no wheels to install from, which is said."""
    assert "This folder is no bundle" in refusal(shell.run(GO.format(root=shell.folder)))


def test_a_bundle_for_another_machine_is_refused(shell: Shell) -> None:
    """The line names both kinds of machine."""
    why = refusal(shell.run(GO.format(root=bundle(shell.folder / "b", machine="riscv64"))))
    assert why == f"install.sh: This bundle is for riscv64, and this machine is {HERE}."


def test_a_bundle_for_other_pythons_is_refused(shell: Shell) -> None:
    """The line names the Pythons that it is for, and the one that is here."""
    why = refusal(shell.run(GO.format(root=bundle(shell.folder / "b", pythons="3.1 3.2"))))
    assert why == f"install.sh: This bundle is for Python 3.1 and 3.2, and python3 here is {PYTHON}."


@pytest.mark.parametrize("name", ["offline/models/mine.gguf", "offline/for", "SHA256SUMS"])
def test_a_damaged_bundle_is_refused(shell: Shell, name: str) -> None:
    """One changed byte, in any file and in the list of sums itself, is found before anything is used."""
    root = bundle(shell.folder / "b")
    (root / name).write_text((root / name).read_text() + "X")
    why = refusal(shell.run(GO.format(root=root)))
    assert "This bundle is damaged: " in why and (name in why or "improperly formatted" in why)


@pytest.mark.parametrize("name", ["offline/models/mine.gguf", "SHA256SUMS"])
def test_a_bundle_with_a_file_missing_is_refused(shell: Shell, name: str) -> None:
    """An archive that was not wholly unpacked is found too, and the first missing file is named."""
    root = bundle(shell.folder / "b")
    (root / name).unlink()
    assert f"This bundle is damaged: sha256sum: {name}" in refusal(shell.run(GO.format(root=root))).replace(
        "./", ""
    )


@pytest.mark.parametrize(
    "name", ["offline/wheels/setuptools-999-py3-none-any.whl", "pi_rag/older module.py", "systemd/offered/x"]
)
def test_a_bundle_with_a_file_too_many_is_refused(shell: Shell, name: str) -> None:
    """What was unpacked over an older bundle is not installed with what that one left behind."""
    root = bundle(shell.folder / "b")
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).touch()
    why = refusal(shell.run(GO.format(root=root)))
    assert why == f"install.sh: This folder holds ./{name}, which is not of this bundle."


def test_what_python_leaves_behind_is_not_too_many(shell: Shell) -> None:
    """A bundle that was tried may be installed: its modules were compiled, and nobody uses that."""
    root = bundle(shell.folder / "b")
    compiled = root / "pi_rag" / "__pycache__" / "cli.cpython-311.pyc"
    compiled.parent.mkdir(parents=True)
    compiled.touch()
    assert shell.run(GO.format(root=root)).returncode == 2


def test_pip_is_told_to_ask_nobody(shell: Shell) -> None:
    """pip gets the bundle's wheels and no index, also where the folder's name has a blank."""
    root = bundle(shell.folder / "my bundle")
    done = shell.run(f'ROOT="{root}"; go_offline; env | grep ^PIP_ | sort')
    assert done.stdout.splitlines() == [
        f"PIP_FIND_LINKS=file://{shell.folder}/my%20bundle/offline/wheels",
        "PIP_NO_INDEX=1",
    ]


def test_the_engine_of_a_bundle_is_not_built(shell: Shell) -> None:
    """The bundle's engine is taken as if it had been built here: no compiler is asked for, and no pip."""
    root = bundle(shell.folder / "b")
    shell.fake("pip", "exit 1")
    shell.fake("apt-get", "exit 1")
    shell.fake("uname", f"echo {'x86_64' if HERE == 'aarch64' else HERE}")
    there = "engine_version() { echo 0; }; prepare_folders; python_fits() { true; }"
    done = shell.run(
        f'{there}; OFFLINE="{root}/offline" ENGINE="{root}/offline/wheels"; need_packages; build_engine pip'
    )
    assert done.returncode == 0, done.stderr
    assert shell.calls == [call for call in shell.calls if call.startswith("uname")]
    assert (shell.folder / "cache/wheels/llama_cpp_python-0-py3-none-any.whl").read_text() == "engine"


def test_debians_packages_are_not_waited_for(shell: Shell) -> None:
    """What a bundle cannot bring is named with the command that does, and no package manager is called."""
    shell.fake("id", "echo 0")
    shell.fake("apt-get")
    done = shell.run("OFFLINE=here; python_fits() { false; }; need_packages")
    assert "some are missing: python3 python3-venv" in refusal(done)
    assert "apt-get install -y python3 python3-venv" in done.stderr
    assert not [call for call in shell.calls if call.startswith("apt-get")]


def test_the_model_of_a_bundle_is_imported(shell: Shell) -> None:
    """Where no model is in use the bundle's is imported, from a place that the service's user can read."""
    root = bundle(shell.folder / "b")
    (root / "offline/models").chmod(0o700)
    told = shell.folder / "told"
    listing = """[[ $2 == list ]] && echo '{"models": []}' && exit"""
    shell.fake("pi-rag", f'{listing}; {{ echo "$*"; stat -c %a "${{3%/*}}"; }} >"{told}"')
    (shell.folder / "venv/bin").mkdir(parents=True)
    (shell.folder / "venv/bin/pi-rag").symlink_to(shell.fakes / "pi-rag")
    done = shell.run(f'OFFLINE="{root}/offline"; prepare_folders; get_model')
    assert done.returncode == 0, done.stderr
    laid = shell.folder / "cache/tmp/models"
    assert told.read_text().splitlines() == [f"model import {laid}/mine.gguf --force", "755"]
    assert not laid.exists()


def test_help_tells_of_it(shell: Shell) -> None:
    """`./install.sh help` names the form that needs no network."""
    assert "--offline [try ...]" in shell.start(f'"{ROOT}/install.sh" help').stdout
