#!/usr/bin/env bash
# Runs go generate and fails when it changed the tree: what is generated is
# committed, and must be what the code says. Works in a tree with changes too.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

state() {
  git diff --no-ext-diff HEAD
  git ls-files --others --exclude-standard
  git ls-files --others --exclude-standard | git hash-object --stdin-paths
}

before=$(state)
go generate ./...
after=$(state)

if [[ $before != "$after" ]]; then
  diff <(echo "$before") <(echo "$after") >&2 || true
  echo "go generate ./... changed the tree: commit what it made" >&2
  exit 1
fi
