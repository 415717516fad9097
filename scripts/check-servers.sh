#!/usr/bin/env bash
# Runs the tests behind docs/reference/compatibility.md with each nats-server of testdata/servers,
# as a separate process.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

tests=(TestMatrix TestSentinelAndTokenAreBothNeeded TestFeatures TestReloadOfEachRelease)
pattern="^($(IFS='|' && echo "${tests[*]}"))\$"
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
go test -c -o "$dir/callout.test" ./callout

for module in testdata/servers/*/; do
  program=$(scripts/nats-server.sh "$(basename "$module")")
  if ! (cd callout && timeout 120 "$dir/callout.test" -test.paniconexit0 -test.v -test.run "$pattern" -server "$program") >"$dir/log" 2>&1; then
    cat "$dir/log" >&2
    echo "${program##*/}: FAILED" >&2
    exit 1
  fi
  for name in "${tests[@]}"; do
    grep -q "^--- PASS: $name " "$dir/log" || { echo "${program##*/}: $name did not run" >&2; exit 1; }
  done
  echo "${program##*/}: ok, $(grep -c '^ *--- PASS' "$dir/log") tests"
done
