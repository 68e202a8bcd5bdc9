"""packaging/: what it makes for another machine is what the locks name for that machine."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys

import pytest

from tests.install.shell import ROOT, Shell
from tests.install.test_locks import PLACES, pins

PACKAGING = ROOT / "packaging"


@pytest.mark.parametrize(("python", "machine"), PLACES)
def test_a_bundle_brings_what_the_lock_names_there(python: str, machine: str) -> None:
    """Markers are judged for the machine and the Python of the bundle; only the engine is made otherwise."""
    command = [sys.executable, str(PACKAGING / "locked.py"), machine, python, str(ROOT / "requirements.lock")]
    told = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    wanted = pins("requirements.lock", python, machine)
    del wanted["llama-cpp-python"]
    assert dict(line.split("==") for line in told.splitlines()) == wanted


def test_the_engine_is_the_locks_own() -> None:
    """The source that is built across is of the version that requirements.lock pins, and has its checksum."""
    line = (PACKAGING / "engine.lock").read_text().splitlines()[-1]
    version = pins("requirements.lock", "3.11", "aarch64")["llama-cpp-python"]
    assert re.fullmatch(rf"llama-cpp-python=={re.escape(version)} --hash=sha256:[0-9a-f]{{64}}", line)


@pytest.mark.parametrize("name", ["tools.lock", "bundle.lock"])
def test_the_tools_are_pinned(name: str) -> None:
    """What builds is one version, so that the same source becomes the same wheel."""
    lines = [line for line in (PACKAGING / name).read_text().splitlines() if not line.startswith("#")]
    assert lines and all(re.fullmatch(r"[a-z-]+==[0-9.]+", line) for line in lines)


def test_the_engine_is_built_as_a_pi_would(shell: Shell) -> None:
    """The flags of a cross build are those that install.sh gives on a Pi, whatever the user's own are."""
    shell.fake("uname", "echo aarch64")
    there = shell.run("engine_flags", CFLAGS="", CXXFLAGS="").stdout
    functions = f'source <(sed -n "/^pi_flags()/,/^)/p" "{PACKAGING / "wheel"}")'
    shell.fake("uname", "echo x86_64")
    assert shell.run(f"{functions}; pi_flags", CFLAGS="-O0", CXXFLAGS="-O0").stdout == there != ""


ENGINE = f"""
source "{PACKAGING}/bundle"
DIST=$PWD/dist LOG=$PWD/log HERE=$PWD/packaging
engine_of aarch64
"""
"""Takes the engine from a folder of the test's, as packaging/bundle does, with a copy of packaging/."""


def test_an_engine_is_taken_only_as_it_would_be_made_now(shell: Shell) -> None:
    """Made once; made again when its flags, tools or source are others, or it is damaged; else not."""
    here = shutil.copytree(PACKAGING, shell.folder / "packaging")
    shutil.copy(ROOT / "install.sh", shell.folder)
    script = here / "wheel"
    text, _, _ = script.read_text().rpartition("if [[ ${BASH_SOURCE[0]}")
    made = 'echo made >>"$ROOT/calls"; mkdir -p "$ROOT/dist/engine"; cd "$ROOT/dist/engine"'
    left = "touch a.whl && engine_stamp >stamp && sha256sum a.whl stamp >SHA256SUMS"
    script.write_text(f"{text}if [[ ${{BASH_SOURCE[0]}} == $0 ]]; then {made}; {left}; fi\n")

    def times_made() -> int:
        done = shell.start(ENGINE)
        assert done.stdout == f"{shell.folder}/dist/engine\n", done.stderr
        return shell.calls.count("made")

    assert (times_made(), times_made()) == (1, 1)
    for name in ("engine.lock", "tools.lock", "wheel"):
        (here / name).write_text((here / name).read_text() + "# newer\n")
    assert (times_made(), times_made()) == (2, 2)
    installer = shell.folder / "install.sh"
    installer.write_text(installer.read_text().replace("-fno-trapping-math", "-fno-other-math"))
    assert (times_made(), times_made()) == (3, 3)
    (shell.folder / "dist/engine/a.whl").write_text("damaged")
    assert (times_made(), times_made()) == (4, 4)


WHOLE = f"""
source "{PACKAGING}/bundle"
CACHE=$PWD/cache DIST=$PWD/dist LOG=$PWD/cache/packaging/bundle.log VENV=$PWD/venv MODELS=$PWD/data
mkdir -p venv/bin data/models && cp /bin/true venv/bin/pip && touch data/models/models.json
for name in need_committed get_{{source,wheels,engine,model_of}}; do eval "$name() {{ :; }}"; done
"""
"""All that goes before the packing, done already."""

NO_COMPILER = 'command() { [[ $2 != aarch64-linux-gnu-g++ ]] && builtin command "$@"; }; export -f command'
SAID = ("There is no aarch64-linux-gnu-g++ here.", "sudo apt-get install g++-aarch64-linux-gnu ")


def dist(shell: Shell) -> list[str]:
    """What lies there, without the version."""
    return [path.name.partition("x86_64")[2] for path in sorted((shell.folder / "dist").iterdir())]


def test_an_archive_that_could_not_be_written_is_none(shell: Shell) -> None:
    """On a full disk bundle fails, and leaves neither a part nor what an older run had made."""
    shell.fake("git", "echo 1577836800")
    done = shell.start(f"{WHOLE} make_bundle x86_64")
    assert (done.returncode, dist(shell)) == (0, [".tar", ".tar.sha256"]), done.stderr
    shell.fake("tar", 'echo part >"$3"; echo no space >&2; exit 2')
    done = shell.start(f"{WHOLE} make_bundle x86_64; echo went on")
    assert (done.returncode, dist(shell)) == (1, [])
    assert "no space" in done.stderr and "This step failed: packing." in done.stderr
    assert "went on" not in done.stdout


def test_a_wheel_without_a_compiler_names_its_package(shell: Shell) -> None:
    """On the terminal, not in the log, and before anything is made."""
    made = (
        f'source "{PACKAGING}/wheel"; WORK=$PWD/work LOG=$PWD/work/log; {NO_COMPILER}; make_wheel "$PWD/out"'
    )
    done = shell.start(made)
    assert (done.returncode, done.stdout) == (1, "")
    assert all(each in done.stderr for each in SAID)
    assert not (shell.folder / "out").exists()


def test_a_bundle_without_a_compiler_names_its_package(shell: Shell) -> None:
    """Where the engine has to be made, before anything is fetched; one that is there needs no compiler."""
    done = shell.start(f"{WHOLE} {NO_COMPILER}; make_bundle aarch64")
    assert (done.returncode, done.stdout) == (1, "")
    assert all(each in done.stderr for each in SAID)
    shell.fake("git", "echo 1577836800")
    assert shell.start(f"{WHOLE} {NO_COMPILER}; has_engine() {{ :; }}; make_bundle aarch64").returncode == 0


def test_a_library_without_dot_products_is_said(shell: Shell) -> None:
    """Where there are none at all, that is counted, and refused with the reason."""
    for name in ("gcc", "objdump"):
        shell.fake(f"aarch64-linux-gnu-{name}")
    shell.fake("python3")
    done = shell.start(
        f'source "{PACKAGING}/wheel"; WORK=$PWD LOG=$PWD/log; '
        'system_info() { echo "DOTPROD = 1"; }; check a.whl; echo went on'
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "The library has 0 dot-product instructions only." in done.stderr


def test_what_is_not_committed_makes_no_bundle(shell: Shell) -> None:
    """The source is what git has: locks that differ from it would bring other wheels than it names."""
    names = ("requirements.lock", "pyproject.toml", "install.sh")
    git = "git -c user.name=a -c user.email=a@b"
    begun = f"git init -q && touch {' '.join(names)} letter && git add . && {git} commit -qm all"
    ask = f'source "{PACKAGING}/bundle"; ROOT=$PWD; need_committed && echo good'
    assert shell.start(f"{begun}; echo dear >letter; {ask}").stdout == "good\n"
    done = shell.start(f"echo newer >requirements.lock; echo newer >install.sh; {ask}")
    assert (done.returncode, done.stdout) == (1, "")
    assert "Not committed: install.sh, requirements.lock." in done.stderr


def test_an_unknown_machine_has_no_bundle(shell: Shell) -> None:
    """A misspelt machine is said before anything is made."""
    done = shell.start(f'"{PACKAGING / "bundle"}" arm64')
    assert (done.returncode, done.stdout) == (1, "")
    assert "There is no bundle for arm64." in done.stderr and "aarch64 or x86_64" in done.stderr


@pytest.mark.skipif(
    not shutil.which("shellcheck"), reason="shellcheck is not installed: apt-get install shellcheck"
)
def test_shellcheck_finds_nothing() -> None:
    """shellcheck has no complaint about the scripts."""
    scripts = [PACKAGING / "wheel", PACKAGING / "bundle"]
    found = subprocess.run(
        ["shellcheck", "--external-sources", *scripts],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (found.returncode, found.stdout) == (0, "")
