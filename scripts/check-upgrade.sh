#!/usr/bin/env bash
# Runs this build beside an earlier one: the last release, or the commit below while there is none.
# A clone without its history has neither. The test then runs this build beside itself, as it
# also does in "go test ./...".
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

earlier=$(git describe --tags --abbrev=0 --match 'v*' 'HEAD^' 2>/dev/null || echo e0ead5efe14b8a65df0708ae2caee766322d4c44)
if ! git cat-file -e "$earlier^{commit}" 2>/dev/null; then
  echo "check-upgrade: this clone does not have $earlier: only this build beside itself is tried" >&2
  exit 0
fi
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mkdir "$dir/source"
git archive "$earlier" | tar -x -C "$dir/source"
go build -C "$dir/source" -o "$dir/usher" ./cmd/usher
timeout 300 go test -count 1 -v -run '^TestRollingUpgrade$' ./cmd/usher -args -previous "$dir/usher" >"$dir/log" 2>&1 ||
  { cat "$dir/log" >&2; exit 1; }
grep -q '^--- PASS: TestRollingUpgrade ' "$dir/log" || { echo "TestRollingUpgrade did not run" >&2; exit 1; }
echo "ok beside $earlier"
