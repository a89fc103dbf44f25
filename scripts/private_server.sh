# shellcheck shell=bash
#
# Sourced after prelude.sh by scripts that try a server from outside: one of their own, over a database of its own with
# the demo landscape. The quotas are raised; whoever wants to meet one sets it before.

# private_server - builds, makes the database, serves on a free port. Sets $address, $scratch and the log-in.
private_server() {
  cargo build --bins --locked
  bin=$(target_dir)/debug
  scratch=$(mktemp -d)
  # A name that the tests' own harness sweeps away once this process is gone, should it not come to that itself.
  database_name=archzero_test_$$_0
  local base=${TEST_DATABASE_URL%%\?*} query=''
  [[ $TEST_DATABASE_URL != *\?* ]] || query="?${TEST_DATABASE_URL#*\?}"
  export DATABASE_URL=${base%/*}/$database_name$query
  export APP_ENV=development API_HOST=127.0.0.1 API_PORT METRICS_ENABLED=false LOG_LEVEL=${LOG_LEVEL:-warn}
  API_PORT=$(free_port $((20000 + $$ % 20000)))
  address=http://127.0.0.1:$API_PORT
  export API_BASE_URL=$address
  export RATE_LIMIT_STANDARD=${RATE_LIMIT_STANDARD:-10000000/h} RATE_LIMIT_EXPENSIVE=${RATE_LIMIT_EXPENSIVE:-10000000/h} \
    RATE_LIMIT_AUTH=${RATE_LIMIT_AUTH:-1000000/15min} RATE_LIMIT_BULK=${RATE_LIMIT_BULK:-1000000/h}
  "$bin/migrate" --create-database >&2
  "$bin/seed" >&2
  "$bin/seed" --sample enterprise-demo >&2
  email=outside@archzero.example
  password=Outside-$(secret | cut -c1-20)
  (umask 077 && printf '%s\n' "$password" >"$scratch/password")
  "$bin/admin" create-user --email "$email" --role admin --password-file "$scratch/password" >&2
  "$bin/server" </dev/null >"$scratch/server.log" 2>&1 &
  server=$!
  local tries=600
  until curl -fsS -o /dev/null "$address/health/ready" 2>/dev/null; do
    started "$server" >/dev/null || { cat "$scratch/server.log" >&2 && fail "the server ended"; }
    ((tries-- > 0)) || fail "the server is not ready after a minute"
    sleep 0.1
  done
}

# log_in - an access token.
log_in() {
  printf '{"email":"%s","password":"%s"}' "$email" "$password" |
    curl -fsS "$address/api/v1/auth/login" -H 'Content-Type: application/json' -d @- |
    sed 's/.*"access_token":"\([^"]*\)".*/\1/'
}

# Ends the server and takes its database away. What the server had to say of defects stays to be read.
end_private_server() {
  [[ -n ${server:-} ]] || return 0
  kill -s TERM "$server" 2>/dev/null || true
  gone_within 30 "$server" || kill -s KILL "$server" 2>/dev/null || true
  server=''
  grep -h ERROR "$scratch/server.log" | head -20 >&2 || true
  if command -v psql >/dev/null; then
    psql -q "${TEST_DATABASE_URL}" -c "drop database if exists $database_name with (force)" >/dev/null 2>&1 || true
  fi
  rm -rf "$scratch"
}

# python_environment NAME REQUIREMENTS - a virtual environment of exactly these packages, made once; sets $python.
python_environment() {
  need python3 python3
  python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || fail "this takes Python 3.11 or newer"
  python3 -c 'import ensurepip, venv' 2>/dev/null || install_debian python3-venv ||
    fail "Python's venv is missing; get it by: sudo apt-get install python3-venv"
  python=$(data_home)/software/python-$1-$(cksum <"$2" | cut -d' ' -f1)
  [[ -e $python/complete ]] || {
    say "getting what $2 lists"
    rm -rf "$python"
    mkdir -p "${python%/*}"
    python3 -m venv "$python" || fail "cannot make $python"
    "$python/bin/pip" -q install --disable-pip-version-check --require-hashes -r "$2" >&2 || fail "cannot install $2"
    : >"$python/complete"
  }
}
