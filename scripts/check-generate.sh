#!/usr/bin/env bash
# Runs go generate and fails if it changes the tree: generated files are committed and
# must be up to date. Works in a tree with uncommitted changes, too.
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
  echo "go generate ./... changed the tree: commit the generated files" >&2
  exit 1
fi
