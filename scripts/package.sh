#!/bin/sh
# `package.sh [--out dist]`: one tarball with Holdfast, its packages and its own Node, for hosts that have neither npm nor Node.
set -eu
cd "$(dirname "$0")/.."
sh scripts/setup.sh --packages-only
PATH=$(pwd)/node_modules/.bin:$PATH:/usr/sbin:/sbin
export PATH
exec node scripts/package.ts "$@"
