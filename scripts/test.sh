#!/usr/bin/env bash
# Runs a command that prints what "go test -json" does, and shows what is for people:
# a line for each package, what the tests have measured ("figures: …"), and last of
# all what those printed that failed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

version=v1.13.0 # of gotestsum, the one place where it stands

tool=$(scripts/tool.sh gotestsum "$version" gotest.tools/gotestsum)
log=$(mktemp)
trap 'rm -f "$log"' EXIT
rc=0
"$tool" --format pkgname --hide-summary skipped --jsonfile "$log" --raw-command -- "$@" || rc=$?
if [[ $rc -eq 0 ]]; then
  sed -nE 's/.*"Output":" *([a-z_0-9]+_test\.go:[0-9]+: )?figures: (.*)\\n".*/  \2/p' "$log" | sed 's/\\u003c/</g; s/\\u003e/>/g; s/\\u0026/\&/g'  # as JSON has them
else
  sed -nE 's/.*"Action":"fail","Package":"([^"]*)","Test":"([^"]*)","Elapsed":([0-9.]*).*/--- FAIL: \2 (\3s) in \1/p' "$log"
fi
exit "$rc"
