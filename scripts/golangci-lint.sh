#!/usr/bin/env bash
# Runs golangci-lint at the pinned version, with the arguments given.
# Builds it into bin/ the first time, which takes some minutes.
set -euo pipefail

version=v2.15.0 # the one place where it stands

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
tool=$root/bin/golangci-lint-$version

if [[ ! -x $tool ]]; then
  echo "building golangci-lint $version" >&2
  mkdir -p "$root/bin"
  build=$(mktemp -d "$root/bin/build.XXXXXX")
  trap 'rm -rf "$build"' EXIT
  GOBIN=$build go install "github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$version"
  mv "$build/golangci-lint" "$tool" # whole or not at all
  rm -rf "$build"
  trap - EXIT
fi

cd "$root"
exec "$tool" "$@"
