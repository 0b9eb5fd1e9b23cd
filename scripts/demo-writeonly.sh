#!/bin/sh
# Sets up the machine, then shows what root on a database host can do to backups that lie elsewhere: nothing. As root.
# Arguments are those of scripts/demo-writeonly.ts.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd -P)
sh "$root/scripts/setup.sh" --with-s3
PATH=$root/node_modules/.bin:$PATH:/usr/sbin:/sbin
export PATH
if [ "$(id -u)" -ne 0 ] && sudo -n true 2>/dev/null; then
  exec sudo -n env "PATH=$PATH" "HOME=$HOME" sh "$0" "$@"
fi
# Mounts of its own, so that whatever ends it leaves none behind.
if unshare --mount --propagation private true 2>/dev/null; then
  exec unshare --mount --propagation private node "$root/scripts/demo-writeonly.ts" "$@"
fi
exec node "$root/scripts/demo-writeonly.ts" "$@"
