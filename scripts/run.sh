#!/bin/sh
# Sets up the machine with an option of setup.sh, then runs a file with the packages' own Node:
# `run.sh --for-tests test/soak/main.ts --minutes 20`. Further words go to that file, which says what they are.
set -eu
cd "$(dirname "$0")/.."
sh scripts/setup.sh "$1"
shift
PATH=$(pwd)/node_modules/.bin:$PATH:/usr/sbin:/sbin
export PATH
exec node "$@"
