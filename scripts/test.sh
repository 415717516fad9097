#!/usr/bin/env bash
# Runs a "go test -json" command and prints a summary: a line for each package, the
# figures that tests log ("figures: …"), and at the end the output of failed tests.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

version=v1.13.0 # of gotestsum, the only place with the version

tool=$(scripts/tool.sh gotestsum "$version" gotest.tools/gotestsum)
log=$(mktemp)
trap 'rm -f "$log"' EXIT
rc=0
"$tool" --format pkgname --hide-summary skipped --jsonfile "$log" --raw-command -- "$@" || rc=$?
if [[ $rc -eq 0 ]]; then
  sed -nE 's/.*"Output":" *([a-z_0-9]+_test\.go:[0-9]+: )?figures: (.*)\\n".*/  \2/p' "$log" | sed 's/\\u003c/</g; s/\\u003e/>/g; s/\\u0026/\&/g'  # JSON escapes
else
  sed -nE 's/.*"Action":"fail","Package":"([^"]*)","Test":"([^"]*)","Elapsed":([0-9.]*).*/--- FAIL: \2 (\3s) in \1/p' "$log"
fi
exit "$rc"
