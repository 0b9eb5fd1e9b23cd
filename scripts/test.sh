#!/bin/sh
# `test.sh`: sets up the machine, then runs everything. `test.sh check`: only what needs no services.
# Further words go to the test runner: names of test files, or its options. The last line on stdout is the count.
set -eu
cd "$(dirname "$0")/.."

suite=all
setup_options=--for-tests
if [ "${1:-}" = check ]; then
  suite=check
  setup_options=--packages-only
  shift
fi

sh scripts/setup.sh $setup_options || {
  echo "0 passed, 1 failed"
  exit 1
}
PATH=$(pwd)/node_modules/.bin:$PATH:/usr/sbin:/sbin
export PATH
exec node scripts/run-tests.ts "$suite" "$@"
