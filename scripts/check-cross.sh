#!/usr/bin/env bash
# Builds usher for every supported platform, without cgo.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

for os in linux darwin windows; do
  for arch in amd64 arm64; do
    echo "build $os/$arch"
    CGO_ENABLED=0 GOOS=$os GOARCH=$arch go build ./...
  done
done
