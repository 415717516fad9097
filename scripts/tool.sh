#!/usr/bin/env bash
# Prints the path of a tool: tool.sh NAME VERSION PACKAGE. The first run builds it into
# bin/.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
tool=$root/bin/$1-$2

if [[ ! -x $tool ]]; then
  echo "building $1 $2" >&2
  mkdir -p "$root/bin"
  build=$(mktemp -d "$root/bin/build.XXXXXX")
  trap 'rm -rf "$build"' EXIT
  GOBIN=$build go install "$3@$2" >&2
  mv "$build/$1" "$tool" # atomic
fi
echo "$tool"
