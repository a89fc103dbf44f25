# shellcheck shell=bash
#
# Sourced by the scripts beside it: where things are, how to speak, how to get a program that is missing.
# Runs with bash 3.2 too, which is what macOS has.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
services=$root/scripts/services

say() { printf '%s\n' "$*" >&2; }

fail() {
  say "${0##*/}: $*"
  exit 1
}

# The comment at the head of a script is its manual.
manual() { sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"; }

misused() {
  say "${0##*/}: $*"
  say "try: ${0##*/} --help"
  exit 2
}

# ---- where things are ----------------------------------------------------------------------------------------------

# Everything that outlives a command. Not in root's home: servers run as other users, who may not look in there.
data_home() {
  if [[ -n ${ARCHZERO_DATA:-} ]]; then
    [[ $ARCHZERO_DATA == /* ]] || fail "ARCHZERO_DATA is to be an absolute path"
    printf '%s\n' "$ARCHZERO_DATA"
  elif ((EUID == 0)); then printf '/var/lib/archzero\n'
  else printf '%s\n' "${XDG_DATA_HOME:-$HOME/.local/share}/archzero"; fi
}

# instance_dir NAME - two checkouts on one machine never share an instance.
instance_dir() { printf '%s/%s-%08x\n' "$(data_home)" "$1" "$(printf '%s' "$root" | cksum | cut -d' ' -f1)"; }

target_dir() {
  cargo metadata --format-version 1 --no-deps --offline --manifest-path "$root/Cargo.toml" |
    sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p'
}

# ---- processes and ports -------------------------------------------------------------------------------------------

# started PID - when a live process started, as an opaque word. A process id alone may be reused; with this it names
# one process for good. A zombie counts as gone: in a container nobody may ever collect it.
started() {
  local stat
  if [[ -d /proc/self ]]; then
    stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
    # shellcheck disable=SC2086 # split on purpose: the fields after the program's name, which may hold blanks
    set -- ${stat##*) }
    [[ $1 != [ZX] ]] && printf '%s\n' "${20}"
  else
    LC_ALL=C ps -o stat= -o lstart= -p "$1" | sed -n '/^[ZX]/!s/^[^ ]* *//p' | tr -s ' ' _ | grep .
  fi
}

# alive PID STARTED
alive() { [[ -n ${2:-} && $(started "$1") == "$2" ]]; }

# gone_within SECONDS PID - waits for a process to end.
gone_within() {
  local tries=$(($1 * 10))
  while started "$2" >/dev/null; do
    ((tries-- > 0)) || return 1
    sleep 0.1
  done
}

port_busy() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# free_port FIRST - the first port from there on that nobody listens on.
free_port() {
  local port=$1
  while port_busy "$port"; do port=$((port + 1)); done
  printf '%s\n' "$port"
}

secret() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }

# ---- getting what is missing ---------------------------------------------------------------------------------------

as_root() {
  if ((EUID == 0)); then "$@"
  elif [[ -t 0 ]]; then sudo "$@"
  else sudo -n "$@"; fi
}

can_install() {
  command -v apt-get >/dev/null || return 1
  ((EUID == 0)) || { command -v sudo >/dev/null && { [[ -t 0 ]] || sudo -n true 2>/dev/null; }; }
}

# install_debian PACKAGE... - if this is a Debian and we may. Closes descriptor 9, which may hold a lock.
install_debian() {
  can_install || return 1
  say "installing Debian's $*"
  { as_root apt-get -q -o DPkg::Lock::Timeout=300 update &&
    as_root env DEBIAN_FRONTEND=noninteractive \
      apt-get -q -y -o DPkg::Lock::Timeout=300 install --no-install-recommends "$@"; } >&2 </dev/null 9>&-
}

# need COMMAND DEBIAN_PACKAGE [HOMEBREW_FORMULA]
need() {
  command -v "$1" >/dev/null && return
  if can_install; then
    install_debian "$2" && command -v "$1" >/dev/null && return
    fail "'$1' is missing and installing Debian's $2 did not bring it"
  elif command -v apt-get >/dev/null; then fail "'$1' is missing; get it by: sudo apt-get install $2"
  elif command -v brew >/dev/null; then fail "'$1' is missing; get it by: brew install ${3:-$2}"
  else fail "'$1' is missing; install it (Debian's package is $2, Homebrew's ${3:-$2})"; fi
}

# What a build takes beyond the toolchain itself: a C compiler, for the linker and for ring.
need_rust() {
  # rustup's default place is often not yet on PATH of a shell that was open when it was installed.
  [[ -d ${CARGO_HOME:-$HOME/.cargo}/bin ]] && PATH=$PATH:${CARGO_HOME:-$HOME/.cargo}/bin
  command -v cargo >/dev/null ||
    fail "there is no Rust toolchain; get it by: curl --proto '=https' -sSf https://sh.rustup.rs | sh"
  need cc build-essential gcc
  # Queries are checked against the committed .sqlx, so that building takes no database.
  export SQLX_OFFLINE=true
}

# ---- the test database ---------------------------------------------------------------------------------------------

# Exports TEST_DATABASE_URL: the caller's own, else that of this checkout's test instance, started for as long as
# this script wants it. Its role may create databases.
test_database() {
  [[ -z ${TEST_DATABASE_URL:-} ]] || return 0
  test_database_is_ours=1
  trap leave_test_database EXIT
  "$services" up postgres --instance test --for $$
  eval "$("$services" env postgres --instance test)"
  export TEST_DATABASE_URL=$DATABASE_URL
}

leave_test_database() {
  [[ -z ${test_database_is_ours:-} ]] || "$services" down postgres --instance test --for $$
}
