#!/bin/sh
# Random faults in the real processes: `soak.sh --minutes 20 [--seed S] [--only ROUND]`. Needs root, for disks that can be full.
set -eu
cd "$(dirname "$0")/.."
sh scripts/setup.sh --for-tests
PATH=$(pwd)/node_modules/.bin:$PATH:/usr/sbin:/sbin
export PATH
exec node test/soak/main.ts "$@"
