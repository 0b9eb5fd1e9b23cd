#!/bin/sh
# Sets up the machine, then runs the demonstration; arguments are those of `holdfast demo`.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
sh "$root/scripts/setup.sh"
exec "$root/bin/holdfast" demo "$@"
