#!/bin/sh
# Asks a real server everything that its OpenAPI document promises: `api.sh [--minutes 5] [--seed S]`.
set -eu
cd "$(dirname "$0")/.."
sh scripts/setup.sh --for-tests
PATH=$(pwd)/node_modules/.bin:$PATH:/usr/sbin:/sbin
export PATH
exec node test/api/main.ts "$@"
