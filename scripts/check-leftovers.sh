#!/usr/bin/env bash
# Runs a command with an empty temporary directory. Fails if the command leaves anything
# in that directory: a test removes every file that it creates.
set -euo pipefail

dir=$(mktemp -d)
chmod 711 "$dir" # scripts/release starts a program in it as another user
trap 'rm -rf "$dir"' EXIT
rc=0
TMPDIR=$dir "$@" || rc=$?

left=$(find "$dir" -mindepth 1 -maxdepth 2)
if [[ -n $left ]]; then
  echo "left in the temporary directory:" >&2
  sed "s|^$dir/|  |" <<<"$left" >&2
  [[ $rc -ne 0 ]] || rc=1
fi
exit "$rc"
