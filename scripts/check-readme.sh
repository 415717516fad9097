#!/usr/bin/env bash
# Runs the test command of README.md, so that it works for newcomers.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

line=$(sed -nE 's/^[[:space:]]*(\$ )?(go test \.\/\.\.\.)[[:space:]]*(#.*)?$/\2/p' README.md | head -n 1)
if [[ -z $line ]]; then
  echo "README.md has no line 'go test ./...'" >&2
  exit 1
fi
echo "\$ $line"
# shellcheck disable=SC2086 # words of a command
scripts/test.sh --again ${line/go test/go test -json}
