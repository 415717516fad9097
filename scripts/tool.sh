#!/usr/bin/env bash
# Prints where a tool is, built into bin/ the first time:
# tool.sh NAME VERSION PACKAGE
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
tool=$root/bin/$1-$2

if [[ ! -x $tool ]]; then
  echo "building $1 $2" >&2
  mkdir -p "$root/bin"
  build=$(mktemp -d "$root/bin/build.XXXXXX")
  trap 'rm -rf "$build"' EXIT
  GOBIN=$build go install "$3@$2" >&2
  mv "$build/$1" "$tool" # whole or not at all
fi
echo "$tool"
