#!/bin/sh
# `bench.sh [--size 1GiB] [--pairs 9] [--stand-in 64GiB] [--upload 1GiB] [--peers]`: Holdfast beside the shell pipelines, in alternating pairs.
set -eu
cd "$(dirname "$0")/.."
PATH=$(pwd)/node_modules/.bin:$PATH:/usr/sbin:/sbin
export PATH
exec node bench/bench.ts "$@"
