#!/bin/sh
# Brings a Debian or Ubuntu machine to the point where Holdfast and its tests run. Safe to run again: it does, and
# says, only what is missing. `setup.sh --packages-only` leaves the system's own packages alone; `setup.sh --for-tests`
# also gets what only the tests use; `setup.sh --with-s3` gets openssl and, where there is Go to build it, an S3 server.
# Plain sh and an old Node must be able to run this.
set -eu

cd "$(dirname "$0")/.."
root=$(pwd -P)
stamp=node_modules/.setup-stamp
bootstrap=.setup-node
# Without the packages' own Node: npm must not run on what it is about to replace.
PATH=$(printf '%s' "$PATH:/usr/sbin:/sbin" | tr ':' '\n' | grep -v 'node_modules/\.bin$' | paste -sd: -)
export PATH

log=$(mktemp)
guard=
as_root=
locked=
builder=
building=
fuzzer_builder=
fuzzer_building=

finish() {
  if [ -n "$locked" ]; then rm -rf "$bootstrap"; fi
  if [ -n "$guard" ]; then $as_root rm -f "$guard"; fi
  if [ -n "$builder" ]; then kill "$builder" 2>/dev/null || true; fi
  if [ -n "$building" ]; then rm -rf "$building"; fi
  if [ -n "$fuzzer_builder" ]; then kill "$fuzzer_builder" 2>/dev/null || true; fi
  if [ -n "$fuzzer_building" ]; then rm -rf "$fuzzer_building"; fi
  rm -f "$log"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

fail() {
  echo "setup: $*" >&2
  exit 1
}

# Runs a step quietly; its output is shown only when it fails.
quietly() {
  "$@" >"$log" 2>&1 </dev/null 9<&- || {
    cat "$log" >&2
    return 1
  }
}

# One setup of this folder at a time. The lock is on this very file and is the kernel's: a killed setup leaves none.
take_lock() {
  exec 9<scripts/setup.sh
  if ! flock -n 9; then
    echo "setup: waiting for another setup of $root to end"
    flock -w 900 9 || fail "another setup of $root did not end within 15 minutes."
  fi
  locked=yes
}

lock_file_hash() {
  sha256sum package-lock.json | cut -d' ' -f1
}

node_packages_present() {
  [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$(lock_file_hash)" ]
}

install_node_packages() {
  command -v npm >/dev/null 2>&1 || fail "npm is missing; run as root: apt-get install -y npm"
  echo "setup: installing Node packages"
  hash=$(lock_file_hash)
  npm_ci || fail "npm ci failed in $root; see above."
  link_node
  node_runs "$NODE_IS_NEW" || fail "Node 24 could not be had as a package for this machine ($(uname -m)); install it."
  if ! node_runs "$VITE_LOADS"; then
    npm_ci_on_new_node || fail "npm ci failed in $root; see above."
    link_node
    node_runs "$VITE_LOADS" || fail "npm ci left out packages that this machine ($(uname -m)) needs; install Node 24."
  fi
  echo "$hash" >"$stamp"
}

npm_ci() {
  quietly npm ci --include=dev --include=optional --loglevel=warn
}

# npm leaves out optional packages, vite's compiled parts among them, that do not suit the Node it runs on itself. Where
# that one is too old, npm is run again on the Node it has just fetched. NODE_PATH is where Debian keeps npm's own parts.
npm_ci_on_new_node() {
  mkdir -p "$bootstrap"
  ln -f "$(readlink -f node_modules/.bin/node)" "$bootstrap/node"
  (
    PATH=$root/$bootstrap:$PATH
    NODE_PATH=/usr/share/nodejs:/usr/lib/nodejs
    export PATH NODE_PATH
    npm_ci
  )
}

# Both packages that carry Node name their program `node`; an older npm that skips the one for the other processor
# takes the link of the right one away with it.
link_node() {
  if [ -x node_modules/.bin/node ]; then return; fi
  for program in node_modules/node-linux-*/bin/node; do
    if [ -x "$program" ]; then ln -sf "../${program#node_modules/}" node_modules/.bin/node; fi
  done
}

NODE_IS_NEW='var v = process.versions.node.split("."); process.exit(v[0] > 24 || (v[0] == 24 && v[1] >= 12) ? 0 : 1)'
VITE_LOADS='import("vite").catch(function () { process.exit(1); })'

node_runs() {
  PATH=$root/node_modules/.bin:$PATH node -e "$1" >/dev/null 2>&1
}

programs="mariadbd mariadb-install-db mariadb-backup mbstream mariadb-binlog mariadb age zstd setpriv"
packages="mariadb-backup mariadb-client age zstd util-linux"
# S3 servers; without them their tests are skipped, and what is shown says what it leaves out.
s3_programs=
wants_versitygw=
if [ "${1:-}" = --for-tests ]; then
  programs="$programs strace openssl jq"
  packages="$packages strace openssl jq"
  s3_programs="ceph ceph-mon ceph-osd radosgw"
  wants_versitygw=yes
fi
# One that keeps locks and knows conditional writes on versioned buckets, which Ceph of today's Debian does not.
if [ "${1:-}" = --with-s3 ]; then
  programs="$programs openssl"
  packages="$packages openssl"
  wants_versitygw=yes
fi
s3_packages="ceph-common ceph-mon ceph-osd radosgw"
versitygw_version=1.8.0
test_cache=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/holdfast-tests
versitygw=$test_cache/versitygw-$versitygw_version/versitygw
# The fuzzer of the API, by the hash of its list of packages; without it its test is skipped, and says so.
fuzzer_packages=scripts/fuzzer-packages.txt
fuzzer=$test_cache/fuzzer-$(sha256sum "$fuzzer_packages" | cut -c1-12)

missing_of() {
  for program in "$@"; do
    command -v "$program" >/dev/null 2>&1 || printf ' %s' "$program"
  done
}

missing_programs() {
  # shellcheck disable=SC2086 -- a list of words
  missing_of $programs
}

missing_s3_programs() {
  # shellcheck disable=SC2086 -- a list of words
  missing_of $s3_programs
}

# The daemon without its service, called mariadb-server-core (with a version at its end in older releases). A release
# that has only the whole server gets that, kept from starting by `forbid_services`.
server_package() {
  core=$(apt-cache pkgnames mariadb-server-core 2>/dev/null | sort | head -n 1)
  if [ -n "$core" ]; then
    echo "$core"
  elif [ -n "$(apt-cache pkgnames mariadb-server 2>/dev/null | head -n 1)" ]; then
    echo mariadb-server
  else
    echo mariadb-server-core
  fi
}

forbid_services() {
  if [ -e /usr/sbin/policy-rc.d ]; then return; fi
  guard=/usr/sbin/policy-rc.d
  printf '#!/bin/sh\nexit 101\n' | $as_root tee "$guard" >/dev/null
  $as_root chmod 755 "$guard"
}

apt_get() {
  quietly $as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get -o DPkg::Lock::Timeout=300 "$@"
}

become_root() {
  command -v apt-get >/dev/null 2>&1 || return 1
  if [ "$(id -u)" -ne 0 ]; then as_root="sudo -n"; fi
  $as_root true >/dev/null 2>&1
}

install_s3_packages() {
  echo "setup: installing an S3 server for the tests: Ceph's object gateway"
  if ! become_root || ! apt_get update; then
    echo "setup: Ceph cannot be installed here; its tests will be skipped" >&2
    return 0
  fi
  forbid_services
  # shellcheck disable=SC2086 -- a list of words
  apt_get install -y --no-install-recommends $s3_packages || echo "setup: Ceph could not be installed; its tests will be skipped" >&2
}

# Go fetches what it needs by itself from 1.21 on.
go_is_new() {
  go version 2>/dev/null | grep -Eq ' go1\.(2[1-9]|[3-9][0-9])'
}

versitygw_is_due() {
  [ -n "$wants_versitygw" ] && [ ! -x "$versitygw" ] && go_is_new
}

# Beside everything else: it takes a minute and needs none of it.
start_building_versitygw() {
  echo "setup: building an S3 server: versitygw $versitygw_version"
  building=$(dirname "$versitygw")/building.$$
  mkdir -p "$building"
  GOFLAGS=-trimpath GOBIN=$building go install -p 2 "github.com/versity/versitygw/cmd/versitygw@v$versitygw_version" >"$building/log" 2>&1 </dev/null 9<&- &
  builder=$!
}

finish_building_versitygw() {
  if wait "$builder"; then
    mv -f "$building/versitygw" "$versitygw"
  else
    cat "$building/log" >&2
    echo "setup: versitygw could not be built; what needs it is left out" >&2
  fi
  builder=
}

fuzzer_is_due() {
  [ -n "$s3_programs" ] && [ ! -d "$fuzzer" ] && command -v python3 >/dev/null 2>&1
}

# Moved into place when it is whole. Where Python has no `venv`, its own pip fetches the packages into a folder.
start_fetching_fuzzer() {
  echo "setup: fetching the fuzzer of the API: schemathesis"
  fuzzer_building=$fuzzer.$$
  mkdir -p "$fuzzer_building"
  (
    if python3 -m venv "$fuzzer_building/venv"; then python=$fuzzer_building/venv/bin/python; else python=python3; fi
    "$python" -m pip install --quiet --disable-pip-version-check --target "$fuzzer_building/packages" -r "$fuzzer_packages"
    rm -rf "$fuzzer_building/venv"
  ) >"$fuzzer_building.log" 2>&1 </dev/null 9<&- &
  fuzzer_builder=$!
}

finish_fetching_fuzzer() {
  if wait "$fuzzer_builder"; then
    mv "$fuzzer_building" "$fuzzer"
  else
    cat "$fuzzer_building.log" >&2
    echo "setup: the fuzzer could not be fetched; its test will be skipped" >&2
  fi
  rm -rf "$fuzzer_building" "$fuzzer_building.log"
  fuzzer_builder=
}

install_system_packages() {
  command -v apt-get >/dev/null 2>&1 || fail "missing:$missing. This is not Debian or Ubuntu; install MariaDB's server, client and backup tool, age and zstd by hand."
  if ! become_root; then
    fail "missing:$missing. Run as root: apt-get update && apt-get install -y --no-install-recommends $(server_package) $packages"
  fi
  echo "setup: installing system packages for$missing"
  apt_get update || fail "apt-get update failed; see above."
  server=$(server_package)
  if [ "$server" = mariadb-server ]; then forbid_services; fi
  # shellcheck disable=SC2086 -- a list of words
  apt_get install -y --no-install-recommends "$server" $packages || fail "apt-get install failed; see above."
  still=$(missing_programs)
  if [ -n "$still" ]; then fail "still missing after the installation:$still"; fi
}

missing=
if [ "${1:-}" != --packages-only ]; then missing=$(missing_programs); fi

if ! node_packages_present || [ -n "$missing$(missing_s3_programs)" ] || versitygw_is_due || fuzzer_is_due; then
  take_lock
  # Looked at again: another setup may have done it while this one waited.
  if versitygw_is_due; then start_building_versitygw; fi
  if fuzzer_is_due; then start_fetching_fuzzer; fi
  if ! node_packages_present; then install_node_packages; fi
  if [ -n "$missing" ]; then missing=$(missing_programs); fi
  if [ -n "$missing" ]; then install_system_packages; fi
  if [ -n "$(missing_s3_programs)" ]; then install_s3_packages; fi
  if [ -n "$builder" ]; then finish_building_versitygw; fi
  if [ -n "$fuzzer_builder" ]; then finish_fetching_fuzzer; fi
fi
